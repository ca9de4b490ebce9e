package persistence

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// storedRollout is a rollout as it is in the database: its document, its members
// by wave, and where their rows say that they are. It is never changed.
type storedRollout struct {
	id     string
	doc    string
	waves  [][]rollout.Member
	places map[string]place // by occurrence
	moved  bool             // places is no longer that of the rollout before
}

// place is where a member's row says that it is.
type place struct {
	wave, position int64
}

// rollout makes a rollout that its reader may change.
func (s *storedRollout) rollout() (rollout.Rollout, error) {
	var r rollout.Rollout
	if err := json.Unmarshal([]byte(s.doc), &r); err != nil {
		return r, fmt.Errorf("rollout %s: %w", s.id, err)
	}
	if len(s.waves) > len(r.Waves) {
		return r, fmt.Errorf("rollout %s has members in wave %d, and %d waves", s.id, len(s.waves), len(r.Waves))
	}
	for i := range s.waves {
		if len(s.waves[i]) > 0 {
			r.Waves[i].Members = slices.Clone(s.waves[i])
		}
	}
	return r, nil
}

type rolloutRow struct {
	ID  string `db:"rollout_id"`
	Doc string `db:"doc"`
}

// unfinished reads an agent's unfinished rollouts, oldest first.
func (c *conn) unfinished(agentID string) ([]*storedRollout, error) {
	var rows []rolloutRow
	if err := c.list(&rows, `SELECT rollout_id, doc FROM rollouts WHERE agent_id = ? AND NOT final ORDER BY created_at, rollout_id`, agentID); err != nil {
		return nil, err
	}
	return c.withMembers(rows)
}

// storedRollout reads one rollout, finished or not.
func (c *conn) storedRollout(id string) (*storedRollout, error) {
	var row rolloutRow
	err := c.get(&row, `SELECT rollout_id, doc FROM rollouts WHERE rollout_id = ?`, id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("rollout %s: %w", id, engine.ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	stored, err := c.withMembers([]rolloutRow{row})
	if err != nil {
		return nil, err
	}
	return stored[0], nil
}

// Rollout implements engine.ReadTx.
func (r *reader) Rollout(id string) (rollout.Rollout, error) {
	stored, err := r.storedRollout(id)
	if err != nil {
		return rollout.Rollout{}, err
	}
	return stored.rollout()
}

// Rollout implements engine.ReadTx.
func (t *tx) Rollout(id string) (rollout.Rollout, error) {
	stored, err := t.stored(id)
	if err != nil {
		return rollout.Rollout{}, err
	}
	return stored.rollout()
}

// AgentOf implements engine.ReadTx.
func (r *reader) AgentOf(rolloutID string) (string, error) {
	var id string
	err := r.get(&id, `SELECT agent_id FROM rollouts WHERE rollout_id = ?`, rolloutID)
	if errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("rollout %s: %w", rolloutID, engine.ErrNotFound)
	}
	return id, err
}

// stored gives what the database has of a rollout, reading it if need be.
func (t *tx) stored(id string) (*storedRollout, error) {
	if s, known := t.rollouts[id]; known {
		return s, nil
	}
	s, err := t.storedRollout(id)
	if err != nil {
		return nil, err
	}
	t.know(s)
	return s, nil
}

// know notes what the database has of a rollout, for Commit.
func (t *tx) know(s *storedRollout) {
	if t.rollouts == nil {
		t.rollouts = map[string]*storedRollout{}
	}
	t.rollouts[s.id] = s
}

// withMembers reads the rollouts' members and puts them into their waves.
func (c *conn) withMembers(rows []rolloutRow) ([]*storedRollout, error) {
	stored := make([]*storedRollout, len(rows))
	if len(rows) == 0 {
		return stored, nil
	}
	byID := make(map[string]*storedRollout, len(rows))
	ids := idColumn.rows(len(rows))
	for i, row := range rows {
		stored[i] = &storedRollout{id: row.ID, doc: row.Doc, places: map[string]place{}}
		byID[row.ID] = stored[i]
		ids.add(row.ID)
	}
	err := c.each(func(rows *sql.Rows) error {
		var (
			id, occurrence string
			at             place
			doc            sql.RawBytes
		)
		if err := rows.Scan(&id, &occurrence, &at.wave, &at.position, &doc); err != nil {
			return err
		}
		return byID[id].place(occurrence, at, doc)
	}, `SELECT m.rollout_id, m.occurrence_id, m.wave, m.position, m.doc FROM {rows} CROSS JOIN members m
		WHERE m.rollout_id = r.id
		ORDER BY m.rollout_id, m.wave, m.position`, ids)
	return stored, err
}

// place puts a member at the end of its wave, while the rollout is being read.
func (s *storedRollout) place(occurrence string, at place, doc []byte) error {
	for int64(len(s.waves)) < at.wave {
		s.waves = append(s.waves, nil)
	}
	var m rollout.Member
	if err := decodeMember(doc, &m); err != nil {
		return fmt.Errorf("member %s of rollout %s: %w", occurrence, s.id, err)
	}
	s.waves[at.wave-1] = append(s.waves[at.wave-1], m)
	s.places[occurrence] = at
	return nil
}
