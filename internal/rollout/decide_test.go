package rollout_test

import (
	"strings"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// deciding is a stage of occurrences at work and a shutdown whose deliberate
// the first of them has acknowledged.
func deciding(t *testing.T, n int, change ...func(*rollout.Request)) (*stage, string) {
	t.Helper()
	s := scene(t)
	s.fleetOf(discovery.Work, ids(n)...)
	id := s.request(rollout.Shutdown, change...)
	s.acknowledge("o1")
	return s, id
}

// TestSharedTask is rule 5.1: one shared task a rollout, and its status in
// every state.
func TestSharedTask(t *testing.T) {
	until := func(s *stage) time.Time { return s.wall().Add(time.Hour) }
	for _, tt := range []struct {
		name string
		do   func(s *stage, id string)
		want rollout.TaskStatus
	}{
		{"claimed", func(*stage, string) {}, rollout.TaskActive},
		{"nobody holds it", func(s *stage, _ string) { s.report("o2", discovery.Error); s.leave("o1") }, rollout.TaskPending},
		{"accepted", func(s *stage, id string) { s.decide(id, rollout.Accept) }, rollout.TaskCompleted},
		{"rejected", func(s *stage, id string) { s.decide(id, rollout.Reject) }, rollout.TaskCompleted},
		{"decided by an operator", func(s *stage, id string) { s.must(verdictOf(id, rollout.Accept)) }, rollout.TaskCompleted},
		{"deferred", func(s *stage, id string) { s.must(deferral(s, id, until(s))) }, rollout.TaskPending},
		{"ended undecided by time", func(s *stage, _ string) { s.run(601 * time.Second) }, rollout.TaskFailed},
		{"aborted undecided", func(s *stage, id string) { s.must(aborting(id)) }, rollout.TaskFailed},
		{"aborted while deferred", func(s *stage, id string) {
			s.must(deferral(s, id, until(s)))
			s.must(aborting(id))
		}, rollout.TaskFailed},
		{"superseded undecided", func(s *stage, _ string) { s.emergency() }, rollout.TaskFailed},
		{"aborted after the decision", func(s *stage, id string) { s.decide(id, rollout.Accept); s.must(aborting(id)) }, rollout.TaskCompleted},
		{"superseded after the decision", func(s *stage, id string) { s.decide(id, rollout.Accept); s.emergency() }, rollout.TaskCompleted},
		{"a wave failed that fails the rollout", func(s *stage, id string) {
			s.actors["o1"].takes = -1
			s.decide(id, rollout.Accept)
			s.run(301 * time.Second)
		}, rollout.TaskFailed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, id := deciding(t, 2)
			tt.do(s, id)
			r := s.rollout(id)
			mustBe(t, "task of a rollout that is "+string(r.Status), r.Task.Status, tt.want)
			mustBe(t, "task id", r.Task.ID, "shutdown_"+strings.TrimPrefix(id, "ro_"))
		})
	}
}

// TestWakeupTask is rule 5.1 for the other kind, and for an end that is nobody's
// failure to decide: nobody was reached, but it was decided, and under continue.
func TestWakeupTask(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Wakeup, "o1", "o2")
	id := s.request(rollout.Wakeup, oneWave(func(g *rollout.Group) { g.OnFailure = rollout.GoOn }))
	mustBe(t, "task id", s.rollout(id).Task.ID, "wakeup_"+strings.TrimPrefix(id, "ro_"))
	s.decide(id, rollout.Accept)
	s.actors["o1"].takes, s.actors["o2"].takes = -1, -1
	s.run(301 * time.Second)
	mustBe(t, "rollout", s.rollout(id).Status, rollout.Failed)
	mustBe(t, "task", s.rollout(id).Task.Status, rollout.TaskCompleted)
}

func verdictOf(id string, v rollout.Verdict) rollout.GiveVerdict {
	return rollout.GiveVerdict{RolloutID: id, Verdict: v, Reasoning: "I say so", Actor: "operator:ann"}
}

func deferral(s *stage, id string, until time.Time) rollout.GiveVerdict {
	c := s.claimOf(id)
	return rollout.GiveVerdict{
		RolloutID: id, OccurrenceID: c.OccurrenceID, Token: c.Token, Verdict: rollout.Defer, UntilWall: until,
		Reasoning: "not now", Actor: "occurrence:" + c.OccurrenceID,
	}
}

