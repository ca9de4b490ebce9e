package api

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/cirisai/orchestrator/internal/wire"
)

// operation is what openapi.yaml says of one.
type operation struct {
	ID      string
	Method  string
	Pattern string
	Rights  []Right  // one of them is enough; none: anybody may
	Query   []string // the parameters that it takes
}

// visit writes an answer.
type visit func(w http.ResponseWriter) error

// route is an operation and how its requests are served, once they are let in.
type route struct {
	operation operation
	serve     func(c *call) (visit, error)
}

// call is one request to an operation. The generated code binds its parts, one
// after the other; what is wrong with them is kept until check is called, so that
// all of it is answered at once.
type call struct {
	operation operation
	request   *http.Request
	query     url.Values
	checker   *checker
	// principal is who calls; nil where anybody may, or where refused is set.
	principal Principal
	// refused is why the emergency stop would be refused to a caller. A signed command
	// needs no principal (rule 8.6), so it is answered only when there is none.
	refused error
	// throttled is when a heartbeat that came too often may come again; zero for all
	// other calls. Such a heartbeat is a sign of life and no more (rule 10.9).
	throttled time.Duration
	// raw is the body as it came.
	raw []byte
	// failed is why the body cannot be read at all; bad is what is wrong with what
	// could be read.
	failed error
	bad    wire.Invalid
}

// callOf is the call that ctx belongs to. Outside of one it is an empty call.
func callOf(ctx context.Context) *call {
	if c := recordOf(ctx).call; c != nil {
		return c
	}
	return &call{}
}

func (c *call) context() context.Context { return c.request.Context() }

// pathValue is a part of the path, unescaped.
func (c *call) pathValue(name string) string {
	value := chi.URLParam(c.request, name)
	if c.request.URL.RawPath == "" {
		return value
	}
	if plain, err := url.PathUnescape(value); err == nil {
		return plain
	}
	return value
}

// bindPath lays a part of the path onto what dst points to.
func (c *call) bindPath(name string, dst any) {
	if err := wire.SetText(dst, c.pathValue(name)); err != nil {
		c.complain("/path/"+name, err.Error())
	}
}

// bindQuery lays a query parameter onto what dst points to, if it is there.
func (c *call) bindQuery(name string, required bool, dst any) {
	c.bindValues("/query/"+name, c.query[name], required, dst)
}

// bindHeader lays a header onto what dst points to, if it is there. Several lines of
// a header are one list (RFC 9110).
func (c *call) bindHeader(name string, dst any) {
	lines := c.request.Header.Values(name)
	if len(lines) > 1 {
		lines = []string{strings.Join(lines, ", ")}
	}
	c.bindValues("/header/"+name, lines, false, dst)
}

func (c *call) bindValues(at string, values []string, required bool, dst any) {
	switch {
	case len(values) == 0 && required:
		c.complain(at, "missing")
	case len(values) == 0:
	case len(values) > 1:
		c.complain(at, "given more than once")
	default:
		if err := wire.SetText(dst, values[0]); err != nil {
			c.complain(at, err.Error())
		}
	}
}

// bindBody reads the body and lays it onto what body points to. A body that is not
// required may be absent, which is the same as {} (rule 10.5).
func (c *call) bindBody(required bool, body any) {
	c.raw, c.failed = wire.ReadBody(c.request)
	if c.failed != nil {
		return
	}
	raw := c.raw
	if len(raw) == 0 && !required {
		raw = []byte("{}")
	}
	err := wire.Decode(raw, body)
	var bad wire.Invalid
	if errors.As(err, &bad) {
		c.bad = append(c.bad, bad...)
		return
	}
	c.failed = err
}

// check says what is wrong with the request, all of it: what could not be bound,
// query parameters that nobody asked for, and constraints that do not hold.
func (c *call) check(request any) error {
	if c.failed != nil {
		if c.refused != nil {
			return c.refused // credentials come before the body (rule 10.6)
		}
		return c.failed
	}
	c.checkQuery()
	c.bad = c.checker.check(request, c.operation.Query, c.bad)
	if len(c.bad) == 0 {
		return nil
	}
	if c.refused != nil {
		return c.refused
	}
	return c.bad
}

// checkQuery complains about parameters that the operation does not take. Outside
// /v1, where probes of all kinds come, they are let pass.
func (c *call) checkQuery() {
	if !strings.HasPrefix(c.operation.Pattern, "/v1/") {
		return
	}
	names := make([]string, 0, len(c.query))
	for name := range c.query {
		if !slices.Contains(c.operation.Query, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		c.complain("/query"+string(jsontext.Pointer("").AppendToken(name)), "unknown parameter")
	}
}

func (c *call) complain(at, detail string) {
	c.bad = append(c.bad, wire.FieldError{Pointer: jsonPointer(at), Detail: detail})
}

// onceKey names a call that is to have its effect once, and nothing else: who, what
// and the key that was given (rule 10.7). body is the same for bodies that differ in
// white space and the order of their members only.
func (c *call) onceKey(given string) (key string, body []byte, err error) {
	body = slices.Clone(c.raw)
	if len(body) == 0 {
		body = []byte("{}")
	}
	if err := (*jsontext.Value)(&body).Canonicalize(); err != nil {
		return "", nil, fmt.Errorf("canonical body: %w", err)
	}
	h := sha256.New()
	for _, part := range []string{c.principal.Actor(), c.operation.Method, c.request.URL.Path, given} {
		_, _ = fmt.Fprintf(h, "%d:%s,", len(part), part) // a hash takes everything
	}
	return fmt.Sprintf("%x", h.Sum(nil)), body, nil
}

// jsonPointer is a string that is a JSON pointer already.
func jsonPointer(s string) jsontext.Pointer { return jsontext.Pointer(s) }
