package rollout_test

import (
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// joinsTheAwake tells whether an occurrence that restarts now, and asks when
// everybody else was heard since, is told to proceed.
func (s *stage) joinsTheAwake(occurrence string) bool {
	s.t.Helper()
	s.boot(occurrence)
	s.run(11 * time.Second)
	return s.ask(occurrence).Directive == rollout.Proceed
}

// TestWitness is the definition in rule 6.2: another live, coordinated, awake
// boot.
func TestWitness(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(s *stage)
		want bool
	}{
		{"at work", func(*stage) {}, true},
		{"in solitude", func(s *stage) { s.report("o1", discovery.Solitude) }, true},
		{"waking up", func(s *stage) { s.report("o1", discovery.Wakeup) }, false},
		{"in error", func(s *stage) { s.report("o1", discovery.Error) }, false},
		{"winding down", func(s *stage) { s.report("o1", discovery.Shutdown) }, false},
		{"stopped", func(s *stage) { s.report("o1", discovery.Stopped) }, false},
		{"left", func(s *stage) { s.leave("o1") }, false},
		{"not live", func(s *stage) { s.actors["o1"].mute = true; s.run(31 * time.Second) }, false},
		{"a new boot", func(s *stage) { s.boot("o1") }, false},
		{"uncoordinated", func(s *stage) { s.amend("o1", func(o *discovery.Occurrence) { o.Coordinated = false }) }, false},
		{"its callback is gone", func(s *stage) {
			s.actors["o1"].mute = true
			s.amend("o1", func(o *discovery.Occurrence) { o.CallbackGone = true })
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := scene(t)
			s.fleetOf(discovery.Work, "o1")
			tt.do(s)
			mustBe(t, "proceeds", s.joinsTheAwake("o2"), tt.want)
		})
	}
}

// TestNobodyIsItsOwnWitness: the asker's former boot vouches for nothing (rule
// 6.2).
func TestNobodyIsItsOwnWitness(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Work, "o1")
	mustBe(t, "proceeds", s.joinsTheAwake("o1"), false)
}

// TestWitnessToldToStop is rule 6.2: a boot that a shutdown told to stop is no
// witness; a stop that was withdrawn does not count, one that was acknowledged
// does, and so does the decider's only if it was told as well.
func TestWitnessToldToStop(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(s *stage)
		want bool
	}{
		{"told, acknowledged, then aborted", func(s *stage) {
			id := s.request(rollout.Shutdown, instant, oneWave())
			s.acknowledge("o1")
			s.must(aborting(id))
		}, false},
		{"told, withdrawn by the abort", func(s *stage) {
			id := s.request(rollout.Shutdown, instant, oneWave())
			s.must(aborting(id))
		}, true},
		{"told, silent for a while, withdrawn by the abort", func(s *stage) {
			id := s.request(rollout.Shutdown, instant, oneWave(func(g *rollout.Group) { g.MinHealthy, g.OnFailure = rollout.Percent(100), rollout.HaltRollout }))
			s.quiet(time.Minute) // reached, uncleanly
			s.must(aborting(id))
			s.beat("o1")
		}, true},
		{"told by an emergency, acknowledged", func(s *stage) {
			s.emergency()
			s.acknowledge("o1")
			s.release()
		}, false},
		{"told by an emergency, withdrawn by the release", func(s *stage) { s.emergency(); s.release() }, true},
		{"its next boot", func(s *stage) {
			id := s.request(rollout.Shutdown, instant, oneWave())
			s.acknowledge("o1")
			s.must(aborting(id))
			s.boot("o1")
			s.report("o1", discovery.Work)
		}, true},
		{"decided to stop, never told", func(s *stage) {
			id := s.request(rollout.Shutdown, func(c *rollout.Request) { c.NotBeforeWall = s.wall().Add(time.Hour) })
			s.decide(id, rollout.Accept)
			s.must(aborting(id))
		}, true},
		{"decided to stop, not told yet", func(s *stage) {
			id := s.request(rollout.Shutdown, func(c *rollout.Request) { c.NotBeforeWall = s.wall().Add(time.Hour) })
			s.decide(id, rollout.Accept)
		}, true},
		{"decided not to stop", func(s *stage) { s.decide(s.request(rollout.Shutdown), rollout.Reject) }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := scene(t)
			s.fleetOf(discovery.Work, "o1")
			s.actors["o1"].deaf, s.actors["o1"].takes = true, -1
			tt.do(s)
			mustBe(t, "proceeds", s.joinsTheAwake("o2"), tt.want)
		})
	}
}

