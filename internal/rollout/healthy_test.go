package rollout_test

import (
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// passedWakeup is a wakeup of two and one whose first wave has passed at 0:00;
// the second starts a minute later.
func passedWakeup(t *testing.T, change ...func(*rollout.Group)) (*stage, string) {
	t.Helper()
	s := newStage(t)
	s.fleetOf(discovery.Wakeup, ids(3)...)
	s.idle(ids(3)...)
	change = append([]func(*rollout.Group){within(100 * time.Second)}, change...)
	id := s.wakeUp(groupOf("a", sized(2), change...), groupOf("b", remaining(), delayed(time.Minute)))
	s.report("o1", discovery.Work)
	s.report("o2", discovery.Work)
	s.wantWave(id, 1, rollout.WavePassed)
	return s, id
}

// TestStillHealthy is rule 4.10: wave k+1 starts only while the wave before it
// has min_healthy members healthy now.
func TestStillHealthy(t *testing.T) {
	for name, change := range map[string]func(s *stage){
		"critical":  func(s *stage) { s.actors["o1"].critical = 1; s.beat("o1") },
		"in error":  func(s *stage) { s.report("o1", discovery.Error) },
		"winding":   func(s *stage) { s.report("o1", discovery.Shutdown) },
		"rebooted":  func(s *stage) { s.boot("o1") },
		"not there": func(s *stage) { s.silent("o1") },
		"stopped":   func(s *stage) { s.report("o1", discovery.Stopped) },
	} {
		s, id := passedWakeup(t, needs(rollout.Count(2)))
		s.keepAlive(20 * time.Second)
		change(s)
		s.keepAlive(41 * time.Second)
		if s.wave(id, 2).Status != rollout.WaveDelayed {
			t.Errorf("%s: wave 2 is %s a minute later", name, s.wave(id, 2).Status)
		}
		mustBe(t, name+": o3 told", len(s.told("o3", rollout.Wake)), 0)

		s, id = passedWakeup(t) // one of two is enough
		s.keepAlive(20 * time.Second)
		change(s)
		s.keepAlive(41 * time.Second)
		if s.wave(id, 2).Status != rollout.WaveRunning {
			t.Errorf("%s: with the other one healthy wave 2 is %s", name, s.wave(id, 2).Status)
		}
	}
}

// TestHeardLately is rule 4.10: each heard within the last two heartbeat
// intervals; to be live is not enough.
func TestHeardLately(t *testing.T) {
	s, id := passedWakeup(t)
	s.keepAlive(35 * time.Second) // o1 and o2 are heard at 0:35 and not again before 1:00
	s.quiet(25 * time.Second)
	s.wantWave(id, 2, rollout.WaveDelayed)
	s.wantMember(id, "o1", rollout.MemberReached)
	s.beat("o3") // the beat of another does not help
	s.wantWave(id, 2, rollout.WaveDelayed)
	s.quiet(time.Second)
	s.beat("o1")
	s.wantWave(id, 2, rollout.WaveRunning)
	s.wantAt("wave.started", 2, "1:01")

	s, id = passedWakeup(t)
	s.keepAlive(40 * time.Second) // at 1:00 that is two intervals ago
	s.quiet(20 * time.Second)
	s.wantWave(id, 2, rollout.WaveRunning)
}

// TestStableForIsNotAskedAgain is rule 4.10.
func TestStableForIsNotAskedAgain(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Wakeup, "o1", "o2")
	s.idle("o1", "o2")
	id := s.wakeUp(groupOf("a", sized(1), stable(time.Minute)), groupOf("b", remaining(), delayed(time.Minute)))
	s.report("o1", discovery.Work)
	s.keepAlive(115 * time.Second) // passed at 1:00
	s.report("o1", discovery.Error)
	s.report("o1", discovery.Work) // 1:55, healthy for five seconds at 2:00
	s.keepAlive(5 * time.Second)
	s.wantWave(id, 2, rollout.WaveRunning)
	s.wantAt("wave.started", 2, "2:00")
}

// TestWaitsForHealth is rule 4.10: it waits for them for at most that wave's
// timeout, from the end of the delay.
func TestWaitsForHealth(t *testing.T) {
	s, id := passedWakeup(t)
	s.silent("o1", "o2")
	s.keepAlive(159 * time.Second)
	s.wantWave(id, 2, rollout.WaveDelayed)
	s.back("o2")
	s.wantWave(id, 2, rollout.WaveRunning)
	s.wantAt("wave.started", 2, "2:39")
}

