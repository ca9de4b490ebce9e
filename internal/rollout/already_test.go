package rollout_test

import (
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// TestAwakeIsNotTold is rule 4.6: a member that is awake when it would be told
// is not told; it is acknowledged, and its next heartbeat that says so makes it
// reached. Nothing observed before the wave started opens its gate.
func TestAwakeIsNotTold(t *testing.T) {
	for _, state := range []discovery.State{discovery.Work, discovery.Play, discovery.Solitude, discovery.Dream} {
		s := newStage(t)
		s.fleetOf(state, "o1")
		id := s.wakeUp(groupOf("a", remaining(), within(time.Minute)))
		s.want(id, "1 a running: o1=acknowledged")
		s.wantTold("o1", 0)
		m := s.place(id, "o1")
		if m.AcknowledgedAt.IsZero() || !m.Deadline.Equal(epoch.Add(time.Minute)) { // rule 4.12
			t.Errorf("acknowledged at %v, deadline %v", m.AcknowledgedAt, m.Deadline)
		}
		s.amend("o1", func(o *discovery.Occurrence) { o.LastSign = s.now }) // a sign of life that is no heartbeat
		s.wantWave(id, 1, rollout.WaveRunning)
		s.now = s.now.Add(5 * time.Second)
		s.beat("o1")
		s.want(id, "1 a passed: o1=reached")
		s.wantAt("wave.passed", 1, "0:05")
		s.wantTold("o1", 0)
		s.wantState(id, rollout.Succeeded)
	}
}

// TestAwakeNoMore is rule 4.6: a member that was awake, and whose next heartbeat
// does not say so, is told.
func TestAwakeNoMore(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Play, "o1")
	id := s.wakeUp(groupOf("a", remaining()))
	s.now = s.now.Add(10 * time.Second)
	s.report("o1", discovery.Wakeup)
	s.want(id, "1 a running: o1=instructed")
	s.wantTold("o1", 1)
	if m := s.place(id, "o1"); !m.Deadline.Equal(s.now.Add(5*time.Minute)) || m.Restarts != 0 {
		t.Errorf("told anew: deadline %v, %d restarts", m.Deadline, m.Restarts)
	}
	s.report("o1", discovery.Play) // awake is enough no more: it was told
	s.wantMember(id, "o1", rollout.MemberInstructed)
	s.report("o1", discovery.Work)
	s.wantMember(id, "o1", rollout.MemberReached)
}

// TestAwakeNoMoreWhileNobodyIsTold is rules 4.6 and 4.19: while paused nobody is
// told, and on resume it is.
func TestAwakeNoMoreWhileNobodyIsTold(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, "o1")
	id := s.wakeUp(groupOf("a", remaining()))
	ok(t, s.order(id, rollout.Pause, 0))
	s.report("o1", discovery.Wakeup)
	s.wantTold("o1", 0)
	ok(t, s.order(id, rollout.Resume, 0))
	s.wantTold("o1", 1)
}

// TestAwakeWhenItsTurnComes is rule 4.6: it is looked at when the member would be
// told, not when the wave started; and who gets there untold has reached.
func TestAwakeWhenItsTurnComes(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Starting, ids(3)...)
	id := s.wakeUp(groupOf("a", remaining(), atOnce(rollout.Count(1)), needs(rollout.Count(3))))
	s.report("o2", discovery.Dream)
	s.report("o3", discovery.Work)
	s.want(id, "1 a running: o1=instructed o2=pending o3=reached")
	s.report("o1", discovery.Work)
	s.want(id, "1 a running: o1=reached o2=acknowledged o3=reached")
	s.beat("o2")
	s.want(id, "1 a passed: o1=reached o2=reached o3=reached")
	for o, times := range map[string]int{"o1": 1, "o2": 0, "o3": 0} {
		s.wantTold(o, times)
	}
}

