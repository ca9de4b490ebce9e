package rollout_test

import (
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// TestFailsWhenTheGateCanSpareNoMore is rule 4.8: a wave fails as soon as more of
// the members that it started with have failed than the gate can spare.
func TestFailsWhenTheGateCanSpareNoMore(t *testing.T) {
	for _, c := range []struct {
		need  rollout.Amount
		fails int // of four members, with which the wave fails
	}{{rollout.Count(1), 4}, {rollout.Count(2), 3}, {rollout.Percent(80), 1}, {rollout.Percent(50), 3}, {rollout.Count(9), 1}} {
		s := newStage(t)
		s.fleetOf(discovery.Wakeup, ids(4)...)
		id := s.wakeUp(groupOf("a", remaining(), needs(c.need)))
		for i, o := range ids(c.fails) {
			s.wantWave(id, 1, rollout.WaveRunning)
			s.report(o, discovery.Error)
			s.keepAlive(30 * time.Second)
			s.wantMember(id, o, rollout.MemberFailed)
			if i == c.fails-1 {
				s.wantWave(id, 1, rollout.WaveFailed)
			}
		}
	}
}

// TestMaxFailed is rule 4.8: or than max_failed allows, a number or a percentage
// that rounds down; unset there is no limit, and 0 allows none.
func TestMaxFailed(t *testing.T) {
	for _, c := range []struct {
		limit rollout.Amount
		fails int
	}{{rollout.Count(0), 1}, {rollout.Count(1), 2}, {rollout.Percent(49), 2}, {rollout.Percent(50), 3}, {rollout.Percent(0), 1}, {rollout.Amount{}, 4}} {
		s := newStage(t)
		s.fleetOf(discovery.Wakeup, ids(4)...)
		id := s.wakeUp(groupOf("a", remaining(), spares(c.limit)))
		for i, o := range ids(c.fails) {
			s.wantWave(id, 1, rollout.WaveRunning)
			s.report(o, discovery.Error)
			s.keepAlive(30 * time.Second)
			if i == c.fails-1 {
				s.wantWave(id, 1, rollout.WaveFailed)
			}
		}
	}
}

// TestMaxFailedOnlyWhileTheGateIsShut is rule 4.8: a wave fails while its gate is
// shut; once it has passed, failures change nothing.
func TestMaxFailedOnlyWhileTheGateIsShut(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, ids(3)...)
	id := s.shut(groupOf("a", remaining(), spares(rollout.Count(0))))
	s.report("o1", discovery.Stopped)
	s.keepAlive(5 * time.Minute)
	s.want(id, "1 a passed: o1=reached o2=failed o3=failed")
}

// TestFailsAtTheLastDeadline is rule 4.8: or when none of those is pending and the
// last deadline of theirs plus stable_for has passed. Who is lost or unclean
// may come back until then and does not count as failed.
func TestFailsAtTheLastDeadline(t *testing.T) {
	// Reached late, but stable in time: the last deadline plus stable_for counts.
	s := newStage(t)
	s.fleetOf(discovery.Wakeup, "o1")
	s.wakeUp(groupOf("a", remaining(), within(time.Minute), stable(30*time.Second)))
	s.keepAlive(59 * time.Second)
	s.report("o1", discovery.Work)
	s.keepAlive(30 * time.Second)
	s.wantAt("wave.passed", 1, "1:29")

	// Broken at the end: there is no time left to be stable for.
	s = newStage(t)
	s.fleetOf(discovery.Wakeup, "o1")
	id := s.wakeUp(groupOf("a", remaining(), within(time.Minute), stable(30*time.Second)))
	s.keepAlive(50 * time.Second)
	s.report("o1", discovery.Work)
	s.keepAlive(20 * time.Second)
	s.actors["o1"].critical = 1
	s.beat("o1")
	s.actors["o1"].critical = 0
	s.beat("o1") // 1:10, healthy again
	s.keepAlive(time.Minute)
	s.wantAt("wave.failed", 1, "1:30")
	s.wantState(id, rollout.Halted)

	// Lost and unclean members hold the wave until then, and no longer.
	for _, kind := range []rollout.Kind{rollout.Wakeup, rollout.Shutdown} {
		s = newStage(t)
		s.fleetOf(discovery.Wakeup, "o1", "o2")
		plan := groupOf("a", remaining(), within(time.Minute), spares(rollout.Count(0)), needs(rollout.Count(2)))
		if kind == rollout.Wakeup {
			id = s.wakeUp(plan)
		} else {
			id = s.shut(plan)
		}
		s.silent("o1", "o2")
		s.quiet(59 * time.Second)
		s.wantWave(id, 1, rollout.WaveRunning)
		s.quiet(time.Second)
		s.wantAt("wave.failed", 1, "1:00")
	}
}

// TestReachedAtTheDeadline is rule 4.8: who reaches in time passes, to the second;
// the gate is judged before the failure.
func TestReachedAtTheDeadline(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Wakeup, "o1")
	id := s.wakeUp(groupOf("a", remaining(), within(time.Minute), stable(30*time.Second)))
	s.keepAlive(59 * time.Second)
	s.now = s.now.Add(time.Second - time.Microsecond)
	s.report("o1", discovery.Work)
	s.keepAlive(31 * time.Second)
	s.wantWave(id, 1, rollout.WavePassed)
}

