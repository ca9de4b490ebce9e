package rollout_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// endedShutdown is a shutdown that ended partial: o1 stopped cleanly, o2 fell
// silent, o3 failed.
func endedShutdown(t *testing.T) (*stage, string) {
	t.Helper()
	s := newStage(t)
	s.fleetOf(discovery.Work, ids(3)...)
	s.idle(ids(3)...)
	id := s.shut(groupOf("a", remaining()))
	s.report("o1", discovery.Stopped)
	s.silent("o2")
	s.keepAlive(5 * time.Minute)
	s.want(id, "1 a passed: o1=reached o2=reached(unclean) o3=failed")
	s.wantState(id, rollout.Partial)
	s.now = s.now.Add(time.Second) // what is heard from now on is heard after the end
	return s, id
}

// TestStraggler is rule 4.17: a boot that was first heard before the shutdown
// ended, did not stop cleanly in it, and is heard after it, is told to stop once
// more, outside any wave, with 300 s; and the incident opens.
func TestStraggler(t *testing.T) {
	s, id := endedShutdown(t)
	s.wantTold("o2", 1)
	s.back("o2")
	s.wantTold("o2", 2)
	in := s.lastTold("o2", rollout.Stop)
	if in.Wave != 0 || in.RolloutID != id || in.Force || !in.Deadline.Equal(s.now.Add(300*time.Second)) || in.Boot != "o2-boot-1" {
		t.Errorf("told by %+v", in.Instruction)
	}
	s.mustIncident(rollout.IncidentStraggler, 1, true)
	s.keepAlive(20 * time.Minute)
	s.wantTold("o2", 2) // once
	s.mustIncident(rollout.IncidentStraggler, 1, true)
	s.report("o2", discovery.Stopped)
	s.mustIncident(rollout.IncidentStraggler, 1, false)
}

// TestWhoIsNoStraggler is rule 4.17: neither who stopped cleanly nor who has
// failed, nor a boot first heard after the end, nor an uncoordinated one.
func TestWhoIsNoStraggler(t *testing.T) {
	s, _ := endedShutdown(t)
	s.beat("o3") // failed, and still running: a person's business (rule 4.14)
	s.boot("o1")
	s.boot("new")
	s.report("o1", discovery.Wakeup)
	s.boot("o2") // its new boot is another process
	s.boot("old", uncoordinated)
	s.keepAlive(time.Minute)
	for o, times := range map[string]int{"o1": 1, "o2": 1, "o3": 1, "new": 0, "old": 0} {
		s.wantTold(o, times)
	}
	s.mustIncident(rollout.IncidentStraggler, 0, false)
}

// TestUncoordinatedStraggler is rules 4.17 and 2.12: one that turned uncoordinated
// is not reached by it.
func TestUncoordinatedStraggler(t *testing.T) {
	s, _ := endedShutdown(t)
	s.amend("o2", func(o *discovery.Occurrence) { o.Coordinated = false })
	s.back("o2")
	s.wantTold("o2", 1)
}

// TestOnlyWhatIsASignOfLifeIsHeard is rules 4.17 and 2.8: a heartbeat that was
// held up on the way reveals no straggler.
func TestOnlyWhatIsASignOfLifeIsHeard(t *testing.T) {
	s, _ := endedShutdown(t)
	o, _, refusal := discovery.Accept(s.fleet.Get("o2"), "o2", discovery.Heartbeat{Boot: "o2-boot-1", Sequence: 2, State: discovery.Work, Echo: epoch},
		false, s.settings.Timing(), s.now)
	if refusal != nil {
		t.Fatal(refusal)
	}
	s.hear(o)
	s.wantTold("o2", 1)
	s.mustIncident(rollout.IncidentStraggler, 0, false)
}

// TestStragglersOfOthers is rule 4.17: who was skipped, who was left out, and who
// was gone all the while, are stragglers when they are heard.
func TestStragglersOfOthers(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, "gone")
	s.silent("gone")
	s.quiet(11 * time.Minute)
	s.fleetOf(discovery.Work, "o1", "stale")
	s.silent("stale")
	s.idle("o1", "stale")
	s.keepAlive(31 * time.Second)
	id := s.shut(groupOf("a", remaining()))
	for i := range 11 {
		s.boot(fmt.Sprintf("new%02d", i))
		s.idle(fmt.Sprintf("new%02d", i))
		if i < 10 {
			s.report(fmt.Sprintf("new%02d", i), discovery.Stopped)
		}
	}
	s.report("o1", discovery.Stopped)
	s.wantMember(id, "stale", rollout.MemberSkipped)
	s.wantState(id, rollout.Partial)
	s.wantTold("new10", 0) // left out (rule 4.15), and not heard yet since the end
	s.now = s.now.Add(time.Second)
	for i, o := range []string{"gone", "stale", "new10"} {
		s.back(o)
		s.wantTold(o, 1)
		mustBe(t, "incidents", s.timesOpened(rollout.IncidentStraggler), i+1)
	}
}

// TestStragglersOnlyOfACompletedShutdown is rule 4.17: only of one that ended
// succeeded or partial.
func TestStragglersOnlyOfACompletedShutdown(t *testing.T) {
	for name, end := range map[string]func(s *stage, id string){
		"aborted": func(s *stage, id string) { ok(t, s.order(id, rollout.Abort, 0)) },
		"failed":  func(s *stage, _ string) { s.keepAlive(5 * time.Minute) },
	} {
		s := newStage(t)
		s.fleetOf(discovery.Work, ids(3)...)
		s.idle(ids(3)...)
		id := s.shut(groupOf("a", remaining(), onFailure(rollout.FailRollout), needs(rollout.Count(3))))
		s.silent("o1", "o2")
		s.keepAlive(40 * time.Second)
		end(s, id)
		if r := s.rollout(id); !r.Status.Final() {
			t.Fatalf("%s: it is %s", name, r.Status)
		}
		s.back("o1")
		s.wantTold("o1", 1)
		s.mustIncident(rollout.IncidentStraggler, 0, false)
	}
}

// TestStragglerAfterAWakeup is rule 4.17: before a wakeup is opened; once one is,
// by whomever, nobody is told to stop any more.
func TestStragglerAfterAWakeup(t *testing.T) {
	for name, open := range map[string]func(s *stage){
		"an operator's": func(s *stage) { s.request(rollout.Wakeup) },
		"an asker's":    func(s *stage) { mustBe(s.t, "the asker", s.ask("o1").Directive, rollout.Decide) },
	} {
		s, _ := endedShutdown(t)
		s.report("o3", discovery.Stopped)
		s.now = s.now.Add(11 * time.Minute)
		s.boot("o1")
		open(s)
		s.back("o2")
		if n := len(s.told("o2", rollout.Stop)); n != 1 {
			t.Errorf("%s: o2 was told to stop %d times", name, n)
		}
		s.mustIncident(rollout.IncidentStraggler, 0, false)
	}
}
