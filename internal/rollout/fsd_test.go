package rollout_test

import (
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// fsdPlan is the plan of the FSD's timeline: 1, 3 and 5 occurrences.
func fsdPlan() []rollout.Group {
	plan := rollout.DefaultPlan()
	plan[1].Size = rollout.Size{Kind: rollout.SizeCount, N: 3}
	return plan
}

// TestNineOccurrenceClock is rule 4.21: the FSD's nine-occurrence shutdown,
// reproduced to the second.
func TestNineOccurrenceClock(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, ids(9)...)
	id := s.request(rollout.Shutdown, func(c *rollout.Request) { c.Groups = fsdPlan() })
	takes := map[string]time.Duration{"o1": 30, "o2": 60, "o3": 60, "o4": 60, "o5": 120, "o6": 120, "o7": 120, "o8": 120, "o9": 120}
	for o, seconds := range takes {
		s.actors[o].takes = seconds * time.Second
	}
	s.decide(id, rollout.Accept)
	s.run(6 * time.Minute)

	r := s.rollout(id)
	if r.Status != rollout.Succeeded {
		t.Fatalf("the shutdown ended %s\n%s", r.Status, s.members(id))
	}
	for _, want := range []struct {
		what  string
		event string
		wave  int
		at    string
	}{
		{"decision", "decision.accept", 0, "0:00"},
		{"explorer told", "instruction.stop", 1, "0:00"},
		{"explorer stopped", "wave.passed", 1, "0:30"},
		{"early adopters told", "instruction.stop", 2, "1:00"},
		{"early adopters stopped", "wave.passed", 2, "2:00"},
		{"general told", "instruction.stop", 3, "3:00"},
		{"all stopped", "rollout.succeeded", 0, "5:00"},
	} {
		if got := s.at(want.event, want.wave); got != want.at {
			t.Errorf("%s at %s, want %s", want.what, got, want.at)
		}
	}
}

// TestWakeupOfNine: one decides, the others follow in waves (rules 5.2, 4.4, 6.2).
func TestWakeupOfNine(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Wakeup, ids(9)...)
	answers := map[rollout.Directive]int{}
	id := ""
	for _, o := range ids(9) {
		a := s.ask(o)
		answers[a.Directive]++
		if a.Directive == rollout.Decide {
			id = a.RolloutID
		}
	}
	if answers[rollout.Decide] != 1 || answers[rollout.Wait] != 8 {
		t.Fatalf("answers: %v", answers)
	}
	s.decide(id, rollout.Accept)
	s.actors["o1"].arrives, s.actors["o1"].becomes = s.now.Add(5*time.Second), discovery.Work
	s.run(5 * time.Minute)
	if r := s.rollout(id); r.Status != rollout.Succeeded {
		t.Fatalf("the wakeup ended %s\n%s", r.Status, s.members(id))
	}
	if got := s.at("instruction.wake", 2); got != "0:35" {
		t.Errorf("early adopters told at %s", got)
	}
}