func aborting(id string) rollout.Order {
	return rollout.Order{RolloutID: id, Control: rollout.Abort, Reason: "test", Actor: "operator:ann"}
}

// TestVerdictNeedsTheToken is rule 5.4: a decision counts only with the token of
// the present grant.
func TestVerdictNeedsTheToken(t *testing.T) {
	s, id := deciding(t, 2)
	token := s.claimOf(id).Token
	mustBe(t, "another token", codeOf(t, s.verdict(id, "o1", "nonsense", rollout.Accept)), rollout.CodeClaimLost)
	mustBe(t, "another occurrence", codeOf(t, s.verdict(id, "o2", token, rollout.Accept)), rollout.CodeClaimLost)
	mustBe(t, "no such rollout", codeOf(t, s.verdict("ro_x", "o1", token, rollout.Accept)), discovery.CodeNotFound)
	mustBe(t, "state", s.rollout(id).Status, rollout.Deciding)

	s.boot("o1") // the claim moves on
	mustBe(t, "token of a former grant", codeOf(t, s.verdict(id, "o1", token, rollout.Accept)), rollout.CodeClaimLost)
	mustBe(t, "token of the present grant", codeOf(t, s.verdict(id, "o2", s.claimOf(id).Token, rollout.Accept)), "")
	mustBe(t, "state", s.rollout(id).Status, rollout.Rolling)
	mustBe(t, "decision by number", s.rollout(id).Decision.Number, int64(2))
}

// TestVerdictOrder is rule 5.4: already_decided is looked at before claim_lost.
func TestVerdictOrder(t *testing.T) {
	for _, v := range []rollout.Verdict{rollout.Accept, rollout.Reject} {
		s, id := deciding(t, 2)
		token := s.claimOf(id).Token
		s.decide(id, v)
		mustBe(t, "a wrong token", codeOf(t, s.verdict(id, "o2", "nonsense", rollout.Accept)), rollout.CodeAlreadyDecided)
		mustBe(t, "a wrong token, the same verdict", codeOf(t, s.verdict(id, "o1", "nonsense", v)), rollout.CodeAlreadyDecided)
		mustBe(t, "the token, another verdict", codeOf(t, s.verdict(id, "o1", token, rollout.Defer)), rollout.CodeAlreadyDecided)
		mustBe(t, "an operator", codeOf(t, s.overrule(id, v)), rollout.CodeAlreadyDecided)
		mustBe(t, "a claim", codeOf(t, s.takeClaim(id, "o2")), rollout.CodeAlreadyDecided)
	}
}

// TestVerdictOfTheUndecided is rule 5.4 where nothing was decided and nothing
// can be any more: the token is lost; an operator is told the state.
func TestVerdictOfTheUndecided(t *testing.T) {
	s, id := deciding(t, 2)
	token := s.claimOf(id).Token
	s.must(aborting(id))
	mustBe(t, "former holder", codeOf(t, s.verdict(id, "o1", token, rollout.Accept)), rollout.CodeClaimLost)
	refusal := refusalOf(t, s.overrule(id, rollout.Accept))
	mustBe(t, "operator", refusal.Code, rollout.CodeNotAllowed)
	mustBe(t, "state named", refusal.State, "aborted")

	s, id = deciding(t, 2)
	token = s.claimOf(id).Token
	s.must(deferral(s, id, time.Time{}))
	mustBe(t, "while deferred", codeOf(t, s.verdict(id, "o1", token, rollout.Accept)), rollout.CodeClaimLost)
	mustBe(t, "claim while deferred", codeOf(t, s.takeClaim(id, "o2")), rollout.CodeNotAllowed)
}

// TestVerdictRepeated is rule 5.4: the same verdict with the token that made it
// is taken and changes nothing, whatever has become of the rollout.
func TestVerdictRepeated(t *testing.T) {
	for _, v := range []rollout.Verdict{rollout.Accept, rollout.Reject, rollout.Defer} {
		t.Run(string(v), func(t *testing.T) {
			s, id := deciding(t, 2)
			token := s.claimOf(id).Token
			s.decide(id, v)
			for range 2 {
				version, events, made := s.rollout(id).Version, len(s.log), len(s.made)
				mustBe(t, "repeated", codeOf(t, s.verdict(id, "o1", token, v)), "")
				mustBe(t, "answered for", s.last.RolloutID, id)
				mustBe(t, "version", s.rollout(id).Version, version)
				mustBe(t, "events", len(s.log), events)
				mustBe(t, "instructions", len(s.made), made)
				s.run(50 * time.Minute) // far into what follows
			}
			mustBe(t, "by another", codeOf(t, s.verdict(id, "o2", token, v)) != "", true)
		})
	}
}

