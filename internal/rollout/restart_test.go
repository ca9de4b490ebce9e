package rollout_test

import (
	"strings"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// TestToldAgainThreeTimes is rule 4.13: a new boot is told again three times at
// most; then the member is failed, with the incident keeps_restarting.
func TestToldAgainThreeTimes(t *testing.T) {
	for _, kind := range []rollout.Kind{rollout.Wakeup, rollout.Shutdown} {
		s, id := running(t, kind, true)
		for restart := 1; restart <= 3; restart++ {
			s.keepAlive(20 * time.Second)
			s.boot("o1")
			s.wantTold("o1", 1+restart)
			m := s.place(id, "o1")
			if m.Status != rollout.MemberInstructed || m.Restarts != restart || !m.Deadline.Equal(s.now.Add(100*time.Second)) {
				t.Errorf("%s: restart %d: %s, deadline %s", kind, restart, m.Status, clock(m.Deadline))
			}
		}
		s.mustIncident(rollout.IncidentKeepsRestarting, 0, false)
		s.boot("o1")
		s.wantMember(id, "o1", rollout.MemberFailed)
		s.wantTold("o1", 4)
		i := s.openOne(rollout.IncidentKeepsRestarting)
		if i.OccurrenceID != "o1" || i.RolloutID != id || !strings.Contains(i.Detail, "restarts it") {
			t.Errorf("%s: %+v", kind, i)
		}
		if kind == rollout.Shutdown && (!strings.Contains(i.Detail, "wake again") || !strings.Contains(i.Detail, "terminal")) {
			t.Errorf("the incident says %q", i.Detail)
		}
		s.keepAlive(10 * time.Second)
		s.mustIncident(rollout.IncidentKeepsRestarting, 1, true)
	}
}

// TestFourthBootThatArrives is rules 4.11 and 4.13: telling stops, the first row
// does not: the fourth boot that gets there by itself has reached.
func TestFourthBootThatArrives(t *testing.T) {
	for kind, state := range map[rollout.Kind]discovery.State{rollout.Wakeup: discovery.Work, rollout.Shutdown: discovery.Stopped} {
		s, id := running(t, kind, false)
		for range 4 {
			s.boot("o1")
		}
		s.wantMember(id, "o1", rollout.MemberFailed)
		s.report("o1", state)
		s.wantMember(id, "o1", rollout.MemberReached)
	}
}

// TestKeepsRestartingOpensOnce is rules 4.13 and 9.2: the incident opens once for
// what happened once, however long the rollout goes on after it.
func TestKeepsRestartingOpensOnce(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, ids(3)...)
	s.idle("o2", "o3")
	id := s.shut(groupOf("a", sized(2)), groupOf("b", remaining(), delayed(time.Hour)))
	s.report("o2", discovery.Stopped)
	for range 4 {
		s.keepAlive(time.Second)
		s.boot("o1")
	}
	s.wantMember(id, "o1", rollout.MemberFailed)
	s.keepAlive(20 * time.Minute)
	s.wantState(id, rollout.Rolling)
	if n := s.timesOpened(rollout.IncidentKeepsRestarting); n != 1 {
		t.Errorf("it opened %d times", n)
	}
}

// TestBootsDuringAPause is rules 4.13 and 4.19: what counts is who was told again;
// five boots while nobody is told are one telling afterwards.
func TestBootsDuringAPause(t *testing.T) {
	s, id := running(t, rollout.Shutdown, true)
	ok(t, s.order(id, rollout.Pause, 0))
	for range 5 {
		s.boot("o1")
		s.wantMember(id, "o1", rollout.MemberPending)
	}
	s.wantTold("o1", 1)
	ok(t, s.order(id, rollout.Resume, 0))
	s.wantTold("o1", 2)
	mustBe(t, "restarts", s.place(id, "o1").Restarts, 1)
}

// TestReactivation is rule 4.13: in a shutdown with expected_reactivation who
// comes back after its clean stop is left alone and stays reached, before the
// time given and after it; who fell silent does not.
func TestReactivation(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, ids(4)...)
	s.idle(ids(4)...)
	id := s.request(rollout.Shutdown, instant, withPlan(groupOf("a", sized(3)), groupOf("b", remaining(), delayed(10*time.Minute))),
		func(c *rollout.Request) { c.ReactivateWall = epoch.Add(5 * time.Minute) })
	s.report("o1", discovery.Stopped)
	s.leave("o2")
	s.silent("o3")
	s.keepAlive(time.Minute)
	s.want(id, "1 a passed: o1=reached o2=reached o3=reached(unclean)", "2 b delayed: o4=pending")
	for _, o := range ids(3) {
		s.boot(o)
	}
	s.report("o1", discovery.Work)
	s.want(id, "1 a passed: o1=reached o2=reached o3=instructed", "2 b delayed: o4=pending")
	s.report("o3", discovery.Stopped)
	s.keepAlive(9 * time.Minute)
	s.report("o4", discovery.Stopped)
	s.wantState(id, rollout.Succeeded)
	s.keepAlive(time.Minute)
	for o, times := range map[string]int{"o1": 1, "o2": 1, "o3": 2, "o4": 1} {
		s.wantTold(o, times) // and it is no straggler (rule 4.17)
	}
	s.mustIncident(rollout.IncidentStraggler, 0, false)
}

// TestWithoutReactivation is rule 4.13: without it who comes back is told again.
func TestWithoutReactivation(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, "o1", "o2")
	s.idle("o1", "o2")
	id := s.shut(groupOf("a", sized(1)), groupOf("b", remaining(), delayed(10*time.Minute)))
	s.report("o1", discovery.Stopped)
	s.boot("o1")
	s.want(id, "1 a passed: o1=instructed", "2 b delayed: o2=pending")
}

// TestNothingIsRolledBack is rule 4.14: failed members stay as they are, healthy
// ones keep serving, stuck ones keep running.
func TestNothingIsRolledBack(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Wakeup, ids(3)...)
	s.idle(ids(3)...)
	id := s.wakeUp(groupOf("a", sized(1)), groupOf("b", remaining(), onFailure(rollout.FailRollout), needs(rollout.Count(2))))
	s.report("o1", discovery.Work)
	s.report("o2", discovery.Work)
	s.keepAlive(5 * time.Minute)
	s.wantState(id, rollout.Failed)
	s.want(id, "1 a passed: o1=reached", "2 b failed: o2=reached o3=failed")
	s.keepAlive(time.Hour)
	mustBe(t, "told to stop", s.count(rollout.Stop), 0)
	s.want(id, "1 a passed: o1=reached", "2 b failed: o2=reached o3=failed")

	s = newStage(t)
	s.fleetOf(discovery.Work, ids(2)...)
	s.idle(ids(2)...)
	id = s.shut(groupOf("a", sized(1), onFailure(rollout.FailRollout)), groupOf("b", remaining()))
	s.keepAlive(time.Hour)
	s.wantState(id, rollout.Failed)
	mustBe(t, "told to wake", s.count(rollout.Wake), 0)
	s.wantTold("o1", 1)
	s.wantTold("o2", 0)
}
