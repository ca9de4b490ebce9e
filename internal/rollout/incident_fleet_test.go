package rollout_test

import (
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// TestOccurrenceStuck is 9.2, occurrence_stuck: outside any rollout in wakeup or
// shutdown for too long; gone when it gets there, falls silent or joins a
// rollout.
func TestOccurrenceStuck(t *testing.T) {
	for _, state := range []discovery.State{discovery.Wakeup, discovery.Shutdown} {
		for name, mend := range map[string]func(s *stage){
			"awake":   func(s *stage) { s.report("o1", discovery.Work) },
			"stopped": func(s *stage) { s.report("o1", discovery.Stopped) },
			"silent":  func(s *stage) { s.actors["o1"].mute = true; s.run(31 * time.Second) },
			"member":  func(s *stage) { s.request(rollout.Shutdown, instant) },
		} {
			t.Run(string(state)+"/"+name, func(t *testing.T) {
				s := scene(t)
				s.fleetOf(state, "o1")
				s.run(300*time.Second - time.Microsecond)
				s.mustIncident(rollout.IncidentOccurrenceStuck, 0, false)
				s.run(time.Microsecond)
				s.mustIncident(rollout.IncidentOccurrenceStuck, 1, true)
				mustBe(t, "of whom", s.openOne(rollout.IncidentOccurrenceStuck).OccurrenceID, "o1")
				s.run(time.Hour)
				s.mustIncident(rollout.IncidentOccurrenceStuck, 1, true)
				mend(s)
				s.mustIncident(rollout.IncidentOccurrenceStuck, 1, false)
			})
		}
	}
}

// TestOccurrenceStuckAcrossBoots is 9.2: a restart loop is no progress.
func TestOccurrenceStuckAcrossBoots(t *testing.T) {
	s := scene(t)
	for range 11 {
		s.mustIncident(rollout.IncidentOccurrenceStuck, 0, false)
		s.fleetOf(discovery.Wakeup, "o1")
		s.run(27 * time.Second)
		s.report("o1", discovery.Error)
	}
	s.fleetOf(discovery.Wakeup, "o1")
	s.run(5 * time.Second)
	s.mustIncident(rollout.IncidentOccurrenceStuck, 1, true)
}

// TestToldToWaitIsNotStuck is 9.2: not while the service tells it to wait, nor
// while it holds a claim or is a member; and then from the last such word.
func TestToldToWaitIsNotStuck(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Work, "o1")
	s.emergency()
	s.run(2 * time.Second)
	s.boot("o2", func(r *discovery.Registration) { r.CallbackURL = "http://o2" })
	s.actors["o2"].deaf = true
	s.report("o2", discovery.Wakeup)
	for range 120 {
		s.mustAnswer("o2", rollout.Wait, "held")
		s.run(10 * time.Second)
	}
	s.mustIncident(rollout.IncidentOccurrenceStuck, 0, false)
	s.run(400 * time.Second) // it does not ask any more, and says nothing else
	s.mustIncident(rollout.IncidentOccurrenceStuck, 1, true)
}

// TestMemberIsNotStuck is 9.2: outside any rollout.
func TestMemberIsNotStuck(t *testing.T) {
	s := scene(t)
	s.settings.DecisionTimeout = time.Hour
	s.fleetOf(discovery.Wakeup, "o1")
	id := s.ask("o1").RolloutID
	s.run(20 * time.Minute)
	s.mustIncident(rollout.IncidentOccurrenceStuck, 0, false)
	s.decide(id, rollout.Accept)
	s.run(299 * time.Second)
	s.mustIncident(rollout.IncidentOccurrenceStuck, 0, false)
}

// TestResolvedOccurrenceStuck is 9.2: resolved it stays, until the cause was
// gone.
func TestResolvedOccurrenceStuck(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Wakeup, "o1")
	s.run(301 * time.Second)
	s.resolve(rollout.IncidentOccurrenceStuck)
	s.run(time.Hour)
	s.mustIncident(rollout.IncidentOccurrenceStuck, 1, false)
	s.report("o1", discovery.Work)
	s.report("o1", discovery.Wakeup)
	s.run(299 * time.Second)
	s.mustIncident(rollout.IncidentOccurrenceStuck, 1, false)
	s.run(time.Second)
	s.mustIncident(rollout.IncidentOccurrenceStuck, 2, true)
}

