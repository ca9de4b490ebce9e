package api_test

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/cirisai/orchestrator/internal/engine"
)

// dump writes down what the store holds, a line for each thing, so that two dumps
// can be compared.
func (h *house) dump() string {
	h.t.Helper()
	return h.written(writeAgent)
}

// glance is a dump that is made in a moment: of agents it has how many occurrences
// they have, and where their trails end.
func (h *house) glance() string {
	h.t.Helper()
	return h.written(writeHead)
}

func (h *house) written(agent func(lines []string, tx engine.ReadTx, id string) ([]string, error)) string {
	h.t.Helper()
	var lines []string
	err := h.store.View(h.t.Context(), func(tx engine.ReadTx) error {
		agents, err := tx.Agents("", 0)
		if err != nil {
			return err
		}
		if lines, err = write(nil, agents); err != nil {
			return err
		}
		for _, a := range agents {
			if lines, err = agent(lines, tx, a.AgentID); err != nil {
				return err
			}
		}
		if lines, err = writeRollouts(lines, tx); err != nil {
			return err
		}
		incidents, err := tx.Incidents(engine.IncidentFilter{})
		if err != nil {
			return err
		}
		all, err := tx.HoldAll()
		if err != nil {
			return err
		}
		counts, err := tx.Counts() // of pending instructions, among others
		if err != nil {
			return err
		}
		lines, err = write(lines, incidents, all, counts)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

func write(lines []string, things ...any) ([]string, error) {
	for _, thing := range things {
		raw, err := json.Marshal(thing)
		if err != nil {
			return nil, err
		}
		lines = append(lines, string(raw))
	}
	return lines, nil
}

// writeAgent writes an agent, its fleet, and the end of its trail.
func writeAgent(lines []string, tx engine.ReadTx, id string) ([]string, error) {
	state, fleet, err := tx.Agent(id)
	if err != nil {
		return nil, err
	}
	state.SteppedAt, state.WakeAt = time.Time{}, time.Time{} // when it was looked at last, and will be
	if lines, err = write(lines, state, fleet.All()); err != nil {
		return nil, err
	}
	return writeHead(lines, tx, id)
}

// writeHead writes the end of an agent's trail.
func writeHead(lines []string, tx engine.ReadTx, id string) ([]string, error) {
	head, err := tx.EventHead(id)
	if err != nil {
		return nil, err
	}
	return write(lines, head)
}

// writeRollouts writes all rollouts; their members are no part of a wave's JSON.
func writeRollouts(lines []string, tx engine.ReadTx) ([]string, error) {
	rollouts, err := tx.Rollouts(engine.RolloutFilter{})
	if err != nil {
		return nil, err
	}
	for _, r := range rollouts {
		if lines, err = write(lines, r); err != nil {
			return nil, err
		}
		for _, w := range r.Waves {
			if lines, err = write(lines, w.Members); err != nil {
				return nil, err
			}
		}
	}
	return lines, nil
}

// changed lists the lines of a dump that are not in the one before.
func changed(before, after string) string {
	known := map[string]bool{}
	for line := range strings.SplitSeq(before, "\n") {
		known[line] = true
	}
	var news []string
	for line := range strings.SplitSeq(after, "\n") {
		if !known[line] {
			news = append(news, line)
		}
	}
	return strings.Join(news, "\n")
}
