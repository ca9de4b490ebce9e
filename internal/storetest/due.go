package storetest

import (
	"fmt"
	"time"

	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

func dueProofs() []proof {
	return []proof{
		{"rule 2.11: who is due, the most overdue first, and when the next one is", dueOrder},
		{"rule 2.11: an agent is due from its instant on", dueInstant},
		{"an agent that waits for nobody is never due", neverDue},
		{"rule 11.2: a change of settings counts at once", settingsLookedAt},
		{"rule 8.4: a hold of all agents makes every agent due until it has followed", heldAreDue},
		{"rule 8.4: agents that appear later are held too", laterAreDue},
		{"rule 8.4: holds of all agents are numbered", holdsNumbered},
	}
}

// wake sets when an agent is due.
func (s *suite) wake(agentID string, at time.Time) {
	s.t.Helper()
	s.commit(agentID, func(state *rollout.State, _ *rollout.Effects) { state.WakeAt = at })
}

// due checks who is due; next is zero for nobody, negative for somebody at once.
func (s *suite) due(limit int, next time.Duration, want ...string) {
	s.t.Helper()
	agents, got, err := s.store.Due(s.ctx, limit)
	s.must(err)
	s.same("due", append([]string{}, want...), append([]string{}, agents...))
	switch {
	case next < 0 && (got == 0 || got > time.Millisecond):
		s.t.Errorf("more is due at once; next is %v", got)
	case next >= 0 && got != next:
		s.t.Errorf("next is %v, want %v", got, next)
	}
}

const atOnce = -1

func dueOrder(s *suite) {
	now := s.now()
	s.wake("late", now.Add(-time.Second))
	s.wake("b", now)
	s.wake("a", now)
	s.wake("latest", now.Add(-time.Hour))
	s.wake("soon", now.Add(3*time.Second))
	s.wake("later", now.Add(time.Minute))
	s.due(10, 3*time.Second, "latest", "late", "a", "b")
	s.due(4, 3*time.Second, "latest", "late", "a", "b")
	s.due(3, atOnce, "latest", "late", "a")
	s.due(1, atOnce, "latest")
	s.clock.Advance(time.Second)
	s.due(10, 2*time.Second, "latest", "late", "a", "b")
	s.wake("latest", now.Add(time.Second+time.Millisecond))
	s.due(10, time.Millisecond, "late", "a", "b")
	for _, id := range []string{"late", "a", "b", "latest", "soon"} {
		s.wake(id, time.Time{})
	}
	s.due(10, 59*time.Second)
}

func dueInstant(s *suite) {
	s.wake(agent, s.now().Add(time.Second))
	s.clock.Advance(time.Second - time.Microsecond)
	s.due(10, time.Microsecond)
	s.clock.Advance(time.Microsecond)
	s.due(10, 0, agent)
}

func neverDue(s *suite) {
	s.due(10, 0)
	s.update(agent, nothing)
	s.hear(agent, s.working("o1", "b1"))
	s.due(10, 0)
	s.clock.Advance(time.Hour)
	s.due(10, 0)
}

// settingsLookedAt: timers that other settings have set are looked at anew.
func settingsLookedAt(s *suite) {
	now := s.now()
	s.wake("a", now.Add(time.Hour))
	s.wake("b", now.Add(-time.Hour))
	s.update("c", nothing)
	set := rollout.DefaultSettings()
	_, err := s.store.SaveSettings(s.ctx, set)
	s.must(err)
	s.due(10, time.Hour, "b")
	set.DecisionTimeout = time.Second
	_, err = s.store.SaveSettings(s.ctx, set)
	s.must(err)
	s.due(10, 0, "b", "a")
}

// holdAll begins or ends the hold of all agents.
func (s *suite) holdAll(active bool) engine.HoldAll {
	s.t.Helper()
	hold, err := s.store.HoldAll(s.ctx, engine.HoldAll{Active: active, By: "operator:eve", Reason: "fire"})
	s.must(err)
	return hold
}

// follow notes that an agent has followed the hold of all agents.
func (s *suite) follow(agentID string, number int64) {
	s.t.Helper()
	s.commit(agentID, func(state *rollout.State, _ *rollout.Effects) { state.HoldSeen = number })
}

func heldAreDue(s *suite) {
	for _, id := range []string{"b", "a", "c"} {
		s.update(id, nothing)
	}
	s.due(10, 0)
	first := s.holdAll(true)
	s.due(10, 0, "a", "b", "c")
	s.due(2, atOnce, "a", "b")
	s.follow("a", first.Number)
	s.due(10, 0, "b", "c")
	s.follow("b", first.Number)
	s.follow("c", first.Number)
	s.due(10, 0)
	second := s.holdAll(true) // once more: whoever has not stopped is told again
	s.due(10, 0, "a", "b", "c")
	s.follow("a", second.Number)
	s.holdAll(false)
	s.due(10, 0)
}

func laterAreDue(s *suite) {
	s.update("a", nothing)
	hold := s.holdAll(true)
	s.follow("a", hold.Number)
	s.update("later", nothing)
	s.due(10, 0, "later")
	s.view(func(tx engine.ReadTx) error {
		got, err := tx.HoldAll()
		s.must(err)
		s.same("hold of all", hold, got)
		return nil
	})
}

func holdsNumbered(s *suite) {
	if hold := s.holdAll(false); hold.Active || hold.Number != 0 {
		s.t.Errorf("a release of nothing: %+v", hold)
	}
	last := int64(0)
	for i := range 3 {
		hold := s.holdAll(true)
		s.same(fmt.Sprintf("hold %d", i), engine.HoldAll{Number: hold.Number, Active: true, By: "operator:eve", Reason: "fire"}, hold)
		if hold.Number <= last {
			s.t.Errorf("number %d after %d", hold.Number, last)
		}
		last = hold.Number
		s.update(agent, func(tx engine.Tx) error {
			got, err := tx.HoldAll()
			s.must(err)
			s.same("hold in an Update", hold, got)
			return nil
		})
		if hold := s.holdAll(false); hold.Active || hold.Number != last {
			s.t.Errorf("the end of hold %d: %+v", last, hold)
		}
	}
	s.view(func(tx engine.ReadTx) error {
		got, err := tx.HoldAll()
		s.must(err)
		if got.Active || got.Number != last {
			s.t.Errorf("after the last: %+v", got)
		}
		return nil
	})
}