// TestAcknowledgedThenToldAgain: a stop that was acknowledged counts, though the
// boot was told again and that was withdrawn (rule 6.2).
func TestAcknowledgedThenToldAgain(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Work, "o1")
	s.actors["o1"].takes = -1
	s.emergency()
	s.acknowledge("o1")
	s.emergency()
	s.release()
	mustBe(t, "its second stop is withdrawn", s.lastTold("o1", rollout.Stop).WithdrawnAt, s.now)
	mustBe(t, "proceeds", s.joinsTheAwake("o2"), false)
}

// TestStopOfAnotherRollout: a stop that was acknowledged counts, though an
// emergency told the boot as well and that was withdrawn (rule 6.2).
func TestStopOfAnotherRollout(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Work, "o1")
	s.actors["o1"].takes = -1
	s.request(rollout.Shutdown, instant, oneWave())
	s.acknowledge("o1")
	s.emergency()
	s.release()
	mustBe(t, "proceeds", s.joinsTheAwake("o2"), false)
}

// TestAcknowledgedHoldStop: the same of the stops that a hold gives (rules 6.2
// and 8.4).
func TestAcknowledgedHoldStop(t *testing.T) {
	s := heldBy(t, "terminal")
	s.boot("o1")
	s.actors["o1"].takes = -1
	s.report("o1", discovery.Work)
	s.acknowledge("o1")
	s.actors["o1"].deaf = true
	s.run(301 * time.Second)
	mustBe(t, "told again", len(s.pending("o1")), 1)
	s.release()
	mustBe(t, "proceeds", s.joinsTheAwake("o2"), false)
}

// TestStragglerIsNoWitness: the stop of rule 4.17 counts as a shutdown's (rule
// 6.2).
func TestStragglerIsNoWitness(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Work, "o1", "o2")
	s.actors["o2"].mute = true
	s.request(rollout.Shutdown, instant, oneWave())
	s.actors["o1"].takes = 0
	s.run(40 * time.Second)
	mustBe(t, "the shutdown", s.state.Rollouts[0].Status, rollout.Partial)
	s.actors["o2"].mute, s.actors["o2"].deaf = false, true
	s.beat("o2")
	mustBe(t, "told once more", len(s.told("o2", rollout.Stop)), 2)
	s.boot("o3")
	s.run(11 * time.Second)
	s.mustAnswer("o3", rollout.Decide, "opened_a_wakeup")
}

// TestStragglerStopTakenBack: opening a wakeup takes the straggler's stop back, and
// not the one that its wave had given it before (rules 4.17 and 6.2).
func TestStragglerStopTakenBack(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Work, "o1", "o2")
	s.actors["o2"].mute, s.actors["o2"].deaf = true, true
	s.request(rollout.Shutdown, instant, oneWave())
	s.run(40 * time.Second)
	s.actors["o2"].mute = false
	s.beat("o2")
	mustBe(t, "told in its wave, and once more", len(s.told("o2", rollout.Stop)), 2)
	s.boot("o3")
	s.run(11 * time.Second)
	s.mustAnswer("o3", rollout.Decide, "opened_a_wakeup")
	mustBe(t, "the first stop was not withdrawn", s.told("o2", rollout.Stop)[0].WithdrawnAt.IsZero(), true)
	s.boot("o4")
	s.run(11 * time.Second)
	s.mustAnswer("o4", rollout.Wait, "wakeup_under_way")
}

