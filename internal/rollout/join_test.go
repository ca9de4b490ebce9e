package rollout_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// TestShutdownJoiner is rule 4.15: who becomes discovered while a shutdown is
// under way is added to the last wave that is not skipped, and told when that
// wave has started.
func TestShutdownJoiner(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, ids(2)...)
	s.idle(ids(2)...)
	id := s.shut(groupOf("a", sized(1)), groupOf("b", sized(1), delayed(time.Minute)), groupOf("c", remaining()))
	s.boot("new")
	s.boot("old", uncoordinated)
	s.want(id, "1 a running: o1=instructed", "2 b pending: o2=pending new=pending", "3 c skipped:")
	s.report("o1", discovery.Stopped)
	s.wantTold("new", 0)
	s.keepAlive(time.Minute)
	s.want(id, "1 a passed: o1=reached", "2 b running: o2=instructed new=instructed", "3 c skipped:")
	s.keepAlive(20 * time.Second)
	s.boot("newer") // the wave runs: told at once, with a deadline of its own
	s.wantTold("newer", 1)
	if m := s.place(id, "newer"); !m.Deadline.Equal(s.now.Add(5 * time.Minute)) {
		t.Errorf("its deadline is %s", clock(m.Deadline))
	}
	s.wantTold("old", 0)
	mustBe(t, "events", len(s.happened("member.joined")), 2)
}

// TestJoinsWhateverHasBecomeOfTheWave is rule 4.15: the last wave has passed, or
// failed under continue, or was promoted.
func TestJoinsWhateverHasBecomeOfTheWave(t *testing.T) {
	for _, c := range []struct {
		name  string
		on    rollout.OnFailure
		after func(s *stage, id string)
	}{
		{"passed", rollout.HaltRollout, func(s *stage, _ string) { s.report("o1", discovery.Stopped) }},
		{"failed under continue", rollout.GoOn, func(s *stage, _ string) { s.keepAlive(30 * time.Second) }},
		{"promoted", rollout.HaltRollout, func(s *stage, id string) {
			s.keepAlive(30 * time.Second)
			ok(t, s.order(id, rollout.Promote, 1))
		}},
	} {
		s := newStage(t)
		s.fleetOf(discovery.Work, ids(2)...)
		s.idle(ids(2)...)
		id := s.shut(groupOf("a", remaining(), within(time.Minute), spares(rollout.Count(0)), onFailure(c.on)))
		s.keepAlive(30 * time.Second)
		s.boot("o2") // o2 holds the rollout open
		c.after(s, id)
		s.boot("new")
		mustBe(t, c.name+": told", len(s.told("new", rollout.Stop)), 1)
	}
}

// TestJoinerOfAHaltedOrPausedShutdown is rules 4.15 and 4.19: under way is under
// way; it is added, and told when something may be told again.
func TestJoinerOfAHaltedOrPausedShutdown(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, "o1", "o2")
	s.idle("o1", "o2")
	id := s.shut(groupOf("a", remaining(), within(time.Minute)))
	ok(t, s.order(id, rollout.Pause, 0))
	s.boot("new")
	s.want(id, "1 a running: o1=instructed o2=instructed new=pending")
	ok(t, s.order(id, rollout.Resume, 0))
	s.wantTold("new", 1)
	s.report("new", discovery.Stopped)
	s.keepAlive(time.Minute)
	s.wantState(id, rollout.Halted)
	s.boot("newer")
	s.want(id, "1 a failed: o1=failed o2=failed new=reached newer=pending")
	s.wantTold("newer", 0)
	ok(t, s.order(id, rollout.Promote, 1))
	s.wantTold("newer", 1)
}

// TestSkippedAndHeardAgain is rule 4.15: who was skipped and is heard again is
// added to the last wave, and its former place is given up.
func TestSkippedAndHeardAgain(t *testing.T) {
	for _, kind := range []rollout.Kind{rollout.Shutdown, rollout.Wakeup} {
		s := newStage(t)
		s.fleetOf(discovery.Wakeup, ids(4)...)
		s.idle(ids(4)...)
		s.silent("o1")
		s.keepAlive(31 * time.Second)
		plan := []rollout.Group{groupOf("a", sized(3)), groupOf("b", remaining(), delayed(time.Minute))}
		id := ""
		if kind == rollout.Wakeup {
			id = s.wakeUp(plan...)
		} else {
			id = s.shut(plan...)
		}
		// Stale, it was put at the end of the last wave that has a place.
		s.want(id, "1 a running: o2=instructed o3=instructed o4=instructed o1=skipped", "2 b skipped:")
		s.back("o1")
		if kind == rollout.Wakeup { // every wave has started: it has no place in this one
			s.want(id, "1 a running: o2=instructed o3=instructed o4=instructed o1=skipped", "2 b skipped:")
			continue
		}
		s.want(id, "1 a running: o2=instructed o3=instructed o4=instructed o1=instructed", "2 b skipped:")
	}
}

