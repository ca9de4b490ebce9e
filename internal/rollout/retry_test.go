package rollout_test

import (
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// haltedShutdown is one that has halted at 5:00: o1 stopped cleanly, o2 fell silent
// and is stale, o3 fell silent long ago and is gone, o4 failed, o5 runs in a new
// boot, and a joiner is in flight.
func haltedShutdown(t *testing.T) (*stage, string) {
	t.Helper()
	s := newStage(t)
	s.settings.DiscoveryWindow = 4 * time.Minute
	s.fleetOf(discovery.Work, ids(5)...)
	s.idle(ids(5)...)
	id := s.shut(groupOf("a", sized(5), needs(rollout.Count(5))), groupOf("b", remaining(), delayed(time.Minute)))
	s.report("o1", discovery.Stopped)
	s.silent("o3")
	s.keepAlive(4 * time.Minute)
	s.silent("o2")
	s.keepAlive(50 * time.Second)
	s.boot("late")
	s.idle("late")
	s.keepAlive(10 * time.Second)
	s.boot("o5")
	s.want(id, "1 a failed: o1=reached o2=reached(unclean) o3=reached(unclean) o4=failed o5=pending late=instructed", "2 b skipped:")
	s.wantState(id, rollout.Halted)
	return s, id
}

// TestRetry is rule 4.18: the halted wave runs again; its members that are
// discovered and failed, lost, unclean or pending are told, deadlines and the
// count of 4.13 anew.
func TestRetry(t *testing.T) {
	s, id := haltedShutdown(t)
	s.mustIncident(rollout.IncidentWaveFailed, 1, true)
	late := s.place(id, "late").Deadline
	ok(t, s.order(id, rollout.Retry, 0))
	s.wantState(id, rollout.Rolling)
	s.mustIncident(rollout.IncidentWaveFailed, 1, false)
	for o, want := range map[string]struct {
		told     int
		deadline time.Time
	}{
		"o1": {1, epoch.Add(5 * time.Minute)}, "o2": {2, epoch.Add(10 * time.Minute)}, "o3": {1, epoch.Add(5 * time.Minute)},
		"o4": {2, epoch.Add(10 * time.Minute)}, "o5": {2, epoch.Add(10 * time.Minute)}, "late": {1, late},
	} {
		s.wantTold(o, want.told)
		if m := s.place(id, o); !m.Deadline.Equal(want.deadline) || m.Restarts != 0 {
			t.Errorf("%s has until %s, restarts %d", o, clock(m.Deadline), m.Restarts)
		}
	}
	s.want(id, "1 a running: o1=reached o2=reached(unclean) o3=reached(unclean) o4=instructed o5=instructed late=instructed", "2 b skipped:")
	s.back("o2")
	s.wantMember(id, "o2", rollout.MemberInstructed)
	s.keepAlive(4*time.Minute + 59*time.Second)
	s.wantWave(id, 1, rollout.WaveRunning)
	s.keepAlive(time.Second)
	s.wantState(id, rollout.Halted) // again, at 10:00
}

// TestRetryBeginsTheCountAnew is rules 4.18 and 4.13: the count of new boots is anew.
func TestRetryBeginsTheCountAnew(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, "o1")
	s.idle("o1")
	id := s.shut(groupOf("a", remaining(), within(time.Minute)))
	for range 4 {
		s.boot("o1")
	}
	s.want(id, "1 a failed: o1=failed")
	ok(t, s.order(id, rollout.Retry, 0))
	for restart := range 4 {
		s.wantMember(id, "o1", rollout.MemberInstructed)
		mustBe(t, "restarts", s.place(id, "o1").Restarts, restart)
		s.boot("o1")
	}
	s.wantMember(id, "o1", rollout.MemberFailed)
	s.wantTold("o1", 8)
}

// TestRetryMaxConcurrent is rules 4.18 and 4.5: at most max_concurrent at once,
// the others in their turn.
func TestRetryMaxConcurrent(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, ids(4)...)
	s.idle(ids(4)...)
	id := s.shut(groupOf("a", remaining(), atOnce(rollout.Count(2)), within(time.Minute), needs(rollout.Count(4))))
	s.keepAlive(time.Minute)
	s.want(id, "1 a failed: o1=failed o2=failed o3=pending o4=pending")
	ok(t, s.order(id, rollout.Retry, 0))
	s.want(id, "1 a running: o1=instructed o2=instructed o3=pending o4=pending")
	s.report("o1", discovery.Stopped)
	s.want(id, "1 a running: o1=reached o2=instructed o3=instructed o4=pending")
	if m := s.place(id, "o4"); !m.Deadline.IsZero() {
		t.Errorf("o4 has a deadline: %v", m.Deadline)
	}
	s.report("o2", discovery.Stopped)
	s.report("o3", discovery.Stopped)
	s.report("o4", discovery.Stopped)
	s.wantState(id, rollout.Succeeded)
}

