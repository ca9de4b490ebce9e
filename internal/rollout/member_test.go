package rollout_test

import (
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// running is a rollout of one wave over o1 to o3 in which o1 is told, and whose
// gate stays shut and can spare it; o1 acknowledges where that is wanted.
func running(t *testing.T, kind rollout.Kind, acknowledged bool) (*stage, string) {
	t.Helper()
	s := newStage(t)
	s.fleetOf(discovery.Wakeup, ids(3)...)
	plan := groupOf("a", remaining(), needs(rollout.Count(2)), within(100*time.Second))
	var id string
	if kind == rollout.Wakeup {
		id = s.wakeUp(plan)
	} else {
		id = s.shut(plan)
	}
	s.wantMember(id, "o1", rollout.MemberInstructed)
	if acknowledged {
		s.acknowledge("o1")
		s.wantMember(id, "o1", rollout.MemberAcknowledged)
	}
	return s, id
}

// flying is what a member is while it is on its way.
func flying(acknowledged bool) rollout.MemberStatus {
	if acknowledged {
		return rollout.MemberAcknowledged
	}
	return rollout.MemberInstructed
}

// TestWakeupRowReached is rule 4.11, row 1: live, and reports work. Other awake
// states are not enough for who was told, and no other report is.
func TestWakeupRowReached(t *testing.T) {
	for state, want := range map[discovery.State]rollout.MemberStatus{
		discovery.Work: rollout.MemberReached, discovery.Play: rollout.MemberInstructed, discovery.Dream: rollout.MemberInstructed,
		discovery.Solitude: rollout.MemberInstructed, discovery.Starting: rollout.MemberInstructed, discovery.Wakeup: rollout.MemberInstructed,
		discovery.Shutdown: rollout.MemberInstructed, discovery.Error: rollout.MemberInstructed, discovery.Stopped: rollout.MemberInstructed,
	} {
		s, id := running(t, rollout.Wakeup, false)
		s.now = s.now.Add(time.Second)
		s.report("o1", state)
		s.wantMember(id, "o1", want)
		if m := s.place(id, "o1"); m.ReachedAt.IsZero() == (want == rollout.MemberReached) {
			t.Errorf("%s: reached at %v", state, m.ReachedAt)
		}
	}
	// The first row that fits: past its deadline, and at work after all.
	s, id := running(t, rollout.Wakeup, true)
	s.keepAlive(100 * time.Second)
	s.wantMember(id, "o1", rollout.MemberFailed)
	s.report("o1", discovery.Work)
	s.wantMember(id, "o1", rollout.MemberReached)
	// At work and then silent is not live.
	s.silent("o1")
	s.keepAlive(31 * time.Second)
	s.wantMember(id, "o1", rollout.MemberLost)
	s.back("o1")
	s.wantMember(id, "o1", rollout.MemberReached)
}

// TestWakeupRowStopped is rule 4.11, row 2: stopped, or left, is failed if no new
// boot comes within the liveness timeout; until then it is in flight.
func TestWakeupRowStopped(t *testing.T) {
	stop := map[string]func(s *stage){
		"stopped": func(s *stage) { s.report("o1", discovery.Stopped) },
		"left":    func(s *stage) { s.leave("o1") },
	}
	for name, end := range stop {
		for _, acknowledged := range []bool{true, false} {
			s, id := running(t, rollout.Wakeup, acknowledged)
			s.keepAlive(10 * time.Second)
			end(s)
			s.wantMember(id, "o1", flying(acknowledged))
			s.keepAlive(30*time.Second - time.Microsecond)
			s.wantMember(id, "o1", flying(acknowledged))
			s.keepAlive(time.Microsecond)
			s.wantMember(id, "o1", rollout.MemberFailed)

			s, id = running(t, rollout.Wakeup, acknowledged)
			end(s)
			s.keepAlive(29 * time.Second)
			s.boot("o1")
			s.keepAlive(10 * time.Second)
			if m := s.place(id, "o1"); m.Status != rollout.MemberInstructed || m.Restarts != 1 {
				t.Errorf("%s: with a new boot it is %s, %d restarts", name, m.Status, m.Restarts)
			}
		}
	}
}

// TestWakeupRowStoppedUntold is rule 4.11: who has stopped and was never told is
// pending during the grace, is not told, and takes nobody's turn.
func TestWakeupRowStoppedUntold(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Wakeup, ids(3)...)
	id := s.wakeUp(groupOf("a", remaining(), atOnce(rollout.Count(1)), needs(rollout.Count(2))))
	s.report("o2", discovery.Stopped)
	s.wantMember(id, "o2", rollout.MemberPending)
	s.report("o1", discovery.Work)
	s.want(id, "1 a running: o1=reached o2=pending o3=instructed")
	s.keepAlive(30 * time.Second)
	s.wantMember(id, "o2", rollout.MemberFailed)
	s.wantTold("o2", 0)
	s.boot("o2") // it comes late, and is told in its turn
	s.wantMember(id, "o2", rollout.MemberPending)
	s.report("o3", discovery.Work)
	s.wantMember(id, "o2", rollout.MemberInstructed)
	mustBe(t, "restarts of one that was never told before", s.place(id, "o2").Restarts, 0)
}

