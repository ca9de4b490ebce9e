package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cirisai/orchestrator"
	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/wire"
)

// fake implements the operations that a test wants; the others panic.
type fake struct {
	StrictServerInterface
	heartbeat func(context.Context, HeartbeatRequestObject) (HeartbeatResponseObject, error)
	rollout   func(context.Context, GetRolloutRequestObject) (GetRolloutResponseObject, error)
	pause     func(context.Context, PauseRolloutRequestObject) (PauseRolloutResponseObject, error)
	put       func(context.Context, PutAgentRequestObject) (PutAgentResponseObject, error)
	stop      func(context.Context, EmergencyShutdownRequestObject) (EmergencyShutdownResponseObject, error)
	list      func(context.Context, ListOccurrencesRequestObject) (ListOccurrencesResponseObject, error)
}

func (f fake) Heartbeat(ctx context.Context, r HeartbeatRequestObject) (HeartbeatResponseObject, error) {
	return f.heartbeat(ctx, r)
}

func (f fake) GetRollout(ctx context.Context, r GetRolloutRequestObject) (GetRolloutResponseObject, error) {
	return f.rollout(ctx, r)
}

func (f fake) PauseRollout(ctx context.Context, r PauseRolloutRequestObject) (PauseRolloutResponseObject, error) {
	return f.pause(ctx, r)
}

func (f fake) PutAgent(ctx context.Context, r PutAgentRequestObject) (PutAgentResponseObject, error) {
	return f.put(ctx, r)
}

func (f fake) EmergencyShutdown(ctx context.Context, r EmergencyShutdownRequestObject) (EmergencyShutdownResponseObject, error) {
	return f.stop(ctx, r)
}

func (f fake) ListOccurrences(ctx context.Context, r ListOccurrencesRequestObject) (ListOccurrencesResponseObject, error) {
	return f.list(ctx, r)
}

func (f fake) GetHealth(context.Context, GetHealthRequestObject) (GetHealthResponseObject, error) {
	return GetHealth200JSONResponse{Body: Health{Status: "ok"}}, nil
}

// send sends a request to the loopback; headers are NAME: VALUE.
func send(h http.Handler, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host = "localhost:8080"
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// read is the problem that was answered.
func read(t *testing.T, w *httptest.ResponseRecorder) wire.Problem {
	t.Helper()
	var p wire.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("%d %q is no problem document: %v", w.Code, w.Body, err)
	}
	if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type %q", got)
	}
	if w.Code != p.Status || p.Type != "urn:orchestrator:problem:"+p.Code || p.Title == "" {
		t.Errorf("%d with %+v", w.Code, p)
	}
	return p
}

func expect(t *testing.T, w *httptest.ResponseRecorder, status int, code ErrorCode) wire.Problem {
	t.Helper()
	p := read(t, w)
	if w.Code != status || p.Code != string(code) {
		t.Errorf("%d %s (%s), want %d %s", w.Code, p.Code, p.Detail, status, code)
	}
	return p
}

const pausePath = "/v1/rollouts/ro_1/pause"