// TestWitnessOfARefusedWakeup is rules 6.2 and 6.4: who was told, answered
// proceed or heard to affirm in a wakeup that stands vouches for nothing, until
// it stands no longer.
func TestWitnessOfARefusedWakeup(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(s *stage, id string)
	}{
		{"affirmed", func(s *stage, _ string) { s.report("o1", discovery.Work) }},
		{"told", func(s *stage, _ string) { s.report("o2", discovery.Work) }},
		{"answered proceed", func(s *stage, _ string) {
			s.boot("o3")
			s.mustAnswer("o3", rollout.Proceed, "no_place_needed")
			s.report("o3", discovery.Work)
		}},
		{"answered proceed in a new boot", func(s *stage, id string) {
			s.run(time.Second)
			mustBe(s.t, "order", codeOf(s.t, s.order(id, rollout.Pause, 0)), "")
			s.boot("o2")
			mustBe(s.t, "order", codeOf(s.t, s.order(id, rollout.Resume, 0)), "")
			s.mustAnswer("o2", rollout.Proceed, "let_go")
			s.report("o2", discovery.Work)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := scene(t)
			s.fleetOf(discovery.Wakeup, "o1", "o2", "o4")
			for _, o := range []string{"o1", "o2", "o4"} {
				s.actors[o].takes = -1
			}
			id := s.request(rollout.Wakeup, oneWave(func(g *rollout.Group) { g.StableFor = time.Minute }))
			s.decide(id, rollout.Accept)
			tt.do(s, id)
			s.must(aborting(id))
			s.boot("o5")
			s.run(11 * time.Second)
			s.mustAnswer("o5", rollout.Wait, "wakeup_refused")
			s.mustIncident(rollout.IncidentWakeupRefused, 1, true)
		})
	}
}

// TestProceedInAHaltedWakeup: a new boot that was answered proceed while its
// wakeup was halted, and never told, is no witness either (rule 6.2).
func TestProceedInAHaltedWakeup(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Wakeup, "o1", "o2", "o3")
	s.actors["o2"].takes, s.actors["o3"].takes = time.Second, -1
	id := s.request(rollout.Wakeup, oneWave(func(g *rollout.Group) { g.MinHealthy, g.OnFailure = rollout.Count(3), rollout.HaltRollout }))
	s.decide(id, rollout.Accept)
	s.run(301 * time.Second)
	mustBe(t, "state", s.rollout(id).Status, rollout.Halted)
	s.boot("o2")
	mustBe(t, "told", len(s.told("o2", rollout.Wake)), 1)
	s.mustAnswer("o2", rollout.Proceed, "let_go")
	s.report("o2", discovery.Work)
	s.must(aborting(id))
	s.boot("o5")
	s.run(11 * time.Second)
	s.mustAnswer("o5", rollout.Wait, "wakeup_refused")
}

// TestOldWitness: who was awake all along vouches whatever a wakeup came to
// (rule 6.2).
func TestOldWitness(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Work, "o1")
	s.fleetOf(discovery.Wakeup, "o2")
	id := s.request(rollout.Wakeup)
	s.must(verdictOf(id, rollout.Reject))
	mustBe(t, "proceeds", s.joinsTheAwake("o3"), true)
	s.mustIncident(rollout.IncidentWakeupRefused, 1, true)
}

// TestAwakeAllAlong: a member that was awake already needed no telling and was
// not told: it vouches, whatever the wakeup came to (rules 6.2, 6.3 and 4.6).
func TestAwakeAllAlong(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Work, "o1")
	s.fleetOf(discovery.Wakeup, "o2")
	id := s.request(rollout.Wakeup, oneWave())
	s.must(verdictOf(id, rollout.Accept))
	mustBe(t, "o1 needs no telling", len(s.told("o1", rollout.Wake)), 0)
	s.must(aborting(id))
	mustBe(t, "proceeds", s.joinsTheAwake("o3"), true)
}

