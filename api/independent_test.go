package api_test

import (
	"testing"

	"github.com/cirisai/orchestrator/api"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// Rule 4.24: without coordination each occurrence is asked for itself, and tells a
// refusal with its instruction in place of a token; asking to wake is independent.
func TestEachDecidesForItself(t *testing.T) {
	overStores(t, func(t *testing.T, open opener) {
		h := newHouse(t, open)
		h.set = rollout.DefaultSettings()
		h.set.Coordination = false
		h.restart()
		h.fleet("scout", "default", "scout-1")
		a := post[api.WakeupAnswer](h, 200, "/v1/agents/scout/wakeups", `{"occurrence_id":"default","boot_id":"boot-default"}`)
		if a.Directive != api.DirectiveIndependent || a.RolloutID != nil {
			t.Errorf("asked to wake: %+v", a)
		}
		if p := post[api.Problem](h, 409, "/v1/agents/scout/wakeups", `{"reason":"r"}`); p.Code != api.ErrorCodeNotAllowed {
			t.Errorf("a wakeup: %+v", p)
		}
		r := h.shutdown("scout", "")
		if r.State != api.RolloutStateRolling || len(r.Waves) != 1 || r.Waves[0].Group != "independent" || len(r.Waves[0].Members) != 2 {
			t.Fatalf("%+v", r)
		}
		told, other := h.told("scout", "default"), h.told("scout", "scout-1")
		if told.Type != api.InstructionTypeDeliberate || told.Claim != nil || told.Wave == nil {
			t.Errorf("told %+v", told)
		}
		decide := func(status int, occurrence, instruction, verdict string) {
			t.Helper()
			h.want(status, "POST", rolloutPath(r)+"/decision", `{"occurrence_id":"`+occurrence+`","instruction_id":"`+instruction+`","verdict":"`+verdict+`","reasoning":"r"}`)
		}
		decide(409, "default", other.InstructionID, "reject")
		decide(422, "default", told.InstructionID, "defer")
		decide(200, "scout-1", other.InstructionID, "accept")
		decide(200, "default", told.InstructionID, "reject")
		decide(200, "default", told.InstructionID, "reject")
		for _, m := range h.read(r).Waves[0].Members {
			if refused := m.OccurrenceID == "default"; refused != (m.State == api.MemberStateSkipped) || refused && (m.Detail == nil || *m.Detail != "refused") {
				t.Errorf("%+v", m)
			}
		}
	})
}
