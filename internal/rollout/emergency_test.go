package rollout_test

import (
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// TestEmergencyReachesEverybody is rule 8.1: every discovered occurrence,
// coordinated or not, at once and with force; no decision, no waves.
func TestEmergencyReachesEverybody(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Work, "gone")
	s.quiet(11 * time.Minute)
	s.fleetOf(discovery.Work, "stale")
	s.quiet(time.Minute)
	s.fleetOf(discovery.Work, "o1", "left")
	s.fleetOf(discovery.Error, "o2")
	s.boot("old", uncoordinated)
	s.leave("left")
	id := s.emergency()
	r := s.rollout(id)
	mustBe(t, "kind", r.Kind, rollout.Emergency)
	mustBe(t, "state", r.Status, rollout.Rolling)
	mustBe(t, "waves", len(r.Waves), 1)
	mustBe(t, "group", r.Waves[0].Name, "all")
	mustBe(t, "members", len(r.Waves[0].Members), 4)
	mustBe(t, "stops", s.count(rollout.Stop), 4)
	mustBe(t, "deliberations", s.count(rollout.Deliberate), 0)
	for _, o := range []string{"o1", "o2", "old", "stale"} {
		in := s.lastTold(o, rollout.Stop)
		mustBe(t, "force", in.Force, true)
		mustBe(t, "wave", in.Wave, 1)
		mustBe(t, "deadline", in.Deadline, s.now.Add(300*time.Second))
		mustBe(t, "reason", in.Reason, "fire")
		mustBe(t, "boot", in.Boot, s.actors[o].bootID())
	}
	mustBe(t, "task", r.Task.Status, rollout.TaskCompleted)
	mustBe(t, "by", r.Decision.Actor, "operator:ann")
}

// TestEmergencySupersedes is rules 8.1 and 4.2: whatever is unfinished, in
// whatever state, a pause included.
func TestEmergencySupersedes(t *testing.T) {
	for name, prepare := range map[string]func(s *stage, id string){
		"deciding": func(*stage, string) {},
		"deferred": func(s *stage, id string) { s.must(deferral(s, id, time.Time{})) },
		"rolling":  func(s *stage, id string) { s.decide(id, rollout.Accept) },
		"paused": func(s *stage, id string) {
			s.decide(id, rollout.Accept)
			mustBe(s.t, "pause", codeOf(s.t, s.order(id, rollout.Pause, 0)), "")
		},
		"halted": func(s *stage, id string) {
			s.decide(id, rollout.Accept)
			s.run(10 * time.Minute)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := scene(t)
			s.fleetOf(discovery.Work, ids(3)...)
			s.actors["o1"].deaf, s.actors["o1"].takes = true, -1
			id := s.request(rollout.Shutdown, func(c *rollout.Request) {
				plan := rollout.DefaultPlan()
				plan[0].OnFailure = rollout.HaltRollout
				c.Groups = plan
			})
			mustBe(t, "claim", codeOf(t, s.takeClaim(id, "o1")), "")
			prepare(s, id)
			mustBe(t, "state before", s.rollout(id).Status, rollout.Status(name))
			emergency := s.emergency()
			mustBe(t, "state", s.rollout(id).Status, rollout.Superseded)
			for _, m := range s.rollout(emergency).Waves[0].Members {
				mustBe(t, m.OccurrenceID, m.Status, rollout.MemberInstructed)
			}
			for _, o := range ids(3) {
				pending := s.pending(o)
				mustBe(t, "pending for "+o, len(pending), 1)
				mustBe(t, "of the emergency", pending[0].RolloutID, emergency)
			}
		})
	}
}

