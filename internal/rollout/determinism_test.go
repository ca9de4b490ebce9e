package rollout_test

import (
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// TestPure drives the same model and replays every step: the same inputs give
// the same state and the same effects (promise 5), nothing that Step is given is
// changed, and time may be split in any way (rule 2.11).
func TestPure(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t, true)
		for range 1 + evenly(t, "acts", 30) {
			m.act()
		}
		m.settle()
	})
}

// TestStepIsDeterministic is promise 5 where a step has much to say: many
// members fail, are told, and are incidents that close at one instant.
func TestStepIsDeterministic(t *testing.T) {
	s, id := stopping(t, 12, func(g *rollout.Group) { g.OnFailure = rollout.HaltRollout })
	s.run(301 * time.Second)
	mustBe(t, "stuck", s.timesOpened(rollout.IncidentMemberStuck), 12)
	for name, c := range map[string]rollout.Command{
		"silence": nil, "retry": rollout.Order{RolloutID: id, Control: rollout.Retry, Actor: "operator:ann"},
		"emergency": rollout.EmergencyStop{ULID: s.ulid(), Reason: "fire", Actor: "operator:ann"},
	} {
		in := rollout.Input{Command: c, Fleet: s.fleet, Settings: s.settings}
		at := s.now
		if c == nil {
			at = at.Add(time.Hour) // they all fall silent
		}
		first, effects, err := rollout.Step(s.state, in, at)
		if err != nil {
			t.Fatal(err)
		}
		for range 50 {
			again, effectsAgain, _ := rollout.Step(s.state, in, at)
			if !reflect.DeepEqual(first, again) || !reflect.DeepEqual(effects, effectsAgain) {
				t.Fatalf("%s: the same step went another way", name)
			}
		}
	}
}

// TestRefusedChangesNothing: a refusal gives back the state as it was and no
// effects, even where something was due before it.
func TestRefusedChangesNothing(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Work, "o1", "o2")
	s.request(rollout.Shutdown, instant)
	before := written(s.state)
	in := rollout.Input{Command: rollout.Order{RolloutID: "ro_x", Control: rollout.Abort}, Fleet: s.fleet, Settings: s.settings}
	next, eff, err := rollout.Step(s.state, in, s.now.Add(time.Hour))
	mustBe(t, "code", codeOf(t, err), discovery.CodeNotFound)
	mustBe(t, "state", written(next), before)
	mustBe(t, "effects", reflect.DeepEqual(eff, rollout.Effects{}), true)
}

// TestLongSleep: who was not stepped for years catches up in one bounded step,
// whatever state it was left in (rule 2.11).
func TestLongSleep(t *testing.T) {
	for name, leave := range map[string]func(s *stage){
		"deciding": func(s *stage) { s.actors["o1"].deaf = true; s.request(rollout.Shutdown) },
		"deferred": func(s *stage) { s.must(deferral(s, s.request(rollout.Shutdown), time.Time{})) },
		"rolling":  func(s *stage) { s.request(rollout.Shutdown, instant) },
		"paused": func(s *stage) {
			mustBe(s.t, "pause", codeOf(s.t, s.order(s.request(rollout.Shutdown, instant), rollout.Pause, 0)), "")
		},
		"held":    func(s *stage) { s.emergency() },
		"refused": func(s *stage) { s.must(verdictOf(s.request(rollout.Wakeup), rollout.Reject)) },
	} {
		s := scene(t)
		s.state.Profile.Expected = 3
		s.fleetOf(discovery.Wakeup, ids(3)...)
		leave(s)
		s.now = s.now.Add(10 * 365 * 24 * time.Hour)
		s.must(nil)
		mustBe(t, name+": something is due", s.state.WakeAt.IsZero(), true)
	}
}
