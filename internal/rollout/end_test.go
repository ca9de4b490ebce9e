package rollout_test

import (
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// outcomeCase is what happens to a rollout of three, and how it ends.
type outcomeCase struct {
	name string
	plan []rollout.Group
	do   func(s *stage)
	want rollout.Status
}

func stopped(s *stage, list ...string) {
	for _, o := range list {
		s.report(o, discovery.Stopped)
	}
}

func atWork(s *stage, list ...string) {
	for _, o := range list {
		s.report(o, discovery.Work)
	}
}

func shutdownOutcomes() []outcomeCase {
	return []outcomeCase{
		{
			"all stopped cleanly",
			[]rollout.Group{groupOf("a", remaining())},
			func(s *stage) { stopped(s, ids(3)...) }, rollout.Succeeded,
		},
		{
			"one left while its wave waited",
			[]rollout.Group{groupOf("a", sized(1)), groupOf("b", remaining(), delayed(10*time.Second))},
			func(s *stage) { stopped(s, "o1"); s.leave("o2"); s.keepAlive(10 * time.Second); stopped(s, "o3") }, rollout.Succeeded,
		},
		{
			"one was stale when its wave started: it may be running",
			[]rollout.Group{groupOf("a", sized(1)), groupOf("b", remaining(), delayed(time.Minute))},
			func(s *stage) { stopped(s, "o1"); s.silent("o2"); s.keepAlive(time.Minute); stopped(s, "o3") }, rollout.Partial,
		},
		{
			"one unclean",
			[]rollout.Group{groupOf("a", remaining())},
			func(s *stage) { stopped(s, "o1", "o2"); s.silent("o3"); s.keepAlive(31 * time.Second) }, rollout.Partial,
		},
		{
			"one unclean where that will do",
			[]rollout.Group{groupOf("a", remaining(), uncleanWillDo)},
			func(s *stage) { stopped(s, "o1", "o2"); s.silent("o3"); s.keepAlive(31 * time.Second) }, rollout.Succeeded,
		},
		{
			"unclean will do in another wave",
			[]rollout.Group{groupOf("a", sized(2)), groupOf("b", remaining(), uncleanWillDo)},
			func(s *stage) { stopped(s, "o1"); s.silent("o2"); s.keepAlive(31 * time.Second); stopped(s, "o3") }, rollout.Partial,
		},
		{
			"one failed",
			[]rollout.Group{groupOf("a", remaining())},
			func(s *stage) { stopped(s, "o1", "o2"); s.keepAlive(5 * time.Minute) }, rollout.Partial,
		},
		{
			"nobody reached",
			[]rollout.Group{groupOf("a", remaining(), onFailure(rollout.GoOn))},
			func(s *stage) { s.keepAlive(5 * time.Minute) }, rollout.Failed,
		},
		{
			"a wave failed and everybody stopped in the end",
			[]rollout.Group{groupOf("a", sized(1), onFailure(rollout.GoOn)), groupOf("b", remaining())},
			func(s *stage) { s.keepAlive(5 * time.Minute); stopped(s, ids(3)...) }, rollout.Partial,
		},
	}
}

func wakeupOutcomes() []outcomeCase {
	return []outcomeCase{
		{
			"all at work",
			[]rollout.Group{groupOf("a", remaining())},
			func(s *stage) { atWork(s, ids(3)...) }, rollout.Succeeded,
		},
		{
			"a lost member counts as failed",
			[]rollout.Group{groupOf("a", remaining())},
			func(s *stage) { atWork(s, "o1", "o2"); s.silent("o3"); s.keepAlive(31 * time.Second) }, rollout.Partial,
		},
		{
			"one failed",
			[]rollout.Group{groupOf("a", remaining())},
			func(s *stage) { atWork(s, "o1", "o2"); s.keepAlive(5 * time.Minute) }, rollout.Partial,
		},
		{
			"nobody reached",
			[]rollout.Group{groupOf("a", remaining(), onFailure(rollout.GoOn))},
			func(s *stage) { s.keepAlive(5 * time.Minute) }, rollout.Failed,
		},
		{
			"one left before its wave",
			[]rollout.Group{groupOf("a", sized(1)), groupOf("b", remaining(), delayed(10*time.Second))},
			func(s *stage) { atWork(s, "o1"); s.leave("o2"); s.keepAlive(10 * time.Second); atWork(s, "o3") }, rollout.Succeeded,
		},
		{
			"one was stale before its wave",
			[]rollout.Group{groupOf("a", sized(1)), groupOf("b", remaining(), delayed(time.Minute))},
			func(s *stage) { atWork(s, "o1"); s.silent("o2"); s.keepAlive(time.Minute); atWork(s, "o3") }, rollout.Succeeded,
		},
	}
}

// TestOutcomes is rule 4.16: how a rollout ends once every wave is settled and no
// member is pending or in flight.
func TestOutcomes(t *testing.T) {
	for kind, cases := range map[rollout.Kind][]outcomeCase{rollout.Shutdown: shutdownOutcomes(), rollout.Wakeup: wakeupOutcomes()} {
		for _, c := range cases {
			s := newStage(t)
			s.fleetOf(discovery.Wakeup, ids(3)...)
			s.idle(ids(3)...)
			id := ""
			if kind == rollout.Wakeup {
				id = s.wakeUp(c.plan...)
			} else {
				id = s.shut(c.plan...)
			}
			c.do(s)
			if got := s.rollout(id); got.Status != c.want || got.FinishedAt.IsZero() {
				t.Errorf("%s, %s: it is %s at %s\n%s", kind, c.name, got.Status, clock(s.now), s.members(id))
			}
		}
	}
}

// TestTheEndWaitsForTheLast is rule 4.16: not before every wave is settled and no
// member is pending or in flight; a lost one holds nothing up.
func TestTheEndWaitsForTheLast(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Wakeup, ids(4)...)
	s.idle(ids(4)...)
	id := s.wakeUp(groupOf("a", sized(3), atOnce(rollout.Count(1))), groupOf("b", remaining()))
	s.silent("o1")
	s.keepAlive(31 * time.Second)
	s.report("o2", discovery.Work)
	s.want(id, "1 a passed: o1=lost o2=reached o3=instructed", "2 b running: o4=instructed")
	s.report("o4", discovery.Work)
	s.wantState(id, rollout.Rolling)
	s.report("o3", discovery.Work)
	s.wantState(id, rollout.Partial)
	if got := s.rollout(id); !got.FinishedAt.Equal(s.now) {
		t.Errorf("finished at %v", got.FinishedAt)
	}
}