// TestEmergencyMembers is rule 8.2: told, acknowledged, stopped, unreachable
// with the cause in detail, and at the end of the five minutes failed.
func TestEmergencyMembers(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Work, "asleep")
	s.actors["asleep"].mute = true
	s.quiet(40 * time.Second)
	s.fleetOf(discovery.Work, ids(6)...)
	for _, o := range ids(6) {
		s.actors[o].deaf, s.actors[o].takes = true, -1
	}
	id := s.emergency()
	mustBe(t, "told", s.place(id, "o1").Status, rollout.MemberInstructed)
	mustBe(t, "o2 acknowledges", codeOf(t, s.answered(s.lastTold("o2", rollout.Stop))), "")
	mustBe(t, "acknowledged", s.place(id, "o2").Status, rollout.MemberAcknowledged)
	mustBe(t, "o3 acknowledges", codeOf(t, s.answered(s.lastTold("o3", rollout.Stop))), "")
	s.report("o3", discovery.Stopped)
	mustBe(t, "stopped", s.place(id, "o3").Status, rollout.MemberReached)
	s.must(rollout.Unreachable{RolloutID: id, OccurrenceID: "o4", InstructionID: s.lastTold("o4", rollout.Stop).ID, Cause: "connection refused"})
	mustBe(t, "unreachable", s.place(id, "o4").Status, rollout.MemberLost)
	mustBe(t, "its cause", s.place(id, "o4").Detail, "unreachable: connection refused")
	mustBe(t, "stale", s.place(id, "asleep").Status, rollout.MemberLost)
	mustBe(t, "its cause is said", s.place(id, "asleep").Detail != "", true)
	s.actors["o5"].mute = true
	mustBe(t, "o6 acknowledges", codeOf(t, s.answered(s.lastTold("o6", rollout.Stop))), "")
	s.actors["o6"].mute = true
	s.run(40 * time.Second)
	mustBe(t, "silent, never acknowledged", s.place(id, "o5").Status, rollout.MemberLost)
	mustBe(t, "its cause is said", s.place(id, "o5").Detail != "", true)
	mustBe(t, "silent after its acknowledgement", s.place(id, "o6").Status, rollout.MemberReached)
	mustBe(t, "o4 acknowledges by poll", codeOf(t, s.answered(s.lastTold("o4", rollout.Stop))), "")
	mustBe(t, "acknowledged", s.place(id, "o4").Status, rollout.MemberAcknowledged)

	s.run(260*time.Second - time.Microsecond)
	mustBe(t, "state before the end", s.rollout(id).Status, rollout.Rolling)
	s.run(time.Microsecond)
	mustBe(t, "state", s.rollout(id).Status, rollout.Partial)
	for o, want := range map[string]rollout.MemberStatus{
		"o1": rollout.MemberFailed, "o2": rollout.MemberFailed, "o3": rollout.MemberReached, "o4": rollout.MemberFailed,
		"o5": rollout.MemberLost, "o6": rollout.MemberReached, "asleep": rollout.MemberLost,
	} {
		mustBe(t, o, s.place(id, o).Status, want)
	}
}

// TestEmergencySucceeds is rule 8.2: it ends when everybody has stopped.
func TestEmergencySucceeds(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Work, ids(5)...)
	s.boot("old", uncoordinated)
	id := s.emergency()
	s.run(2 * time.Second)
	mustBe(t, "state", s.rollout(id).Status, rollout.Succeeded)
	mustBe(t, "when", s.rollout(id).FinishedAt, epoch.Add(time.Second))
	mustBe(t, "held", s.state.Hold != nil, true)
}

// TestEmergencyOfNobody is rule 8.1 for an agent of which nobody is discovered.
func TestEmergencyOfNobody(t *testing.T) {
	s := scene(t)
	id := s.emergency()
	mustBe(t, "state", s.rollout(id).Status, rollout.Succeeded)
	mustBe(t, "held", s.state.Hold != nil, true)
	mustBe(t, "stops", s.count(rollout.Stop), 0)
}

