package rollout_test

import (
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// TestPromotePastARunningWave is rule 4.18: wave k counts as settled and the delay
// after it as over: what follows starts now. Its own members are followed on.
func TestPromotePastARunningWave(t *testing.T) {
	s, id := in(t, rollout.Rolling)
	s.keepAlive(10 * time.Second)
	ok(t, s.order(id, rollout.Promote, 1))
	s.want(id, "1 a running: o1=instructed", "2 b running: o2=instructed o3=instructed")
	s.wantAt("wave.started", 2, "0:10")
	s.report("o1", discovery.Stopped)
	s.wantWave(id, 1, rollout.WavePassed)
	s.boot("o1") // it is told again, and holds the end up
	s.report("o2", discovery.Stopped)
	s.report("o3", discovery.Stopped)
	s.want(id, "1 a passed: o1=instructed", "2 b passed: o2=reached o3=reached")
	s.report("o1", discovery.Stopped)
	s.wantState(id, rollout.Succeeded)
}

// TestPromotedWaveFails is rule 4.18: it ends passed or failed, without its
// on_failure.
func TestPromotedWaveFails(t *testing.T) {
	for _, on := range []rollout.OnFailure{rollout.FailRollout, rollout.HaltRollout, rollout.GoOn} {
		s := newStage(t)
		s.fleetOf(discovery.Work, "o1", "o2")
		s.idle("o1", "o2")
		id := s.shut(groupOf("a", sized(1), onFailure(on)), groupOf("b", remaining(), delayed(time.Hour)))
		ok(t, s.order(id, rollout.Promote, 1))
		s.report("o2", discovery.Stopped)
		s.keepAlive(5 * time.Minute)
		s.want(id, "1 a failed: o1=failed", "2 b passed: o2=reached")
		s.wantState(id, rollout.Partial)
		mustBe(t, "its task", s.rollout(id).Task.Status, rollout.TaskCompleted)
		s.mustIncident(rollout.IncidentWaveFailed, 0, false)
	}
}

// TestPromoteTheDelay is rule 4.18 for a wave that has passed: the delay after it
// is over, and so are the waits of 4.5 and 4.10.
func TestPromoteTheDelay(t *testing.T) {
	s, id := in(t, rollout.Rolling)
	s.report("o1", discovery.Stopped)
	s.wantWave(id, 2, rollout.WaveDelayed)
	s.keepAlive(time.Minute)
	ok(t, s.order(id, rollout.Promote, 1))
	s.wantAt("wave.started", 2, "1:00")

	// The wait of 4.5 for somebody live: nobody is, and the wave is skipped.
	s, id = in(t, rollout.Rolling)
	s.report("o1", discovery.Stopped)
	s.silent("o2", "o3")
	s.keepAlive(time.Hour + time.Minute)
	s.wantWave(id, 2, rollout.WaveDelayed)
	ok(t, s.order(id, rollout.Promote, 1))
	s.want(id, "1 a passed: o1=reached", "2 b skipped: o2=skipped o3=skipped")
	s.wantState(id, rollout.Partial)

	// The wait of 4.10 for the wave before to be healthy again.
	s, id = passedWakeup(t)
	s.silent("o1", "o2")
	s.keepAlive(80 * time.Second)
	s.wantWave(id, 2, rollout.WaveDelayed)
	ok(t, s.order(id, rollout.Promote, 1))
	s.wantWave(id, 2, rollout.WaveRunning)
}

// TestPromoteNotBefore is rule 4.18: wave 0 ends not_before, the delay of wave 1
// and its wait for somebody live.
func TestPromoteNotBefore(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, "o1")
	id := s.request(rollout.Shutdown, instant, withPlan(groupOf("a", remaining(), delayed(time.Minute))),
		func(c *rollout.Request) { c.NotBeforeWall = epoch.Add(time.Hour) })
	mustBe(t, "promote 1 before anything started", codeOf(t, s.order(id, rollout.Promote, 1)), rollout.CodeNotAllowed)
	ok(t, s.order(id, rollout.Promote, 0))
	s.want(id, "1 a running: o1=instructed")
	version := s.rollout(id).Version
	mustBe(t, "promote 0 again", s.order(id, rollout.Promote, 0), nil)
	mustBe(t, "version", s.rollout(id).Version, version)

	s = newStage(t)
	s.fleetOf(discovery.Work, "o1")
	id = s.request(rollout.Shutdown, instant, func(c *rollout.Request) { c.NotBeforeWall = epoch.Add(time.Hour) })
	s.silent("o1")
	s.quiet(time.Hour + time.Minute) // not_before is over, nobody is live
	s.wantState(id, rollout.Rolling)
	ok(t, s.order(id, rollout.Promote, 0))
	s.wantState(id, rollout.Succeeded) // o1 is gone by now: there is nobody left to tell

	s = newStage(t)
	s.fleetOf(discovery.Work, "o1")
	id = s.request(rollout.Shutdown, instant, func(c *rollout.Request) { c.NotBeforeWall = epoch.Add(time.Hour) })
	s.silent("o1")
	s.quiet(time.Minute)
	ok(t, s.order(id, rollout.Promote, 0))
	s.want(id, "1 explorer skipped: o1=skipped", "2 early_adopter skipped:", "3 general skipped:")
	s.wantState(id, rollout.Failed) // it may be running
}