// TestGrantNumbers is rule 5.4: each grant has a number that only grows, kept in
// the log, and a token of its own.
func TestGrantNumbers(t *testing.T) {
	s, id := deciding(t, 3)
	tokens := map[string]bool{}
	for n := int64(1); n <= 6; n++ {
		c := s.claimOf(id)
		mustBe(t, "number", c.Number, n)
		mustBe(t, "the token is new", tokens[c.Token], false)
		tokens[c.Token] = true
		s.boot(c.OccurrenceID)
	}
	last := int64(0)
	for _, e := range s.happened("claim.granted") {
		number, _ := e.Data["number"].(int64)
		mustBe(t, "number in the log", number, last+1)
		last = number
	}
	s.decide(id, rollout.Accept)
	decided := s.happened("decision.accept")
	mustBe(t, "decisions", len(decided), 1)
	mustBe(t, "number of the decision", decided[0].Data["number"], any(int64(7)))
}

// TestReject is rule 5.5: a rejection means that nobody stops, for good.
func TestReject(t *testing.T) {
	s, id := deciding(t, 5)
	s.decide(id, rollout.Reject)
	s.run(time.Hour)
	mustBe(t, "state", s.rollout(id).Status, rollout.Rejected)
	mustBe(t, "stops", s.count(rollout.Stop), 0)
	mustBe(t, "waves", len(s.rollout(id).Waves), 0)
	mustBe(t, "reasoning", s.rollout(id).Decision.Reasoning, "because")
	for _, control := range []rollout.Control{rollout.Pause, rollout.Resume, rollout.Promote, rollout.Retry, rollout.Abort} {
		mustBe(t, string(control), codeOf(t, s.order(id, control, 1)), rollout.CodeNotAllowed)
	}
	mustBe(t, "an operator's acceptance", codeOf(t, s.overrule(id, rollout.Accept)), rollout.CodeAlreadyDecided)
	mustBe(t, "stops", s.count(rollout.Stop), 0)
}

// TestOperatorDecides is rule 5.7: an operator may decide what is deciding or
// deferred, and the record says that it was an operator, and who.
func TestOperatorDecides(t *testing.T) {
	for _, deferred := range []bool{false, true} {
		for v, want := range map[rollout.Verdict]rollout.Status{
			rollout.Accept: rollout.Rolling, rollout.Reject: rollout.Rejected, rollout.Defer: rollout.Deferred,
		} {
			s := scene(t)
			s.fleetOf(discovery.Work, ids(3)...)
			id := s.request(rollout.Shutdown)
			token := s.claimOf(id).Token
			if deferred {
				s.must(deferral(s, id, time.Time{}))
			}
			mustBe(t, "verdict", codeOf(t, s.overrule(id, v)), "")
			r := s.rollout(id)
			mustBe(t, "state", r.Status, want)
			mustBe(t, "actor", r.Decision.Actor, "operator:ann")
			mustBe(t, "decider", r.Decision.OccurrenceID, "")
			mustBe(t, "reasoning", r.Decision.Reasoning, "I say so")
			log := s.happened("decision." + string(v))
			mustBe(t, "actor in the log", log[len(log)-1].Actor, "operator:ann")
			mustBe(t, "the claim is over", s.holder(id), "nobody")
			mustBe(t, "its deliberate is withdrawn", s.lastTold("o1", rollout.Deliberate).WithdrawnAt.IsZero(), false)
			mustBe(t, "the former token", codeOf(t, s.verdict(id, "o1", token, rollout.Accept)) != "", true)
		}
	}
}

// TestOperatorHasNoDecider: what an operator decided has no decider, so the
// order of section 3 is as it was (rules 5.7 and 3.1).
func TestOperatorHasNoDecider(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Work, "a", "b", "default")
	id := s.request(rollout.Shutdown)
	mustBe(t, "verdict", codeOf(t, s.overrule(id, rollout.Accept)), "")
	mustBe(t, "goes first", s.rollout(id).Waves[0].Members[0].OccurrenceID, "default")
}
