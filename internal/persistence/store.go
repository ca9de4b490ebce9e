package persistence

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// maxAttempts is how often a transaction is run that the database rolled back
// because of another one.
const maxAttempts = 8

// writing runs fn in a transaction that writes, again when the database rolled
// it back because of another one. Before the commit nothing is certain, after an
// error of the commit itself nothing is known: such an error says so.
func (s *Store) writing(ctx context.Context, what string, fn func(c *conn) error) error {
	return s.writingOn(ctx, s.write, what, fn)
}

func (s *Store) writingOn(ctx context.Context, p *pool, what string, fn func(c *conn) error) error {
	var err error
	for range maxAttempts {
		careful := errors.Is(err, errConflict)
		if err = s.once(ctx, p, func(c *conn) error {
			c.careful = careful
			return fn(c)
		}); err == nil || !again(err) {
			break
		}
		s.log.DebugContext(ctx, "run again", "what", what, "cause", err)
	}
	return fail(ctx, what, err)
}

// reading runs fn on one consistent snapshot.
func (s *Store) reading(ctx context.Context, what string, fn func(r *reader) error) error {
	var err error
	for range maxAttempts {
		err = s.once(ctx, s.read, func(c *conn) error {
			m, err := s.look(c)
			if err != nil {
				return err
			}
			return fn(&reader{store: s, conn: c, moment: m})
		})
		if err == nil || !again(err) {
			break
		}
	}
	return fail(ctx, what, err)
}

// once runs fn in one transaction.
func (s *Store) once(ctx context.Context, p *pool, fn func(c *conn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c, err := p.begin(ctx)
	if err != nil {
		return err
	}
	defer c.tx.Rollback()
	if err := fn(c); err != nil {
		return err
	}
	if err := c.tx.Commit(); err != nil {
		return fmt.Errorf("commit, whether it took effect is not known: %w", err)
	}
	return nil
}

// Update implements engine.Store.
func (s *Store) Update(ctx context.Context, agentID string, create bool, fn func(tx engine.Tx) error) error {
	leave, err := s.queue.enter(ctx, agentID)
	if err != nil {
		return fail(ctx, "update agent "+agentID, err)
	}
	defer leave()
	done, err := s.updateOptimistically(ctx, agentID, fn)
	if errors.Is(err, errNeedsTransaction) {
		done, err = s.updateLocked(ctx, agentID, create, fn)
	}
	if err = fail(ctx, "update agent "+agentID, err); err != nil {
		return err
	}
	done.handOverAll()
	if done.next != nil && done.next.version != done.row.Version {
		next := *done.next
		next.version = done.row.Version
		s.memory.keep(agentID, &next, false)
	}
	return nil
}

// updateLocked makes an update with the agent's row locked from the beginning.
func (s *Store) updateLocked(ctx context.Context, agentID string, create bool, fn func(tx engine.Tx) error) (done *tx, err error) {
	err = s.writing(ctx, "update agent "+agentID, func(c *conn) error {
		done = nil
		row, err := lockAgent(c, agentID, create)
		if err != nil {
			return err
		}
		m, err := s.advance(c)
		if err != nil {
			return err
		}
		t := s.newTx(c, agentID, row, m)
		if err := fn(t); err != nil {
			return err
		}
		done = t
		return t.flush()
	})
	return done, err
}

func (s *Store) newTx(c *conn, agentID string, row agentRow, m moment) *tx {
	if stepped := instant(row.SteppedAt); stepped.After(m.now) {
		m.now = stepped // another replica's time was ahead of this one's
	}
	t := &tx{reader: reader{store: s, conn: c, moment: m}, agentID: agentID, row: row}
	if s.options.HandOver > 0 {
		t.handing.room = s.handed.room()
	}
	return t
}

// View implements engine.Store.
func (s *Store) View(ctx context.Context, fn func(tx engine.ReadTx) error) error {
	return s.reading(ctx, "view", func(r *reader) error { return fn(r) })
}

// agentRow is a row of agents.
type agentRow struct {
	AgentID   string `db:"agent_id"`
	Version   int64  `db:"version"`
	WakeAt    int64  `db:"wake_at"`
	SteppedAt int64  `db:"stepped_at"`
	HoldSeen  int64  `db:"hold_seen"`
	Complete  bool   `db:"complete"`
	Incidents int64  `db:"incidents_made"`
	HeadSeq   int64  `db:"head_seq"`
	HeadHash  string `db:"head_hash"`
	Profile   string `db:"profile"`
	Hold      string `db:"hold"`
	Standing  string `db:"standing"`
	LastStop  string `db:"last_stop"`

	HoldOf     string `db:"hold_of"`
	StandingOf string `db:"standing_of"`
	StoppedBy  string `db:"stopped_by"`
}

const agentColumns = `agent_id, version, wake_at, stepped_at, hold_seen, complete, incidents_made, head_seq, head_hash, profile, hold, standing, last_stop,
	hold_of, standing_of, stopped_by`

// agentNumbers are what most changes change of an agent's row.
const agentNumbers = `wake_at = ?, stepped_at = ?, hold_seen = ?, complete = ?, incidents_made = ?, head_seq = ?, head_hash = ?`

func (row *agentRow) numbers() []any {
	return []any{row.WakeAt, row.SteppedAt, row.HoldSeen, row.Complete, row.Incidents, row.HeadSeq, row.HeadHash}
}

// lockAgent locks and reads an agent's row, and makes it before if that is
// wanted.
func lockAgent(c *conn, agentID string, create bool) (agentRow, error) {
	const lock = `SELECT ` + agentColumns + ` FROM agents WHERE agent_id = ? {lock}`
	var row agentRow
	err := c.get(&row, lock, agentID)
	if !errors.Is(err, sql.ErrNoRows) {
		return row, err
	}
	if !create {
		return row, fmt.Errorf("agent %s: %w", agentID, engine.ErrNotFound)
	}
	if _, err := c.exec(`INSERT INTO agents (agent_id) VALUES (?) ON CONFLICT DO NOTHING`, agentID); err != nil {
		return row, err
	}
	err = c.get(&row, lock, agentID)
	return row, err
}

// readAgent reads an agent's row without a lock.
func readAgent(c *conn, agentID string) (agentRow, error) {
	var row agentRow
	err := c.get(&row, `SELECT `+agentColumns+` FROM agents WHERE agent_id = ?`, agentID)
	if errors.Is(err, sql.ErrNoRows) {
		return row, fmt.Errorf("agent %s: %w", agentID, engine.ErrNotFound)
	}
	return row, err
}

// state reads what the row itself holds of an agent's state.
func (row agentRow) state() (rollout.State, error) {
	s := rollout.State{
		AgentID: row.AgentID, HoldSeen: row.HoldSeen, Complete: row.Complete, IncidentsMade: row.Incidents,
		SteppedAt: instant(row.SteppedAt), WakeAt: instant(row.WakeAt),
	}
	for _, d := range []struct {
		doc  string
		into any
	}{{row.Profile, &s.Profile}, {row.Hold, &s.Hold}, {row.Standing, &s.Standing}, {row.LastStop, &s.LastStop}} {
		if d.doc == "" {
			continue
		}
		if err := json.Unmarshal([]byte(d.doc), d.into); err != nil {
			return s, fmt.Errorf("agent %s: %w", row.AgentID, err)
		}
	}
	return s, nil
}
