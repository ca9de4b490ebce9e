package api_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/go-json-experiment/json"

	"github.com/cirisai/orchestrator"
	"github.com/cirisai/orchestrator/api"
	"github.com/cirisai/orchestrator/internal/wire"
)

// contract is openapi.yaml, read once.
var contract = sync.OnceValues(func() (*openapi3.T, error) {
	openapi3filter.RegisterBodyDecoder("text/event-stream", openapi3filter.FileBodyDecoder)
	openapi3filter.RegisterBodyDecoder("application/yaml", openapi3filter.FileBodyDecoder)
	return openapi3.NewLoader().LoadFromData(orchestrator.OpenAPI)
})

// secret is a callback secret that is registered wherever there is one, and must be
// in no answer, whatever part of it (rule 7.6).
const secret = "whsec_Q2FuYXJ5IGluIHRoZSBjb2FsIG1pbmUh"

var secrets = []string{strings.TrimPrefix(secret, "whsec_"), "Canary in the coal mine!"}

// judge holds answers against openapi.yaml, and remembers which of its operations
// and answers it has seen.
type judge struct {
	doc *openapi3.T

	mu   sync.Mutex
	seen map[string]bool // "operation" and "operation status"
}

func newJudge(t *testing.T) *judge {
	t.Helper()
	doc, err := contract()
	if err != nil {
		t.Fatal(err)
	}
	return &judge{doc: doc, seen: map[string]bool{}}
}

// look judges one answer.
func (j *judge) look(t *testing.T, r *http.Request, w *httptest.ResponseRecorder) {
	t.Helper()
	complain := func(err error) {
		t.Helper()
		t.Errorf("%s %s is answered %d %s: %v", r.Method, r.URL, w.Code, w.Body, err)
	}
	if w.Header().Get("X-Request-Id") == "" {
		complain(errors.New("there is no request id"))
	}
	for _, canary := range secrets {
		if strings.Contains(w.Body.String(), canary) || strings.Contains(fmt.Sprint(w.Header()), canary) {
			complain(errors.New("a secret is shown"))
		}
	}
	if w.Code >= http.StatusBadRequest {
		if err := checkProblem(w); err != nil && r.Method != http.MethodHead {
			complain(err)
		}
	}
	route, params := j.find(r)
	if route == nil {
		if r.Method != http.MethodHead && w.Code != http.StatusNotFound && w.Code != http.StatusMethodNotAllowed {
			complain(errors.New("the document has no such operation"))
		}
		return
	}
	if err := j.againstDocument(route, params, r, w); err != nil {
		complain(err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.seen[route.Operation.OperationID] = true
	j.seen[fmt.Sprintf("%s %d", route.Operation.OperationID, w.Code)] = true
}

// find is the operation that a request is for, and the parts of its path; nil where
// the document has none.
func (j *judge) find(r *http.Request) (*routers.Route, map[string]string) {
	given := strings.Split(r.URL.EscapedPath(), "/")
	for path, item := range j.doc.Paths.Map() {
		params, matches := match(strings.Split(path, "/"), given)
		if op := item.GetOperation(r.Method); matches && op != nil {
			return &routers.Route{Spec: j.doc, Path: path, PathItem: item, Method: r.Method, Operation: op}, params
		}
	}
	return nil, nil
}

func match(pattern, given []string) (params map[string]string, matches bool) {
	if len(pattern) != len(given) {
		return nil, false
	}
	params = map[string]string{}
	for i, part := range pattern {
		name, isParam := strings.CutPrefix(part, "{")
		if !isParam {
			if part != given[i] {
				return nil, false
			}
			continue
		}
		value, err := url.PathUnescape(given[i])
		if err != nil {
			return nil, false
		}
		params[strings.TrimSuffix(name, "}")] = value
	}
	return params, true
}

// againstDocument holds an answer, and the request if it was taken, against the
// document: what kin sees, and what it does not.
func (j *judge) againstDocument(route *routers.Route, params map[string]string, r *http.Request, w *httptest.ResponseRecorder) error {
	errs := []error{j.asKinSees(route, params, r, w)}
	response := route.Operation.Responses.Value(strconv.Itoa(w.Code))
	if response == nil || !strings.Contains(w.Header().Get("Content-Type"), "json") {
		return errors.Join(errs...)
	}
	media := response.Value.Content.Get(w.Header().Get("Content-Type"))
	if media == nil {
		return errors.Join(append(errs, errors.New("the document knows no such content"))...)
	}
	var value any
	if err := json.Unmarshal(w.Body.Bytes(), &value); err != nil {
		return errors.Join(append(errs, err)...)
	}
	for _, what := range undeclared(media.Schema.Value, value, "") {
		errs = append(errs, errors.New(what))
	}
	return errors.Join(append(errs, readsBack(media.Schema, w.Body.Bytes()))...)
}

// asKinSees has kin-openapi validate an answer, and the request if it was taken. It
// compiles every schema anew, so it is shown each shape once.
func (j *judge) asKinSees(route *routers.Route, params map[string]string, r *http.Request, w *httptest.ResponseRecorder) error {
	taken := w.Code < http.StatusMultipleChoices
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	shapes := fmt.Sprintf("%s %d %v %s %v", route.Operation.OperationID, w.Code, w.Header()["Content-Type"], shapeOf(w.Body.Bytes()), headerNames(w.Header()))
	if taken {
		shapes += " " + r.URL.RawQuery + " " + shapeOf(body)
	}
	if _, shown := shownToKin.LoadOrStore(shapes, true); shown {
		return nil
	}
	in := &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route, Options: &openapi3filter.Options{
		IncludeResponseStatus: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc,
	}}
	var errs []error
	if taken {
		if err := openapi3filter.ValidateRequest(context.Background(), in); err != nil {
			errs = append(errs, fmt.Errorf("the request was taken, and the document does not take it: %w", err))
		}
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: w.Code, Header: w.Header(), Options: in.Options}
	out.SetBodyBytes(w.Body.Bytes())
	return errors.Join(append(errs, openapi3filter.ValidateResponse(context.Background(), out))...)
}

// shownToKin holds the shapes that kin has seen in this run of the tests.
var shownToKin sync.Map

// shapeOf is what a body is made of: its members, and of its values the kind, or the
// word where it is one.
func shapeOf(body []byte) string {
	var value any
	if json.Unmarshal(body, &value) != nil {
		return string(body)
	}
	var b strings.Builder
	writeShape(&b, value)
	return b.String()
}

var aWord = regexp.MustCompile(`^[A-Za-z_]*$`)

func writeShape(b *strings.Builder, value any) {
	switch value := value.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(value)) {
			b.WriteString(name + ":")
			writeShape(b, value[name])
		}
		b.WriteString("};")
	case []any:
		for _, item := range value {
			writeShape(b, item)
		}
		b.WriteString("];")
	case string:
		if aWord.MatchString(value) {
			b.WriteString(value)
		}
		b.WriteString("s;")
	default:
		fmt.Fprintf(b, "%T;", value)
	}
}