// TestEmergencyTakesNoCommands is rule 8.2: the commands of rule 4.18 are not
// allowed, at any time.
func TestEmergencyTakesNoCommands(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Work, "o1")
	id := s.emergency()
	for range 2 {
		for _, c := range []rollout.Control{rollout.Pause, rollout.Resume, rollout.Promote, rollout.Retry, rollout.Abort} {
			refusal := refusalOf(t, s.order(id, c, 0))
			mustBe(t, string(c), refusal.Code, rollout.CodeNotAllowed)
			mustBe(t, "allowed", len(refusal.Allowed), 0)
		}
		s.run(time.Minute)
	}
	mustBe(t, "state", s.rollout(id).Status, rollout.Succeeded)
}

// TestEmergencyTwice is rule 8.2: a second call is the same rollout and tells
// again whoever has not stopped, with five minutes anew.
func TestEmergencyTwice(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Work, ids(4)...)
	for _, o := range ids(4) {
		s.actors[o].deaf, s.actors[o].takes = true, -1
	}
	id := s.emergency()
	first := s.lastTold("o1", rollout.Stop)
	s.report("o2", discovery.Stopped)
	mustBe(t, "o4 acknowledges", codeOf(t, s.answered(s.lastTold("o4", rollout.Stop))), "")
	s.actors["o4"].mute = true // and falls silent: it has stopped
	mustBe(t, "o3 acknowledges", codeOf(t, s.answered(s.lastTold("o3", rollout.Stop))), "")
	s.run(299 * time.Second)
	mustBe(t, "the same", s.emergency(), id)
	mustBe(t, "created", s.last.Created, false)
	for o, times := range map[string]int{"o1": 2, "o2": 1, "o3": 2, "o4": 1} {
		mustBe(t, "stops for "+o, len(s.told(o, rollout.Stop)), times)
	}
	mustBe(t, "the first is withdrawn", codeOf(t, s.answered(first)), rollout.CodeWithdrawn)
	in := s.lastTold("o1", rollout.Stop)
	mustBe(t, "deadline", in.Deadline, s.now.Add(300*time.Second))
	mustBe(t, "o3 is to acknowledge again", s.place(id, "o3").Status, rollout.MemberInstructed)
	s.run(299 * time.Second)
	mustBe(t, "state", s.rollout(id).Status, rollout.Rolling)
	s.run(2 * time.Second)
	mustBe(t, "state", s.rollout(id).Status, rollout.Partial)

	again := s.emergency() // it has ended: another one
	mustBe(t, "another", again != id, true)
	mustBe(t, "held by", s.state.Hold.RolloutID, again)
	mustBe(t, "stops for o2", len(s.told("o2", rollout.Stop)), 1)
}

// TestEmergencyNewBoot is rules 8.2 and 8.4: a member's new boot is told again,
// however often it comes, and its former boot's acknowledgement is not its own.
func TestEmergencyNewBoot(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Work, "o1")
	s.actors["o1"].takes = -1
	id := s.emergency()
	for n := 2; n <= 7; n++ {
		s.boot("o1")
		mustBe(t, "stops", len(s.told("o1", rollout.Stop)), n)
		mustBe(t, "pending for the new boot", len(s.pending("o1")), 1)
		mustBe(t, "force", s.pending("o1")[0].Force, true)
	}
	mustBe(t, "still tried", s.rollout(id).Status, rollout.Rolling)
	s.report("o1", discovery.Stopped)
	mustBe(t, "state", s.rollout(id).Status, rollout.Succeeded)
}

// TestEmergencyOutage is rules 8.2 and 2.10: the five minutes stand still while
// the service is silent.
func TestEmergencyOutage(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Work, "o1")
	s.actors["o1"].deaf = true
	id := s.emergency()
	s.run(200 * time.Second)
	s.outage(time.Hour)
	s.run(99 * time.Second)
	mustBe(t, "state", s.rollout(id).Status, rollout.Rolling)
	mustBe(t, "acknowledged", codeOf(t, s.answered(s.lastTold("o1", rollout.Stop))), "")
}
