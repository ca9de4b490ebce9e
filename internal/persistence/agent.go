package persistence

import (
	"database/sql"
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
	m, occurrences, _, err := r.recall(row)
	if err != nil {
		return rollout.State{}, discovery.Fleet{}, err
	}
	if occurrences == nil {
		if m, occurrences, err = r.load(row); err != nil {
			return rollout.State{}, discovery.Fleet{}, err
		}
		r.store.memory.keep(agentID, m, true)
	}
	return r.show(row, m, occurrences)
}

// Agent implements engine.ReadTx; for the locked agent from the row that is
// locked.
func (t *tx) Agent(agentID string) (rollout.State, discovery.Fleet, error) {
	if agentID != t.agentID {
		return t.reader.Agent(agentID)
	}
	var (
		m           *remembered
		occurrences []discovery.Occurrence
		err         error
	)
	busy := true
	switch {
	case t.glance != nil:
		m, occurrences, busy, err = t.recallGlance()
	case !t.wrote:
		m, occurrences, busy, err = t.recall(t.row)
	}
	if err != nil {
		return rollout.State{}, discovery.Fleet{}, err
	}
	if idle := true; !busy {
		t.idle = &idle
	}
	if occurrences == nil {
		if m, occurrences, err = t.load(t.row); err != nil {
			return rollout.State{}, discovery.Fleet{}, err
		}
		if !t.wrote {
			t.store.memory.keep(agentID, m, false)
		}
	}
	if !t.wrote {
		t.next = m
	}
	for _, s := range m.rollouts {
		t.know(s)
	}
	return t.show(t.row, m, occurrences)
}

// show is an agent as it is handed out.
func (r *reader) show(row agentRow, m *remembered, occurrences []discovery.Occurrence) (rollout.State, discovery.Fleet, error) {
	state, err := row.state()
	if err == nil {
		state, err = m.state(state)
	}
	if err != nil {
		return rollout.State{}, discovery.Fleet{}, err
	}
	return state, discovery.NewFleet(r.moment.settings.Timing(), occurrences), nil
}

// recall finds what is remembered of an agent, and its occurrences as they are
// now; nil when it has to be read. busy tells whether any of its instructions is
// open.
func (r *reader) recall(row agentRow) (m *remembered, now []discovery.Occurrence, busy bool, err error) {
	if m = r.store.memory.of(row.AgentID, row.Version); m == nil {
		return nil, nil, true, nil
	}
	occurrences := make([]discovery.Occurrence, 0, len(m.occurrences))
	same := true
	err = r.each(func(rows *sql.Rows) error {
		var (
			id             string
			sequence, sign int64
		)
		if err := rows.Scan(&id, &sequence, &sign, &busy); err != nil {
			return err
		}
		n := len(occurrences)
		if same = same && n < len(m.occurrences) && m.occurrences[n].ID == id; same {
			o := copyOf(m.occurrences[n])
			o.Sequence, o.LastSign = sequence, instant(sign)
			occurrences = append(occurrences, o)
		}
		return nil
	}, r.lockedIfCareful(`SELECT occurrence_id, sequence, last_sign, `+openOf+` FROM occurrences WHERE agent_id = ? ORDER BY occurrence_id`), row.AgentID, row.AgentID)
	if err != nil || !same || len(occurrences) != len(m.occurrences) {
		return nil, nil, true, err
	}
	return m, occurrences, busy, nil
}

// recallGlance is recall for an update without a lock, which has read all already.
// An agent of that version has the occurrences that are remembered. There is no
// other way to read it then.
func (t *tx) recallGlance() (m *remembered, now []discovery.Occurrence, busy bool, err error) {
	g := t.glance
	m = t.store.memory.of(t.agentID, t.row.Version)
	if t.wrote || m == nil || len(m.occurrences) != len(g.Sequences) || len(m.occurrences) != len(g.Signs) {
		return nil, nil, true, errNeedsTransaction
	}
	now = make([]discovery.Occurrence, len(m.occurrences))
	for i := range now {
		now[i] = copyOf(m.occurrences[i])
		now[i].Sequence, now[i].LastSign = g.Sequences[i], instant(g.Signs[i])
	}
	return m, now, g.Busy, nil
}

// load reads all that belongs to an agent's row.
func (r *reader) load(row agentRow) (*remembered, []discovery.Occurrence, error) {
	m := &remembered{version: row.Version}
	var err error
	if m.occurrences, m.notes, err = r.fleet(row.AgentID); err != nil {
		return nil, nil, err
	}
	if m.rollouts, err = r.unfinished(row.AgentID); err != nil {
		return nil, nil, err
	}
	if m.loose, err = r.loose(row.AgentID); err != nil {
		return nil, nil, err
	}
	if m.incidents, err = r.keptIncidents(row.AgentID); err != nil {
		return nil, nil, err
	}
	occurrences := make([]discovery.Occurrence, len(m.occurrences))
	for i := range occurrences {
		occurrences[i] = copyOf(m.occurrences[i])
	}
	return m, occurrences, nil
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
		l, err := readLoose(row.ID, row.Doc)
		if err != nil {
			return nil, err
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
		i, err := readIncident(row.Key, row.Doc)
		if err != nil {
			return nil, err
		}
		all[row.Key] = i
	}
	return all, nil
}

func readLoose(occurrenceID, doc string) (l rollout.LooseStop, err error) {
	if err = json.Unmarshal([]byte(doc), &l); err != nil {
		err = fmt.Errorf("loose stop of %s: %w", occurrenceID, err)
	}
	return l, err
}

func readIncident(key, doc string) (i rollout.Incident, err error) {
	if err = json.Unmarshal([]byte(doc), &i); err != nil {
		err = fmt.Errorf("incident %s: %w", key, err)
	}
	return i, err
}
