package rollout_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// TestDelays is rule 4.4: wave 1 starts when its delay after the decision is
// over, wave k+1 when its delay is over, counted from when the wave before it
// was settled.
func TestDelays(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, ids(3)...)
	s.keepAlive(10 * time.Second)
	id := s.request(rollout.Shutdown, withPlan(groupOf("a", sized(1), delayed(5*time.Second)), groupOf("b", sized(1), delayed(7*time.Second)), groupOf("c", remaining())))
	s.keepAlive(10 * time.Second)
	s.decide(id, rollout.Accept) // 0:20
	s.wantWave(id, 1, rollout.WaveDelayed)
	s.run(time.Minute)
	s.wantAt("wave.started", 1, "0:25")
	s.wantAt("wave.passed", 1, "0:26")
	s.wantAt("wave.delayed", 2, "0:26")
	s.wantAt("wave.started", 2, "0:33")
	s.wantAt("wave.passed", 2, "0:34")
	s.wantAt("wave.delayed", 3, "never")
	s.wantAt("wave.started", 3, "0:34")
	s.wantState(id, rollout.Succeeded)
}

// TestDelayBehindSkippedWaves is rules 3.6 and 4.4: a wave without a place is
// skipped at once and its delay with it; the next one's delay counts from the
// last wave that was not skipped.
func TestDelayBehindSkippedWaves(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, ids(2)...)
	id := s.shut(groupOf("a", sized(2)), groupOf("b", sized(1), delayed(time.Hour)), groupOf("c", remaining(), delayed(time.Minute)))
	s.want(id, "1 a running: o1=instructed o2=instructed", "2 b skipped:", "3 c skipped:")
	s.run(10 * time.Second)
	s.wantState(id, rollout.Succeeded)

	// b is skipped when it starts, since its only member has left meanwhile.
	s = newStage(t)
	s.fleetOf(discovery.Work, ids(3)...)
	id = s.shut(groupOf("a", sized(1)), groupOf("b", sized(1), delayed(10*time.Second)), groupOf("c", remaining(), delayed(40*time.Second)))
	s.actors["o1"].takes = 5 * time.Second
	s.run(6 * time.Second)
	s.leave("o2")
	s.run(time.Minute)
	s.wantAt("wave.skipped", 2, "0:15")
	s.wantAt("wave.started", 3, "0:45") // 40 s after a was settled
	s.wantState(id, rollout.Succeeded)
}

// TestDelayStandsWhilePaused is rule 4.19 with 4.4: what a pause took counts for
// no delay, that behind a skipped wave included.
func TestDelayStandsWhilePaused(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, ids(3)...)
	id := s.shut(groupOf("a", sized(1)), groupOf("b", sized(1), delayed(10*time.Second)), groupOf("c", remaining(), delayed(40*time.Second)))
	s.actors["o1"].takes = 5 * time.Second
	s.run(6 * time.Second)
	s.leave("o2")
	ok(t, s.order(id, rollout.Pause, 0))
	s.keepAlive(100 * time.Second)
	ok(t, s.order(id, rollout.Resume, 0))
	s.run(time.Minute)
	s.wantAt("wave.skipped", 2, "1:55")
	s.wantAt("wave.started", 3, "2:25")
}

// TestSkippedAtTheStart is rule 4.5: when a wave starts, members that are not
// live are skipped.
func TestSkippedAtTheStart(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, ids(6)...)
	id := s.shut(groupOf("a", sized(1)), groupOf("b", remaining(), delayed(time.Minute)))
	s.silent("o2", "o3")
	s.amend("o4", func(o *discovery.Occurrence) { o.CallbackGone = true })
	s.actors["o4"].mute = true
	s.leave("o5")
	s.actors["o1"].takes = time.Second
	s.idle("o6")
	s.run(50 * time.Second)
	s.amend("o3", func(o *discovery.Occurrence) { o.State = discovery.Stopped })
	s.run(12 * time.Second)
	s.want(id, "1 a passed: o1=reached", "2 b running: o2=skipped o3=skipped o4=skipped o5=skipped o6=instructed")
	for o, departed := range map[string]bool{"o2": false, "o3": true, "o4": false, "o5": true} {
		if m := s.place(id, o); m.Departed != departed || m.Detail == "" {
			t.Errorf("%s is skipped as departed %v: %q", o, m.Departed, m.Detail)
		}
	}
	s.wantTold("o2", 0)
	s.wantTold("o6", 1)
}

// TestWaveOneWaitsForSomebody is rule 4.5: wave 1 does not start, and takes no
// members, while nobody is live, for at most its timeout.
func TestWaveOneWaitsForSomebody(t *testing.T) {
	for _, comesBack := range []bool{true, false} {
		s := newStage(t)
		s.fleetOf(discovery.Work, ids(3)...)
		id := s.request(rollout.Shutdown, instant, withPlan(groupOf("a", remaining(), delayed(time.Minute), within(200*time.Second))))
		s.silent(ids(3)...)
		s.quiet(time.Minute) // 1:00, the delay is over
		s.quiet(199 * time.Second)
		if s.begun(id) || len(s.wave(id, 1).Members) != 0 {
			t.Fatalf("wave 1 started with nobody live\n%s", s.members(id))
		}
		if comesBack {
			s.back("o2")
			s.want(id, "1 a running: o2=instructed o1=skipped o3=skipped")
			s.wantAt("wave.started", 1, "4:19")
			continue
		}
		s.quiet(time.Second)
		s.wantAt("wave.skipped", 1, "4:20")
		s.want(id, "1 a skipped: o1=skipped o2=skipped o3=skipped")
		s.wantState(id, rollout.Failed) // nobody reached, and they may be running (4.16)
	}
}