// TestNobodyLeftToTell is rule 4.16: a shutdown that had nobody left to tell has
// succeeded; a wakeup has failed.
func TestNobodyLeftToTell(t *testing.T) {
	for kind, want := range map[rollout.Kind]rollout.Status{rollout.Shutdown: rollout.Succeeded, rollout.Wakeup: rollout.Failed} {
		s := newStage(t)
		s.fleetOf(discovery.Wakeup, "o1", "o2")
		id := s.request(kind, instant, withPlan(groupOf("a", remaining(), delayed(time.Minute), within(2*time.Minute))))
		s.leave("o1")
		s.leave("o2")
		s.quiet(3 * time.Minute)
		s.wantState(id, want)
	}
}

// TestCancelled is rule 4.16: members pending or in flight at any other end become
// cancelled, and so do their waves; what is not acknowledged is withdrawn (rule
// 7.4), what has come to its end stays.
func TestCancelled(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Wakeup, ids(7)...)
	s.idle(ids(7)...)
	s.silent("o5")
	s.quiet(20 * time.Second)
	for _, o := range ids(7) {
		if o != "o5" {
			s.beat(o)
		}
	}
	s.quiet(11 * time.Second)
	id := s.wakeUp(groupOf("a", sized(5), atOnce(rollout.Count(4)), needs(rollout.Count(5)), spares(rollout.Count(4))), groupOf("b", remaining()))
	s.want(id, "1 a running: o1=instructed o2=instructed o3=instructed o4=instructed o6=pending", "2 b pending: o7=pending o5=pending")
	s.acknowledge("o1")
	s.report("o2", discovery.Work)
	s.silent("o3")
	s.keepAlive(31 * time.Second)
	s.want(id, "1 a running: o1=acknowledged o2=reached o3=lost o4=instructed o6=instructed", "2 b pending: o7=pending o5=pending")
	ok(t, s.order(id, rollout.Abort, 0))
	s.want(id, "1 a cancelled: o1=cancelled o2=reached o3=lost o4=cancelled o6=cancelled", "2 b cancelled: o7=cancelled o5=cancelled")
	for _, o := range []string{"o3", "o4", "o6"} {
		if s.lastTold(o, rollout.Wake).WithdrawnAt.IsZero() {
			t.Errorf("the instruction of %s is not withdrawn", o)
		}
	}
	if !s.lastTold("o1", rollout.Wake).WithdrawnAt.IsZero() {
		t.Error("what o1 has acknowledged was withdrawn")
	}
}