// TestWakeupRowError is rule 4.11, row 3: error since it was told is failed, if
// nothing better is heard within the liveness timeout.
func TestWakeupRowError(t *testing.T) {
	s, id := running(t, rollout.Wakeup, true)
	s.keepAlive(10 * time.Second)
	s.report("o1", discovery.Error)
	s.keepAlive(30*time.Second - time.Microsecond)
	s.wantMember(id, "o1", rollout.MemberAcknowledged)
	s.keepAlive(time.Microsecond)
	s.wantMember(id, "o1", rollout.MemberFailed)
	s.report("o1", discovery.Wakeup) // what is true now
	s.wantMember(id, "o1", rollout.MemberAcknowledged)

	// Something better within the timeout begins it anew.
	s, id = running(t, rollout.Wakeup, true)
	s.report("o1", discovery.Error)
	s.keepAlive(20 * time.Second)
	s.report("o1", discovery.Wakeup)
	s.report("o1", discovery.Error)
	s.keepAlive(20 * time.Second)
	s.wantMember(id, "o1", rollout.MemberAcknowledged)
	s.keepAlive(10 * time.Second)
	s.wantMember(id, "o1", rollout.MemberFailed)

	// Silent after its error, it has failed and is not lost.
	s, id = running(t, rollout.Wakeup, true)
	s.report("o1", discovery.Error)
	s.silent("o1")
	s.keepAlive(40 * time.Second)
	s.wantMember(id, "o1", rollout.MemberFailed)
	// The row is above the new boot: but that is something better.
	s.boot("o1")
	s.wantMember(id, "o1", rollout.MemberInstructed)
}

// TestWakeupErrorBeforeItWasTold is rule 4.11, row 3: only an error since it was
// told counts.
func TestWakeupErrorBeforeItWasTold(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Error, "o1")
	id := s.wakeUp(groupOf("a", remaining(), within(200*time.Second)))
	s.quiet(25 * time.Second)
	s.beat("o1") // 0:25, the first error since
	s.keepAlive(29 * time.Second)
	s.wantMember(id, "o1", rollout.MemberInstructed)
	s.keepAlive(time.Second)
	s.wantMember(id, "o1", rollout.MemberFailed)
}

