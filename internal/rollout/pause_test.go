package rollout_test

import (
	"slices"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// TestPausedMembersAreFollowed is rule 4.19: while paused members are followed,
// but gates, failures and ends are judged on resume.
func TestPausedMembersAreFollowed(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, ids(2)...)
	s.idle(ids(2)...)
	id := s.shut(groupOf("a", sized(1)), groupOf("b", remaining(), delayed(10*time.Second)))
	ok(t, s.order(id, rollout.Pause, 0))
	s.now = s.now.Add(time.Second)
	s.report("o1", discovery.Stopped)
	s.want(id, "1 a running: o1=reached", "2 b pending: o2=pending") // a gate
	s.now = s.now.Add(time.Second)
	ok(t, s.order(id, rollout.Resume, 0))
	s.wantAt("wave.passed", 1, "0:02")
	s.keepAlive(10 * time.Second)
	s.wantAt("wave.started", 2, "0:12")
	ok(t, s.order(id, rollout.Pause, 0))
	s.report("o2", discovery.Stopped)
	s.want(id, "1 a passed: o1=reached", "2 b running: o2=reached")
	s.wantState(id, rollout.Paused) // an end
	ok(t, s.order(id, rollout.Resume, 0))
	s.wantState(id, rollout.Succeeded)

	// A failure: what one lost meanwhile is known at once, what it means is not.
	s = newStage(t)
	s.fleetOf(discovery.Wakeup, "o1", "o2")
	s.idle("o1", "o2")
	id = s.wakeUp(groupOf("a", remaining(), within(time.Minute), needs(rollout.Count(2))))
	s.report("o1", discovery.Error)
	s.keepAlive(20 * time.Second)
	s.silent("o2")
	ok(t, s.order(id, rollout.Pause, 0))
	s.keepAlive(31 * time.Second)
	s.want(id, "1 a running: o1=instructed o2=lost")
	s.keepAlive(time.Hour)
	s.wantWave(id, 1, rollout.WaveRunning)
	ok(t, s.order(id, rollout.Resume, 0))
	s.wantWave(id, 1, rollout.WaveRunning)
	s.keepAlive(10 * time.Second)
	s.want(id, "1 a failed: o1=failed o2=lost")
}

// TestPausedNothingIsMade is rules 4.18 and 4.19: while paused no new instruction
// is made: not for the next in turn, not for a new boot, not for a joiner, and no
// wave starts.
func TestPausedNothingIsMade(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, ids(4)...)
	s.idle(ids(4)...)
	var suspended, resumed []string
	s.after = func(_, _ rollout.State, eff rollout.Effects) {
		suspended = append(suspended, eff.Suspend...)
		for _, x := range eff.Resume {
			resumed = append(resumed, x.RolloutID, x.By.String())
		}
	}
	id := s.shut(groupOf("a", sized(3), atOnce(rollout.Count(1))), groupOf("b", remaining(), delayed(10*time.Second)))
	ok(t, s.order(id, rollout.Pause, 0))
	mustBe(t, "what o1 is handed", len(s.pending("o1")), 0) // nor is what was made before
	s.report("o1", discovery.Stopped)
	s.boot("o1")
	s.boot("new")
	s.keepAlive(time.Minute)
	mustBe(t, "made", len(s.made), 1)
	ok(t, s.order(id, rollout.Resume, 0))
	s.wantTold("o1", 2)
	s.wantTold("o2", 0) // o1 is in flight again
	s.report("o1", discovery.Stopped)
	s.wantTold("o2", 1)
	if !slices.Equal(suspended, []string{id}) || !slices.Equal(resumed, []string{id, "1m0s"}) {
		t.Errorf("suspended %v, resumed %v", suspended, resumed)
	}
}