func headerNames(h http.Header) []string { return slices.Sorted(maps.Keys(h)) }

// models are the types that answers are read into, by the name of their schema.
var models = map[string][]any{
	"AgentList": {api.AgentList{}}, "Agent": {api.Agent{}}, "OccurrenceList": {api.OccurrenceList{}}, "Occurrence": {api.Occurrence{}},
	"HeartbeatAnswer": {api.HeartbeatAnswer{}}, "InstructionList": {api.InstructionList{}}, "Acknowledgement": {api.Acknowledgement{}},
	"WakeupAnswer": {api.WakeupAnswer{}}, "WakeupOpened": {api.WakeupAnswer{}, api.Rollout{}}, "ClaimAnswer": {api.ClaimAnswer{}},
	"Rollout": {api.Rollout{}}, "RolloutList": {api.RolloutList{}}, "PlanForecast": {api.PlanForecast{}}, "SharedTask": {api.SharedTask{}},
	"EventList": {api.EventList{}}, "IncidentList": {api.IncidentList{}}, "Incident": {api.Incident{}}, "EmergencyAnswer": {api.EmergencyAnswer{}},
	"ReleaseAnswer": {api.ReleaseAnswer{}}, "WebhookKeys": {api.WebhookKeys{}}, "Health": {api.Health{}}, "Problem": {api.Problem{}},
}

// readsBack reads an answer into its generated type, with nothing left over, and
// writes it again: a client that does so has the same.
func readsBack(schema *openapi3.SchemaRef, body []byte) error {
	name := schema.Ref[strings.LastIndex(schema.Ref, "/")+1:]
	if len(models[name]) == 0 {
		return fmt.Errorf("schema %q has no type", name)
	}
	var errs []error
	for _, model := range models[name] {
		value := reflect.New(reflect.TypeOf(model)).Interface()
		err := json.Unmarshal(body, value, json.RejectUnknownMembers(true))
		if err == nil {
			var written []byte
			written, err = wire.Encode(value)
			if err == nil && name != "Problem" && !bytes.Equal(written, body) {
				err = fmt.Errorf("it is written again as %s", written)
			}
		}
		if err == nil {
			return nil
		}
		errs = append(errs, fmt.Errorf("read as %s: %w", reflect.TypeOf(model), err))
	}
	return errors.Join(errs...)
}

// pointerForm is what a JSON pointer looks like (RFC 6901).
var pointerForm = regexp.MustCompile(`^(/([^~/]|~[01])*)*$`)

// checkProblem holds an answer against rule 10.6: what every refusal has.
func checkProblem(w *httptest.ResponseRecorder) error {
	var p api.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		return fmt.Errorf("no problem document: %w", err)
	}
	detail := ""
	if p.Detail != nil {
		detail = *p.Detail
	}
	switch {
	case w.Header().Get("Content-Type") != "application/problem+json":
		return fmt.Errorf("the content is %q", w.Header().Get("Content-Type"))
	case p.Status != w.Code, p.Type != "urn:orchestrator:problem:"+string(p.Code), p.Title == "", detail == "":
		return errors.New("the problem does not say what is wrong")
	case w.Code == http.StatusInternalServerError:
		return errors.New("the service failed")
	case (len(p.Errors) > 0) != (p.Code == api.ErrorCodeValidationFailed):
		return errors.New("fields are wrong where validation failed, and only there")
	}
	for _, e := range p.Errors {
		if !pointerForm.MatchString(e.Pointer) || e.Detail == "" {
			return fmt.Errorf("field %q: %q", e.Pointer, e.Detail)
		}
	}
	for status, header := range map[int]string{401: "WWW-Authenticate", 405: "Allow", 429: "Retry-After", 503: "Retry-After"} {
		if (w.Code == status) && w.Header().Get(header) == "" {
			return fmt.Errorf("there is no %s", header)
		}
	}
	return nil
}
