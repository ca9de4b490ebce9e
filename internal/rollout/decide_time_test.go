package rollout_test

import (
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// TestDeferUntil is rule 5.5: until passes, then the deliberation begins anew,
// from the first candidate.
func TestDeferUntil(t *testing.T) {
	s, id := deciding(t, 3)
	s.boot("o1") // the claim goes to o2
	s.report("o1", discovery.Work)
	mustBe(t, "holder", s.holder(id), "o2")
	until := s.wall().Add(time.Hour)
	s.must(deferral(s, id, until))
	r := s.rollout(id)
	mustBe(t, "state", r.Status, rollout.Deferred)
	mustBe(t, "until", r.DeferredTillWall, until)
	mustBe(t, "claim", s.holder(id), "nobody")

	s.run(time.Hour - time.Second)
	mustBe(t, "state before", s.rollout(id).Status, rollout.Deferred)
	s.run(time.Second)
	mustBe(t, "state at until", s.rollout(id).Status, rollout.Deciding)
	mustBe(t, "the first candidate", s.holder(id), "o1")
	mustBe(t, "a timeout of its own (5.6)", s.rollout(id).DecideBy, s.now.Add(600*time.Second))
	s.decide(id, rollout.Accept)
	mustBe(t, "state", s.rollout(id).Status, rollout.Rolling)
}

// TestDeferMustLieAhead is rule 5.5: until must lie ahead, and is cut to the
// deferral limit.
func TestDeferMustLieAhead(t *testing.T) {
	s, id := deciding(t, 2)
	for _, until := range []time.Time{s.wall(), s.wall().Add(-time.Second)} {
		refusal := refusalOf(t, s.postpone(id, until))
		mustBe(t, "code", refusal.Code, rollout.CodeInvalid)
		mustBe(t, "fields", len(refusal.Fields), 1)
		mustBe(t, "pointer", refusal.Fields[0].Pointer, "/until")
		mustBe(t, "state", s.rollout(id).Status, rollout.Deciding)
	}
	limit := s.wall().Add(24 * time.Hour)
	mustBe(t, "past the limit", codeOf(t, s.postpone(id, limit.Add(time.Hour))), "")
	mustBe(t, "until", s.rollout(id).DeferredTillWall, limit)
}

// TestDeferralLimit is rule 5.5: a day after its first deferral an undecided
// rollout has failed, deferred or deciding again, whatever silence would mean.
func TestDeferralLimit(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(s *stage, id string)
	}{
		{"no until", func(s *stage, id string) { s.must(deferral(s, id, time.Time{})) }},
		{"cut to the limit", func(s *stage, id string) { s.must(deferral(s, id, s.wall().Add(48*time.Hour))) }},
		{"deferred twice", func(s *stage, id string) {
			s.must(deferral(s, id, s.wall().Add(time.Hour)))
			s.quiet(time.Hour)
			s.beat("o2")
			s.must(deferral(s, id, time.Time{}))
		}},
		{"deciding again", func(s *stage, id string) { s.must(deferral(s, id, s.wall().Add(24*time.Hour-time.Minute))) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, id := deciding(t, 2, func(c *rollout.Request) { c.OnTimeout = rollout.TimeoutAccepts })
			tt.do(s, id)
			s.quiet(epoch.Add(24*time.Hour - 2*time.Minute).Sub(s.now))
			s.beat("o1")
			s.beat("o2")
			s.run(2*time.Minute - time.Second)
			mustBe(t, "final before the limit", s.rollout(id).Status.Final(), false)
			s.mustIncident(rollout.IncidentDeferralLimit, 0, false)
			made := len(s.made)
			s.run(time.Second)
			r := s.rollout(id)
			mustBe(t, "state", r.Status, rollout.Failed)
			mustBe(t, "when", r.FinishedAt, epoch.Add(24*time.Hour))
			mustBe(t, "task", r.Task.Status, rollout.TaskFailed)
			mustBe(t, "nobody is asked in that instant", len(s.made), made)
			s.mustIncident(rollout.IncidentDeferralLimit, 1, true)
			s.run(time.Hour)
			mustBe(t, "stops", s.count(rollout.Stop), 0)
		})
	}
}

// TestDeferredTakesCommands is rule 5.5 and section 4: what is deferred may be
// decided by an operator or aborted, and nothing else.
func TestDeferredTakesCommands(t *testing.T) {
	for _, control := range []rollout.Control{rollout.Pause, rollout.Resume, rollout.Promote, rollout.Retry} {
		s, id := deciding(t, 2)
		s.must(deferral(s, id, time.Time{}))
		mustBe(t, string(control), codeOf(t, s.order(id, control, 0)), rollout.CodeNotAllowed)
	}
	s, id := deciding(t, 2)
	s.must(deferral(s, id, time.Time{}))
	mustBe(t, "abort", codeOf(t, s.order(id, rollout.Abort, 0)), "")
	mustBe(t, "state", s.rollout(id).Status, rollout.Aborted)
}

