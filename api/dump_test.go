package api_test

import (
	"encoding/json"
	"strings"

	"github.com/cirisai/orchestrator/internal/audit"
	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// agentDump is all that is kept of one agent.
type agentDump struct {
	ID       string
	State    rollout.State
	Fleet    []discovery.Occurrence
	Head     audit.Head
	Rollouts []rollout.Rollout
	Members  [][][]rollout.Member // they are no part of a wave's JSON
	Pending  map[string][]engine.PendingInstruction
}

// dump writes down all that the store holds, a line for each thing, so that two
// dumps can be compared.
func (h *house) dump() string {
	h.t.Helper()
	var lines []string
	err := h.store.View(h.t.Context(), func(tx engine.ReadTx) error {
		lines = nil
		agents, err := tx.Agents("", 0)
		if err != nil {
			return err
		}
		for _, a := range agents {
			dumped, err := dumpAgent(tx, a.AgentID)
			if err != nil {
				return err
			}
			if lines, err = written(lines, a, dumped); err != nil {
				return err
			}
		}
		incidents, err := tx.Incidents(engine.IncidentFilter{})
		if err != nil {
			return err
		}
		all, err := tx.HoldAll()
		if err != nil {
			return err
		}
		counts, err := tx.Counts()
		if err != nil {
			return err
		}
		lines, err = written(lines, incidents, all, counts)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

func written(lines []string, things ...any) ([]string, error) {
	for _, thing := range things {
		raw, err := json.Marshal(thing)
		if err != nil {
			return nil, err
		}
		lines = append(lines, string(raw))
	}
	return lines, nil
}

func dumpAgent(tx engine.ReadTx, id string) (d agentDump, err error) {
	d = agentDump{ID: id, Pending: map[string][]engine.PendingInstruction{}}
	var fleet discovery.Fleet
	if d.State, fleet, err = tx.Agent(id); err != nil {
		return d, err
	}
	d.Fleet = fleet.All()
	for _, o := range d.Fleet {
		if d.Pending[o.ID], err = tx.Pending(id, o.ID, o.Boot); err != nil {
			return d, err
		}
	}
	if d.Head, err = tx.EventHead(id); err != nil {
		return d, err
	}
	if d.Rollouts, err = tx.Rollouts(engine.RolloutFilter{AgentID: id}); err != nil {
		return d, err
	}
	for _, r := range d.Rollouts {
		var members [][]rollout.Member
		for _, w := range r.Waves {
			members = append(members, w.Members)
		}
		d.Members = append(d.Members, members)
	}
	return d, nil
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
