package rollout_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// in brings a shutdown of two waves into a state.
func in(t *testing.T, state rollout.Status) (*stage, string) {
	t.Helper()
	s := newStage(t)
	s.fleetOf(discovery.Work, ids(3)...)
	s.idle(ids(3)...)
	id := s.request(rollout.Shutdown, withPlan(groupOf("a", sized(1)), groupOf("b", remaining(), delayed(time.Hour))))
	to := map[rollout.Status]func(){
		rollout.Deciding:   func() {},
		rollout.Deferred:   func() { ok(t, s.postpone(id, time.Time{})) },
		rollout.Rejected:   func() { s.decide(id, rollout.Reject) },
		rollout.Rolling:    func() { s.decide(id, rollout.Accept) },
		rollout.Paused:     func() { s.decide(id, rollout.Accept); ok(t, s.order(id, rollout.Pause, 0)) },
		rollout.Halted:     func() { s.decide(id, rollout.Accept); s.keepAlive(5 * time.Minute) },
		rollout.Aborted:    func() { s.decide(id, rollout.Accept); ok(t, s.order(id, rollout.Abort, 0)) },
		rollout.Failed:     func() { s.keepAlive(10 * time.Minute) },
		rollout.Superseded: func() { s.request(rollout.Shutdown, func(c *rollout.Request) { c.Supersede = true }) },
		rollout.Succeeded: func() {
			s.decide(id, rollout.Accept)
			s.report("o1", discovery.Stopped)
			ok(t, s.order(id, rollout.Promote, 1))
			s.report("o2", discovery.Stopped)
			s.report("o3", discovery.Stopped)
		},
		rollout.Partial: func() {
			s.decide(id, rollout.Accept)
			s.report("o1", discovery.Stopped)
			ok(t, s.order(id, rollout.Promote, 1))
			s.report("o2", discovery.Stopped)
			s.keepAlive(5 * time.Minute)
		},
	}
	to[state]()
	s.wantState(id, state)
	return s, id
}

// TestCommandsInEveryState is rule 4.18 and the table of states: in each state
// each command has its effect, is so already, or is refused; a refusal names the
// state and the commands that are allowed.
func TestCommandsInEveryState(t *testing.T) {
	effect := map[rollout.Status]string{
		rollout.Deciding: "abort", rollout.Deferred: "abort", rollout.Rolling: "pause promote abort",
		rollout.Paused: "resume abort", rollout.Halted: "retry promote abort",
		rollout.Rejected: "", rollout.Aborted: "", rollout.Failed: "", rollout.Superseded: "", rollout.Succeeded: "", rollout.Partial: "",
	}
	already := map[rollout.Status]string{rollout.Rolling: "resume", rollout.Paused: "pause", rollout.Aborted: "abort"}
	for state, works := range effect {
		for _, c := range []rollout.Control{rollout.Pause, rollout.Resume, rollout.Promote, rollout.Retry, rollout.Abort} {
			s, id := in(t, state)
			before, events := s.rollout(id), len(s.log)
			err := s.order(id, c, 1)
			after := s.rollout(id)
			what := string(c) + " while " + string(state)
			switch {
			case slices.Contains(strings.Fields(works), string(c)):
				if err != nil || after.Version == before.Version {
					t.Errorf("%s: %v, version %d to %d", what, err, before.Version, after.Version)
				}
			case slices.Contains(strings.Fields(already[state]), string(c)):
				if err != nil || after.Version != before.Version || len(s.log) != events || after.Status != state {
					t.Errorf("%s changed something: %v, version %d to %d", what, err, before.Version, after.Version)
				}
				mustBe(t, what+" is answered", s.last.RolloutID, id)
			default:
				refusal := refusalOf(t, err)
				if refusal.Code != rollout.CodeNotAllowed || refusal.State != string(state) || !slices.Equal(refusal.Allowed, rollout.Allowed(before)) || len(s.log) != events {
					t.Errorf("%s: %+v", what, refusal)
				}
			}
		}
	}
	s := newStage(t)
	mustBe(t, "a rollout that is not there", codeOf(t, s.order("ro_none", rollout.Abort, 0)), discovery.CodeNotFound)
}

// TestCommandsLeadTo is the table of states: where each command leads.
func TestCommandsLeadTo(t *testing.T) {
	for _, c := range []struct {
		from    rollout.Status
		command rollout.Control
		to      rollout.Status
	}{
		{rollout.Deciding, rollout.Abort, rollout.Aborted},
		{rollout.Deferred, rollout.Abort, rollout.Aborted},
		{rollout.Rolling, rollout.Pause, rollout.Paused},
		{rollout.Rolling, rollout.Promote, rollout.Rolling},
		{rollout.Rolling, rollout.Abort, rollout.Aborted},
		{rollout.Paused, rollout.Resume, rollout.Rolling},
		{rollout.Paused, rollout.Abort, rollout.Aborted},
		{rollout.Halted, rollout.Retry, rollout.Rolling},
		{rollout.Halted, rollout.Promote, rollout.Rolling},
		{rollout.Halted, rollout.Abort, rollout.Aborted},
	} {
		s, id := in(t, c.from)
		ok(t, s.order(id, c.command, 1))
		if got := s.rollout(id).Status; got != c.to {
			t.Errorf("%s leads from %s to %s, want %s", c.command, c.from, got, c.to)
		}
		found := c.command == rollout.Abort // whose event is the end itself
		for _, e := range s.happened("command." + string(c.command)) {
			found = found || e.Actor == "operator:local" && e.Data["reason"] == "test"
		}
		if !found {
			t.Errorf("%s is not in the trail with its reason", c.command)
		}
	}
}

