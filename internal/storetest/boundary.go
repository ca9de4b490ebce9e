package storetest

import (
	"errors"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// spoil changes whatever can be reached of a state and a fleet.
func spoil(state *rollout.State, occurrences []discovery.Occurrence) {
	for i := range state.Rollouts {
		r := &state.Rollouts[i]
		r.Status = rollout.Aborted
		r.Claim.Token, r.Decision.Actor, r.Groups[0].Name, r.Round[0] = "x", "x", "x", "x"
		r.Waves[0].Status, r.Waves[0].Members[0].Detail = rollout.WaveFailed, "x"
	}
	for id := range state.Notes {
		state.Notes[id] = rollout.Note{}
	}
	clear(state.Loose)
	clear(state.Incidents)
	clear(state.Profile.Messages)
	for kind := range state.Profile.Plans {
		state.Profile.Plans[kind][0].Name = "x"
	}
	state.Hold.Reason, state.Standing.RolloutID, state.LastStop.Exempt[0] = "x", "x", "x"
	for i := range occurrences {
		clear(occurrences[i].Labels)
		occurrences[i].Conflicts[0] = occurrences[i].Conflicts[1]
		occurrences[i].Boot = "x"
	}
}

// copiesAtTheBoundary: a reader that does what it must not do harms itself and
// nobody else.
func copiesAtTheBoundary(s *suite) {
	w := s.writeAll(0)
	want := w.clone()
	spoilRead := func(tx engine.ReadTx) error {
		state, fleet, err := tx.Agent(agent)
		spoil(&state, fleet.All())
		events, eventsErr := tx.Events(engine.EventFilter{AgentID: agent, Limit: 10})
		for i := range events {
			clear(events[i].Data)
		}
		return errors.Join(err, eventsErr)
	}
	s.view(spoilRead)
	s.stored(want)
	s.update(agent, func(tx engine.Tx) error { return spoilRead(tx) })
	s.stored(want)
}

// copiesOfWhatWasGiven: what the writer does later with what it gave is its own
// affair.
func copiesOfWhatWasGiven(s *suite) {
	w := s.writeAll(0)
	want := w.clone()
	spoil(&w.state, w.occurrences)
	for i := range w.instructions {
		w.instructions[i].Claim.Token, w.instructions[i].Peers[0].Group = "x", "x"
	}
	for i := range w.events {
		for key := range w.events[i].Data {
			w.events[i].Data[key] = "x"
		}
	}
	s.stored(want)
}
