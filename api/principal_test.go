package api

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// person is a principal with some rights, for one agent and one occurrence if named.
type person struct {
	name, agent, occurrence string
	rights                  []Right
}

func (p person) Actor() string { return "operator:" + p.name }

func (p person) Can(right Right) bool {
	for _, r := range p.rights {
		if r == right {
			return true
		}
	}
	return false
}

func (p person) May(right Right, agentID, occurrenceID string) bool {
	ofAgent := right == RightReadOwn && occurrenceID == ""
	return p.Can(right) && (p.agent == "" || p.agent == agentID) && (ofAgent || p.occurrence == "" || p.occurrence == occurrenceID)
}

// byToken knows people by their bearer token.
func byToken(people map[string]person) Authenticator {
	return func(r *http.Request) (Principal, error) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if p, ok := people[token]; ok {
			return p, nil
		}
		return nil, fail(ErrorCodeUnauthorized, "a bearer token is wanted")
	}
}

// Section 12: an occurrence is let in where the path names it, and nowhere else.
func TestRightsByPath(t *testing.T) {
	people := map[string]person{
		"o":  {name: "o", agent: "scout", occurrence: "o1", rights: []Right{RightTakePart, RightReadOwn}},
		"v":  {name: "v", rights: []Right{RightRead}},
		"op": {name: "op", agent: "scout", rights: []Right{RightOperate, RightRead, RightEmergency}},
		"r":  {name: "r", agent: "scout", rights: []Right{RightRead}},
	}
	var refused []Refused
	h := NewHandler(fake{}, Options{
		Authenticate: byToken(people),
		Refused:      func(_ context.Context, r Refused) { refused = append(refused, r) },
	})
	for _, tc := range []struct {
		who, method, target string
		in                  bool
	}{
		{"o", "PUT", "/v1/agents/scout/occurrences/o1", true},
		{"o", "PUT", "/v1/agents/scout/occurrences/o2", false},
		{"o", "PUT", "/v1/agents/sage/occurrences/o1", false},
		{"o", "GET", "/v1/agents/scout/occurrences/o1?x", true},
		{"o", "GET", "/v1/agents/scout/occurrences/o2?x", false},
		{"o", "GET", "/v1/agents/scout/plan?x", true},
		{"o", "GET", "/v1/agents/sage/plan?x", false},
		{"o", "GET", "/v1/agents/scout", false},
		{"o", "GET", "/v1/agents/scout/occurrences", false},
		{"o", "POST", "/v1/agents/scout/wakeups", true},
		{"o", "POST", "/v1/agents/scout/shutdowns", false},
		{"o", "POST", "/v1/rollouts/ro_1/decision", true},
		{"o", "POST", "/v1/rollouts/ro_1/pause", false},
		{"v", "GET", "/v1/agents/scout?x", true},
		{"v", "PUT", "/v1/agents/scout/occurrences/o1", false},
		{"v", "PUT", "/v1/agents/scout", false},
		{"op", "PUT", "/v1/agents/scout?x", true},
		{"op", "PUT", "/v1/agents/sage", false},
		{"op", "POST", "/v1/agents/scout/occurrences/o1/heartbeats", false},
		// A list is of all agents, unless the query names one.
		{"v", "GET", "/v1/rollouts?x", true},
		{"r", "GET", "/v1/rollouts?x", false},
		{"r", "GET", "/v1/rollouts?x&agent_id=scout", true},
		{"r", "GET", "/v1/incidents?x&agent_id=sage", false},
		{"r", "GET", "/v1/agents?x", false},
		{"o", "GET", "/v1/rollouts?x&agent_id=scout", true},
		{"o", "GET", "/v1/rollouts?x", false},
		{"o", "GET", "/v1/incidents?x&agent_id=scout", false},
		{"op", "POST", "/v1/emergency/release", false},
		{"op", "POST", "/v1/rollouts/ro_1/pause", true},
	} {
		// Who is let in is refused for the body or the query.
		w := send(h, tc.method, tc.target, "", "Authorization: Bearer "+tc.who)
		if in := w.Code == 400 || w.Code == 422; in != tc.in {
			t.Errorf("%s %s by %s: %d %s", tc.method, tc.target, tc.who, w.Code, w.Body)
		}
	}
	if len(refused) != 18 || refused[0] != (Refused{Actor: "operator:o", Operation: "RegisterOccurrence", AgentID: "scout", OccurrenceID: "o2"}) {
		t.Errorf("refused: %+v", refused)
	}
}

// Rule 12.1: without authentication everybody on the loopback is an operator, but
// not a browser that was led here under another name or by another page.
func TestWithoutAuthentication(t *testing.T) {
	h := NewHandler(fake{pause: func(ctx context.Context, _ PauseRolloutRequestObject) (PauseRolloutResponseObject, error) {
		return nil, fail(ErrorCodeNotAllowed, principal(ctx).Actor())
	}}, Options{})
	for host, in := range map[string]bool{
		"localhost": true, "LOCALHOST:8080": true, "localhost.": true, "127.0.0.1:8080": true, "127.9.9.9": true, "[::1]:8080": true, "[::1]": true,
		"[::ffff:127.0.0.1]:80": true, "example.com": false, "127.0.0.1.example.com": false, "10.0.0.1": false, "localhost.example.com:80": false, "": false,
	} {
		r := httptest.NewRequest("POST", pausePath, strings.NewReader(`{"reason":"r"}`))
		r.Host = host
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if p := read(t, w); in != (p.Detail == "operator:local") || in == (w.Code == 403) {
			t.Errorf("host %q: %d %s", host, w.Code, p.Detail)
		}
	}
	for header, status := range map[string]int{
		"Sec-Fetch-Site: cross-site": 403, "Origin: http://evil.example": 403, "Sec-Fetch-Site: same-origin": 409, "Origin: http://localhost:8080": 409,
	} {
		if w := send(h, "POST", pausePath, `{"reason":"r"}`, header); w.Code != status {
			t.Errorf("%s: %d", header, w.Code)
		}
	}
}