// TestAwakeAndNotHeardAgain is rules 4.6, 4.11 and 4.12: who was awake and is not
// heard is lost; heard too late with something else it is told.
func TestAwakeAndNotHeardAgain(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, "o1", "o2")
	id := s.wakeUp(groupOf("a", remaining(), needs(rollout.Count(2))))
	s.silent("o1")
	s.keepAlive(40 * time.Second)
	s.want(id, "1 a running: o1=lost o2=reached")
	s.actors["o1"].state = discovery.Wakeup
	s.back("o1")
	s.wantMember(id, "o1", rollout.MemberInstructed)
}

// TestAffirmingBootIsNotTold is rule 4.6: the boot that affirmed a wakeup is not
// told, that was its instruction; a later boot of the decider is.
func TestAffirmingBootIsNotTold(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Wakeup, "o1", "o2")
	id := s.ask("o2").RolloutID
	s.decide(id, rollout.Accept)
	s.want(id, "1 explorer running: o2=acknowledged", "2 early_adopter pending: o1=pending", "3 general skipped:")
	s.wantTold("o2", 0)
	s.beat("o2") // still in wakeup: no reason to tell it
	s.wantTold("o2", 0)
	s.wantMember(id, "o2", rollout.MemberAcknowledged)
	s.boot("o2")
	s.wantTold("o2", 1)
	s.wantMember(id, "o2", rollout.MemberInstructed)
	s.report("o2", discovery.Work)
	s.wantWave(id, 1, rollout.WavePassed)

	// It booted anew between its verdict and wave 1.
	s = newStage(t)
	s.fleetOf(discovery.Wakeup, "o1", "o2")
	id = s.request(rollout.Wakeup, withPlan(groupOf("a", remaining(), delayed(20*time.Second))))
	s.decide(id, rollout.Accept)
	s.boot("o1")
	s.keepAlive(20 * time.Second)
	s.wantTold("o1", 1)
}

// TestAwakeIsEnoughForTheAffirmingBoot is rules 4.6 and 4.11: awake is enough
// where 4.6 applies, and that is the affirming boot too.
func TestAwakeIsEnoughForTheAffirmingBoot(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Wakeup, "o1", "o2")
	id := s.ask("o1").RolloutID
	s.decide(id, rollout.Accept)
	s.report("o1", discovery.Solitude)
	s.wantMember(id, "o1", rollout.MemberReached)
	s.wantWave(id, 1, rollout.WavePassed)
}

// TestAwakeIsEnoughOnceReached is rule 4.11: awake is enough after it was once
// reached, and never before for who was told.
func TestAwakeIsEnoughOnceReached(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Wakeup, "o1", "o2")
	id := s.wakeUp(groupOf("a", remaining(), needs(rollout.Count(2))))
	s.report("o1", discovery.Play)
	s.wantMember(id, "o1", rollout.MemberInstructed)
	s.report("o1", discovery.Work)
	s.wantMember(id, "o1", rollout.MemberReached)
	s.report("o1", discovery.Play)
	s.wantMember(id, "o1", rollout.MemberReached)
	s.report("o1", discovery.Wakeup)
	s.wantMember(id, "o1", rollout.MemberAcknowledged)
	s.report("o1", discovery.Dream)
	s.wantMember(id, "o1", rollout.MemberReached)
}

// TestNothingBeforeTheStartOpensTheGate is rule 4.6 for a member that reached its
// target before its wave started, and is not heard after it.
func TestNothingBeforeTheStartOpensTheGate(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Wakeup, "o1", "o2")
	id := s.wakeUp(groupOf("a", sized(1)), groupOf("b", remaining(), delayed(15*time.Second)))
	s.report("o2", discovery.Work)
	s.report("o1", discovery.Work)
	s.keepAlive(10 * time.Second)
	s.silent("o2")
	s.keepAlive(40 * time.Second)
	s.want(id, "1 a passed: o1=reached", "2 b running: o2=lost")
	s.wantAt("wave.started", 2, "0:15")
	s.wantAt("wave.passed", 2, "never")
}