// TestStandingVerdict is rule 6.4: a rejected, failed or aborted wakeup stands
// while a coordinated boot that was known at its end is live.
func TestStandingVerdict(t *testing.T) {
	for name, end := range map[string]func(s *stage, id string){
		"rejected": func(s *stage, id string) { s.decide(id, rollout.Reject) },
		"aborted":  func(s *stage, id string) { s.must(aborting(id)) },
		"failed":   func(s *stage, _ string) { s.run(601 * time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			s := scene(t)
			s.fleetOf(discovery.Wakeup, ids(3)...)
			id := s.ask("o1").RolloutID
			end(s, id)
			mustBe(t, "state", s.rollout(id).Status, rollout.Status(name))
			s.mustIncident(rollout.IncidentWakeupRefused, 1, true)
			for _, o := range ids(3) { // nobody deliberates nine times in turn
				mustBe(t, "rollout", s.mustAnswer(o, rollout.Wait, "wakeup_refused").RolloutID, id)
			}
			s.run(time.Hour)
			s.boot("o1")
			s.mustAnswer("o1", rollout.Wait, "wakeup_refused")
			s.boot("o2")
			s.mustIncident(rollout.IncidentWakeupRefused, 1, true)
			s.boot("o3") // the whole fleet has been restarted
			s.mustIncident(rollout.IncidentWakeupRefused, 1, false)
			s.mustAnswer("o3", rollout.Decide, "opened_a_wakeup")
		})
	}
}

// TestStandingEndsWithAnOperator is rule 6.4: an operator asks for a new one,
// and the older never stands again, whatever becomes of the new one; that may
// stand itself.
func TestStandingEndsWithAnOperator(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Wakeup, "o1", "o2")
	first := s.ask("o1").RolloutID
	s.decide(first, rollout.Reject)
	second := s.request(rollout.Wakeup)
	s.mustIncident(rollout.IncidentWakeupRefused, 1, false)
	s.emergency()
	mustBe(t, "second", s.rollout(second).Status, rollout.Superseded)
	s.mustIncident(rollout.IncidentWakeupRefused, 1, false)
	s.release()
	third := s.mustAnswer("o1", rollout.Decide, "opened_a_wakeup").RolloutID
	s.decide(third, rollout.Accept)
	s.run(301 * time.Second)
	mustBe(t, "third", s.rollout(third).Status, rollout.Failed) // o1 said yes and did nothing
	mustBe(t, "stands", s.openOne(rollout.IncidentWakeupRefused).RolloutID, third)
}

// TestStandingLapses is rule 6.4: silence of all who knew it ends it for the
// time being; an unknown or uncoordinated boot does not keep it.
func TestStandingLapses(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Wakeup, "o1")
	s.boot("old", uncoordinated)
	id := s.ask("o1").RolloutID
	s.decide(id, rollout.Reject)
	s.run(time.Second)
	s.boot("o2")
	s.actors["o1"].mute = true
	s.run(29 * time.Second)
	s.mustAnswer("o2", rollout.Wait, "wakeup_refused")
	s.run(2 * time.Second)
	s.mustIncident(rollout.IncidentWakeupRefused, 1, false)
	s.actors["o1"].mute = false
	s.beat("o1") // known at its end, and live again
	s.mustIncident(rollout.IncidentWakeupRefused, 2, true)
	s.mustAnswer("o2", rollout.Wait, "wakeup_refused")
	s.leave("o1")
	s.mustAnswer("o2", rollout.Decide, "opened_a_wakeup")
}

// TestSupersededDoesNotStand: only a rejected, failed or aborted wakeup stands
// (rule 6.4).
func TestSupersededDoesNotStand(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Wakeup, "o1", "o2")
	id := s.ask("o1").RolloutID
	s.emergency()
	mustBe(t, "state", s.rollout(id).Status, rollout.Superseded)
	s.release()
	s.mustIncident(rollout.IncidentWakeupRefused, 0, false)
	s.mustAnswer("o2", rollout.Decide, "opened_a_wakeup")
}
