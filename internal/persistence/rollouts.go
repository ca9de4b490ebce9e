package persistence

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// storedRollout is a rollout as it is in the database: its document, and the
// place of each member.
type storedRollout struct {
	rollout rollout.Rollout
	doc     string
	places  map[string]place
}

// place is where a member's row says that it is.
type place struct {
	wave, position int64
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
	return stored.rollout, nil
}

// Rollout implements engine.ReadTx.
func (t *tx) Rollout(id string) (rollout.Rollout, error) {
	stored, err := t.storedRollout(id)
	if err != nil {
		return rollout.Rollout{}, err
	}
	t.know(stored)
	return stored.rollout, nil
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

// know remembers what the database has of a rollout, for Commit.
func (t *tx) know(s *storedRollout) {
	if t.rollouts == nil {
		t.rollouts = map[string]*storedRollout{}
	}
	t.rollouts[s.rollout.ID] = s
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
		s := &storedRollout{doc: row.Doc, places: map[string]place{}}
		if err := json.Unmarshal([]byte(row.Doc), &s.rollout); err != nil {
			return nil, fmt.Errorf("rollout %s: %w", row.ID, err)
		}
		stored[i], byID[row.ID] = s, s
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

// place puts a member at the end of its wave, as it was read.
func (s *storedRollout) place(occurrence string, at place, doc []byte) error {
	if at.wave < 1 || at.wave > int64(len(s.rollout.Waves)) {
		return fmt.Errorf("rollout %s has no wave %d for its member %s", s.rollout.ID, at.wave, occurrence)
	}
	wave := &s.rollout.Waves[at.wave-1]
	wave.Members = append(wave.Members, rollout.Member{})
	if err := decodeMember(doc, &wave.Members[len(wave.Members)-1]); err != nil {
		return fmt.Errorf("member %s of rollout %s: %w", occurrence, s.rollout.ID, err)
	}
	s.places[occurrence] = at
	return nil
}
