package storetest

import (
	"fmt"
	"time"

	"github.com/cirisai/orchestrator/internal/audit"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

func eventProofs() []proof {
	return []proof{
		{"rule 9.1: events are gapless and chained, across transactions", eventsChained},
		{"rule 9.1: a transaction that fails writes no event and leaves no gap", eventsOfAFailure},
		{"rule 9.1: an event that cannot be written fails its transaction", eventUnwritable},
		{"rule 10.1: events are read page by page, by agent and by rollout", eventsPaged},
		{"rule 9.1: every agent has a trail of its own", trailsApart},
	}
}

// say commits events of a rollout, in one step.
func (s *suite) say(agentID, rolloutID string, types ...string) {
	s.t.Helper()
	s.update(agentID, func(tx engine.Tx) error { return saying(tx, agentID, rolloutID, types...) })
}

func saying(tx engine.Tx, agentID, rolloutID string, types ...string) error {
	return commit(tx, agentID, func(_ *rollout.State, eff *rollout.Effects) {
		for _, t := range types {
			eff.Events = append(eff.Events, rollout.Event{Type: t, RolloutID: rolloutID, At: tx.Now(), Data: map[string]any{"of": t}})
		}
	})
}

// typesOf writes the events of a list: seq and type.
func typesOf(events []audit.Event) []string {
	types := []string{}
	for _, e := range events {
		types = append(types, fmt.Sprintf("%d %s", e.Seq, e.Type))
	}
	return types
}

// events reads events.
func (s *suite) events(f engine.EventFilter) []string {
	s.t.Helper()
	var types []string
	s.view(func(tx engine.ReadTx) error {
		events, err := tx.Events(f)
		types = typesOf(events)
		return err
	})
	return types
}

func eventsChained(s *suite) {
	s.say(agent, "ro_1", "a", "b")
	s.view(func(tx engine.ReadTx) error {
		s.chainHolds(tx, agent)
		return nil
	})
	s.clock.Advance(time.Second)
	s.say(agent, "", "c")
	s.update(agent, func(tx engine.Tx) error { // several steps in one transaction
		for _, types := range [][]string{{"d"}, {}, {"e", "f"}} {
			if err := saying(tx, agent, "ro_2", types...); err != nil {
				return err
			}
		}
		return nil
	})
	s.view(func(tx engine.ReadTx) error {
		s.chainHolds(tx, agent)
		head, err := tx.EventHead(agent)
		s.must(err)
		if head.Seq != 6 {
			s.t.Errorf("the head is %+v, want seq 6", head)
		}
		return nil
	})
	s.same("events", []string{"1 a", "2 b", "3 c", "4 d", "5 e", "6 f"}, s.events(engine.EventFilter{AgentID: agent, Limit: 100}))
}

func eventsOfAFailure(s *suite) {
	s.say(agent, "", "a")
	err := s.store.Update(s.ctx, agent, true, func(tx engine.Tx) error {
		s.must(saying(tx, agent, "", "never"))
		return errOnPurpose
	})
	if err == nil {
		s.t.Fatal("no error")
	}
	s.say(agent, "", "b")
	s.same("events", []string{"1 a", "2 b"}, s.events(engine.EventFilter{AgentID: agent, Limit: 100}))
	s.view(func(tx engine.ReadTx) error {
		s.chainHolds(tx, agent)
		return nil
	})
}

func eventUnwritable(s *suite) {
	s.say(agent, "", "a")
	err := s.store.Update(s.ctx, agent, true, func(tx engine.Tx) error {
		return commit(tx, agent, func(state *rollout.State, eff *rollout.Effects) {
			state.Complete = true
			eff.Events = []rollout.Event{{Type: "bad", At: tx.Now(), Data: map[string]any{"no JSON": func() {}}}}
		})
	})
	if err == nil || s.state(agent).Complete {
		s.t.Errorf("the transaction was committed: %v", err)
	}
	s.same("events", []string{"1 a"}, s.events(engine.EventFilter{AgentID: agent, Limit: 100}))
}

func eventsPaged(s *suite) {
	s.say(agent, "ro_1", "a", "b")
	s.say(agent, "ro_2", "c")
	s.say(agent, "ro_1", "d")
	s.say(agent, "", "e")
	for _, c := range []struct {
		filter engine.EventFilter
		want   []string
	}{
		{engine.EventFilter{Limit: 2}, []string{"1 a", "2 b"}},
		{engine.EventFilter{After: 2, Limit: 2}, []string{"3 c", "4 d"}},
		{engine.EventFilter{After: 4, Limit: 2}, []string{"5 e"}},
		{engine.EventFilter{After: 5, Limit: 2}, []string{}},
		{engine.EventFilter{After: 99, Limit: 2}, []string{}},
		{engine.EventFilter{RolloutID: "ro_1", Limit: 2}, []string{"1 a", "2 b"}},
		{engine.EventFilter{RolloutID: "ro_1", After: 2, Limit: 2}, []string{"4 d"}},
		{engine.EventFilter{RolloutID: "ro_2", Limit: 1}, []string{"3 c"}},
		{engine.EventFilter{RolloutID: "ro_3", Limit: 1}, []string{}},
	} {
		c.filter.AgentID = agent
		s.same(fmt.Sprintf("events %+v", c.filter), c.want, s.events(c.filter))
	}
}

func trailsApart(s *suite) {
	s.say(agent, "", "a")
	s.say("other", "", "x", "y")
	s.say(agent, "", "b")
	s.same("events", []string{"1 a", "2 b"}, s.events(engine.EventFilter{AgentID: agent, Limit: 9}))
	s.same("events of the other", []string{"1 x", "2 y"}, s.events(engine.EventFilter{AgentID: "other", Limit: 9}))
	s.view(func(tx engine.ReadTx) error {
		s.chainHolds(tx, agent)
		s.chainHolds(tx, "other")
		return nil
	})
}