// TestPromoteWhatIsSo is rule 4.18: 200 and nothing changes where wave k+1 has
// started, and for the last wave where it was promoted; 409 for a wave beyond the
// last one started.
func TestPromoteWhatIsSo(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, ids(3)...)
	s.idle(ids(3)...)
	id := s.shut(groupOf("a", sized(1)), groupOf("b", sized(1), delayed(time.Hour)), groupOf("c", remaining(), delayed(time.Hour)))
	for _, k := range []int{2, 3, 4, 99} {
		mustBe(t, "a wave that has not started", codeOf(t, s.order(id, rollout.Promote, k)), rollout.CodeNotAllowed)
	}
	ok(t, s.order(id, rollout.Promote, 1))
	version := s.rollout(id).Version
	mustBe(t, "wave 2 has started", s.order(id, rollout.Promote, 1), nil)
	mustBe(t, "wave 1 has started", s.order(id, rollout.Promote, 0), nil)
	mustBe(t, "version", s.rollout(id).Version, version)
	mustBe(t, "wave 3 has not", codeOf(t, s.order(id, rollout.Promote, 3)), rollout.CodeNotAllowed)
	ok(t, s.order(id, rollout.Promote, 2))
	s.want(id, "1 a running: o1=instructed", "2 b running: o2=instructed", "3 c running: o3=instructed")
	ok(t, s.order(id, rollout.Promote, 3))
	version = s.rollout(id).Version
	mustBe(t, "the last one again", s.order(id, rollout.Promote, 3), nil)
	mustBe(t, "version", s.rollout(id).Version, version)
	// While paused promote is so already, or refused.
	ok(t, s.order(id, rollout.Pause, 0))
	mustBe(t, "paused", s.order(id, rollout.Promote, 1), nil)
	s.wantState(id, rollout.Paused)
}

// TestPromoteOutOfHalted is rule 4.18 with 4.9: the failed wave stays failed, its
// members are followed on, and what follows starts now.
func TestPromoteOutOfHalted(t *testing.T) {
	s, id := in(t, rollout.Halted)
	s.mustIncident(rollout.IncidentWaveFailed, 1, true)
	s.boot("o1")
	s.wantMember(id, "o1", rollout.MemberPending)
	ok(t, s.order(id, rollout.Promote, 1))
	s.want(id, "1 a failed: o1=instructed", "2 b running: o2=instructed o3=instructed")
	s.mustIncident(rollout.IncidentWaveFailed, 1, false)
	for _, o := range ids(3) {
		s.report(o, discovery.Stopped)
	}
	s.want(id, "1 a failed: o1=reached", "2 b passed: o2=reached o3=reached")
	s.wantState(id, rollout.Partial) // a wave failed (rule 4.16)

	// The last wave may halt too, and there is nothing to follow.
	s = newStage(t)
	s.fleetOf(discovery.Work, "o1", "o2")
	s.idle("o1", "o2")
	id = s.shut(groupOf("a", remaining(), needs(rollout.Count(2))))
	s.report("o1", discovery.Stopped)
	s.keepAlive(5 * time.Minute)
	s.wantState(id, rollout.Halted)
	ok(t, s.order(id, rollout.Promote, 1))
	s.wantState(id, rollout.Partial)
}

