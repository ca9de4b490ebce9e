package rollout_test

import (
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// terminal makes a shutdown hold its agent when it has ended.
func terminal(c *rollout.Request) { c.Terminal = true }

// heldBy is a stage whose agent is held by an emergency or by a terminal
// shutdown that has ended; all its occurrences have stopped.
func heldBy(t *testing.T, cause string) *stage {
	t.Helper()
	s := scene(t)
	s.fleetOf(discovery.Work, ids(2)...)
	if cause == "emergency" {
		s.emergency()
	} else {
		s.request(rollout.Shutdown, instant, terminal, oneWave())
	}
	s.run(10 * time.Second)
	if s.state.Hold == nil || s.state.Hold.Terminal != (cause == "terminal") {
		t.Fatalf("not held by %s: %+v", cause, s.state.Hold)
	}
	return s
}

func bothHolds(t *testing.T, test func(t *testing.T, s *stage)) {
	t.Helper()
	for _, cause := range []string{"emergency", "terminal"} {
		t.Run(cause, func(t *testing.T) { test(t, heldBy(t, cause)) })
	}
}

// TestHold is rule 8.4: since when, by whom, why, and the rollout that caused
// it.
func TestHold(t *testing.T) {
	bothHolds(t, func(t *testing.T, s *stage) {
		h, r := s.state.Hold, s.state.Rollouts[0]
		mustBe(t, "rollout", h.RolloutID, r.ID)
		mustBe(t, "reason", h.Reason, r.Reason)
		mustBe(t, "by", h.By, r.RequestedBy)
		want := r.FinishedAt // of a terminal shutdown
		if r.Kind == rollout.Emergency {
			want = r.CreatedAt
		}
		mustBe(t, "since", h.Since, want)
		mustBe(t, "in the log", len(s.happened("hold.began")), 1)
	})
}

// TestHeldRequests is rule 8.4: while held, asking is answered held, and a
// request is refused as held before any other conflict.
func TestHeldRequests(t *testing.T) {
	bothHolds(t, func(t *testing.T, s *stage) {
		s.boot("o3")
		mustBe(t, "rollout", s.mustAnswer("o3", rollout.Wait, "held").RolloutID, s.state.Hold.RolloutID)
		for _, kind := range []rollout.Kind{rollout.Wakeup, rollout.Shutdown} {
			c := rollout.Request{
				ULID: s.ulid(), Kind: kind, Reason: "x", Actor: "operator:ann", Consent: rollout.ConsentRequired,
				OnTimeout: rollout.TimeoutFails, Supersede: true,
			}
			mustBe(t, string(kind), s.refused(c), rollout.CodeHeld)
		}
		s.leave("o3") // nobody is live now, and still it is the hold that is named
		c := rollout.Request{ULID: s.ulid(), Kind: rollout.Wakeup, Reason: "x", Actor: "operator:ann"}
		mustBe(t, "nobody live", s.refused(c), rollout.CodeHeld)
	})
}

// TestHoldOutlives is rule 8.4: the hold outlives its rollout, everybody's
// absence and any outage.
func TestHoldOutlives(t *testing.T) {
	bothHolds(t, func(t *testing.T, s *stage) {
		s.run(24 * time.Hour)
		s.outage(240 * time.Hour)
		s.state.Rollouts = nil // finished, and purged
		s.boot("o1")
		s.mustAnswer("o1", rollout.Wait, "held")
		s.report("o1", discovery.Work)
		mustBe(t, "told", len(s.pending("o1")), 1)
	})
}

// TestHoldTellsWhoIsHeard is rule 8.4: after an emergency any boot that is
// heard is told to stop, coordinated or not.
func TestHoldTellsWhoIsHeard(t *testing.T) {
	s := heldBy(t, "emergency")
	cause := s.state.Hold.RolloutID
	s.boot("o1")
	s.boot("old", uncoordinated)
	s.fleetOf(discovery.Error, "new")
	for _, o := range []string{"o1", "old", "new"} {
		pending := s.pending(o)
		mustBe(t, "pending for "+o, len(pending), 1)
		mustBe(t, "names its cause", pending[0].RolloutID, cause)
		mustBe(t, "wave", pending[0].Wave, 0)
		mustBe(t, "force", pending[0].Force, true)
		mustBe(t, "deadline", pending[0].Deadline, s.now.Add(300*time.Second))
		mustBe(t, "reason", pending[0].Reason, "fire")
	}
}

// TestHoldTellsWhoIsAwake is rule 8.4: after a terminal shutdown whoever reports
// an awake state is told to stop, if it is coordinated (2.12).
func TestHoldTellsWhoIsAwake(t *testing.T) {
	s := heldBy(t, "terminal")
	s.fleetOf(discovery.Wakeup, "o1", "o3")
	s.boot("old", uncoordinated)
	s.report("old", discovery.Work)
	for _, o := range []string{"o1", "o3", "old"} {
		mustBe(t, "pending for "+o, len(s.pending(o)), 0)
	}
	s.report("o1", discovery.Dream)
	in := s.lastTold("o1", rollout.Stop)
	mustBe(t, "names its cause", in.RolloutID, s.state.Hold.RolloutID)
	mustBe(t, "wave", in.Wave, 0)
	mustBe(t, "force", in.Force, false)
	mustBe(t, "pending", len(s.pending("o1")), 1)
}

// TestTerminalTellsWhoNeverStopped is rule 8.4: who is awake still when a
// terminal shutdown has ended is told by the hold.
func TestTerminalTellsWhoNeverStopped(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Work, ids(3)...)
	s.actors["o3"].takes = -1
	id := s.request(rollout.Shutdown, instant, terminal, oneWave())
	s.run(301 * time.Second)
	mustBe(t, "state", s.rollout(id).Status, rollout.Partial)
	mustBe(t, "held", s.state.Hold != nil, true)
	in := s.lastTold("o3", rollout.Stop)
	mustBe(t, "wave", in.Wave, 0)
	mustBe(t, "stops", len(s.told("o3", rollout.Stop)), 2)
}