// TestNotHealthyAfterAll is rule 4.10: then that wave has failed after all and
// its on_failure applies; under continue wave k+1 starts then.
func TestNotHealthyAfterAll(t *testing.T) {
	for on, want := range map[rollout.OnFailure]rollout.Status{
		rollout.FailRollout: rollout.Failed, rollout.HaltRollout: rollout.Halted, rollout.GoOn: rollout.Rolling,
	} {
		s, id := passedWakeup(t, onFailure(on))
		s.silent("o1", "o2")
		s.keepAlive(160 * time.Second)
		s.wantAt("wave.failed", 1, "2:40")
		s.wantWave(id, 1, rollout.WaveFailed)
		s.wantState(id, want)
		s.mustIncident(rollout.IncidentWaveFailed, 1, true)
		if on == rollout.GoOn {
			s.wantAt("wave.started", 2, "2:40")
		} else {
			s.wantAt("wave.started", 2, "never")
			mustBe(t, string(on)+": o3 told", s.count(rollout.Wake), 2)
		}
		if !s.wave(id, 1).GateOpenedAt.IsZero() {
			t.Errorf("%s: the wave failed and its gate is shown open", on)
		}
	}
}

// TestRetryAfterNotHealthy is rules 4.10, 4.18 and 4.20: a retry runs the wave
// again, and the delay and the wait begin anew.
func TestRetryAfterNotHealthy(t *testing.T) {
	s, id := passedWakeup(t, onFailure(rollout.HaltRollout))
	s.silent("o1", "o2")
	s.keepAlive(170 * time.Second)
	s.back("o1") // 2:50
	ok(t, s.order(id, rollout.Retry, 0))
	s.wantWave(id, 1, rollout.WavePassed)
	s.wantMember(id, "o1", rollout.MemberReached)
	s.silent("o1")
	s.keepAlive(160 * time.Second)
	s.wantWave(id, 1, rollout.WaveFailed)
	s.wantState(id, rollout.Halted) // 2:50 + 1:00 + 1:40
	var at []string
	for _, e := range s.happened("wave.failed") {
		at = append(at, clock(e.At))
	}
	if len(at) != 2 || at[0] != "2:40" || at[1] != "5:30" {
		t.Errorf("failed at %v", at)
	}
}

// TestHealthIsNotAskedOf is rule 4.10: not of a promoted wave, nor of one that had
// failed under continue, nor in a shutdown.
func TestHealthIsNotAskedOf(t *testing.T) {
	s, id := passedWakeup(t)
	s.silent("o1", "o2")
	s.keepAlive(40 * time.Second)
	ok(t, s.order(id, rollout.Promote, 1))
	s.wantAt("wave.started", 2, "0:40")

	s = newStage(t)
	s.fleetOf(discovery.Wakeup, "o1", "o2")
	s.idle("o1", "o2")
	s.wakeUp(groupOf("a", sized(1), onFailure(rollout.GoOn), within(40*time.Second)), groupOf("b", remaining(), delayed(time.Minute)))
	s.keepAlive(2 * time.Minute)
	s.wantAt("wave.failed", 1, "0:40")
	s.wantAt("wave.started", 2, "1:40")

	s = newStage(t)
	s.fleetOf(discovery.Work, ids(2)...)
	s.shut(groupOf("a", sized(1)), groupOf("b", remaining(), delayed(time.Minute)))
	s.report("o1", discovery.Stopped)
	s.boot("o1") // it comes back, and is told again
	s.keepAlive(2 * time.Minute)
	s.wantAt("wave.started", 2, "1:00")
}

// TestHealthIsAskedOfTheLastNotSkipped is rule 4.10: the wave before it is the
// last one that was not skipped.
func TestHealthIsAskedOfTheLastNotSkipped(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Wakeup, ids(3)...)
	s.idle(ids(3)...)
	id := s.wakeUp(groupOf("a", sized(1)), groupOf("b", sized(1)), groupOf("c", remaining(), delayed(time.Minute)))
	s.leave("o2")
	s.report("o1", discovery.Work)
	s.want(id, "1 a passed: o1=reached", "2 b skipped: o2=skipped", "3 c delayed: o3=pending")
	s.report("o1", discovery.Error)
	s.keepAlive(90 * time.Second)
	s.wantWave(id, 3, rollout.WaveDelayed)
	s.report("o1", discovery.Work)
	s.wantAt("wave.started", 3, "1:30")
}