// TestPausedAcknowledgement is rule 4.19: an acknowledgement is taken, also past
// the deadline that stands still.
func TestPausedAcknowledgement(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, "o1", "o2")
	id := s.shut(groupOf("a", remaining(), within(time.Minute)))
	s.quiet(20 * time.Second)
	ok(t, s.order(id, rollout.Pause, 0))
	s.keepAlive(time.Hour)
	ok(t, s.answered(s.lastTold("o1", rollout.Stop)))
	s.want(id, "1 a running: o1=acknowledged o2=instructed")
	s.keepAlive(time.Minute)
	ok(t, s.order(id, rollout.Resume, 0))
	for _, o := range ids(2) {
		if m, want := s.place(id, o), epoch.Add(time.Hour+2*time.Minute); !m.Deadline.Equal(want) {
			t.Errorf("%s has until %s", o, clock(m.Deadline))
		}
	}
	if in := s.lastTold("o2", rollout.Stop); !in.Deadline.Equal(s.place(id, "o2").Deadline) {
		t.Errorf("its instruction has until %s", clock(in.Deadline))
	}
	s.keepAlive(39 * time.Second)
	ok(t, s.answered(s.lastTold("o2", rollout.Stop)))
	s.keepAlive(time.Second)
	s.want(id, "1 a failed: o1=failed o2=failed")
}

// TestWhatWasOverStaysOver is rule 4.20: a pause moves what still ran, and nothing
// that was over.
func TestWhatWasOverStaysOver(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, ids(3)...)
	s.idle(ids(3)...)
	id := s.shut(groupOf("a", remaining(), within(time.Minute)))
	s.keepAlive(30 * time.Second)
	s.boot("o2")
	s.keepAlive(30 * time.Second)
	s.want(id, "1 a running: o1=failed o2=instructed o3=failed")
	ok(t, s.order(id, rollout.Pause, 0))
	s.keepAlive(time.Minute)
	s.wantMember(id, "o1", rollout.MemberFailed)
	ok(t, s.order(id, rollout.Resume, 0))
	s.want(id, "1 a running: o1=failed o2=instructed o3=failed")
	s.keepAlive(30 * time.Second)
	s.wantAt("wave.failed", 1, "2:30")
}

// TestPausedLong is rule 4.19: paused for a day opens an incident, which ends with
// the pause.
func TestPausedLong(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, "o1")
	id := s.shut(groupOf("a", remaining()))
	ok(t, s.order(id, rollout.Pause, 0))
	s.outage(48 * time.Hour) // the service's own silence is nobody's (rule 2.10)
	s.quiet(24*time.Hour - time.Microsecond)
	s.mustIncident(rollout.IncidentPausedLong, 0, false)
	s.quiet(time.Microsecond)
	s.mustIncident(rollout.IncidentPausedLong, 1, true)
	s.keepAlive(time.Hour)
	ok(t, s.order(id, rollout.Resume, 0))
	s.mustIncident(rollout.IncidentPausedLong, 1, false)
}

// TestHaltedTimersRun is rule 4.19: while halted no instruction is made, and
// timers run.
func TestHaltedTimersRun(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, ids(4)...)
	s.idle(ids(4)...)
	id := s.shut(groupOf("a", sized(3), within(time.Minute), atOnce(rollout.Count(2)), spares(rollout.Count(0)), needs(rollout.Count(3))), groupOf("b", remaining()))
	s.keepAlive(30 * time.Second)
	s.boot("o2") // its deadline is 1:30 now
	s.keepAlive(30 * time.Second)
	s.want(id, "1 a failed: o1=failed o2=instructed o3=pending", "2 b pending: o4=pending")
	s.wantState(id, rollout.Halted)
	made := len(s.made)
	s.keepAlive(30 * time.Second)
	s.wantMember(id, "o2", rollout.MemberFailed)
	s.boot("o1")
	s.keepAlive(2 * time.Hour)
	s.wantState(id, rollout.Halted)
	mustBe(t, "made meanwhile", len(s.made)-made, 0)
}

// TestPauseOfNoLength is S22: a pause that is resumed at once changes nothing.
func TestPauseOfNoLength(t *testing.T) {
	play := func(pause bool) string {
		s := newStage(t)
		s.fleetOf(discovery.Work, ids(5)...)
		id := s.shut(groupOf("a", sized(1), stable(5*time.Second)), groupOf("b", sized(2), delayed(10*time.Second), atOnce(rollout.Count(1))), groupOf("c", remaining(), delayed(10*time.Second)))
		for range 80 {
			s.run(time.Second)
			if pause && s.rollout(id).Status == rollout.Rolling {
				ok(t, s.order(id, rollout.Pause, 0))
				ok(t, s.order(id, rollout.Resume, 0))
			}
		}
		s.wantState(id, rollout.Succeeded)
		return s.at("wave.started", 2) + " " + s.at("wave.started", 3) + " " + s.at("rollout.succeeded", 0)
	}
	mustBe(t, "with pauses", play(true), play(false))
}
