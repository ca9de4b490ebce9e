package rollout_test

import (
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// TestGateNumbers is rule 4.7: the gate opens when min_healthy, a number or a
// percentage, of the members that the wave started with are healthy. Numbers
// are capped at the members not skipped, percentages are of those and round up.
func TestGateNumbers(t *testing.T) {
	for _, c := range []struct {
		need          rollout.Amount
		members, stop int // of so many, which stop opens the gate
	}{
		{rollout.Count(1), 3, 1},
		{rollout.Count(2), 3, 2},
		{rollout.Count(9), 3, 3},
		{rollout.Percent(80), 5, 4},
		{rollout.Percent(50), 3, 2},
		{rollout.Percent(1), 3, 1},
		{rollout.Percent(100), 3, 3},
	} {
		s := newStage(t)
		s.fleetOf(discovery.Work, ids(c.members)...)
		id := s.shut(groupOf("a", remaining(), needs(c.need)))
		for i, o := range ids(c.stop) {
			s.wantWave(id, 1, rollout.WaveRunning)
			s.report(o, discovery.Stopped)
			if i == c.stop-1 {
				s.wantWave(id, 1, rollout.WavePassed)
			}
		}
	}
}

// TestGateCountsNoSkipped is rule 4.7: skipped members count for neither the cap
// nor the percentage.
func TestGateCountsNoSkipped(t *testing.T) {
	for _, need := range []rollout.Amount{rollout.Count(4), rollout.Percent(100)} {
		s := newStage(t)
		s.fleetOf(discovery.Work, ids(5)...)
		s.silent("o2", "o3")
		s.run(31 * time.Second)
		id := s.shut(groupOf("a", remaining(), needs(need)))
		s.want(id, "1 a running: o1=instructed o4=instructed o5=instructed o2=skipped o3=skipped")
		s.report("o1", discovery.Stopped)
		s.report("o4", discovery.Stopped)
		s.wantWave(id, 1, rollout.WaveRunning)
		s.report("o5", discovery.Stopped)
		s.wantWave(id, 1, rollout.WavePassed)
	}
}

// TestJoinersOpenNoGate is rule 4.7: who took an open place or joined before the
// wave's start is among those who count; who is added later counts for no gate.
func TestJoinersOpenNoGate(t *testing.T) {
	s := newStage(t)
	s.state.Profile.Expected = 3
	s.fleetOf(discovery.Wakeup, "o1", "o2")
	id := s.wakeUp(groupOf("a", sized(1)), groupOf("b", remaining(), delayed(20*time.Second), needs(rollout.Percent(100))))
	s.report("o1", discovery.Work)
	s.fleetOf(discovery.Wakeup, "o3")
	mustBe(t, "o3, who takes the open place", s.ask("o3").Directive, rollout.Wait)
	s.keepAlive(20 * time.Second)
	s.want(id, "1 a passed: o1=reached", "2 b running: o2=instructed o3=instructed")
	s.report("o2", discovery.Work)
	s.wantWave(id, 2, rollout.WaveRunning)
	s.report("o3", discovery.Work)
	s.wantWave(id, 2, rollout.WavePassed)

	s = newStage(t)
	s.fleetOf(discovery.Work, "o1", "o2")
	id = s.shut(groupOf("a", remaining(), needs(rollout.Count(2))))
	s.fleetOf(discovery.Work, "o3")
	s.report("o3", discovery.Stopped)
	s.report("o1", discovery.Stopped)
	s.want(id, "1 a running: o1=reached o2=instructed o3=reached") // two have stopped, one of them counts
	s.report("o2", discovery.Stopped)
	s.wantWave(id, 1, rollout.WavePassed)
}

// TestHealthyWakeup is rule 4.7: healthy in a wakeup is reached, live, and
// without a critical incident in its last heartbeat.
func TestHealthyWakeup(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Wakeup, "o1")
	id := s.wakeUp(groupOf("a", remaining()))
	s.actors["o1"].critical = 2
	s.report("o1", discovery.Work)
	s.want(id, "1 a running: o1=reached")
	s.actors["o1"].critical = 0
	s.beat("o1")
	s.wantWave(id, 1, rollout.WavePassed)
}

