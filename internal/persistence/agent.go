package persistence

import (
	"encoding/json"
	"fmt"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// Agent implements engine.ReadTx.
func (r *reader) Agent(agentID string) (rollout.State, discovery.Fleet, error) {
	row, err := readAgent(r.conn, agentID)
	if err != nil {
		return rollout.State{}, discovery.Fleet{}, err
	}
	state, fleet, _, err := r.load(row)
	return state, fleet, err
}

// Agent implements engine.ReadTx; for the locked agent from the row that is
// locked.
func (t *tx) Agent(agentID string) (rollout.State, discovery.Fleet, error) {
	if agentID != t.agentID {
		return t.reader.Agent(agentID)
	}
	state, fleet, stored, err := t.load(t.row)
	if err != nil {
		return state, fleet, err
	}
	for _, s := range stored {
		t.know(s)
	}
	return state, fleet, nil
}

// load reads all that belongs to an agent's row.
func (r *reader) load(row agentRow) (rollout.State, discovery.Fleet, []*storedRollout, error) {
	state, err := row.state()
	if err != nil {
		return rollout.State{}, discovery.Fleet{}, nil, err
	}
	occurrences, notes, err := r.fleet(row.AgentID)
	if err != nil {
		return rollout.State{}, discovery.Fleet{}, nil, err
	}
	state.Notes = notes
	stored, err := r.unfinished(row.AgentID)
	if err != nil {
		return rollout.State{}, discovery.Fleet{}, nil, err
	}
	for _, s := range stored {
		state.Rollouts = append(state.Rollouts, s.rollout)
	}
	if state.Loose, err = r.loose(row.AgentID); err != nil {
		return rollout.State{}, discovery.Fleet{}, nil, err
	}
	if state.Incidents, err = r.keptIncidents(row.AgentID); err != nil {
		return rollout.State{}, discovery.Fleet{}, nil, err
	}
	return state, discovery.NewFleet(r.moment.settings.Timing(), occurrences), stored, nil
}

// loose reads an agent's stops outside any wave.
func (c *conn) loose(agentID string) (map[string]rollout.LooseStop, error) {
	var rows []struct {
		ID  string `db:"occurrence_id"`
		Doc string `db:"doc"`
	}
	if err := c.list(&rows, `SELECT occurrence_id, doc FROM loose_stops WHERE agent_id = ?`, agentID); err != nil {
		return nil, err
	}
	all := make(map[string]rollout.LooseStop, len(rows))
	for _, row := range rows {
		var l rollout.LooseStop
		if err := json.Unmarshal([]byte(row.Doc), &l); err != nil {
			return nil, fmt.Errorf("loose stop of %s: %w", row.ID, err)
		}
		all[row.ID] = l
	}
	return all, nil
}

// keptIncidents reads the incidents whose cause persists, by key.
func (c *conn) keptIncidents(agentID string) (map[string]rollout.Incident, error) {
	var rows []struct {
		Key string `db:"key"`
		Doc string `db:"doc"`
	}
	if err := c.list(&rows, `SELECT key, doc FROM incidents WHERE agent_id = ? AND kept ORDER BY key`, agentID); err != nil {
		return nil, err
	}
	all := make(map[string]rollout.Incident, len(rows))
	for _, row := range rows {
		var i rollout.Incident
		if err := json.Unmarshal([]byte(row.Doc), &i); err != nil {
			return nil, fmt.Errorf("incident %s: %w", row.Key, err)
		}
		all[row.Key] = i
	}
	return all, nil
}