// TestPendingHoldsTheWave is rule 4.8: while a member waits for its turn the wave
// has not failed; each has its own deadline (rule 4.12).
func TestPendingHoldsTheWave(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, ids(3)...)
	s.idle(ids(3)...)
	id := s.shut(groupOf("a", remaining(), within(time.Minute), atOnce(rollout.Count(1))))
	s.run(119 * time.Second)
	s.want(id, "1 a running: o1=failed o2=instructed o3=pending")
	s.run(61 * time.Second)
	s.want(id, "1 a failed: o1=failed o2=failed o3=failed")
	s.wantAt("wave.failed", 1, "3:00")
}

// TestUntoldAndLost is rule 4.8: a member without a deadline counts with its
// wave's start plus timeout.
func TestUntoldAndLost(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Wakeup, "o1", "o2")
	id := s.wakeUp(groupOf("a", remaining(), within(40*time.Second), atOnce(rollout.Count(1)), needs(rollout.Count(2))))
	s.silent("o1", "o2")
	s.quiet(31 * time.Second)
	s.want(id, "1 a running: o1=lost o2=lost")
	s.wantTold("o2", 0)
	s.quiet(10 * time.Second)
	s.wantAt("wave.failed", 1, "0:40")
}

// TestJudgedBeforeTheNextIsLetGo is rule 4.8: a wave that fails with this very end
// lets nobody go any more.
func TestJudgedBeforeTheNextIsLetGo(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, ids(3)...)
	s.idle(ids(3)...)
	id := s.shut(groupOf("a", remaining(), within(time.Minute), atOnce(rollout.Count(1)), spares(rollout.Count(0))))
	s.run(2 * time.Minute)
	s.want(id, "1 a failed: o1=failed o2=pending o3=pending")
	s.wantTold("o2", 0)
	s.wantState(id, rollout.Halted)
}

// TestFailedWaveTellsNobody is rule 4.8: a failed wave lets nobody go and tells
// nobody again, except under continue or once promoted.
func TestFailedWaveTellsNobody(t *testing.T) {
	failed := func(f rollout.OnFailure) (*stage, string) {
		s := newStage(t)
		s.fleetOf(discovery.Work, ids(4)...)
		s.idle(ids(4)...)
		id := s.shut(groupOf("a", remaining(), within(time.Minute), needs(rollout.Count(3)), atOnce(rollout.Count(2)), spares(rollout.Count(0)), onFailure(f)))
		s.keepAlive(30 * time.Second)
		s.report("o1", discovery.Stopped) // o3 is told at 0:30
		s.keepAlive(30 * time.Second)
		s.wantWave(id, 1, rollout.WaveFailed)
		return s, id
	}
	s, id := failed(rollout.HaltRollout)
	s.want(id, "1 a failed: o1=reached o2=failed o3=instructed o4=pending")
	s.boot("o3")
	s.boot("o1")
	s.want(id, "1 a failed: o1=pending o2=failed o3=pending o4=pending")
	for o, times := range map[string]int{"o1": 1, "o2": 1, "o3": 1, "o4": 0} {
		s.wantTold(o, times)
	}
	ok(t, s.order(id, rollout.Promote, 1))
	s.want(id, "1 a failed: o1=instructed o2=failed o3=instructed o4=pending") // two are in flight
	s.report("o3", discovery.Stopped)
	s.wantMember(id, "o4", rollout.MemberInstructed)

	s, id = failed(rollout.GoOn)
	s.want(id, "1 a failed: o1=reached o2=failed o3=instructed o4=instructed")
	s.boot("o3")
	s.wantTold("o3", 2)

	s, id = failed(rollout.FailRollout)
	s.want(id, "1 a failed: o1=reached o2=failed o3=cancelled o4=cancelled")
	s.boot("o3")
	s.wantTold("o3", 1)
}

// TestOnFailure is rule 4.9: fail ends the rollout, its task FAILED; halt stops
// before the next wave, opens an incident and waits; continue goes on.
func TestOnFailure(t *testing.T) {
	for _, c := range []struct {
		on   rollout.OnFailure
		last bool
		want rollout.Status
		task rollout.TaskStatus
	}{
		{rollout.FailRollout, false, rollout.Failed, rollout.TaskFailed},
		{rollout.HaltRollout, false, rollout.Halted, rollout.TaskCompleted},
		{rollout.GoOn, false, rollout.Rolling, rollout.TaskCompleted},
		{rollout.FailRollout, true, rollout.Failed, rollout.TaskFailed},
		{rollout.HaltRollout, true, rollout.Halted, rollout.TaskCompleted}, // the last wave may halt too
		{rollout.GoOn, true, rollout.Failed, rollout.TaskCompleted},        // its own end: nobody reached
	} {
		s := newStage(t)
		s.fleetOf(discovery.Work, ids(2)...)
		s.idle("o1", "o2")
		plan := []rollout.Group{groupOf("a", sized(1), onFailure(c.on)), groupOf("b", remaining(), delayed(20*time.Second))}
		if c.last {
			plan = []rollout.Group{groupOf("a", remaining(), onFailure(c.on))}
		}
		id := s.shut(plan...)
		s.run(5*time.Minute + 10*time.Second)
		s.wantState(id, c.want)
		s.wantWave(id, 1, rollout.WaveFailed)
		mustBe(t, string(c.on)+": the task", s.rollout(id).Task.Status, c.task)
		s.mustIncident(rollout.IncidentWaveFailed, 1, true)
		if c.last {
			continue
		}
		s.run(10 * time.Second)
		told := 0
		if c.on == rollout.GoOn {
			told = 1
			s.wantAt("wave.started", 2, "5:20")
		}
		s.wantTold("o2", told)
	}
}