// TestNothingLeavesAFinalState is section 4 and S7: what happens after the end
// changes nothing of it.
func TestNothingLeavesAFinalState(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, ids(2)...)
	s.idle(ids(2)...)
	id := s.shut(groupOf("a", remaining()))
	s.report("o1", discovery.Stopped)
	s.keepAlive(5 * time.Minute)
	s.wantState(id, rollout.Partial)
	was := s.members(id)
	s.report("o2", discovery.Stopped)
	s.boot("o1")
	s.keepAlive(time.Hour)
	if now := s.members(id); now != was {
		t.Errorf("after the end\n%swas\n%s", now, was)
	}
	for _, c := range []rollout.Control{rollout.Pause, rollout.Resume, rollout.Promote, rollout.Retry, rollout.Abort} {
		mustBe(t, string(c), codeOf(t, s.order(id, c, 1)), rollout.CodeNotAllowed)
	}
}

// TestPurgedInTheMiddle is rules 4.5, 4.11 and 4.16: who is not even known any more
// when its wave starts has left as far as a rollout is concerned; who fell silent
// does not become a clean stop by being forgotten.
func TestPurgedInTheMiddle(t *testing.T) {
	for kind, want := range map[rollout.Kind]rollout.Status{rollout.Shutdown: rollout.Partial, rollout.Wakeup: rollout.Partial} {
		s := newStage(t)
		s.fleetOf(discovery.Wakeup, ids(4)...)
		s.idle(ids(4)...)
		plan := []rollout.Group{groupOf("a", sized(2)), groupOf("b", remaining(), delayed(time.Hour))}
		id := ""
		if kind == rollout.Wakeup {
			id = s.wakeUp(plan...)
			s.report("o1", discovery.Work)
		} else {
			id = s.shut(plan...)
			s.report("o1", discovery.Stopped)
		}
		s.silent("o2", "o3")
		s.keepAlive(59 * time.Minute)
		var kept []discovery.Occurrence
		for _, o := range s.fleet.All() {
			if o.ID != "o2" && o.ID != "o3" {
				kept = append(kept, o)
			}
		}
		s.fleet = discovery.NewFleet(s.fleet.Timing, kept)
		delete(s.actors, "o2")
		delete(s.actors, "o3")
		s.must(nil)
		s.keepAlive(time.Minute)
		if m := s.place(id, "o3"); m.Status != rollout.MemberSkipped || !m.Departed {
			t.Errorf("%s: o3 is %s, departed %v", kind, m.Status, m.Departed)
		}
		if kind == rollout.Wakeup {
			s.report("o4", discovery.Work)
		} else {
			s.report("o4", discovery.Stopped)
		}
		s.wantState(id, want)
	}
}
