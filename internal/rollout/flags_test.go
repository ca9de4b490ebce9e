package rollout_test

import (
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// TestCanaryOff is rule 4.24: one decision for all, carried out in one wave "all"
// with the settings of any other group; plans are ignored.
func TestCanaryOff(t *testing.T) {
	s := newStage(t)
	s.settings.Canary = false
	s.fleetOf(discovery.Work, ids(3)...)
	id := s.request(rollout.Shutdown, withPlan(fsdPlan()...))
	mustBe(t, "one decides", s.holder(id), "o1")
	mustBe(t, "for all", s.count(rollout.Deliberate), 1)
	s.decide(id, rollout.Accept)
	s.want(id, "1 all running: o1=instructed o2=instructed o3=instructed")
	want := groupOf("all", remaining())
	if got := s.wave(id, 1).Group; got != want {
		t.Errorf("its wave is %+v, want %+v", got, want)
	}
	s.keepAlive(5 * time.Minute)
	s.wantState(id, rollout.Halted)
}

// independentShutdown is a shutdown of three while coordination is off.
func independentShutdown(t *testing.T, change ...func(*rollout.Request)) (*stage, string) {
	t.Helper()
	s := newStage(t)
	s.settings.Coordination = false
	s.fleetOf(discovery.Work, ids(3)...)
	s.idle(ids(3)...)
	return s, s.request(rollout.Shutdown, change...)
}

// TestCoordinationOff is rule 4.24: a shutdown becomes rolling at once with one
// wave "independent" (continue), in which every occurrence gets a deliberate
// without a claim, decides for itself and acts.
func TestCoordinationOff(t *testing.T) {
	s, id := independentShutdown(t, withPlan(fsdPlan()...))
	s.wantState(id, rollout.Rolling)
	s.want(id, "1 independent running: o1=instructed o2=instructed o3=instructed")
	mustBe(t, "on failure", s.wave(id, 1).OnFailure, rollout.GoOn)
	mustBe(t, "its task", s.rollout(id).Task.Status, rollout.TaskCompleted)
	for _, o := range ids(3) {
		in := s.lastTold(o, rollout.Deliberate)
		if in.Claim != nil || in.Wave != 1 || in.Group != "independent" || !in.Deadline.Equal(epoch.Add(5*time.Minute)) {
			t.Errorf("%s is told by %+v", o, in.Instruction)
		}
		wantText(t, in.Message, "SYSTEM SHUTDOWN REQUEST", "occurrence "+o)
	}
	s.acknowledge("o1")
	s.wantMember(id, "o1", rollout.MemberAcknowledged)
	s.report("o1", discovery.Stopped)
	s.report("o2", discovery.Stopped)
	s.keepAlive(5 * time.Minute)
	s.want(id, "1 independent passed: o1=reached o2=reached o3=failed")
	s.wantState(id, rollout.Partial)
}

// TestCoordinationOffRefusal is rule 4.24: it may tell a refusal by decision with
// its instruction id in place of the claim token, and is then skipped with the
// detail "refused"; who refused spoils nothing (rule 4.16).
func TestCoordinationOffRefusal(t *testing.T) {
	s, id := independentShutdown(t)
	token := s.lastTold("o2", rollout.Deliberate).ID
	ok(t, s.verdict(id, "o2", token, rollout.Reject))
	if m := s.place(id, "o2"); m.Status != rollout.MemberSkipped || m.Detail != "refused" {
		t.Errorf("o2 is %s, %q", m.Status, m.Detail)
	}
	events := len(s.log)
	mustBe(t, "refusing again", s.verdict(id, "o2", token, rollout.Reject), nil)
	mustBe(t, "accepting after that", codeOf(t, s.verdict(id, "o2", token, rollout.Accept)), rollout.CodeClaimLost)
	mustBe(t, "events", len(s.log), events)
	mustBe(t, "another's instruction", codeOf(t, s.verdict(id, "o1", token, rollout.Reject)), rollout.CodeClaimLost)
	mustBe(t, "a stranger", codeOf(t, s.verdict(id, "o9", token, rollout.Reject)), rollout.CodeClaimLost)
	mine := s.lastTold("o1", rollout.Deliberate).ID
	mustBe(t, "deferring", codeOf(t, s.verdict(id, "o1", mine, rollout.Defer)), rollout.CodeInvalid)
	ok(t, s.verdict(id, "o1", mine, rollout.Accept))
	s.wantMember(id, "o1", rollout.MemberAcknowledged)
	s.report("o1", discovery.Stopped)
	s.boot("o2") // it said no, in whatever boot
	s.report("o3", discovery.Stopped)
	s.want(id, "1 independent passed: o1=reached o2=skipped o3=reached")
	s.wantState(id, rollout.Succeeded)
	s.now = s.now.Add(time.Second)
	s.beat("o2")
	s.wantTold("o2", 0) // and is no straggler (rule 4.17)
	mustBe(t, "after the end", codeOf(t, s.verdict(id, "o3", s.lastTold("o3", rollout.Deliberate).ID, rollout.Reject)), rollout.CodeClaimLost)
}

// TestAllRefuse is rules 4.24 and 4.16: where all refuse nobody has reached.
func TestAllRefuse(t *testing.T) {
	s, id := independentShutdown(t)
	for _, o := range ids(3) {
		ok(t, s.verdict(id, o, s.lastTold(o, rollout.Deliberate).ID, rollout.Reject))
	}
	s.want(id, "1 independent skipped: o1=skipped o2=skipped o3=skipped")
	s.wantState(id, rollout.Failed)
}

// TestRefusedCountsForNoGate is rules 4.24 and 4.7: who refused counts for no gate.
func TestRefusedCountsForNoGate(t *testing.T) {
	s, id := independentShutdown(t)
	s.keepAlive(time.Minute)
	for _, o := range ids(2) {
		ok(t, s.verdict(id, o, s.lastTold(o, rollout.Deliberate).ID, rollout.Reject))
	}
	s.want(id, "1 independent running: o1=skipped o2=skipped o3=instructed")
	s.keepAlive(4 * time.Minute)
	s.want(id, "1 independent failed: o1=skipped o2=skipped o3=failed")
	s.wantState(id, rollout.Failed)
}

// TestCoordinationOffInstant is rules 4.24 and 5.6: asking nobody is asking
// nobody: they are told to stop.
func TestCoordinationOffInstant(t *testing.T) {
	s, _ := independentShutdown(t, instant)
	mustBe(t, "deliberates", s.count(rollout.Deliberate), 0)
	mustBe(t, "stops", s.count(rollout.Stop), 3)
}

// TestCoordinationOffNewBoot is rules 4.24 and 4.13: a new boot is asked anew, and
// its old instruction refuses nothing any more.
func TestCoordinationOffNewBoot(t *testing.T) {
	s, id := independentShutdown(t)
	old := s.lastTold("o1", rollout.Deliberate).ID
	s.boot("o1")
	mustBe(t, "the old boot's", codeOf(t, s.verdict(id, "o1", old, rollout.Reject)), rollout.CodeClaimLost)
	ok(t, s.verdict(id, "o1", s.lastTold("o1", rollout.Deliberate).ID, rollout.Reject))
	s.wantMember(id, "o1", rollout.MemberSkipped)
}

// TestCoordinationOffTooLate is rules 4.24 and 7.2: an instruction whose deadline
// has passed, or whose boot was replaced, refuses nothing; in a pause the deadline
// stands still.
func TestCoordinationOffTooLate(t *testing.T) {
	s, id := independentShutdown(t)
	s.keepAlive(4 * time.Minute)
	s.boot("new") // it holds the rollout open
	s.idle("new")
	ok(t, s.order(id, rollout.Pause, 0))
	s.keepAlive(time.Hour)
	ok(t, s.verdict(id, "o1", s.lastTold("o1", rollout.Deliberate).ID, rollout.Reject))
	s.boot("o3")
	mustBe(t, "a boot that was replaced", codeOf(t, s.verdict(id, "o3", s.lastTold("o3", rollout.Deliberate).ID, rollout.Reject)), rollout.CodeClaimLost)
	ok(t, s.order(id, rollout.Resume, 0))
	s.keepAlive(time.Minute)
	s.wantMember(id, "o2", rollout.MemberFailed)
	mustBe(t, "too late", codeOf(t, s.verdict(id, "o2", s.lastTold("o2", rollout.Deliberate).ID, rollout.Reject)), rollout.CodeClaimLost)
	s.wantMember(id, "o2", rollout.MemberFailed)
}

// TestCoordinationOffWakeup is rule 4.24: every request to wake is independent,
// and an operator's wakeup is none that could be carried out.
func TestCoordinationOffWakeup(t *testing.T) {
	s := newStage(t)
	s.settings.Coordination = false
	s.fleetOf(discovery.Wakeup, "o1")
	a := s.ask("o1")
	mustBe(t, "the asker", a.Directive, rollout.Independent)
	mustBe(t, "opened", len(s.state.Rollouts), 0)
	mustBe(t, "an operator's", s.refused(rollout.Request{ULID: s.ulid(), Kind: rollout.Wakeup}), rollout.CodeNotAllowed)
}

// TestFlagsDoNotTouchWhatRuns is rules 4.24 and 3.7: the plan is fixed by the
// request; a flag that is set meanwhile changes nothing of it.
func TestFlagsDoNotTouchWhatRuns(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, ids(3)...)
	s.idle(ids(3)...)
	id := s.request(rollout.Shutdown)
	s.settings.Coordination, s.settings.Canary = false, false
	s.decide(id, rollout.Accept)
	s.want(id, "1 explorer running: o1=instructed", "2 early_adopter pending: o2=pending", "3 general pending: o3=pending")
	mustBe(t, "told to stop", s.count(rollout.Stop), 1)
}