// Rule 10.6: a request is looked at in this order: path and method, credentials,
// rights, the rate, body and syntax, existence and state. Each step of the table
// mends what the step before was refused for, and nothing behind it.
func TestOrderOfChecks(t *testing.T) {
	exists, calls := false, 0
	ssi := fake{pause: func(_ context.Context, r PauseRolloutRequestObject) (PauseRolloutResponseObject, error) {
		calls++
		if !exists {
			return nil, discovery.Refuse(discovery.CodeNotFound, "there is no rollout %s", r.RolloutID)
		}
		return nil, &discovery.Refusal{Code: "not_allowed", Detail: "it is halted", State: "halted"}
	}}
	slow := false
	h := NewHandler(ssi, Options{
		Authenticate: byToken(map[string]person{"ann": {name: "ann", rights: []Right{RightOperate}}, "eve": {name: "eve", rights: []Right{RightRead}}}),
		Throttle: func(Principal) time.Duration {
			if slow {
				return 1500 * time.Millisecond
			}
			return 0
		},
	})
	large := `{"reason":"` + strings.Repeat("x", wire.MaxBody) + `"}`
	ann, eve := "Authorization: Bearer ann", "Authorization: Bearer eve"
	for _, tc := range []struct {
		name           string
		method, target string
		body           string
		headers        []string
		slow           bool
		status         int
		code           ErrorCode
	}{
		{"path", "PATCH", "/v1/nowhere", large, nil, false, 404, ErrorCodeNotFound},
		{"method", "PATCH", pausePath, large, nil, false, 405, ErrorCodeMethodNotAllowed},
		{"credentials", "POST", pausePath + "?x=1", large, nil, false, 401, ErrorCodeUnauthorized},
		{"unknown credentials", "POST", pausePath + "?x=1", large, []string{"Authorization: Bearer bob"}, false, 401, ErrorCodeUnauthorized},
		{"rights", "POST", pausePath + "?x=1", large, []string{eve}, true, 403, ErrorCodeForbidden},
		{"rate", "POST", pausePath + "?x=1", large, []string{ann}, true, 429, ErrorCodeRateLimited},
		{"size", "POST", pausePath + "?x=1", large, []string{ann}, false, 413, ErrorCodeBodyTooLarge},
		{"media type", "POST", pausePath + "?x=1", `{"reason":`, []string{ann, "Content-Type: text/plain"}, false, 415, ErrorCodeUnsupportedMediaType},
		{"syntax", "POST", pausePath + "?x=1", `{"reason":5,"x":`, []string{ann}, false, 400, ErrorCodeInvalidJSON},
		{"type", "POST", pausePath, `{"reason":5}`, []string{ann}, false, 422, ErrorCodeValidationFailed},
		{"constraint", "POST", pausePath, `{"reason":""}`, []string{ann}, false, 422, ErrorCodeValidationFailed},
		{"query", "POST", pausePath + "?x=1", `{"reason":"r"}`, []string{ann}, false, 422, ErrorCodeValidationFailed},
		{"existence", "POST", pausePath, `{"reason":"r"}`, []string{ann}, false, 404, ErrorCodeNotFound},
	} {
		t.Run(tc.name, func(t *testing.T) {
			slow = tc.slow
			expect(t, send(h, tc.method, tc.target, tc.body, tc.headers...), tc.status, tc.code)
		})
	}
	exists = true
	expect(t, send(h, "POST", pausePath, `{"reason":"r"}`, ann), 409, ErrorCodeNotAllowed)
	if calls != 2 {
		t.Errorf("the operation was called %d times, want 2: for existence and for state", calls)
	}
}

// Rule 10.6: 405 comes with the methods that the path has, also for methods that
// nothing has; without a path it is 404.
func TestMethodNotAllowed(t *testing.T) {
	h := NewHandler(fake{}, Options{Document: []byte("x"), Metrics: http.NotFoundHandler()})
	for _, tc := range []struct{ method, target, allow string }{
		{"PATCH", "/v1/agents/scout", "GET, HEAD, PUT"},
		{"GET", "/v1/rollouts/ro_1/pause", "POST"},
		{"HEAD", "/v1/rollouts/ro_1/pause", "POST"},
		{"OPTIONS", "/v1/agents/scout/occurrences/o", "GET, HEAD, PUT, DELETE"},
		{"BREW", "/v1/agents/a%2Fb", "GET, HEAD, PUT"},
		{"POST", "/openapi.yaml", "GET, HEAD"},
		{"DELETE", "/metrics", "GET, HEAD"},
	} {
		w := send(h, tc.method, tc.target, "")
		if tc.method != "HEAD" {
			expect(t, w, 405, ErrorCodeMethodNotAllowed)
		}
		if got := w.Header().Get("Allow"); w.Code != 405 || got != tc.allow {
			t.Errorf("%s %s: %d, Allow %q, want %q", tc.method, tc.target, w.Code, got, tc.allow)
		}
	}
	for _, tc := range []struct{ method, target string }{
		{"GET", "/"}, {"GET", "/v1"}, {"GET", "/v1/agents/"}, {"GET", "/v2/agents"}, {"BREW", "/v1/nothing"}, {"GET", "/v1/agents/a/b"}, {"POST", "/V1/agents"},
	} {
		if w := send(h, tc.method, tc.target, ""); w.Header().Get("Allow") != "" {
			t.Errorf("%s %s has an Allow", tc.method, tc.target)
		} else {
			expect(t, w, 404, ErrorCodeNotFound)
		}
	}
}

