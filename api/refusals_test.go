package api_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/api"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/memstore"
	"github.com/cirisai/orchestrator/internal/pgtest"
)

// plainCall calls an operation about things that may not be there, with what the
// document shows as its body.
func (j *judge) plainCall(t *testing.T, op described) (target, body string) {
	t.Helper()
	target = strings.NewReplacer(
		"{agent_id}", "scout", "{occurrence_id}", "default", "{rollout_id}", "ro_1", "{instruction_id}", "in_1", "{incident_id}", "inc_1", "{kind}", "wakeup",
	).Replace(op.path)
	for _, p := range op.Parameters {
		if p.Value.Required && p.Value.In == "query" {
			target += "?" + p.Value.Name + "=boot-default"
		}
	}
	if op.RequestBody == nil {
		return target, ""
	}
	examples := op.RequestBody.Value.Content["application/json"].Examples
	name := slices.Sorted(maps.Keys(examples))[0]
	if op.id == "EmergencyShutdown" {
		name = "operator" // a signed command is its own credential
	}
	raw, err := json.Marshal(examples[name].Value.Value)
	if err != nil {
		t.Fatal(err)
	}
	return target, string(raw)
}

// Rules 10.6 and 10.9: every operation refuses who is not known, may not or comes
// too often, and a body that is no body, with an answer that the document lists.
func TestEveryOperationRefuses(t *testing.T) {
	h := newHouse(t, openMemory)
	people["nobody"] = person{actor: "operator:nobody"}
	t.Cleanup(func() { delete(people, "nobody") })
	large := strings.Repeat(" ", 64<<10+1)
	for _, op := range h.judge.operations() {
		if op.Security != nil && len(*op.Security) == 0 {
			continue // anybody may
		}
		t.Run(op.id, func(t *testing.T) {
			h.t = t
			target, body := h.judge.plainCall(t, op)
			joint := "?"
			if strings.Contains(target, "?") {
				joint = "&"
			}
			refused := func(status int, code api.ErrorCode, target, body string, headers ...string) {
				t.Helper()
				if p := got[api.Problem](h, h.want(status, op.method, target, body, headers...)); p.Code != code {
					t.Errorf("%d %s, want %s", status, p.Code, code)
				}
			}
			refused(401, api.ErrorCodeUnauthorized, target, body, "Authorization: ")
			refused(403, api.ErrorCodeForbidden, target, body, by("nobody"))
			if op.id != "EmergencyShutdown" { // never throttled
				refused(429, api.ErrorCodeRateLimited, target, body, by("slow"))
			}
			refused(422, api.ErrorCodeValidationFailed, target+joint+"nobody_asked=1", body)
			if op.RequestBody != nil {
				refused(400, api.ErrorCodeInvalidJSON, target, "{")
				refused(413, api.ErrorCodeBodyTooLarge, target, large)
				refused(415, api.ErrorCodeUnsupportedMediaType, target, body, "Content-Type: text/plain")
				refused(422, api.ErrorCodeValidationFailed, target, `{"confirm":true,"nobody_asked":1}`)
			}
		})
	}
}

// served are the operations that need no database.
var served = []string{"GetHealth", "GetOpenAPI", "GetWebhookKeys", "GetMetrics"}

// away wants every operation to be answered 503, with Retry-After, while the
// database is away.
func (h *house) away(t *testing.T) {
	t.Helper()
	for _, op := range h.judge.operations() {
		if slices.Contains(served, op.id) {
			continue
		}
		t.Run(op.id, func(t *testing.T) {
			h.t = t
			target, body := h.judge.plainCall(t, op)
			if p := got[api.Problem](h, h.want(503, op.method, target, body)); p.Code != api.ErrorCodeUnavailable {
				t.Errorf("503 %s", p.Code)
			}
		})
	}
	h.t = t
	h.want(200, "GET", "/healthz", "")
	h.want(200, "GET", "/.well-known/webhook-keys", "")
	h.want(200, "GET", "/openapi.yaml", "")
}

// Rule 10.6: while the database is away every operation is 503 with Retry-After, and
// changes nothing; when it is back the service goes on.
func TestDatabaseAway(t *testing.T) {
	t.Run("memory", func(t *testing.T) {
		fault := memstore.NoFault
		h := newHouse(t, func(_ *testing.T, clock func() time.Time) engine.Store {
			s := memstore.New(clock)
			s.Fault = func(string) memstore.FaultKind { return fault }
			return s
		})
		h.comesBack(t, func() { fault = memstore.FaultBefore }, func() { fault = memstore.NoFault })
	})
	server := pgtest.Start(t)
	if server == nil {
		return
	}
	t.Run("postgres", func(t *testing.T) {
		h := newHouse(t, func(t *testing.T, clock func() time.Time) engine.Store {
			return openDatabase(t, server.NewDatabase(t), clock)
		})
		h.comesBack(t, server.Kill, func() {
			if err := server.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
	})
}

// comesBack is what happens while the database goes and comes back.
func (h *house) comesBack(t *testing.T, goes, comes func()) {
	t.Helper()
	h.fleet("scout", "default")
	before := h.dump()
	goes()
	h.away(t)
	comes()
	if after := h.dump(); after != before {
		t.Errorf("what was answered 503 changed\n%s", changed(before, after))
	}
	h.want(200, "GET", "/readyz", "")
	h.shutdown("scout", "")
}