// TestTerminalHoldsOnlyWhenDone is rule 8.4: a terminal shutdown holds when it
// ends succeeded or partial, and not otherwise.
func TestTerminalHoldsOnlyWhenDone(t *testing.T) {
	for name, end := range map[string]func(s *stage, id string){
		"rejected": func(s *stage, id string) { s.decide(id, rollout.Reject) },
		"aborted":  func(s *stage, id string) { s.decide(id, rollout.Accept); s.must(aborting(id)) },
		"failed": func(s *stage, id string) {
			s.actors["o1"].takes = -1
			s.decide(id, rollout.Accept)
			s.run(301 * time.Second)
		},
	} {
		s := scene(t)
		s.fleetOf(discovery.Work, ids(2)...)
		id := s.request(rollout.Shutdown, terminal)
		end(s, id)
		mustBe(t, "state", s.rollout(id).Status, rollout.Status(name))
		mustBe(t, "held after "+name, s.state.Hold != nil, false)
	}
}

// TestHoldSupersedesAWakeup is rule 8.4: a hold that begins supersedes an
// unfinished wakeup.
func TestHoldSupersedesAWakeup(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Work, ids(3)...)
	s.request(rollout.Shutdown, instant, terminal, oneWave())
	wakeup := s.request(rollout.Wakeup, func(c *rollout.Request) { c.Supersede = true })
	mustBe(t, "wakeup", s.rollout(wakeup).Status, rollout.Deciding)
	token := s.claimOf(wakeup).Token
	s.run(2 * time.Second)
	mustBe(t, "held", s.state.Hold != nil, true)
	mustBe(t, "wakeup", s.rollout(wakeup).Status, rollout.Superseded)
	mustBe(t, "verdict", codeOf(t, s.verdict(wakeup, "o1", token, rollout.Accept)), rollout.CodeClaimLost)
	mustBe(t, "wakes", s.count(rollout.Wake), 0)
}

