package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/wire"
)

// rich is an error that says everything an error can say.
type rich struct{}

func (rich) Error() string             { return "held by scout-1" }
func (rich) Code() string              { return "claim_held" }
func (rich) Fields() []wire.FieldError { return []wire.FieldError{{Pointer: "/a", Detail: "b"}} }
func (rich) Extensions() map[string]any {
	return map[string]any{"claim": map[string]any{"occurrence_id": "scout-1"}}
}
func (rich) RetryAfter() time.Duration { return 2100 * time.Millisecond }

// Rule 10.6: one place makes problem documents of errors, however they are wrapped;
// what has no code says nothing.
func TestErrorsBecomeProblems(t *testing.T) {
	for name, tc := range map[string]struct {
		err   error
		want  string
		after string
	}{
		"everything": {
			fmt.Errorf("claim: %w", rich{}),
			`{"type":"urn:orchestrator:problem:claim_held","title":"Claim held","status":409,"detail":"held by scout-1","code":"claim_held","errors":[{"pointer":"/a","detail":"b"}],"claim":{"occurrence_id":"scout-1"}}`, "3",
		},
		"a refusal of the core": {
			fmt.Errorf("pause: %w", &discovery.Refusal{Code: "not_allowed", Detail: "no", State: "succeeded"}),
			`{"type":"urn:orchestrator:problem:not_allowed","title":"Not in this state","status":409,"detail":"no","code":"not_allowed","allowed":[],"state":"succeeded"}`, "",
		},
		"a rollout in the way": {
			&discovery.Refusal{Code: "rollout_in_progress", Detail: "d", RolloutID: "ro_1", State: "rolling", Allowed: []string{"pause"}},
			`{"type":"urn:orchestrator:problem:rollout_in_progress","title":"Rollout in progress","status":409,"detail":"d","code":"rollout_in_progress","allowed":["pause"],"rollout_id":"ro_1","state":"rolling"}`, "",
		},
		"fields of the core": {
			&discovery.Refusal{Code: "validation_failed", Detail: "until", Fields: []discovery.FieldError{{Pointer: "/until", Detail: "ahead"}}},
			`{"type":"urn:orchestrator:problem:validation_failed","title":"Not acceptable","status":422,"detail":"until","code":"validation_failed","errors":[{"pointer":"/until","detail":"ahead"}]}`, "",
		},
		"not there": {
			fmt.Errorf("rollout ro_1: %w", engine.ErrNotFound),
			`{"type":"urn:orchestrator:problem:not_found","title":"Not found","status":404,"detail":"there is no such thing, or not any more","code":"not_found"}`, "",
		},
		"database away": {
			fmt.Errorf("begin: %w: %w", engine.ErrUnavailable, errors.New("dial tcp 10.0.0.1")),
			`{"type":"urn:orchestrator:problem:unavailable","title":"Database away","status":503,"detail":"the database is away; ask again","code":"unavailable"}`, "5",
		},
		"too slow": {
			fmt.Errorf("query: %w", context.DeadlineExceeded),
			`{"type":"urn:orchestrator:problem:unavailable","title":"Database away","status":503,"detail":"the database is away; ask again","code":"unavailable"}`, "5",
		},
		"unavailable without a time": {
			fail(ErrorCodeUnavailable, "d"),
			`{"type":"urn:orchestrator:problem:unavailable","title":"Database away","status":503,"detail":"d","code":"unavailable"}`, "1",
		},
		"no code": {
			errors.New("secret"),
			`{"type":"urn:orchestrator:problem:internal","title":"Internal error","status":500,"detail":"the service failed; see its log for request R1","code":"internal"}`, "",
		},
		"a code of nobody's": {
			&discovery.Refusal{Code: "whatever", Detail: "secret"},
			`{"type":"urn:orchestrator:problem:internal","title":"Internal error","status":500,"detail":"the service failed; see its log for request R1","code":"internal"}`, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			w.Header().Set("ETag", `"x"`)
			w.Header().Set("Location", "/x")
			if _, err := writeProblem(w, tc.err, "R1"); err != nil {
				t.Fatal(err)
			}
			if w.Body.String() != tc.want+"\n" {
				t.Errorf("got  %swant %s", w.Body, tc.want)
			}
			if w.Header().Get("Retry-After") != tc.after || w.Header().Get("ETag") != "" || w.Header().Get("Location") != "" {
				t.Errorf("headers %v, want Retry-After %q", w.Header(), tc.after)
			}
			var p wire.Problem
			if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Status != w.Code {
				t.Errorf("status %d in an answer %d (%v)", p.Status, w.Code, err)
			}
		})
	}
	w := httptest.NewRecorder()
	if _, err := writeProblem(w, fail(ErrorCodeUnauthorized, "d"), ""); err != nil || w.Header().Get("WWW-Authenticate") == "" {
		t.Errorf("401 without WWW-Authenticate (%v)", err)
	}
}