// TestPromoteAcrossASkippedWave is rule 4.18: a skipped wave keeps nobody waiting;
// promoting past it, or past the one before it, starts what follows.
func TestPromoteAcrossASkippedWave(t *testing.T) {
	for _, k := range []int{1, 2} {
		s := newStage(t)
		s.fleetOf(discovery.Work, ids(4)...)
		s.idle(ids(4)...)
		id := s.shut(groupOf("a", sized(1)), groupOf("b", sized(1), delayed(time.Minute)), groupOf("c", sized(1), delayed(time.Hour)), groupOf("d", remaining(), delayed(time.Hour)))
		s.leave("o2")
		s.report("o1", discovery.Stopped)
		s.keepAlive(2 * time.Minute)
		s.want(id, "1 a passed: o1=reached", "2 b skipped: o2=skipped", "3 c delayed: o3=pending", "4 d pending: o4=pending")
		ok(t, s.order(id, rollout.Promote, k))
		s.want(id, "1 a passed: o1=reached", "2 b skipped: o2=skipped", "3 c running: o3=instructed", "4 d pending: o4=pending")
	}
}

// TestPromoteWhereWaveOneWasSkipped is rule 4.18: the wait of 4.5 is over even if
// no wave before has run.
func TestPromoteWhereWaveOneWasSkipped(t *testing.T) {
	s := newStage(t)
	s.state.Profile.Expected = 3
	s.fleetOf(discovery.Wakeup, "o1", "o2")
	id := s.wakeUp(groupOf("a", sized(1), delayed(time.Minute), within(time.Minute)), groupOf("b", remaining(), delayed(time.Hour)))
	s.silent("o1", "o2")
	s.quiet(2 * time.Minute)
	s.want(id, "1 a skipped:", "2 b delayed: o1=pending o2=pending")
	ok(t, s.order(id, rollout.Promote, 1))
	s.want(id, "1 a skipped:", "2 b skipped: o1=skipped o2=skipped")
	s.wantState(id, rollout.Failed)
}

// TestPromoteIsNoSettlement is rule 4.18: promoting past wave k ends no other
// wave's delay.
func TestPromoteIsNoSettlement(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, ids(3)...)
	s.idle(ids(3)...)
	id := s.shut(groupOf("a", sized(1)), groupOf("b", sized(1), delayed(time.Minute)), groupOf("c", remaining(), delayed(time.Minute)))
	ok(t, s.order(id, rollout.Promote, 1))
	s.keepAlive(10 * time.Second)
	s.report("o1", discovery.Stopped)
	s.wantWave(id, 3, rollout.WavePending)
	s.report("o2", discovery.Stopped) // 0:10
	s.keepAlive(2 * time.Minute)
	s.wantAt("wave.started", 3, "1:10")
}

// TestPromoteAndTheNextIsSkipped is rules 4.18 and 4.4: what follows starts now;
// where the wave that follows is skipped, that is the one after it.
func TestPromoteAndTheNextIsSkipped(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, ids(3)...)
	s.idle(ids(3)...)
	id := s.shut(groupOf("a", sized(1)), groupOf("b", sized(1), delayed(time.Minute)), groupOf("c", remaining(), delayed(time.Hour)))
	s.leave("o2")
	ok(t, s.order(id, rollout.Promote, 1))
	s.want(id, "1 a running: o1=instructed", "2 b skipped: o2=skipped", "3 c running: o3=instructed")
}

// TestPromotedWaveAtTheEnd is rules 4.16 and 4.18: no wave is left running in a
// rollout that has ended; a promoted one that never was healthy has failed.
func TestPromotedWaveAtTheEnd(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Wakeup, "o1", "o2")
	s.idle("o1", "o2")
	id := s.wakeUp(groupOf("a", sized(1)), groupOf("b", remaining(), delayed(time.Hour)))
	ok(t, s.order(id, rollout.Promote, 1))
	s.report("o2", discovery.Work)
	s.silent("o1")
	s.keepAlive(31 * time.Second)
	s.want(id, "1 a failed: o1=lost", "2 b passed: o2=reached")
	s.wantState(id, rollout.Partial)
	s.mustIncident(rollout.IncidentWaveFailed, 0, false)
}
