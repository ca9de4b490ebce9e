package api_test

import (
	"context"
	"strings"
	"testing"

	"github.com/cirisai/orchestrator/api"
)

// Section 12: an operator whose token is for one agent commands that agent and no
// other, whatever the path says: the rollout's or incident's own agent counts.
func TestOperatorOfOneAgent(t *testing.T) {
	overStores(t, func(t *testing.T, open opener) {
		h := newHouse(t, open)
		for _, agent := range []string{"scout", "sage"} {
			allowed := agent == "scout" // bob's
			h.fleet(agent, "default", "scout-1")
			deciding := h.shutdown(agent, "")
			h.mayOnly(allowed, "/v1/rollouts/"+deciding.RolloutID+"/decision", `{"verdict":"accept","reasoning":"r"}`)
			if !allowed {
				h.want(200, "POST", rolloutPath(deciding)+"/decision", `{"verdict":"accept","reasoning":"r"}`)
			}
			incident := h.incident(agent, "default")
			before := h.dump()
			h.mayOnly(allowed, "/v1/incidents/"+incident.IncidentID+"/resolve", `{"reason":"r"}`)
			for _, c := range []string{"pause", "resume", "promote", "abort"} {
				body := `{"reason":"r"}`
				if c == "promote" {
					body = `{"reason":"r","wave":1}`
				}
				h.mayOnly(allowed, rolloutPath(deciding)+"/"+c, body)
			}
			if after := h.dump(); !allowed && after != before {
				t.Errorf("what was forbidden changed\n%s", changed(before, after))
			}
			halted := halted(h, agent+"-halted")
			h.want(403, "POST", rolloutPath(halted)+"/retry", `{"reason":"r"}`, by("bob"))
			h.mayOnly(allowed, "/v1/agents/"+agent+"/shutdowns", `{"reason":"r","supersede":true}`)
			h.mayOnly(allowed, "/v1/agents/"+agent+"/wakeups", `{"reason":"r","supersede":true}`)
			h.mayOnly(allowed, "/v1/emergency/shutdown", `{"agent_id":"`+agent+`","reason":"r","confirm":true}`)
			h.mayOnly(allowed, "/v1/agents/"+agent+"/release", `{"reason":"r"}`)
		}
		// Who may command it reads it; lists are of one's own.
		h.want(200, "GET", "/v1/rollouts?agent_id=scout", "", by("bob"))
		h.want(200, "GET", "/v1/incidents?agent_id=scout", "", by("bob"))
		h.want(403, "GET", "/v1/rollouts?agent_id=sage", "", by("bob"))
		h.want(403, "GET", "/v1/incidents", "", by("bob"))
		h.want(404, "POST", "/v1/rollouts/nothing/abort", `{"reason":"r"}`, by("bob"))
		h.want(404, "POST", "/v1/incidents/nothing/resolve", `{"reason":"r"}`, by("bob"))
	})
}

// mayOnly has bob post something that he may, or may not.
func (h *house) mayOnly(allowed bool, target, body string) {
	h.t.Helper()
	w := h.send("POST", target, body, by("bob"))
	if (w.Code < 300) != allowed || !allowed && w.Code != 403 {
		h.t.Errorf("POST %s by bob, allowed %v: %d %s", target, allowed, w.Code, w.Body)
	}
}

// Section 12: an occurrence's token is for its own occurrence: it takes part in all
// that an occurrence does, and reads its agent's plan, tasks and rollouts.
func TestOccurrenceOfOneAgent(t *testing.T) {
	overStores(t, func(t *testing.T, open opener) {
		h := newHouse(t, open)
		h.fleet("scout", "scout-1")
		h.fleet("sage", "default")
		own, other, me := occurrencePath("scout", "default"), occurrencePath("scout", "scout-1"), by("default")
		boot := `"boot_id":"b"`
		h.want(201, "PUT", own, `{`+boot+`}`, me)
		h.want(200, "POST", own+"/heartbeats", `{`+boot+`,"sequence":1,"state":"wakeup"}`, me)
		h.want(200, "POST", "/v1/agents/scout/wakeups", `{"occurrence_id":"default",`+boot+`}`, me)
		r := h.shutdown("scout", "")
		list := got[api.InstructionList](h, h.want(200, "GET", own+"/instructions?boot_id=b", "", me)).Instructions
		if len(list) != 1 {
			t.Fatalf("told %+v", list)
		}
		h.want(200, "POST", own+"/instructions/"+list[0].InstructionID+"/acknowledgement", `{`+boot+`}`, me)
		h.want(403, "POST", other+"/instructions/"+list[0].InstructionID+"/acknowledgement", `{`+boot+`}`, me)
		claim := got[api.ClaimAnswer](h, h.want(200, "POST", rolloutPath(r)+"/claim", `{"occurrence_id":"default",`+boot+`}`, me)).Claim
		decision := `{"occurrence_id":"default","claim_token":"` + claim.Token + `","verdict":"defer","reasoning":"r"}`
		h.want(403, "POST", rolloutPath(r)+"/decision", decision, by("scout-1"))
		h.want(200, "POST", rolloutPath(r)+"/decision", decision, me)
		for target, status := range map[string]int{
			own: 200, other: 403, "/v1/agents/scout/plan": 200, "/v1/agents/scout/shared-tasks/shutdown": 200, "/v1/rollouts?agent_id=scout": 200,
			rolloutPath(r): 200, "/v1/agents/sage/plan": 403, "/v1/rollouts?agent_id=sage": 403, "/v1/rollouts": 403, "/v1/agents/scout": 403,
			"/v1/agents/scout/occurrences": 403, "/v1/agents/scout/events": 403, rolloutPath(r) + "/events": 403, "/v1/incidents?agent_id=scout": 403,
		} {
			h.want(status, "GET", target, "", me)
		}
		foreign := h.shutdown("sage", "")
		h.want(403, "GET", rolloutPath(foreign), "", me)
		h.want(403, "POST", rolloutPath(foreign)+"/claim", `{"occurrence_id":"default","boot_id":"boot-default"}`, me)
		h.want(403, "DELETE", other, "", me)
		h.want(204, "DELETE", own, "", me)
	})
}

// Rules 8.6 and 9.1: whoever is refused for lack of rights is told of, once each,
// with what was meant.
func TestRefusalsAreToldOf(t *testing.T) {
	h := newHouse(t, openMemory)
	h.fleet("sage", "default")
	r := h.shutdown("sage", "")
	var told []api.Refused
	h.handler = serve(t, h.engine, func(o *api.Options) {
		o.Refused = func(_ context.Context, refused api.Refused) { told = append(told, refused) }
	})
	h.want(403, "POST", rolloutPath(r)+"/abort", `{"reason":"r"}`, by("bob"))
	h.want(403, "PUT", occurrencePath("scout", "scout-1"), `{}`, by("default"))
	h.want(401, "GET", "/v1/agents", "", by("nobody"))
	h.want(404, "POST", "/v1/rollouts/nothing/abort", `{"reason":"r"}`, by("bob"))
	want := []api.Refused{
		{Actor: "operator:bob", Operation: "AbortRollout", RolloutID: r.RolloutID},
		{Actor: "occurrence:default", Operation: "RegisterOccurrence", AgentID: "scout", OccurrenceID: "scout-1"},
	}
	if len(told) != len(want) || told[0] != want[0] || told[1] != want[1] {
		t.Errorf("told of %+v, want %+v", told, want)
	}
	if events := h.want(200, "GET", "/v1/agents/sage/events", "").Body.String(); strings.Contains(events, "bob") {
		t.Errorf("it was done: %s", events)
	}
}
