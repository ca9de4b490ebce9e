package rollout_test

import (
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// TestShutdownRowStopped is rule 4.11, row 2: stopped, or left, is reached and
// clean, whenever and told or not.
func TestShutdownRowStopped(t *testing.T) {
	for name, end := range map[string]func(s *stage, o string){
		"stopped": func(s *stage, o string) { s.report(o, discovery.Stopped) },
		"left":    func(s *stage, o string) { s.leave(o) },
	} {
		s := newStage(t)
		s.fleetOf(discovery.Work, ids(3)...)
		id := s.shut(groupOf("a", remaining(), atOnce(rollout.Count(1)), needs(rollout.Count(3)), within(20*time.Second)))
		end(s, "o1")
		if m := s.place(id, "o1"); m.Status != rollout.MemberReached || !m.Clean || !m.ReachedAt.Equal(epoch) {
			t.Errorf("%s: %+v", name, m)
		}
		end(s, "o3") // nobody has told it
		s.want(id, "1 a running: o1=reached o2=instructed o3=reached")
		s.wantTold("o3", 0)
		s.keepAlive(20 * time.Second)
		s.want(id, "1 a failed: o1=reached o2=failed o3=reached")
		end(s, "o2") // late, and true
		s.want(id, "1 a failed: o1=reached o2=reached o3=reached")
	}
}

// TestShutdownNoOtherReportReaches is rule 4.11 for shutdowns: shutdown means
// winding down and reaches nothing, nor does an error (the rows below).
func TestShutdownNoOtherReportReaches(t *testing.T) {
	for _, state := range discovery.States() {
		if state == discovery.Stopped {
			continue
		}
		s, id := running(t, rollout.Shutdown, true)
		s.report("o1", state)
		s.keepAlive(50 * time.Second)
		s.wantMember(id, "o1", rollout.MemberAcknowledged)
		s.keepAlive(50 * time.Second)
		s.wantMember(id, "o1", rollout.MemberFailed)
	}
}

// TestShutdownRowUnclean is rule 4.11, row 4: not live is reached, unclean, and
// who is heard again is what is true then.
func TestShutdownRowUnclean(t *testing.T) {
	for _, acknowledged := range []bool{true, false} {
		s, id := running(t, rollout.Shutdown, acknowledged)
		s.silent("o1")
		s.keepAlive(30 * time.Second)
		s.wantMember(id, "o1", flying(acknowledged))
		s.keepAlive(time.Microsecond)
		if m := s.place(id, "o1"); m.Status != rollout.MemberReached || m.Clean {
			t.Errorf("silent it is %s, clean %v", m.Status, m.Clean)
		}
		s.keepAlive(20 * time.Second)
		s.back("o1")
		s.wantMember(id, "o1", flying(acknowledged))
		s.silent("o1")
		s.keepAlive(60 * time.Second)
		s.wantMember(id, "o1", rollout.MemberReached) // past its deadline, but this row is above that
		s.back("o1")
		s.wantMember(id, "o1", rollout.MemberFailed)
		s.report("o1", discovery.Stopped)
		if m := s.place(id, "o1"); m.Status != rollout.MemberReached || !m.Clean {
			t.Errorf("stopped in the end it is %s, clean %v", m.Status, m.Clean)
		}
	}
}

// TestShutdownPendingAndSilent is rule 4.11: for whom nobody has told the fourth
// row fits, too.
func TestShutdownPendingAndSilent(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, "o1", "o2")
	s.idle("o1", "o2")
	id := s.shut(groupOf("a", remaining(), atOnce(rollout.Count(1)), needs(rollout.Count(2))))
	s.silent("o2")
	s.keepAlive(31 * time.Second)
	s.want(id, "1 a running: o1=instructed o2=reached(unclean)")
	s.back("o2")
	s.want(id, "1 a running: o1=instructed o2=pending")
	s.report("o1", discovery.Stopped)
	s.wantMember(id, "o2", rollout.MemberInstructed)
}

// TestNewBootInTheTargetIsNotTold is rule 4.11: the first row that fits; a wakeup
// has it told at once since a new boot is starting, a shutdown whenever it runs.
func TestNewBootInTheTargetIsNotTold(t *testing.T) {
	s, id := running(t, rollout.Shutdown, true)
	s.report("o1", discovery.Stopped)
	s.wantMember(id, "o1", rollout.MemberReached)
	s.boot("o1")
	s.wantMember(id, "o1", rollout.MemberInstructed)
	s.wantTold("o1", 2)
	if m := s.place(id, "o1"); m.Clean {
		t.Error("it runs again and is clean still")
	}
}

