package persistence

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// Due implements engine.Store. Agents that an active hold of all agents has not
// reached yet come first. When there are more than limit, the next one is due
// in an instant.
func (s *Store) Due(ctx context.Context, limit int) (agents []string, next time.Duration, err error) {
	limit = bounded(limit)
	err = s.reading(ctx, "due", func(r *reader) error {
		agents, next = nil, 0
		now := micros(r.Now())
		if h := r.moment.holdAll; h.Active {
			if err := r.list(&agents, `SELECT agent_id FROM agents WHERE hold_seen < ? ORDER BY hold_seen, agent_id LIMIT ?`, h.Number, limit+1); err != nil {
				return err
			}
		}
		var overdue []string
		if err := r.list(&overdue, `SELECT agent_id FROM agents WHERE wake_at > 0 AND wake_at <= ? ORDER BY wake_at, agent_id LIMIT ?`,
			now, limit+1); err != nil {
			return err
		}
		agents = union(agents, overdue)
		if len(agents) > limit {
			agents, next = agents[:limit], time.Microsecond
			return nil
		}
		var at int64
		err := r.get(&at, `SELECT wake_at FROM agents WHERE wake_at > 0 AND wake_at > ? ORDER BY wake_at LIMIT 1`, now)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		next = microseconds(at - now)
		return err
	})
	return agents, next, err
}

// union appends to a what it does not have yet of b.
func union(a, b []string) []string {
	seen := make(map[string]bool, len(a))
	for _, x := range a {
		seen[x] = true
	}
	for _, x := range b {
		if !seen[x] {
			a = append(a, x)
		}
	}
	return a
}

// SaveSettings implements engine.Store. Where there were none, before is the
// zero value. Timers that were set by the former ones are looked at anew at once.
func (s *Store) SaveSettings(ctx context.Context, settings rollout.Settings) (before rollout.Settings, err error) {
	doc, err := document(settings)
	if err != nil {
		return before, err
	}
	err = s.writing(ctx, "save settings", func(c *conn) error {
		before = rollout.Settings{}
		if err := lockClock(c); err != nil { // two replicas that start at once
			return err
		}
		var was string
		err := c.get(&was, `SELECT doc FROM settings WHERE id = 1`)
		switch {
		case errors.Is(err, sql.ErrNoRows):
		case err != nil:
			return err
		case was == doc:
			before = settings
			return nil
		default:
			if err := json.Unmarshal([]byte(was), &before); err != nil {
				return fmt.Errorf("settings: %w", err)
			}
		}
		_, err = c.exec(`INSERT INTO settings (id, doc) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET doc = excluded.doc`, doc)
		return err
	})
	if err != nil || before == settings || before == (rollout.Settings{}) {
		return before, err
	}
	return before, s.writing(ctx, "save settings", func(c *conn) error {
		m, err := s.look(c)
		if err != nil {
			return err
		}
		_, err = c.exec(`UPDATE agents SET version = version + 1, wake_at = ? WHERE wake_at > ?`, micros(m.now), micros(m.now))
		return err
	})
}

// HoldAll implements engine.Store: it takes Active, By and Reason of the change.
// A hold that begins while there is one counts as another: who has followed the
// first follows it, too (rule 8.2).
func (s *Store) HoldAll(ctx context.Context, change engine.HoldAll) (engine.HoldAll, error) {
	var is engine.HoldAll
	err := s.writing(ctx, "hold all agents", func(c *conn) error {
		var row struct {
			Number int64  `db:"number"`
			Active bool   `db:"active"`
			HeldBy string `db:"held_by"`
			Reason string `db:"reason"`
		}
		if err := c.get(&row, `SELECT number, active, held_by, reason FROM hold_all WHERE id = 1 {lock}`); err != nil {
			return notMigrated(err)
		}
		if !change.Active && !row.Active {
			is = engine.HoldAll{Number: row.Number, By: row.HeldBy, Reason: row.Reason}
			return nil
		}
		is = engine.HoldAll{Number: row.Number, Active: change.Active, By: change.By, Reason: change.Reason}
		if change.Active {
			is.Number++
		}
		_, err := c.exec(`UPDATE hold_all SET number = ?, active = ?, held_by = ?, reason = ? WHERE id = 1`, is.Number, is.Active, is.By, is.Reason)
		return err
	})
	return is, err
}