// Rules 2.1 and 10.6: everything that is wrong with a request is told at once, wherever it
// is, and with a pointer each.
func TestEverythingWrongIsToldAtOnce(t *testing.T) {
	h := NewHandler(fake{}, Options{})
	for _, tc := range []struct {
		method, target, body string
		headers              []string
		want                 string
	}{
		{
			"GET", "/v1/agents/__shared__/occurrences?limit=0&liveness=dead&group=a%20b&cursor=%01&zone=b&limi=3", "", nil,
			"/query/limi /query/zone /path/agent_id /query/liveness /query/group /query/limit /query/cursor",
		},
		{"GET", "/v1/agents/a%2Fb/occurrences?limit=many", "", nil, "/query/limit /path/agent_id"},
		{"GET", "/v1/agents/a/occurrences?limit=1&limit=2", "", nil, "/query/limit"},
		{"GET", "/v1/agents/a/occurrences/o/instructions?wait=61s", "", nil, "/query/boot_id /query/wait"},
		{"GET", "/v1/agents/a/occurrences/o/instructions?boot_id=b&wait=-1s", "", nil, "/query/wait"},
		{"GET", "/v1/agents/a/shared-tasks/emergency?within=0s", "", nil, "/path/kind /query/within"},
		{"GET", "/v1/agents/%00/events?after=-1", "", []string{"Last-Event-ID: 123456789012345678901"}, "/path/agent_id /query/after /header/Last-Event-ID"},
		{"GET", "/v1/rollouts/" + strings.Repeat("x", 257), "", nil, "/path/rollout_id"},
		{"POST", "/v1/rollouts/a%20b/pause", `{"version":-1,"x":1}`, []string{"Idempotency-Key: a b"}, "/x /reason /path/rollout_id /header/Idempotency-Key /version"},
		{"PUT", "/v1/agents/a", `{"expected_occurrences":0,"plans":{"wakeup":{"waves":[]},"sleep":1},"messages":{"shutdown":""}}`, nil, "/plans/sleep /expected_occurrences /messages/shutdown /plans/wakeup/waves"},
	} {
		p := expect(t, send(h, tc.method, tc.target, tc.body, tc.headers...), 422, ErrorCodeValidationFailed)
		var got []string
		for _, e := range p.Errors {
			got = append(got, string(e.Pointer))
			if e.Detail == "" {
				t.Errorf("%s: nothing is said of %s", tc.target, e.Pointer)
			}
		}
		if list := strings.Join(got, " "); list != tc.want {
			t.Errorf("%s %s:\n got %s\nwant %s", tc.method, tc.target, list, tc.want)
		}
	}
}

// Rule 10.5: calls that need no field take {} or no body at all; the others do not.
func TestABodyThatIsNotNeeded(t *testing.T) {
	h := NewHandler(fake{put: func(_ context.Context, r PutAgentRequestObject) (PutAgentResponseObject, error) {
		if *r.Body != (AgentSettings{}) {
			return nil, fmt.Errorf("body %+v", r.Body)
		}
		return PutAgent200JSONResponse{Body: Agent{AgentID: r.AgentID}}, nil
	}}, Options{})
	for _, body := range []string{"", "{}", " \n"} {
		w := send(h, "PUT", "/v1/agents/scout", body)
		want := `{"agent_id":"scout","expected_occurrences":null,"hold":null,"messages":{},"occurrences":{"awake":0,"gone":0,"live":0,"stale":0},"plans":{}}` + "\n"
		if w.Code != 200 || w.Body.String() != want || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%q: %d %s", body, w.Code, w.Body)
		}
	}
	expect(t, send(h, "PUT", "/v1/agents/scout", "null"), 400, ErrorCodeInvalidJSON)
	expect(t, send(h, "POST", pausePath, ""), 400, ErrorCodeInvalidJSON)
}

// Rule 10.2: the ETag changes with whatever is shown, and a 304 is answered to who
// has seen it.
func TestConditionalRead(t *testing.T) {
	shown := Rollout{RolloutID: "ro_1", Version: 1}
	h := NewHandler(fake{rollout: func(context.Context, GetRolloutRequestObject) (GetRolloutResponseObject, error) {
		return GetRollout200JSONResponse{Body: shown}, nil
	}}, Options{})
	first := send(h, "GET", "/v1/rollouts/ro_1", "")
	tag := first.Header().Get("ETag")
	if first.Code != 200 || !strings.HasPrefix(tag, `"`) || !strings.Contains(first.Body.String(), `"waves":[]`) {
		t.Fatalf("%d %q %s", first.Code, tag, first.Body)
	}
	for _, known := range []string{tag, "W/" + tag, `"x", W/` + tag, "*", `"a,b" , ` + tag} {
		w := send(h, "GET", "/v1/rollouts/ro_1", "", "If-None-Match: "+known)
		if w.Code != 304 || w.Body.Len() > 0 || w.Header().Get("ETag") != tag || w.Header().Get("Content-Type") != "" {
			t.Errorf("If-None-Match %s: %d %q %v", known, w.Code, w.Body, w.Header())
		}
	}
	for _, other := range []string{`"x"`, strings.Trim(tag, `"`), "w/" + tag} {
		if w := send(h, "GET", "/v1/rollouts/ro_1", "", "If-None-Match: "+other); w.Code != 200 || w.Body.String() != first.Body.String() {
			t.Errorf("If-None-Match %s: %d", other, w.Code)
		}
	}
	shown.Waves = []Wave{{Members: []Member{{OccurrenceID: "default", State: MemberStateReached}}}}
	if w := send(h, "GET", "/v1/rollouts/ro_1", "", "If-None-Match: "+tag); w.Code != 200 || w.Header().Get("ETag") == tag {
		t.Errorf("a member has moved on: %d %s", w.Code, w.Header().Get("ETag"))
	}
	if w := send(h, "HEAD", "/v1/rollouts/ro_1", ""); w.Code != 200 || w.Header().Get("ETag") == "" {
		t.Errorf("HEAD: %d", w.Code)
	}
}

