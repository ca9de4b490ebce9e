package api

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/wire"
)

// Coded is an error that is told to the client. Code is one of codes.go, and Error
// becomes the detail. It may say more by having any of these methods:
//
//	Fields() []wire.FieldError       what is wrong with the input
//	Extensions() map[string]any      members of the problem document
//	RetryAfter() time.Duration       when to try again
//
// The refusals of the core, *[discovery.Refusal], are understood as they are.
type Coded interface {
	error
	Code() string
}

// typePrefix and a code make the type of a problem.
const typePrefix = "urn:orchestrator:problem:"

// retryUnavailable is when to try again while the database is away.
const retryUnavailable = 5 * time.Second

// failure is an error of this package's own.
type failure struct {
	code   ErrorCode
	detail string
	after  time.Duration
}

// Error is the detail.
func (f failure) Error() string { return f.detail }

// Code is the code.
func (f failure) Code() string { return string(f.code) }

// RetryAfter is when to try again, or zero.
func (f failure) RetryAfter() time.Duration { return f.after }

// fail makes an error with a code and a detail.
func fail(code ErrorCode, detail string) error { return failure{code: code, detail: detail} }

// refusal makes a refusal of the core an error with a code.
type refusal struct{ *discovery.Refusal }

// Error is the detail alone: the code stands beside it.
func (r refusal) Error() string { return r.Detail }

// Code is the code.
func (r refusal) Code() string { return string(r.Refusal.Code) }

// Fields is what is wrong with the input.
func (r refusal) Fields() []wire.FieldError {
	fields := make([]wire.FieldError, len(r.Refusal.Fields))
	for i, f := range r.Refusal.Fields {
		fields[i] = wire.FieldError{Pointer: jsonPointer(f.Pointer), Detail: f.Detail}
	}
	return fields
}

// Extensions is what else there is to say. The allowed commands go with a state,
// even when there are none.
func (r refusal) Extensions() map[string]any {
	more := map[string]any{}
	if r.RolloutID != "" {
		more["rollout_id"] = r.RolloutID
	}
	if r.State != "" {
		more["state"], more["allowed"] = r.State, append([]string{}, r.Allowed...)
	}
	return more
}

// coded finds what is to be told of an error; nil when it is for the log alone.
func coded(err error) Coded {
	var refused *discovery.Refusal
	var known Coded
	switch {
	case errors.As(err, &refused):
		known = refusal{refused}
	case errors.As(err, &known):
	case errors.Is(err, engine.ErrNotFound):
		known = failure{code: ErrorCodeNotFound, detail: "there is no such thing, or not any more"}
	case errors.Is(err, engine.ErrUnavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		known = failure{code: ErrorCodeUnavailable, detail: "the database is away; ask again", after: retryUnavailable}
	}
	if known == nil {
		return nil
	}
	if _, ok := meanings[ErrorCode(known.Code())]; !ok {
		return nil
	}
	return known
}

// problem is the document for an error, and when to try again. What has no code is
// internal, and says no more than where to look.
func problem(err error, requestID string) (wire.Problem, time.Duration) {
	known := coded(err)
	if known == nil {
		known = failure{code: ErrorCodeInternal, detail: fmt.Sprintf("the service failed; see its log for request %s", requestID)}
	}
	code := ErrorCode(known.Code())
	p := wire.Problem{
		Type: typePrefix + string(code), Title: meanings[code].title, Status: meanings[code].status,
		Detail: known.Error(), Code: string(code),
	}
	if e, ok := known.(interface{ Fields() []wire.FieldError }); ok {
		p.Errors = e.Fields()
	}
	if e, ok := known.(interface{ Extensions() map[string]any }); ok {
		p.Extensions = e.Extensions()
	}
	var after time.Duration
	if e, ok := known.(interface{ RetryAfter() time.Duration }); ok {
		after = e.RetryAfter()
	}
	if after <= 0 && (code == ErrorCodeUnavailable || code == ErrorCodeRateLimited) {
		after = time.Second
	}
	return p, after
}

// writeProblem answers with the document for an error.
func writeProblem(w http.ResponseWriter, err error, requestID string) (wire.Problem, error) {
	p, after := problem(err, requestID)
	if after > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(after.Seconds()))))
	}
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="orchestrator"`)
	}
	// What was said of the answer that did not come is not true of this one.
	for _, name := range []string{"ETag", "Location", "Content-Length"} {
		w.Header().Del(name)
	}
	return p, p.Write(w)
}