// TestHoldTellsAnew is rule 8.4: anew in each boot, and whenever the last one's
// 300 s have passed, with the incident from the third time on.
func TestHoldTellsAnew(t *testing.T) {
	bothHolds(t, func(t *testing.T, s *stage) {
		before := len(s.told("o1", rollout.Stop))
		again := func() int { return len(s.told("o1", rollout.Stop)) - before }
		s.boot("o1")
		s.actors["o1"].deaf = true
		s.report("o1", discovery.Work)
		at := s.now
		mustBe(t, "first boot", again(), 1)
		s.run(299 * time.Second)
		mustBe(t, "within 300 s", again(), 1)
		s.mustIncident(rollout.IncidentRestartedWhileHeld, 0, false)
		s.run(time.Second)
		mustBe(t, "after 300 s", again(), 2)
		mustBe(t, "at", s.lastTold("o1", rollout.Stop).IssuedAt, at.Add(300*time.Second))
		mustBe(t, "pending", len(s.pending("o1")), 1)
		s.mustIncident(rollout.IncidentRestartedWhileHeld, 0, false)
		s.boot("o1")
		s.report("o1", discovery.Work)
		mustBe(t, "next boot", again(), 3)
		s.mustIncident(rollout.IncidentRestartedWhileHeld, 1, true)
		mustBe(t, "of whom", s.openOne(rollout.IncidentRestartedWhileHeld).OccurrenceID, "o1")
		s.report("o1", discovery.Stopped)
		s.run(time.Hour)
		mustBe(t, "stopped", again(), 3)
		s.mustIncident(rollout.IncidentRestartedWhileHeld, 1, true)
	})
}

// TestHoldTellsWhoAcknowledged: an acknowledgement is not a stop; only stopped
// or silence counts (rule 8.4).
func TestHoldTellsWhoAcknowledged(t *testing.T) {
	bothHolds(t, func(t *testing.T, s *stage) {
		s.boot("o1")
		s.actors["o1"].takes = -1
		s.report("o1", discovery.Work)
		n := len(s.told("o1", rollout.Stop))
		s.run(301 * time.Second)
		mustBe(t, "told again", len(s.told("o1", rollout.Stop)), n+1)
	})
}

// TestRelease is rule 8.4: it ends the hold, withdraws the stops that it gave,
// wakes nobody, and permits waking.
func TestRelease(t *testing.T) {
	bothHolds(t, func(t *testing.T, s *stage) {
		s.fleetOf(discovery.Wakeup, "o1", "o2")
		s.report("o1", discovery.Work)
		in := s.lastTold("o1", rollout.Stop)
		made := len(s.made)
		s.release()
		mustBe(t, "hold", s.state.Hold == nil, true)
		mustBe(t, "withdrawn", codeOf(t, s.answered(in)), rollout.CodeWithdrawn)
		mustBe(t, "nobody is told anything", len(s.made), made)
		mustBe(t, "in the log", s.happened("hold.released")[0].Actor, "operator:ann")
		s.run(time.Minute) // a terminal shutdown's stragglers are left alone too (rule 4.17)
		mustBe(t, "nobody is told anything", len(s.made), made)
		s.mustIncident(rollout.IncidentStraggler, 0, false)
		s.mustAnswer("o1", rollout.Proceed, "already_awake")
		s.mustAnswer("o2", rollout.Proceed, "fleet_is_awake") // o1's stop was withdrawn: it is a witness
		s.release()
		mustBe(t, "a second release says nothing", len(s.happened("hold.released")), 1)
	})
}