// TestUndeliverableIncident is 9.2 and rule 7.6: it opens when the deadline has
// passed undelivered, once a member, and closes when that got there, or is gone.
func TestUndeliverableIncident(t *testing.T) {
	for name, mend := range map[string]func(s *stage){
		"stops": func(s *stage) { s.report("o1", discovery.Stopped) },
		"gone":  func(s *stage) { s.actors["o1"].mute = true; s.run(601 * time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			s, id := halting(t)
			in := s.lastTold("o1", rollout.Stop)
			for range 2 {
				s.must(rollout.Unreachable{RolloutID: id, OccurrenceID: "o1", InstructionID: in.ID, Cause: "connection refused", Final: true})
			}
			s.mustIncident(rollout.IncidentUndeliverable, 1, true)
			i := s.openOne(rollout.IncidentUndeliverable)
			mustBe(t, "occurrence", i.OccurrenceID, "o1")
			mustBe(t, "wave", i.Wave, 1)
			s.run(time.Hour)
			s.mustIncident(rollout.IncidentUndeliverable, 1, true)
			mend(s)
			s.mustIncident(rollout.IncidentUndeliverable, 1, false)
		})
	}
	s := scene(t)
	s.must(rollout.Unreachable{RolloutID: "ro_x", OccurrenceID: "o1", InstructionID: "x", Cause: "refused", Final: true})
	s.mustIncident(rollout.IncidentUndeliverable, 0, false) // of a rollout that is not there any more
}

// TestStragglerIncident is 9.2, straggler, and rule 4.17: once for a boot that a
// finished shutdown has missed; gone when it stops, falls silent or restarts.
func TestStragglerIncident(t *testing.T) {
	for name, mend := range map[string]func(s *stage){
		"stops":    func(s *stage) { s.report("o2", discovery.Stopped) },
		"silent":   func(s *stage) { s.actors["o2"].mute = true; s.run(31 * time.Second) },
		"restarts": func(s *stage) { s.boot("o2") },
	} {
		t.Run(name, func(t *testing.T) {
			s := scene(t)
			s.fleetOf(discovery.Work, "o1", "o2")
			s.actors["o2"].mute, s.actors["o2"].takes = true, -1
			id := s.request(rollout.Shutdown, instant, oneWave())
			s.run(40 * time.Second)
			mustBe(t, "state", s.rollout(id).Status, rollout.Partial)
			s.mustIncident(rollout.IncidentStraggler, 0, false)
			s.actors["o2"].mute = false
			s.beat("o2")
			s.mustIncident(rollout.IncidentStraggler, 1, true)
			mustBe(t, "boot", s.openOne(rollout.IncidentStraggler).Boot, s.actors["o2"].bootID())
			s.run(time.Hour)
			s.mustIncident(rollout.IncidentStraggler, 1, true)
			mend(s)
			s.mustIncident(rollout.IncidentStraggler, 1, false)
		})
	}
}

// TestIdentityConflict is 9.2 and rule 2.5: three answers boot_replaced for one
// occurrence within a minute, to whichever boots.
func TestIdentityConflict(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Work, "o1")
	refuse := func() { s.amend("o1", func(o *discovery.Occurrence) { *o = discovery.Refused(*o, s.now) }) }
	for range 5 { // two a minute are none
		refuse()
		s.run(30 * time.Second)
	}
	s.mustIncident(rollout.IncidentIdentityConflict, 0, false)
	s.run(time.Minute)
	refuse()
	refuse()
	s.run(59 * time.Second)
	refuse()
	s.mustIncident(rollout.IncidentIdentityConflict, 1, true)
	mustBe(t, "of whom", s.openOne(rollout.IncidentIdentityConflict).OccurrenceID, "o1")
	refuse()
	s.mustIncident(rollout.IncidentIdentityConflict, 1, true)
	s.run(10*time.Minute - time.Second)
	s.mustIncident(rollout.IncidentIdentityConflict, 1, true)
	s.run(time.Second)
	s.mustIncident(rollout.IncidentIdentityConflict, 1, false)
	for range 3 {
		refuse()
	}
	s.mustIncident(rollout.IncidentIdentityConflict, 2, true)
}

