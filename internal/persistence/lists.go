package persistence

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// Agents implements engine.ReadTx.
func (r *reader) Agents(after string, limit int) ([]engine.AgentSummary, error) {
	var rows []agentRow
	if err := r.list(&rows, `SELECT `+agentColumns+` FROM agents WHERE agent_id > ? ORDER BY agent_id LIMIT ?`, after, bounded(limit)); err != nil {
		return nil, err
	}
	all := make([]engine.AgentSummary, len(rows))
	index := make(map[string]*engine.AgentSummary, len(rows))
	ids := idColumn.rows(len(rows))
	for i, row := range rows {
		state, err := row.state()
		if err != nil {
			return nil, err
		}
		all[i] = engine.AgentSummary{AgentID: row.AgentID, Profile: state.Profile, Hold: state.Hold}
		index[row.AgentID] = &all[i]
		ids.add(row.AgentID)
	}
	if len(rows) == 0 {
		return all, nil
	}
	return all, errors.Join(r.countOccurrences(index, ids), r.nameUnfinished(index, ids))
}

// Agents implements engine.ReadTx.
func (t *tx) Agents(after string, limit int) ([]engine.AgentSummary, error) {
	if err := t.flush(); err != nil {
		return nil, err
	}
	return t.reader.Agents(after, limit)
}

// livenessOf is discovery.Occurrence.Liveness as SQL, for the occurrence o. Its
// parameters are those of livenessArgs.
const livenessOf = `CASE WHEN o.last_sign = 0 OR o.state = 'stopped' OR o.has_left OR o.callback_gone
		OR o.last_sign < ? AND o.last_sign < ? THEN 'gone'
	WHEN o.last_sign >= ? THEN 'live' ELSE 'stale' END`

func (r *reader) livenessArgs() []any {
	timeout := micros(r.Now()) - r.moment.settings.LivenessTimeout.Microseconds()
	window := micros(r.Now()) - r.moment.settings.DiscoveryWindow.Microseconds()
	return []any{window, timeout, timeout}
}

// awakeIn lists the awake states as SQL.
const awakeIn = `('work', 'play', 'solitude', 'dream')`

func (r *reader) countOccurrences(index map[string]*engine.AgentSummary, ids *rowset) error {
	return r.each(func(rows *sql.Rows) error {
		var (
			id, liveness string
			awake        bool
			n            int
		)
		if err := rows.Scan(&id, &liveness, &awake, &n); err != nil {
			return err
		}
		a := index[id]
		a.Occurrences += n
		switch discovery.Liveness(liveness) {
		case discovery.Live:
			a.Live += n
			a.Discovered += n
			if awake {
				a.Awake += n
			}
		case discovery.Stale:
			a.Discovered += n
		case discovery.Gone:
		}
		return nil
	}, `SELECT agent_id, liveness, awake, count(*) FROM (SELECT o.agent_id, `+livenessOf+` AS liveness, o.state IN `+awakeIn+` AS awake
		FROM {rows} CROSS JOIN occurrences o WHERE o.agent_id = r.id) x GROUP BY agent_id, liveness, awake`, append(r.livenessArgs(), ids)...)
}

func (r *reader) nameUnfinished(index map[string]*engine.AgentSummary, ids *rowset) error {
	return r.each(func(rows *sql.Rows) error {
		var agentID, id string
		if err := rows.Scan(&agentID, &id); err != nil {
			return err
		}
		index[agentID].Unfinished = append(index[agentID].Unfinished, id)
		return nil
	}, `SELECT o.agent_id, o.rollout_id FROM {rows} CROSS JOIN rollouts o WHERE o.agent_id = r.id AND NOT o.final
		ORDER BY o.created_at, o.rollout_id`, ids)
}

// Rollouts implements engine.ReadTx.
func (r *reader) Rollouts(f engine.RolloutFilter) ([]rollout.Rollout, error) {
	q := newQuery(`SELECT rollout_id, doc FROM rollouts`)
	if f.AgentID != "" {
		q.where("agent_id = ?", f.AgentID)
	}
	if f.Kind != "" {
		q.where("kind = ?", string(f.Kind))
	}
	if len(f.States) > 0 {
		args := make([]any, len(f.States))
		for i := range f.States {
			args[i] = string(f.States[i])
		}
		q.where("status IN (?"+strings.Repeat(", ?", len(args)-1)+")", args...)
	}
	if f.Before != "" {
		q.where("rollout_id < ?", f.Before)
	}
	q.end("ORDER BY rollout_id DESC LIMIT ?", bounded(f.Limit))
	var rows []rolloutRow
	if err := r.list(&rows, q.text(), q.args...); err != nil {
		return nil, err
	}
	stored, err := r.withMembers(rows)
	if err != nil {
		return nil, err
	}
	all := make([]rollout.Rollout, len(stored))
	for i := range stored {
		if all[i], err = stored[i].rollout(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

type incidentRow struct {
	AgentID string `db:"agent_id"`
	Doc     string `db:"doc"`
}

func (r *reader) incident(row incidentRow) (engine.KeptIncident, error) {
	k := engine.KeptIncident{AgentID: row.AgentID}
	if err := json.Unmarshal([]byte(row.Doc), &k.Incident); err != nil {
		return k, fmt.Errorf("incident: %w", err)
	}
	k.OpenedWall, k.ResolvedWall = r.Clock().Wall(k.OpenedAt), r.Clock().Wall(k.ResolvedAt)
	return k, nil
}

// Incident implements engine.ReadTx.
func (r *reader) Incident(id string) (engine.KeptIncident, error) {
	var row incidentRow
	err := r.get(&row, `SELECT agent_id, doc FROM incidents WHERE incident_id = ?`, id)
	if errors.Is(err, sql.ErrNoRows) {
		return engine.KeptIncident{}, fmt.Errorf("incident %s: %w", id, engine.ErrNotFound)
	}
	if err != nil {
		return engine.KeptIncident{}, err
	}
	return r.incident(row)
}

// Incidents implements engine.ReadTx.
func (r *reader) Incidents(f engine.IncidentFilter) ([]engine.KeptIncident, error) {
	q := newQuery(`SELECT agent_id, doc FROM incidents`)
	if f.AgentID != "" {
		q.where("agent_id = ?", f.AgentID)
	}
	if f.Open != nil && *f.Open {
		q.where("resolved_at = 0")
	} else if f.Open != nil {
		q.where("resolved_at > 0")
	}
	if f.Before != nil {
		q.where("(opened_at, incident_id) < (?, ?)", micros(f.Before.OpenedAt), f.Before.ID)
	}
	q.end("ORDER BY opened_at DESC, incident_id DESC LIMIT ?", bounded(f.Limit))
	var rows []incidentRow
	if err := r.list(&rows, q.text(), q.args...); err != nil {
		return nil, err
	}
	all := make([]engine.KeptIncident, len(rows))
	for i, row := range rows {
		var err error
		if all[i], err = r.incident(row); err != nil {
			return nil, err
		}
	}
	return all, nil
}