// TestSkippedMoves is rules 4.15 and 4.16: an earlier wave's skipped member that
// is heard again moves to the last wave and spoils nothing.
func TestSkippedMoves(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, ids(4)...)
	s.idle(ids(4)...)
	id := s.shut(groupOf("a", sized(1)), groupOf("b", sized(2), delayed(time.Minute)), groupOf("c", remaining(), delayed(time.Minute)))
	s.report("o1", discovery.Stopped)
	s.leave("o2")
	s.silent("o3")
	s.keepAlive(50 * time.Second)
	s.back("o3")
	s.silent("o3")
	s.keepAlive(10 * time.Second)
	s.want(id, "1 a passed: o1=reached", "2 b running: o2=skipped o3=instructed", "3 c pending: o4=pending")
	s.boot("o2")
	s.want(id, "1 a passed: o1=reached", "2 b running: o3=instructed", "3 c pending: o4=pending o2=pending")
	s.actors["o3"].mute = false
	s.report("o3", discovery.Stopped)
	s.keepAlive(time.Minute)
	s.want(id, "1 a passed: o1=reached", "2 b passed: o3=reached", "3 c running: o4=instructed o2=instructed")
	s.report("o4", discovery.Stopped)
	s.report("o2", discovery.Stopped)
	s.wantState(id, rollout.Succeeded)
}

// TestJoinerLimit is rule 4.15: at most as many joiners as it had members, at
// least 10; the next one opens keeps_restarting and is left out.
func TestJoinerLimit(t *testing.T) {
	for members, limit := range map[int]int{1: 10, 10: 10, 12: 12} {
		s := newStage(t)
		s.fleetOf(discovery.Work, ids(members)...)
		id := s.shut(groupOf("a", remaining()))
		for i := range limit {
			s.boot(fmt.Sprintf("new%d", i))
			s.report(fmt.Sprintf("new%d", i), discovery.Stopped)
		}
		s.mustIncident(rollout.IncidentKeepsRestarting, 0, false)
		for i := range 2 {
			name := fmt.Sprintf("surplus%d", i)
			s.boot(name)
			s.wantTold(name, 0)
			s.mustIncident(rollout.IncidentKeepsRestarting, i+1, true) // one for each
		}
		mustBe(t, "members", len(s.wave(id, 1).Members), members+limit)
	}
}

// TestSkippedIsNoJoiner is rule 4.15: who was a member and is heard again was
// counted already.
func TestSkippedIsNoJoiner(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, ids(12)...)
	s.idle("o1")
	for _, o := range ids(12)[1:] {
		s.silent(o)
	}
	s.keepAlive(31 * time.Second)
	id := s.shut(groupOf("a", remaining()))
	for _, o := range ids(12)[1:] {
		s.wantMember(id, o, rollout.MemberSkipped)
		s.back(o)
		s.wantMember(id, o, rollout.MemberInstructed)
	}
	mustBe(t, "joiners", s.rollout(id).Joiners, 0)
	mustBe(t, "members", len(s.wave(id, 1).Members), 12)
}

// TestLeftOutOpensOnce is rules 4.15 and 9.2: the incident about one that is left
// out opens once, however long the shutdown goes on.
func TestLeftOutOpensOnce(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, "o1", "o2")
	s.idle("o2")
	s.shut(groupOf("a", sized(1)), groupOf("b", remaining(), delayed(time.Hour)))
	s.report("o1", discovery.Stopped)
	for i := range 11 {
		s.boot(fmt.Sprintf("new%d", i))
	}
	s.keepAlive(20 * time.Minute)
	if n := s.timesOpened(rollout.IncidentKeepsRestarting); n != 1 {
		t.Errorf("it opened %d times", n)
	}
}