// TestWakeupRowLost is rule 4.11, row 4: not live is lost, told or not, past the
// deadline or not.
func TestWakeupRowLost(t *testing.T) {
	for _, acknowledged := range []bool{true, false} {
		s, id := running(t, rollout.Wakeup, acknowledged)
		s.silent("o1")
		s.keepAlive(30 * time.Second)
		s.wantMember(id, "o1", flying(acknowledged))
		s.keepAlive(time.Microsecond)
		s.wantMember(id, "o1", rollout.MemberLost)
		s.keepAlive(20 * time.Second)
		s.back("o1")
		s.wantMember(id, "o1", flying(acknowledged))
		s.silent("o1")
		s.keepAlive(200 * time.Second)
		s.wantMember(id, "o1", rollout.MemberLost)
	}
	s, id := running(t, rollout.Wakeup, true)
	s.amend("o1", func(o *discovery.Occurrence) { o.CallbackGone = true }) // gone (rule 2.9)
	s.wantMember(id, "o1", rollout.MemberLost)
}

// TestRowNewBoot is rule 4.11, row 5, in both kinds: a new boot, not there yet, is
// told again, with a new instruction and a new deadline (rule 4.13).
func TestRowNewBoot(t *testing.T) {
	for _, kind := range []rollout.Kind{rollout.Wakeup, rollout.Shutdown} {
		s, id := running(t, kind, true)
		first := s.place(id, "o1").InstructionID
		s.keepAlive(90 * time.Second)
		s.boot("o1")
		m := s.place(id, "o1")
		if m.Status != rollout.MemberInstructed || m.InstructionID == first || !m.Deadline.Equal(s.now.Add(100*time.Second)) || !m.AcknowledgedAt.IsZero() {
			t.Errorf("%s: %s by %s until %s", kind, m.Status, m.InstructionID, clock(m.Deadline))
		}
		mustBe(t, string(kind)+": the boot that is told", s.issued[m.InstructionID].Boot, "o1-boot-2")
		s.keepAlive(99 * time.Second) // past the first one's deadline
		s.wantMember(id, "o1", rollout.MemberInstructed)
	}
}

// TestRowDeadline is rules 4.11, row 6, and 4.12: past its deadline is failed; the
// deadline is each member's own, and others' progress does not move it.
func TestRowDeadline(t *testing.T) {
	for _, kind := range []rollout.Kind{rollout.Wakeup, rollout.Shutdown} {
		s, id := running(t, kind, true)
		s.keepAlive(50 * time.Second)
		s.boot("o2") // told again at 0:50
		s.keepAlive(50*time.Second - time.Microsecond)
		s.wantMember(id, "o1", rollout.MemberAcknowledged)
		s.keepAlive(time.Microsecond)
		s.wantMember(id, "o1", rollout.MemberFailed)
		s.wantMember(id, "o2", rollout.MemberInstructed)
		s.mustIncident(rollout.IncidentMemberStuck, 2, true) // o1 and o3
		s.keepAlive(50 * time.Second)
		s.wantMember(id, "o2", rollout.MemberFailed)
	}
}

// TestRowPending is rule 4.11: whom nobody has told is pending, and has no
// deadline; what only concerns who was told leaves it alone.
func TestRowPending(t *testing.T) {
	for _, kind := range []rollout.Kind{rollout.Wakeup, rollout.Shutdown} {
		s := newStage(t)
		s.fleetOf(discovery.Wakeup, "o1", "o2")
		s.idle("o1", "o2")
		plan := groupOf("a", remaining(), atOnce(rollout.Count(1)), within(10*time.Minute))
		id := ""
		if kind == rollout.Wakeup {
			id = s.wakeUp(plan)
		} else {
			id = s.shut(plan)
		}
		s.report("o2", discovery.Error)
		s.keepAlive(5 * time.Minute)
		s.wantMember(id, "o2", rollout.MemberPending)
		s.boot("o2")
		s.wantMember(id, "o2", rollout.MemberPending)
		if m := s.place(id, "o2"); !m.Deadline.IsZero() || m.Told {
			t.Errorf("%s: o2 is told %v, deadline %v", kind, m.Told, m.Deadline)
		}
	}
}