// Section 10: what was made says where it is read.
func TestLocation(t *testing.T) {
	id := "ro 1"
	for want, answer := range map[string]visit{
		"/v1/rollouts/ro_1":   RequestShutdown201JSONResponse{Body: Rollout{RolloutID: "ro_1"}}.VisitRequestShutdownResponse,
		"/v1/rollouts/ro_2":   RequestWakeup201JSONResponse{Body: Rollout{RolloutID: "ro_2"}}.VisitRequestWakeupResponse,
		"/v1/rollouts/ro%201": RequestWakeup201JSONResponse{Body: WakeupAnswer{RolloutID: &id}}.VisitRequestWakeupResponse,
	} {
		w := httptest.NewRecorder()
		if err := answer(w); err != nil || w.Code != 201 || w.Header().Get("Location") != want {
			t.Errorf("%d, Location %q (%v), want %s", w.Code, w.Header().Get("Location"), err, want)
		}
	}
}

// Rule 10.9: a throttled heartbeat is answered 429 and is a sign of life all the
// same, so it reaches the operation; no other call does. The emergency stop is
// never throttled.
func TestThrottle(t *testing.T) {
	var marked time.Duration
	h := NewHandler(fake{
		heartbeat: func(ctx context.Context, _ HeartbeatRequestObject) (HeartbeatResponseObject, error) {
			marked = callOf(ctx).throttled
			return Heartbeat200JSONResponse{}, nil
		},
		stop: func(context.Context, EmergencyShutdownRequestObject) (EmergencyShutdownResponseObject, error) {
			return EmergencyShutdown202JSONResponse{}, nil
		},
	}, Options{Throttle: func(Principal) time.Duration { return 1200 * time.Millisecond }})
	w := send(h, "POST", "/v1/agents/a/occurrences/o/heartbeats", `{"boot_id":"b","sequence":1,"state":"work"}`)
	expect(t, w, 429, ErrorCodeRateLimited)
	if marked != 1200*time.Millisecond || w.Header().Get("Retry-After") != "2" {
		t.Errorf("marked %s, Retry-After %q", marked, w.Header().Get("Retry-After"))
	}
	expect(t, send(h, "POST", "/v1/agents/a/occurrences/o/heartbeats", `{"boot_id":"b"}`), 422, ErrorCodeValidationFailed)
	expect(t, send(h, "GET", "/v1/rollouts/ro_1", ""), 429, ErrorCodeRateLimited)
	if w := send(h, "POST", "/v1/emergency/shutdown", `{"reason":"r","confirm":true}`); w.Code != 202 {
		t.Errorf("emergency stop: %d %s", w.Code, w.Body)
	}
	if w := send(h, "GET", "/healthz", ""); w.Code != 200 {
		t.Errorf("health: %d", w.Code)
	}
}

// The document is served as it is, with an ETag.
func TestDocument(t *testing.T) {
	h := NewHandler(fake{}, Options{Document: orchestrator.OpenAPI})
	w := send(h, "GET", "/openapi.yaml", "")
	if w.Code != 200 || w.Body.String() != string(orchestrator.OpenAPI) || w.Header().Get("Content-Type") != "application/yaml" {
		t.Errorf("%d %v, %d bytes", w.Code, w.Header(), w.Body.Len())
	}
	if again := send(h, "GET", "/openapi.yaml", "", "If-None-Match: "+w.Header().Get("ETag")); again.Code != 304 {
		t.Errorf("again: %d", again.Code)
	}
	expect(t, send(NewHandler(fake{}, Options{}), "GET", "/openapi.yaml", ""), 404, ErrorCodeNotFound)
}