// TestNothingToRetry is rule 4.18: 409 nothing_to_retry, after the version, where
// there are no such members and the gate is shut; where it is open, the wave
// passes.
func TestNothingToRetry(t *testing.T) {
	halted := func() (*stage, string) {
		s := newStage(t)
		s.settings.DiscoveryWindow = time.Minute
		s.fleetOf(discovery.Work, ids(3)...)
		s.idle(ids(3)...)
		id := s.shut(groupOf("a", sized(2), needs(rollout.Count(2))), groupOf("b", remaining(), delayed(time.Minute)))
		s.report("o1", discovery.Stopped)
		s.keepAlive(3 * time.Minute)
		return s, id
	}
	s, id := halted()
	s.silent("o2") // unclean from 3:30 on, gone from 4:00 on
	s.keepAlive(2 * time.Minute)
	s.want(id, "1 a failed: o1=reached o2=reached(unclean)", "2 b pending: o3=pending")
	version := int64(1)
	mustBe(t, "with an old version", codeOf(t, s.step(rollout.Order{RolloutID: id, Control: rollout.Retry, Version: &version})), rollout.CodeStaleVersion)
	before := s.rollout(id)
	refusal := refusalOf(t, s.order(id, rollout.Retry, 0))
	if refusal.Code != rollout.CodeNothingToRetry || refusal.State != "halted" || len(refusal.Allowed) != 3 {
		t.Errorf("%+v", refusal)
	}
	mustBe(t, "version", s.rollout(id).Version, before.Version)

	s, id = halted()
	s.keepAlive(2 * time.Minute)
	s.wantState(id, rollout.Halted)
	s.report("o2", discovery.Stopped) // late, but the gate is open now
	s.wantWave(id, 1, rollout.WaveFailed)
	ok(t, s.order(id, rollout.Retry, 0))
	s.want(id, "1 a passed: o1=reached o2=reached", "2 b delayed: o3=pending")
	s.wantTold("o2", 1)
	s.keepAlive(time.Minute) // the full delay, from the retry
	s.wantAt("wave.started", 2, "6:00")
}

// TestRetryGrace is rules 4.18 and 4.20: the grace of 4.11 begins anew with a
// retry, stable_for goes on.
func TestRetryGrace(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Wakeup, ids(3)...)
	s.idle(ids(3)...)
	id := s.wakeUp(groupOf("a", remaining(), needs(rollout.Count(2)), stable(2*time.Minute), spares(rollout.Count(0))))
	s.report("o3", discovery.Error)
	s.keepAlive(20 * time.Second)
	s.report("o1", discovery.Work)
	s.report("o2", discovery.Work)
	s.keepAlive(50 * time.Second)
	s.want(id, "1 a failed: o1=reached o2=reached o3=failed")
	ok(t, s.order(id, rollout.Retry, 0)) // 1:10
	s.want(id, "1 a running: o1=reached o2=reached o3=instructed")
	s.wantTold("o1", 1)
	s.keepAlive(10*time.Second + 29*time.Second) // o3 reports its error again at 1:20
	s.wantMember(id, "o3", rollout.MemberInstructed)
	s.report("o3", discovery.Wakeup)
	s.keepAlive(time.Minute)
	s.wantAt("wave.passed", 1, "2:20") // o1 and o2 have been healthy since 0:20
}

// TestRetryWakesTheLost is rule 4.18: lost members that are still discovered are
// told, and stay lost until they are heard.
func TestRetryWakesTheLost(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Wakeup, "o1", "o2")
	s.idle("o1", "o2")
	id := s.wakeUp(groupOf("a", remaining(), within(time.Minute), needs(rollout.Count(2))))
	s.report("o1", discovery.Work)
	s.silent("o2")
	s.keepAlive(time.Minute)
	s.want(id, "1 a failed: o1=reached o2=lost")
	ok(t, s.order(id, rollout.Retry, 0))
	s.want(id, "1 a running: o1=reached o2=lost")
	s.wantTold("o2", 2)
	s.actors["o2"].state = discovery.Work
	s.back("o2")
	s.wantState(id, rollout.Succeeded)
}

// TestRetryIsOfTheHaltedWave is rule 4.18: the halted wave runs again, not one that
// failed before it under continue, or was promoted.
func TestRetryIsOfTheHaltedWave(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, ids(4)...)
	s.idle(ids(4)...)
	id := s.shut(groupOf("a", sized(1), within(time.Minute), onFailure(rollout.GoOn)), groupOf("b", sized(1), within(time.Minute)),
		groupOf("c", sized(1), within(time.Minute)), groupOf("d", remaining()))
	s.keepAlive(2 * time.Minute)
	s.want(id, "1 a failed: o1=failed", "2 b failed: o2=failed", "3 c pending: o3=pending", "4 d pending: o4=pending")
	ok(t, s.order(id, rollout.Promote, 2))
	s.keepAlive(time.Minute)
	s.want(id, "1 a failed: o1=failed", "2 b failed: o2=failed", "3 c failed: o3=failed", "4 d pending: o4=pending")
	ok(t, s.order(id, rollout.Retry, 0))
	s.want(id, "1 a failed: o1=failed", "2 b failed: o2=failed", "3 c running: o3=instructed", "4 d pending: o4=pending")
	for o, times := range map[string]int{"o1": 1, "o2": 1, "o3": 2, "o4": 0} {
		s.wantTold(o, times)
	}
}
