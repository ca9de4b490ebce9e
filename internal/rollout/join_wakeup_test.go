package rollout_test

import (
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// openPlaces is a wakeup under way of o1 and o2 that is sized for five: one place
// is open in the second wave and two in the third.
func openPlaces(t *testing.T) (*stage, string) {
	t.Helper()
	s := newStage(t)
	s.state.Profile.Expected = 5
	s.fleetOf(discovery.Wakeup, "o1", "o2")
	s.idle("o1", "o2")
	id := s.wakeUp(groupOf("a", sized(1)), groupOf("b", sized(2), delayed(time.Minute)), groupOf("c", remaining(), delayed(time.Minute)))
	s.want(id, "1 a running: o1=instructed", "2 b pending: o2=pending", "3 c pending:")
	return s, id
}

// TestWakeupJoinerTakesTheFirstOpenPlace is rules 4.15 and 3.5: who is no member
// and asks takes the first open place of a wave that has not started, else joins
// the last wave if that has not; its own pin counts for nothing.
func TestWakeupJoinerTakesTheFirstOpenPlace(t *testing.T) {
	s, id := openPlaces(t)
	for _, o := range []string{"n1", "n2", "n3", "n4"} {
		s.boot(o, func(r *discovery.Registration) { r.Pin = "c" })
		a := s.ask(o)
		mustBe(t, o+" is told to", a.Directive, rollout.Wait)
		mustBe(t, o+" waits for", a.RolloutID, id)
	}
	s.want(id, "1 a running: o1=instructed", "2 b pending: o2=pending n1=pending", "3 c pending: n2=pending n3=pending n4=pending")
	mustBe(t, "asking again", s.ask("n2").Directive, rollout.Wait)
	s.want(id, "1 a running: o1=instructed", "2 b pending: o2=pending n1=pending", "3 c pending: n2=pending n3=pending n4=pending")
	s.report("o1", discovery.Work)
	s.idle("n1", "n2", "n3", "n4")
	s.keepAlive(time.Minute)
	s.wantMember(id, "n1", rollout.MemberInstructed)
	mustBe(t, "n1 was let go", s.ask("n1").Directive, rollout.Proceed)
	if m := s.place(id, "n1"); !m.Deadline.Equal(epoch.Add(6*time.Minute)) || !m.Counts {
		t.Errorf("n1 has until %s, counts %v", clock(m.Deadline), m.Counts)
	}
}

// TestWakeupJoinerHasToAsk is rule 4.15: in a wakeup who is no member and does not
// ask is none.
func TestWakeupJoinerHasToAsk(t *testing.T) {
	s, id := openPlaces(t)
	s.fleetOf(discovery.Wakeup, "n1")
	s.keepAlive(10 * time.Second)
	s.want(id, "1 a running: o1=instructed", "2 b pending: o2=pending", "3 c pending:")
}

// TestWakeupJoinerWhenAllHaveStarted is rule 4.15: when all waves have started it
// is answered proceed, wait while paused or halted, and is no member.
func TestWakeupJoinerWhenAllHaveStarted(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Wakeup, "o1", "o2")
	s.idle("o1", "o2")
	id := s.wakeUp(groupOf("a", remaining()))
	s.boot("n1")
	mustBe(t, "rolling", s.ask("n1").Directive, rollout.Proceed)
	ok(t, s.order(id, rollout.Pause, 0))
	mustBe(t, "paused", s.ask("n1").Directive, rollout.Wait)
	ok(t, s.order(id, rollout.Resume, 0))
	s.keepAlive(5 * time.Minute)
	s.wantState(id, rollout.Halted)
	mustBe(t, "halted", s.ask("n1").Directive, rollout.Wait)
	s.want(id, "1 a failed: o1=failed o2=failed")
}

// TestSkippedTakesAnOpenPlace is rule 4.15: who was skipped in a wakeup and is
// heard again takes the first open place of a wave that has not started, without
// asking.
func TestSkippedTakesAnOpenPlace(t *testing.T) {
	s := newStage(t)
	s.state.Profile.Expected = 4
	s.fleetOf(discovery.Wakeup, ids(3)...)
	s.idle(ids(3)...)
	id := s.wakeUp(groupOf("a", sized(1)), groupOf("b", sized(2), delayed(time.Minute)), groupOf("c", remaining(), delayed(time.Minute)))
	s.report("o1", discovery.Work)
	s.silent("o2")
	s.keepAlive(time.Minute)
	s.want(id, "1 a passed: o1=reached", "2 b running: o2=skipped o3=instructed", "3 c pending:")
	s.back("o2")
	s.want(id, "1 a passed: o1=reached", "2 b running: o3=instructed", "3 c pending: o2=pending")
	s.report("o3", discovery.Work)
	s.keepAlive(time.Minute)
	s.report("o2", discovery.Work)
	s.want(id, "1 a passed: o1=reached", "2 b passed: o3=reached", "3 c passed: o2=reached")
	s.wantState(id, rollout.Succeeded)
}

// TestSkippedAsksAndProceeds is rule 4.15: was skipped, and all waves have
// started: it is answered proceed and stays skipped.
func TestSkippedAsksAndProceeds(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Wakeup, ids(2)...)
	s.idle(ids(2)...)
	s.silent("o1")
	s.keepAlive(31 * time.Second)
	id := s.wakeUp(groupOf("a", remaining()))
	s.back("o1")
	s.wantMember(id, "o1", rollout.MemberSkipped)
	mustBe(t, "o1 asks", s.ask("o1").Directive, rollout.Proceed)
	s.wantMember(id, "o1", rollout.MemberSkipped)
	s.report("o2", discovery.Work)
	s.wantState(id, rollout.Succeeded) // skipped as stale spoils only a shutdown (rule 4.16)
}

// TestEmptyWaveIsSkippedAtOnce is rules 4.5 and 3.5: a wave of nothing but open
// places has nobody to wait for.
func TestEmptyWaveIsSkippedAtOnce(t *testing.T) {
	s, id := openPlaces(t)
	s.report("o1", discovery.Work)
	s.keepAlive(time.Minute)
	s.report("o2", discovery.Work)
	s.keepAlive(time.Minute)
	s.want(id, "1 a passed: o1=reached", "2 b passed: o2=reached", "3 c skipped:")
	s.wantAt("wave.skipped", 3, "2:00")
	s.wantState(id, rollout.Succeeded)
}