// TestBelowExpected is 9.2, below_expected: once the expected count had been
// reached and is not any more.
func TestBelowExpected(t *testing.T) {
	s := scene(t)
	s.state.Profile.Expected = 3
	s.fleetOf(discovery.Work, "o1", "o2")
	s.run(time.Hour)
	s.mustIncident(rollout.IncidentBelowExpected, 0, false) // never complete
	s.fleetOf(discovery.Work, "o3")
	s.run(time.Minute)
	s.mustIncident(rollout.IncidentBelowExpected, 0, false)
	s.actors["o2"].mute = true
	s.run(31 * time.Second)
	s.mustIncident(rollout.IncidentBelowExpected, 1, true)
	s.run(time.Hour)
	s.mustIncident(rollout.IncidentBelowExpected, 1, true)
	s.resolve(rollout.IncidentBelowExpected)
	s.run(time.Hour)
	s.mustIncident(rollout.IncidentBelowExpected, 1, false)
	s.actors["o2"].mute = false
	s.beat("o2")
	s.leave("o1")
	s.mustIncident(rollout.IncidentBelowExpected, 2, true)
	s.fleetOf(discovery.Work, "o4") // any three will do
	s.mustIncident(rollout.IncidentBelowExpected, 2, false)
}

// TestBelowAnotherExpectedCount is 9.2, below_expected: a count that was raised was
// not reached yet; but a fleet that has fallen below the former one is missing
// somebody all the same.
func TestBelowAnotherExpectedCount(t *testing.T) {
	s := scene(t)
	expect := func(n int) {
		s.state = s.state.WithProfile(rollout.Profile{Expected: n}, len(s.fleet.Live(s.now)))
		s.run(time.Minute)
	}
	s.fleetOf(discovery.Work, "o1", "o2", "o3", "o4")
	expect(3)
	expect(6)
	s.mustIncident(rollout.IncidentBelowExpected, 0, false)
	expect(4)
	s.leave("o1")
	s.mustIncident(rollout.IncidentBelowExpected, 1, true)
	expect(6)
	s.mustIncident(rollout.IncidentBelowExpected, 1, true)
	expect(3)
	s.mustIncident(rollout.IncidentBelowExpected, 1, false)
	s.leave("o2")
	s.mustIncident(rollout.IncidentBelowExpected, 2, true)
}

// TestBelowExpectedByAShutdown is 9.2: not because of a shutdown, while it is
// under way or after it has ended, an emergency stop included; and anew once
// the fleet was complete again.
func TestBelowExpectedByAShutdown(t *testing.T) {
	for name, stop := range map[string]func(s *stage){
		"shutdown":  func(s *stage) { s.request(rollout.Shutdown, instant) },
		"terminal":  func(s *stage) { s.request(rollout.Shutdown, instant, terminal) },
		"emergency": func(s *stage) { s.emergency() },
	} {
		t.Run(name, func(t *testing.T) {
			s := scene(t)
			s.state.Profile.Expected = 3
			s.fleetOf(discovery.Work, ids(3)...)
			stop(s)
			s.run(5 * time.Minute)
			mustBe(t, "state", s.state.Rollouts[0].Status, rollout.Succeeded)
			s.run(time.Hour)
			mustBe(t, "opened", s.timesOpened(rollout.IncidentBelowExpected), 0)
			if s.state.Hold != nil {
				s.release()
			}
			s.run(time.Minute)
			mustBe(t, "opened", s.timesOpened(rollout.IncidentBelowExpected), 0)
			s.fleetOf(discovery.Work, ids(3)...)
			s.leave("o1")
			s.mustIncident(rollout.IncidentBelowExpected, 1, true)
		})
	}
}
