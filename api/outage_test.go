package api_test

import (
	"testing"
	"time"

	"github.com/cirisai/orchestrator/api"
	"github.com/cirisai/orchestrator/internal/wire"
)

// outage lets time pass in which nobody could take heartbeats.
func (h *house) outage(d time.Duration) {
	h.t.Helper()
	h.clock.Advance(d)
	if err := h.engine.Beat(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

// shows wants a time that is shown to be some time after now.
func (h *house) shows(what string, at *wire.Time, after time.Duration) {
	h.t.Helper()
	want := h.clock.Now().Add(after)
	if at == nil || !time.Time(*at).Equal(want) {
		h.t.Errorf("%s is shown as %v, want %s", what, at, want)
	}
}

// Rules 2.10 and 10.5: time in which the service was silent stands still for its
// timers, and is in the times that people read: what happens after an outage is shown
// as of now, what happened before it as of then.
func TestTimesAfterAnOutage(t *testing.T) {
	overStores(t, func(t *testing.T, open opener) {
		h := newHouse(t, open)
		h.fleet("scout", "default")
		h.outage(10 * time.Hour)
		if o := get[api.Occurrence](h, occurrencePath("scout", "default")); o.Liveness != api.LivenessLive || o.LastSeenAt != wire.Time(dawn) || o.RegisteredAt != wire.Time(dawn) {
			t.Errorf("after the outage: %+v", o)
		}
		h.fleet("scout", "scout-1")
		o := get[api.Occurrence](h, occurrencePath("scout", "scout-1"))
		h.shows("registered_at", &o.RegisteredAt, 0)
		h.shows("last_seen_at", &o.LastSeenAt, 0)
		h.shows("state_changed_at", &o.StateChangedAt, 0)

		r := h.shutdown("scout", "")
		h.shows("created_at", &r.CreatedAt, 0)
		h.shows("updated_at", &r.UpdatedAt, 0)
		h.shows("claim.expires_at", &r.Claim.ExpiresAt, 300*time.Second)
		h.shows("next_action_at", r.NextActionAt, 30*time.Second)
		in := h.told("scout", "default")
		h.shows("issued_at", &in.IssuedAt, 0)
		h.shows("deadline", &in.Deadline, 300*time.Second)
		h.shows("the claim of an instruction", &in.Claim.ExpiresAt, 300*time.Second)
		claim := post[api.ClaimAnswer](h, 200, rolloutPath(r)+"/claim", `{"occurrence_id":"default","boot_id":"boot-default"}`).Claim
		h.shows("the claim", &claim.ExpiresAt, 300*time.Second)
		beat := post[api.HeartbeatAnswer](h, 200, occurrencePath("scout", "default")+"/heartbeats", `{"boot_id":"boot-default","sequence":9,"state":"work"}`)
		h.shows("server_time", &beat.ServerTime, 0)

		r = post[api.Rollout](h, 200, rolloutPath(r)+"/decision", `{"verdict":"accept","reasoning":"r"}`)
		h.shows("decided_at", &r.Decision.DecidedAt, 0)
		h.shows("starts_at", r.Waves[0].StartsAt, 0)
		h.shows("started_at", r.Waves[0].StartedAt, 0)
		h.shows("instructed_at", r.Waves[0].Members[0].InstructedAt, 0)
		h.shows("a member's deadline", r.Waves[0].Members[0].Deadline, 300*time.Second)
		in = h.told("scout", "default")
		ack := post[api.Acknowledgement](h, 200, occurrencePath("scout", "default")+"/instructions/"+in.InstructionID+"/acknowledgement", `{"boot_id":"boot-default"}`)
		h.shows("acknowledged_at", &ack.AcknowledgedAt, 0)
		h.shows("the server_time of an acknowledgement", &ack.ServerTime, 0)

		// Another outage moves the deadline that was given, and no time that has passed.
		given := *r.Waves[0].Members[0].Deadline
		h.outage(time.Hour)
		later := h.read(r)
		const moved = time.Microsecond // by which service time goes on in an outage, so that it never stands
		h.shows("a deadline after the outage", later.Waves[0].Members[0].Deadline, 300*time.Second-moved)
		if later.CreatedAt != r.CreatedAt || *later.Waves[0].StartedAt != *r.Waves[0].StartedAt || *later.Waves[0].Members[0].Deadline == given {
			t.Errorf("created %s and %s, deadline %s", r.CreatedAt, later.CreatedAt, given)
		}
		h.stop("scout", "default")
		reached := h.read(r).Waves[0].Members[0]
		h.shows("reached_at", reached.ReachedAt, 0)
		h.shows("finished_at", h.command(r, "abort", "").FinishedAt, 0)
		h.emergencyTimes()
	})
}

// emergencyTimes looks at the times of holds, incidents, events and kept answers.
func (h *house) emergencyTimes() {
	h.t.Helper()
	h.want(202, "POST", "/v1/emergency/shutdown", `{"agent_id":"scout","reason":"r","confirm":true}`, key("k"))
	h.shows("hold.since", &get[api.Agent](h, "/v1/agents/scout").Hold.Since, 0)
	list := get[api.AgentList](h, "/v1/agents").Agents
	h.shows("hold.since in a list", &list[0].Hold.Since, 0)
	incident := h.incident("scout", "scout-1")
	h.shows("opened_at", &incident.OpenedAt, 0)
	resolved := post[api.Incident](h, 200, "/v1/incidents/"+incident.IncidentID+"/resolve", `{"reason":"r"}`)
	h.shows("resolved_at", resolved.ResolvedAt, 0)
	events := get[api.EventList](h, "/v1/agents/scout/events?limit=1000").Events
	h.shows("the time of the last event", &events[len(events)-1].At, 0)
	if first := events[0].At; first != wire.Time(dawn) {
		h.t.Errorf("the time of the first event is shown as %s", first)
	}
}