// TestDeferralRunsOn: until and the limit are wall time; they run on while the
// service is silent (rules 5.5 and 2.10).
func TestDeferralRunsOn(t *testing.T) {
	s, id := deciding(t, 2)
	s.must(deferral(s, id, s.wall().Add(2*time.Hour)))
	s.outage(time.Hour)
	s.run(59 * time.Minute)
	mustBe(t, "before until", s.rollout(id).Status, rollout.Deferred)
	s.run(time.Minute)
	mustBe(t, "at until", s.rollout(id).Status, rollout.Deciding)
	s.must(deferral(s, id, time.Time{}))
	s.outage(23 * time.Hour)
	mustBe(t, "after the limit", s.rollout(id).Status, rollout.Failed)
	s.mustIncident(rollout.IncidentDeferralLimit, 1, true)
}

// TestDecisionTimeout is rule 5.6: no decision is not a decision.
func TestDecisionTimeout(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Work, ids(3)...)
	for _, o := range ids(3) {
		s.actors[o].takes = -1
	}
	id := s.request(rollout.Shutdown)
	s.run(600*time.Second - time.Microsecond)
	mustBe(t, "before", s.rollout(id).Status, rollout.Deciding)
	s.mustIncident(rollout.IncidentDecisionTimeout, 0, false)
	made := len(s.made)
	s.run(time.Microsecond)
	r := s.rollout(id)
	mustBe(t, "state", r.Status, rollout.Failed)
	mustBe(t, "task", r.Task.Status, rollout.TaskFailed)
	mustBe(t, "nobody is asked in that instant", len(s.made), made)
	mustBe(t, "decision", r.Decision == nil, true)
	s.mustIncident(rollout.IncidentDecisionTimeout, 1, true)
	mustBe(t, "of the rollout", s.openOne(rollout.IncidentDecisionTimeout).RolloutID, id)
	for _, o := range ids(3) {
		for _, in := range s.told(o, rollout.Deliberate) {
			mustBe(t, "still pending", in.AcknowledgedAt.IsZero() && in.WithdrawnAt.IsZero(), false)
		}
	}
	s.run(time.Hour)
	mustBe(t, "stops", s.count(rollout.Stop), 0)
}

// TestDecisionTimeoutOfNobody: nobody could be asked, and that is no consent
// either (rule 5.6).
func TestDecisionTimeoutOfNobody(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Error, "o1", "o2")
	id := s.request(rollout.Shutdown)
	mustBe(t, "holder", s.holder(id), "nobody")
	s.run(10 * time.Minute)
	mustBe(t, "state", s.rollout(id).Status, rollout.Failed)
	s.mustIncident(rollout.IncidentDecisionTimeout, 1, true)
}

// TestTimeoutAccepts is rule 5.6: silence is an acceptance where the request
// says so, and has no decider.
func TestTimeoutAccepts(t *testing.T) {
	s, id := deciding(t, 4, func(c *rollout.Request) { c.OnTimeout = rollout.TimeoutAccepts })
	token := s.claimOf(id).Token
	s.run(600 * time.Second)
	r := s.rollout(id)
	mustBe(t, "state", r.Status, rollout.Rolling)
	mustBe(t, "task", r.Task.Status, rollout.TaskCompleted)
	mustBe(t, "verdict", r.Decision.Verdict, rollout.Accept)
	mustBe(t, "decider", r.Decision.OccurrenceID, "")
	mustBe(t, "actor", r.Decision.Actor, "system:decision_timeout")
	mustBe(t, "first told", s.place(id, "o1").Status, rollout.MemberAcknowledged)
	mustBe(t, "too late", codeOf(t, s.verdict(id, "o1", token, rollout.Reject)), rollout.CodeAlreadyDecided)
	s.mustIncident(rollout.IncidentDecisionTimeout, 0, false)
}

// TestInstantConsent is rule 5.6: who asks for no consent asks nobody.
func TestInstantConsent(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Work, ids(4)...)
	id := s.request(rollout.Shutdown, instant)
	r := s.rollout(id)
	mustBe(t, "state", r.Status, rollout.Rolling)
	mustBe(t, "task", r.Task.Status, rollout.TaskCompleted)
	mustBe(t, "deliberations", s.count(rollout.Deliberate), 0)
	mustBe(t, "decider", r.Decision.OccurrenceID, "")
	mustBe(t, "actor", r.Decision.Actor, "operator:local")
	mustBe(t, "the first is told at once", len(s.told("o1", rollout.Stop)), 1)
}

// TestDecisionTimeoutStandsStill: the timeout and the lease stand still while
// the service is silent (rules 5.6, 5.3, 4.20 and 2.10).
func TestDecisionTimeoutStandsStill(t *testing.T) {
	s, id := deciding(t, 2)
	s.run(100 * time.Second)
	s.outage(10 * time.Hour)
	mustBe(t, "state", s.rollout(id).Status, rollout.Deciding)
	mustBe(t, "holder", s.holder(id), "o1")
	s.run(199 * time.Second)
	mustBe(t, "holder within the lease", s.holder(id), "o1")
	s.run(time.Second)
	mustBe(t, "holder after the lease", s.holder(id), "o2")
	s.run(299 * time.Second)
	mustBe(t, "state before the timeout", s.rollout(id).Status, rollout.Deciding)
	s.run(time.Second)
	mustBe(t, "state", s.rollout(id).Status, rollout.Failed)
}