// TestStaleVersion is rule 4.18: 409 stale_version when the version has moved on,
// so that a delayed pause cannot overtake a later resume. What is already so is
// 200, and what is not allowed 409, before the version is looked at; abort
// ignores it.
func TestStaleVersion(t *testing.T) {
	order := func(s *stage, id string, c rollout.Control, version int64) error {
		return s.step(rollout.Order{RolloutID: id, Control: c, Reason: "test", Actor: "operator:ann", Version: &version, Wave: 1})
	}
	s, id := in(t, rollout.Rolling)
	v := s.rollout(id).Version
	ok(t, order(s, id, rollout.Pause, v))
	mustBe(t, "paused already", order(s, id, rollout.Pause, v), nil)
	mustBe(t, "not allowed", codeOf(t, order(s, id, rollout.Retry, v)), rollout.CodeNotAllowed)
	mustBe(t, "a resume that saw the old version", codeOf(t, order(s, id, rollout.Resume, v)), rollout.CodeStaleVersion)
	s.wantState(id, rollout.Paused)
	ok(t, order(s, id, rollout.Resume, s.rollout(id).Version))
	refusal := refusalOf(t, order(s, id, rollout.Pause, v))
	mustBe(t, "the pause that was delayed", refusal.Code, rollout.CodeStaleVersion)
	mustBe(t, "state", refusal.State, "rolling")
	mustBe(t, "allowed", strings.Join(refusal.Allowed, " "), "pause promote abort")
	s.wantState(id, rollout.Rolling)
	mustBe(t, "promote", codeOf(t, order(s, id, rollout.Promote, v)), rollout.CodeStaleVersion)
	ok(t, order(s, id, rollout.Abort, v))
	s.wantState(id, rollout.Aborted)

	s, id = in(t, rollout.Halted)
	v = s.rollout(id).Version
	mustBe(t, "retry", codeOf(t, order(s, id, rollout.Retry, v-1)), rollout.CodeStaleVersion)
	ok(t, order(s, id, rollout.Retry, v))
}

// TestVersionGrows is rule 4.18: the version grows with every command and every
// change of the rollout's or a wave's state, not with members' progress.
func TestVersionGrows(t *testing.T) {
	s, id := in(t, rollout.Rolling)
	grows := func(what string, want bool, do func()) {
		t.Helper()
		before := s.rollout(id).Version
		do()
		if after := s.rollout(id).Version; after > before != want || after < before {
			t.Errorf("%s: version %d to %d", what, before, after)
		}
	}
	grows("an acknowledgement", false, func() { s.acknowledge("o1") })
	grows("a joiner", false, func() { s.boot("new") })
	grows("a new boot", false, func() { s.boot("o1") })
	grows("pause", true, func() { ok(t, s.order(id, rollout.Pause, 0)) })
	grows("pause again", false, func() { ok(t, s.order(id, rollout.Pause, 0)) })
	grows("resume", true, func() { ok(t, s.order(id, rollout.Resume, 0)) })
	grows("wave 1 passes", true, func() { s.report("o1", discovery.Stopped) })
	grows("a minute", false, func() { s.keepAlive(time.Minute) })
	grows("promote: wave 2 starts", true, func() { ok(t, s.order(id, rollout.Promote, 1)) })
	grows("wave 2 passes", true, func() { s.report("o2", discovery.Stopped) })
	grows("o3 stops", false, func() { s.report("o3", discovery.Stopped) })
	grows("the end", true, func() { s.report("new", discovery.Stopped) })
	grows("after the end", false, func() { s.boot("o1"); s.keepAlive(time.Hour) })
	s, id = in(t, rollout.Deciding)
	grows("the verdict", true, func() { s.decide(id, rollout.Accept) })
}

// TestAbort is rule 4.18: every undelivered instruction is withdrawn, none is made
// or picked up any more, nothing is reverted.
func TestAbort(t *testing.T) {
	s, id := in(t, rollout.Rolling)
	undelivered := *s.lastTold("o1", rollout.Stop)
	ok(t, s.order(id, rollout.Abort, 0))
	mustBe(t, "pending", len(s.pending("o1")), 0)
	mustBe(t, "picking it up", codeOf(t, s.answered(s.lastTold("o1", rollout.Stop))), rollout.CodeWithdrawn)
	s.boot("o1")
	s.keepAlive(2 * time.Hour)
	mustBe(t, "made", len(s.made), 2) // the deliberate, and that one
	if undelivered.ID != s.made[1] {
		t.Errorf("made were %v", s.made)
	}
	// Abort beats promote and resume.
	mustBe(t, "promote", codeOf(t, s.order(id, rollout.Promote, 1)), rollout.CodeNotAllowed)
	mustBe(t, "resume", codeOf(t, s.order(id, rollout.Resume, 1)), rollout.CodeNotAllowed)
	s.wantState(id, rollout.Aborted)
}