// TestReachedCountsAsAcknowledged is rule 7.2 as far as members go: reaching cleanly
// acknowledges a member's own; an unclean end does not.
func TestReachedCountsAsAcknowledged(t *testing.T) {
	for _, c := range []struct {
		kind  rollout.Kind
		reach func(s *stage)
		want  bool
	}{
		{rollout.Wakeup, func(s *stage) { s.report("o1", discovery.Work) }, true},
		{rollout.Shutdown, func(s *stage) { s.report("o1", discovery.Stopped) }, true},
		{rollout.Shutdown, func(s *stage) { s.silent("o1"); s.keepAlive(31 * time.Second) }, false},
	} {
		s, id := running(t, c.kind, false)
		c.reach(s)
		s.wantMember(id, "o1", rollout.MemberReached)
		m := s.place(id, "o1")
		if got := !m.AcknowledgedAt.IsZero(); got != c.want || s.issued[m.InstructionID].AcknowledgedAt.IsZero() == c.want {
			t.Errorf("%s: acknowledged %v, want %v", c.kind, got, c.want)
		}
	}
}

// TestFailureBlocksNobody is rule 4.12: one member's failure never blocks
// another's progress.
func TestFailureBlocksNobody(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, ids(4)...)
	s.idle(ids(4)...)
	id := s.shut(groupOf("a", remaining(), atOnce(rollout.Count(2)), within(time.Minute), needs(rollout.Count(2))))
	s.keepAlive(time.Minute)
	s.want(id, "1 a running: o1=failed o2=failed o3=instructed o4=instructed")
	if m := s.place(id, "o3"); !m.Deadline.Equal(epoch.Add(2 * time.Minute)) {
		t.Errorf("the deadline of o3 is %s", clock(m.Deadline))
	}
	s.report("o3", discovery.Stopped)
	s.report("o4", discovery.Stopped)
	s.want(id, "1 a passed: o1=failed o2=failed o3=reached o4=reached")
	s.wantState(id, rollout.Partial)
}

// TestUncoordinatedInTheMiddle is rule 2.12: a member that registers as
// uncoordinated is never told any more.
func TestUncoordinatedInTheMiddle(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, ids(3)...)
	s.idle(ids(3)...)
	id := s.shut(groupOf("a", remaining(), atOnce(rollout.Count(1))))
	s.amend("o2", func(o *discovery.Occurrence) { o.Coordinated = false })
	s.want(id, "1 a running: o1=instructed o2=skipped o3=pending")
	s.boot("o1", uncoordinated)
	s.want(id, "1 a running: o1=failed o2=skipped o3=instructed")
	s.wantTold("o1", 1)
	s.wantTold("o2", 0)
	mustBe(t, "why o2 is skipped", s.place(id, "o2").Detail, "registered as uncoordinated")
	// Coordinated again and heard, o2 joins by rule 4.15.
	s.amend("o2", func(o *discovery.Occurrence) { o.Coordinated = true })
	s.want(id, "1 a running: o1=failed o3=instructed o2=pending")
}

// TestUncoordinatedAtTheStart is rule 2.12: never a member, and one that turned
// uncoordinated before its wave started is skipped.
func TestUncoordinatedAtTheStart(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, ids(3)...)
	s.boot("old", uncoordinated)
	id := s.shut(groupOf("a", sized(1)), groupOf("b", remaining()))
	s.amend("o2", func(o *discovery.Occurrence) { o.Coordinated = false })
	s.report("o1", discovery.Stopped)
	s.want(id, "1 a passed: o1=reached", "2 b running: o2=skipped o3=instructed")
	s.report("old", discovery.Work)
	s.wantTold("old", 0)
	s.report("o3", discovery.Stopped)
	s.wantState(id, rollout.Partial) // o2 may be running
}

// TestRetryTellsNoOldVersion is rules 2.12 and 4.18: a member whose new boot is
// uncoordinated is not told by a retry either.
func TestRetryTellsNoOldVersion(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, "o1", "o2")
	s.idle("o1", "o2")
	id := s.shut(groupOf("a", remaining(), needs(rollout.Count(2))))
	s.boot("o1", uncoordinated)
	s.want(id, "1 a failed: o1=failed o2=instructed")
	mustBe(t, "with nobody else", codeOf(t, s.order(id, rollout.Retry, 0)), rollout.CodeNothingToRetry)
	s.keepAlive(5 * time.Minute)
	ok(t, s.order(id, rollout.Retry, 0))
	s.wantTold("o1", 1)
	s.wantTold("o2", 2)
}

// TestAwakeNoMoreAndUncoordinated is rules 2.12 and 4.6: who was awake, turns
// uncoordinated and is not awake any more is not told.
func TestAwakeNoMoreAndUncoordinated(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, "o1", "o2")
	id := s.wakeUp(groupOf("a", remaining()))
	s.wantMember(id, "o1", rollout.MemberAcknowledged)
	s.amend("o1", func(o *discovery.Occurrence) { o.Coordinated = false })
	s.report("o1", discovery.Wakeup)
	s.wantTold("o1", 0)
}
