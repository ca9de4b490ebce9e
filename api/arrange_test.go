package api_test

import (
	"fmt"
	"time"

	"github.com/cirisai/orchestrator/api"
	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// bootOf is the boot with which an occurrence of these tests runs.
func bootOf(occurrence string) string { return "boot-" + occurrence }

func occurrencePath(agent, occurrence string) string {
	return "/v1/agents/" + agent + "/occurrences/" + occurrence
}

func pollPath(agent, occurrence string) string {
	return occurrencePath(agent, occurrence) + "/instructions?boot_id=" + bootOf(occurrence)
}

func rolloutPath(r api.Rollout) string { return "/v1/rollouts/" + r.RolloutID }

// fleet registers occurrences that work, with the secret, and go on doing so.
func (h *house) fleet(agent string, occurrences ...string) {
	h.t.Helper()
	for _, o := range occurrences {
		h.register(agent, o, bootOf(o), discovery.Work)
	}
}

// register registers an occurrence that reports a state, and goes on doing so.
func (h *house) register(agent, occurrence, boot string, state discovery.State) {
	h.t.Helper()
	body := fmt.Sprintf(`{"boot_id":%q,"callback_url":"https://%s.example.net/%s","callback_secret":%q}`, boot, occurrence, agent, secret)
	w := h.send("PUT", occurrencePath(agent, occurrence), body)
	if w.Code != 200 && w.Code != 201 {
		h.t.Fatalf("register %s of %s: %d %s", occurrence, agent, w.Code, w.Body)
	}
	l := &living{boot: boot, state: state}
	h.living[[2]string{agent, occurrence}] = l
	h.heartbeat(agent, occurrence, l)
}

// silence ends the signs of life of an occurrence.
func (h *house) silence(agent, occurrence string) { delete(h.living, [2]string{agent, occurrence}) }

// stop is an occurrence's last word.
func (h *house) stop(agent, occurrence string) {
	h.t.Helper()
	h.want(204, "DELETE", occurrencePath(agent, occurrence), "")
	h.silence(agent, occurrence)
}

// shutdown requests a shutdown; more is what the request says besides its reason,
// each member with a comma before it.
func (h *house) shutdown(agent, more string) api.Rollout {
	h.t.Helper()
	return post[api.Rollout](h, 201, "/v1/agents/"+agent+"/shutdowns", `{"reason":"an update"`+more+`}`)
}

// rolling is a shutdown that nobody was asked for, with the waves that a plan names.
func (h *house) rolling(agent, waves string) api.Rollout {
	h.t.Helper()
	return h.shutdown(agent, `,"consent":"instant","plan":{"waves":[`+waves+`]}`)
}

// command commands a rollout.
func (h *house) command(r api.Rollout, command, more string) api.Rollout {
	h.t.Helper()
	return post[api.Rollout](h, 200, rolloutPath(r)+"/"+command, `{"reason":"because"`+more+`}`)
}

// read reads a rollout as it is now.
func (h *house) read(r api.Rollout) api.Rollout {
	h.t.Helper()
	return get[api.Rollout](h, rolloutPath(r))
}

// told is the one instruction that waits for an occurrence.
func (h *house) told(agent, occurrence string) api.Instruction {
	h.t.Helper()
	list := get[api.InstructionList](h, pollPath(agent, occurrence)).Instructions
	if len(list) != 1 {
		h.t.Fatalf("%s of %s is told %+v, want one instruction", occurrence, agent, list)
	}
	return list[0]
}

// claim has an occurrence claim the decision, and returns the token.
func (h *house) claim(r api.Rollout, occurrence, boot string) string {
	h.t.Helper()
	body := fmt.Sprintf(`{"occurrence_id":%q,"boot_id":%q}`, occurrence, boot)
	return post[api.ClaimAnswer](h, 200, rolloutPath(r)+"/claim", body).Claim.Token
}

// briefly is a plan's wave that fails, and halts its rollout, a millisecond after it
// has started, unless its members stop at once.
const briefly = `{"group":"a","count":1,"timeout":"1ms"},{"group":"b","rest":true}`

// halted is a shutdown that an operator has to look at.
func (h *house) halted(agent string) api.Rollout {
	h.t.Helper()
	r := h.rolling(agent, briefly)
	h.clock.Advance(2 * time.Millisecond)
	h.work()
	if r = h.read(r); r.State != api.RolloutStateHalted {
		h.t.Fatalf("the rollout is %s", r.State)
	}
	return r
}

// unreachable has the callback of an occurrence answer that nobody is there.
func (h *house) unreachable(agent, occurrence string) {
	h.t.Helper()
	url := "https://" + occurrence + ".example.net/" + agent
	if err := h.engine.CallbackGone(h.t.Context(), agent, occurrence, url); err != nil {
		h.t.Fatal(err)
	}
	h.silence(agent, occurrence)
}

// incident has an incident opened, and returns it: a callback cannot be reached.
func (h *house) incident(agent, occurrence string) api.Incident {
	h.t.Helper()
	in := h.told(agent, occurrence)
	err := h.engine.Undeliverable(h.t.Context(), agent, rollout.Unreachable{
		InstructionID: in.InstructionID, OccurrenceID: occurrence, RolloutID: in.RolloutID, Cause: "connection refused", Final: true,
	})
	if err != nil {
		h.t.Fatal(err)
	}
	open := get[api.IncidentList](h, "/v1/incidents?state=open&limit=1&agent_id="+agent).Incidents
	if len(open) != 1 {
		h.t.Fatalf("incidents of %s: %+v", agent, open)
	}
	return open[0]
}