// TestWaveOneWhenAllHaveLeft is rules 4.5 and 4.16: a shutdown whose fleet has
// left meanwhile waits for its timeout too, and has succeeded.
func TestWaveOneWhenAllHaveLeft(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, ids(2)...)
	id := s.request(rollout.Shutdown, instant, withPlan(groupOf("a", sized(1), delayed(time.Minute)), groupOf("b", remaining())))
	s.leave("o1")
	s.leave("o2")
	s.quiet(6*time.Minute - time.Second)
	s.wantState(id, rollout.Rolling)
	s.quiet(time.Second)
	s.want(id, "1 a skipped:", "2 b skipped:")
	s.wantState(id, rollout.Succeeded)
}

// TestLaterWaveWaitsForAMember is rule 4.5: a later wave none of whose members is
// live, though not all have left, waits for one of them for at most its timeout;
// one with no live member then is skipped.
func TestLaterWaveWaitsForAMember(t *testing.T) {
	start := func() (*stage, string) {
		s := newStage(t)
		s.fleetOf(discovery.Work, ids(4)...)
		id := s.shut(groupOf("a", sized(1)), groupOf("b", sized(2), delayed(time.Minute), within(100*time.Second)), groupOf("c", remaining(), delayed(2*time.Minute)))
		s.idle("o4")
		return s, id
	}
	s, id := start()
	s.silent("o2", "o3")
	s.run(161*time.Second - time.Second)
	s.wantWave(id, 2, rollout.WaveDelayed)
	s.run(2 * time.Second) // a passed at 0:01: the delay ended at 1:01, the wait at 2:41
	s.wantAt("wave.skipped", 2, "2:41")
	s.wantAt("wave.started", 3, "2:41") // two minutes after a was settled are over

	s, id = start()
	s.silent("o2", "o3")
	s.run(2 * time.Minute)
	s.back("o3")
	s.wantAt("wave.started", 2, "2:00")
	s.wantMember(id, "o2", rollout.MemberSkipped)
	s.wantMember(id, "o3", rollout.MemberInstructed)

	// All have left: there is nobody to wait for.
	s, id = start()
	s.leave("o2")
	s.leave("o3")
	s.run(2 * time.Minute)
	s.wantAt("wave.skipped", 2, "1:01")
	s.wantWave(id, 3, rollout.WaveDelayed)

	// One has left and the other may come back.
	s, _ = start()
	s.leave("o2")
	s.silent("o3")
	s.run(3 * time.Minute)
	s.wantAt("wave.skipped", 2, "2:41")
}

// TestMaxConcurrent is rule 4.5: at most max_concurrent in flight, a number or a
// percentage of the wave's members that rounds up; a member's end lets the next
// go, in order; unset, all go at once.
func TestMaxConcurrent(t *testing.T) {
	for _, c := range []struct {
		limit rollout.Amount
		want  int
	}{{rollout.Count(2), 2}, {rollout.Percent(50), 3}, {rollout.Percent(1), 1}, {rollout.Count(9), 5}, {rollout.Amount{}, 5}} {
		s := newStage(t)
		s.fleetOf(discovery.Work, ids(5)...)
		id := s.shut(groupOf("a", remaining(), atOnce(c.limit)))
		if got := s.count(rollout.Stop); got != c.want {
			t.Errorf("max_concurrent %s: %d are told", c.limit, got)
		}
		s.idle(ids(5)...)
		for i := c.want; i < 5; i++ {
			s.report(fmt.Sprintf("o%d", i-c.want+1), discovery.Stopped)
			s.wantMember(id, fmt.Sprintf("o%d", i+1), rollout.MemberInstructed)
			if got := s.count(rollout.Stop); got != i+1 {
				t.Errorf("max_concurrent %s: after the %dth end %d were told", c.limit, i, got)
			}
		}
	}
}

// TestMaxConcurrentAndWhoComesBack is rule 4.5: max_concurrent holds back
// instructions; who comes back may exceed it.
func TestMaxConcurrentAndWhoComesBack(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Starting, ids(3)...)
	id := s.wakeUp(groupOf("a", remaining(), atOnce(rollout.Count(1)), needs(rollout.Count(3))))
	s.want(id, "1 a running: o1=instructed o2=pending o3=pending")
	s.silent("o1")
	s.keepAlive(31 * time.Second)
	s.want(id, "1 a running: o1=lost o2=instructed o3=pending") // to be lost is an end, too
	s.back("o1")
	s.want(id, "1 a running: o1=instructed o2=instructed o3=pending")
	s.report("o1", discovery.Work)
	s.want(id, "1 a running: o1=reached o2=instructed o3=pending") // one is in flight still
	s.report("o2", discovery.Work)
	s.want(id, "1 a running: o1=reached o2=reached o3=instructed")
	// A new boot of a member is told at once, whoever is in flight.
	s.boot("o1")
	s.want(id, "1 a running: o1=instructed o2=reached o3=instructed")
}

// TestPlacelessWavesAreInTheTrail is rules 3.6 and 9.1: a wave without a place is
// skipped when wave 1 starts, and that is a change like any other.
func TestPlacelessWavesAreInTheTrail(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, "o1")
	id := s.shut(rollout.DefaultPlan()...)
	s.want(id, "1 explorer running: o1=instructed", "2 early_adopter skipped:", "3 general skipped:")
	for k := 2; k <= 3; k++ {
		s.wantAt("wave.skipped", k, "0:00")
		if s.wave(id, k).FinishedAt.IsZero() {
			t.Errorf("wave %d is skipped and never finished", k)
		}
	}
}