// TestReleaseAfterASecondWord: a boot that was told twice and has acknowledged
// neither counts as one that was told nothing, once both are withdrawn (rules 8.4
// and 6.2).
func TestReleaseAfterASecondWord(t *testing.T) {
	bothHolds(t, func(t *testing.T, s *stage) {
		s.fleetOf(discovery.Wakeup, "o1", "o2")
		s.actors["o1"].deaf, s.actors["o1"].takes = true, -1
		s.report("o1", discovery.Work)
		n := len(s.told("o1", rollout.Stop))
		s.run(301 * time.Second)
		mustBe(t, "told again", len(s.told("o1", rollout.Stop)), n+1)
		s.release()
		s.mustAnswer("o2", rollout.Proceed, "fleet_is_awake")
	})
}

// TestStopOfTheNewBoot: what the release withdraws for a member's former boot says
// nothing of its new one, which acknowledged the stop of the hold and is no
// witness (rules 8.4 and 6.2).
func TestStopOfTheNewBoot(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Work, "o1")
	s.actors["o1"].takes = -1
	s.emergency()
	s.boot("o1")
	s.report("o1", discovery.Work)
	s.acknowledge("o1")
	s.release()
	mustBe(t, "proceeds", s.joinsTheAwake("o2"), false)
}

// TestReleaseForgetsStragglers: whom a terminal shutdown has missed is the hold's
// business, and nobody's after the release (rules 8.4 and 4.17).
func TestReleaseForgetsStragglers(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Work, ids(3)...)
	s.actors["o3"].mute = true
	id := s.request(rollout.Shutdown, instant, terminal, oneWave())
	s.run(40 * time.Second)
	mustBe(t, "state", s.rollout(id).Status, rollout.Partial)
	s.release()
	s.actors["o3"].mute = false
	s.beat("o3")
	mustBe(t, "stops", len(s.told("o3", rollout.Stop)), 1)
	s.mustIncident(rollout.IncidentStraggler, 0, false)
}

// TestReleaseEndsTheEmergency is rule 8.4: an emergency rollout that still runs
// is aborted, its stops withdrawn.
func TestReleaseEndsTheEmergency(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Work, ids(3)...)
	s.actors["o1"].deaf = true
	id := s.emergency()
	s.run(10 * time.Second)
	mustBe(t, "o2", s.place(id, "o2").Status, rollout.MemberReached)
	s.release()
	mustBe(t, "state", s.rollout(id).Status, rollout.Aborted)
	mustBe(t, "o1", s.place(id, "o1").Status, rollout.MemberCancelled)
	mustBe(t, "withdrawn", codeOf(t, s.answered(s.lastTold("o1", rollout.Stop))), rollout.CodeWithdrawn)
	s.boot("o2")
	mustBe(t, "nobody is told any more", len(s.pending("o2")), 0)
	mustBe(t, "incident", s.timesOpened(rollout.IncidentRestartedWhileHeld), 0)
}

// TestReleaseOutranks is rule 8.4: a release of one agent outranks a hold of all
// given before it, also where there is no hold to end.
func TestReleaseOutranks(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Work, "o1")
	s.must(rollout.Release{Reason: "all is well", Actor: "operator:ann", HoldsUpTo: 7})
	mustBe(t, "outranked", s.state.HoldSeen, int64(7))
	s.must(rollout.EmergencyStop{ULID: s.ulid(), Reason: "fire", Actor: "operator:ann", Number: 8})
	mustBe(t, "applied", s.state.HoldSeen, int64(8))
	s.must(rollout.Release{Reason: "all is well", Actor: "operator:ann", HoldsUpTo: 8})
	mustBe(t, "held", s.state.Hold != nil, false)
	mustBe(t, "outranked", s.state.HoldSeen, int64(8))
}

// TestReleaseClosesItsIncident is rules 8.4 and 9.2.
func TestReleaseClosesItsIncident(t *testing.T) {
	bothHolds(t, func(t *testing.T, s *stage) {
		for range 3 {
			s.boot("o1")
			s.report("o1", discovery.Work)
		}
		s.mustIncident(rollout.IncidentRestartedWhileHeld, 1, true)
		s.release()
		s.mustIncident(rollout.IncidentRestartedWhileHeld, 1, false)
	})
}