// TestStableFor is rule 4.7: for stable_for without a break, each member for
// itself; whatever breaks its health starts it anew.
func TestStableFor(t *testing.T) {
	breaks := map[string]func(s *stage){
		"a critical incident": func(s *stage) {
			s.actors["o1"].critical = 1
			s.beat("o1")
			s.actors["o1"].critical = 0
			s.beat("o1")
		},
		"another state": func(s *stage) { s.report("o1", discovery.Wakeup); s.report("o1", discovery.Work) },
		"an error":      func(s *stage) { s.report("o1", discovery.Error); s.report("o1", discovery.Work) },
		"a new boot":    func(s *stage) { s.boot("o1"); s.report("o1", discovery.Work) },
	}
	breaks["none"] = func(*stage) {}
	breaks["awake otherwise"] = func(s *stage) { s.report("o1", discovery.Play) }
	for name, disturb := range breaks {
		s := newStage(t)
		s.fleetOf(discovery.Wakeup, "o1")
		id := s.wakeUp(groupOf("a", remaining(), stable(time.Minute)))
		s.keepAlive(10 * time.Second)
		s.report("o1", discovery.Work) // 0:10
		s.keepAlive(40 * time.Second)
		disturb(s) // 0:50
		s.wantWave(id, 1, rollout.WaveRunning)
		s.keepAlive(90 * time.Second)
		want := "1:50"
		if name == "none" || name == "awake otherwise" {
			want = "1:10"
		}
		if got := s.at("wave.passed", 1); got != want {
			t.Errorf("%s: passed at %s, want %s", name, got, want)
		}
	}
}

// TestStableForBrokenBySilence is rule 4.7 with 2.9: a member that falls silent is
// not healthy from the moment when it is not live, though its next heartbeat
// says nothing new.
func TestStableForBrokenBySilence(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Wakeup, "o1", "o2")
	id := s.wakeUp(groupOf("a", remaining(), stable(time.Minute), needs(rollout.Count(1))))
	s.report("o1", discovery.Work) // 0:00
	s.silent("o1")
	s.keepAlive(45 * time.Second)
	s.back("o1") // 0:45, silent since 0:30
	s.wantMember(id, "o1", rollout.MemberReached)
	s.keepAlive(2 * time.Minute)
	s.wantAt("wave.passed", 1, "1:45")
}

// TestStreaksAreEachMembersOwn is rule 4.7: min_healthy members must each have
// been healthy for stable_for; that enough of them were at every moment is not
// the same.
func TestStreaksAreEachMembersOwn(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Wakeup, "o1", "o2")
	id := s.wakeUp(groupOf("a", remaining(), stable(time.Minute)))
	s.report("o1", discovery.Work) // 0:00
	s.keepAlive(40 * time.Second)
	s.report("o2", discovery.Work)  // 0:40
	s.report("o1", discovery.Error) // 0:40
	s.keepAlive(70 * time.Second)
	s.wantWave(id, 1, rollout.WavePassed)
	s.wantAt("wave.passed", 1, "1:40")
}

// TestHealthyShutdown is rule 4.7: healthy in a shutdown is reached and clean, or
// unclean where the wave allows it.
func TestHealthyShutdown(t *testing.T) {
	for _, allowed := range []bool{false, true} {
		s := newStage(t)
		s.fleetOf(discovery.Work, "o1")
		plan := groupOf("a", remaining())
		plan.AllowUnclean = allowed
		id := s.shut(plan)
		s.silent("o1")
		s.quiet(31 * time.Second)
		s.wantMember(id, "o1", rollout.MemberReached)
		if allowed {
			s.want(id, "1 a passed: o1=reached(unclean)")
			s.wantState(id, rollout.Succeeded)
			continue
		}
		s.want(id, "1 a running: o1=reached(unclean)")
		s.quiet(5 * time.Minute)
		s.wantWave(id, 1, rollout.WaveFailed)
	}
}

// TestUncleanByItsAddress is rules 2.9, 4.7 and 4.11: whose callback address
// answered 410 is not live any more, and so is where a shutdown wants it, uncleanly;
// its next heartbeat says otherwise.
func TestUncleanByItsAddress(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, "o1")
	id := s.shut(groupOf("a", remaining()))
	s.amend("o1", func(o *discovery.Occurrence) { o.CallbackGone = true })
	s.want(id, "1 a running: o1=reached(unclean)")
	s.beat("o1")
	s.want(id, "1 a running: o1=instructed")
}

// TestPassedMembersAreFollowed is rule 4.7: the wave's other members are followed
// to their own ends, and what its wave has decided stays.
func TestPassedMembersAreFollowed(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, ids(3)...)
	id := s.shut(groupOf("a", remaining()))
	s.report("o1", discovery.Stopped)
	s.want(id, "1 a passed: o1=reached o2=instructed o3=instructed")
	s.wantState(id, rollout.Rolling)
	s.report("o2", discovery.Stopped)
	s.keepAlive(5 * time.Minute)
	s.want(id, "1 a passed: o1=reached o2=reached o3=failed")
	s.wantState(id, rollout.Partial)
}
