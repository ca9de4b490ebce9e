package persistence

import (
	"context"
	"errors"
	"fmt"

	"github.com/lib/pq"

	"github.com/cirisai/orchestrator/internal/engine"
)

// An agent that has nothing under way is mostly updated because its occurrences
// report another state. In a database that is reached over a network seven round
// trips for that would be most of the time it takes. So such an update is tried
// without a lock: one statement reads everything, one writes everything, and only
// if the agent's version is still the one that was read, as it would be had the
// lock been held from the one to the other. Whatever does not fit into that is run
// again as a whole transaction.

// errNeedsTransaction: an update cannot be made without a lock.
var errNeedsTransaction = errors.New("it needs a transaction")

// glance is what an update without a lock reads.
type glance struct {
	agentRow
	momentRow

	Sequences pq.Int64Array `db:"sequences"` // of the occurrences, by their ids
	Signs     pq.Int64Array `db:"signs"`
	Busy      bool          `db:"busy"` // something is open
}

const selectGlance = `SELECT a.*, m.*, o.sequences, o.signs, ` + openOf + ` AS busy
	FROM (SELECT ` + agentColumns + ` FROM agents WHERE agent_id = ?) AS a
	CROSS JOIN (` + selectMoment + `) AS m
	CROSS JOIN (SELECT COALESCE(array_agg(sequence), '{}') AS sequences, COALESCE(array_agg(last_sign), '{}') AS signs
		FROM (SELECT sequence, last_sign FROM occurrences WHERE agent_id = ? ORDER BY occurrence_id) AS x) AS o`

// updateOptimistically is Update without a lock; errNeedsTransaction when it must
// be made with one.
func (s *Store) updateOptimistically(ctx context.Context, agentID string, fn func(tx engine.Tx) error) (*tx, error) {
	if !s.write.dialect.writesInWith || !s.memory.quiet(agentID) {
		return nil, errNeedsTransaction
	}
	c, err := s.write.direct(ctx)
	if err != nil {
		return nil, err
	}
	c.readOnly = true
	var g glance
	if err := c.get(&g, selectGlance, agentID, agentID, agentID); err != nil {
		return nil, errNeedsTransaction // which meets the same error, if it was one
	}
	m, err := s.momentOf(c, g.momentRow)
	if err != nil || m.silent {
		return nil, errNeedsTransaction
	}
	t := s.newTx(c, agentID, g.agentRow, m)
	t.glance = &g
	c.statements = 0
	err = fn(t)
	switch {
	case errors.Is(err, errNeedsTransaction):
		return nil, errNeedsTransaction
	case (err != nil || !t.changed) && c.statements > 0:
		return nil, errNeedsTransaction // what it has read may not belong together
	case err != nil:
		return nil, err
	}
	return t, t.writeAtOnce()
}

// locked is the agent's row if its version is still the one that was read.
const locked = `WITH locked AS (SELECT agent_id FROM agents WHERE agent_id = ? AND version = ? FOR NO KEY UPDATE)`

// writeAtOnce writes what an update without a lock has changed: all of it, or
// nothing and errNeedsTransaction. If one of the occurrences is not as it was read, it
// fails with a division by zero, for only an error takes back what the statement
// has written already.
func (t *tx) writeAtOnce() error {
	if !t.changed {
		return nil
	}
	if t.documents {
		return errNeedsTransaction
	}
	was := t.row.Version
	t.row.Version = newVersion()
	text, args, complete := locked, []any{t.agentID, was}, `1`
	if t.heard != nil {
		text += `, heard AS (` + updateHeard + ` AND EXISTS (SELECT 1 FROM locked) RETURNING 1)`
		args = append(args, t.heard)
		complete = `CASE WHEN (SELECT count(*) FROM heard) = ? THEN 1 ELSE 0 END`
	}
	if t.events != nil {
		text += `, written AS (` + insertEvents + ` CROSS JOIN locked)`
		args = append(args, t.agentID, t.events)
	}
	r := &t.row
	text += ` UPDATE agents SET version = CAST(? AS bigint) / ` + complete + `, ` + agentNumbers + ` FROM locked WHERE agents.agent_id = locked.agent_id`
	args = append(args, r.Version)
	if t.heard != nil {
		args = append(args, t.heard.n)
	}
	c := *t.conn
	c.readOnly, c.sealed = false, false
	n, err := c.exec(text, append(args, r.numbers()...)...)
	switch {
	case err != nil && divisionByZero(err), err == nil && n == 0:
		return errNeedsTransaction
	case err != nil:
		return fmt.Errorf("whether it took effect is not known: %w", err)
	}
	return nil
}

func divisionByZero(err error) bool {
	var e *pq.Error
	return errors.As(err, &e) && e.Code == pgDivisionByZero
}
