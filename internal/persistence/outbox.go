package persistence

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/cirisai/orchestrator/internal/dispatch"
	"github.com/cirisai/orchestrator/internal/engine"
)

var _ dispatch.Outbox = (*Store)(nil)

// deliverable is what of the instructions i the outbox may hand out at a service
// time: nothing that was taken back, taken up or has expired.
const deliverable = `i.callback = 'due' AND i.acknowledged_at = 0 AND i.withdrawn_at = 0 AND NOT i.suspended AND +i.deadline > ?`

// delivered tells of an instruction that is still 'due' whether a receiver has
// taken it all the same. A delivery at the first try writes no more than its own
// row; mostly the instruction is acknowledged before anybody asks again. One that
// is not is marked when its lease ends.
func delivered(instructions string) string {
	return `EXISTS (SELECT 1 FROM deliveries d WHERE d.instruction_id = ` + instructions + `.instruction_id AND d.outcome = 'delivered')`
}

// claimedRow is an instruction with where it goes.
type claimedRow struct {
	instructionRow

	ID, OccurrenceID, Boot      string
	Force                       bool
	Fence                       int64
	CallbackURL, CallbackSecret string
}

// Claim implements dispatch.Outbox. What this replica has just committed comes
// first, and by itself: it asks the database for nothing.
func (s *Store) Claim(ctx context.Context, limit int, lease time.Duration) ([]dispatch.Delivery, error) {
	if s.options.Render == nil {
		return nil, errors.New("claim: the store was opened without Options.Render")
	}
	claimed, err := s.claimHanded(ctx, bounded(limit))
	if err != nil || len(claimed) > 0 {
		return claimed, err
	}
	err = s.writing(ctx, "claim", func(c *conn) error {
		claimed = nil
		m, err := s.advance(c)
		if err != nil {
			return err
		}
		rows, err := c.undelivered(micros(m.now), bounded(limit))
		if err != nil || len(rows) == 0 {
			return err
		}
		ids := idColumn.rows(len(rows))
		for i := range rows {
			p, err := rows[i].pending(m.clock)
			if err != nil {
				return err
			}
			d, err := s.delivery(p, m.clock.Wall(m.now))
			if err != nil {
				return err
			}
			d.URL, d.Secret, d.Fence = rows[i].CallbackURL, rows[i].CallbackSecret, rows[i].Fence+1
			claimed = append(claimed, d)
			ids.add(rows[i].ID)
		}
		_, err = c.exec(`UPDATE instructions SET fence = fence + 1, visible_at = ? WHERE instruction_id IN (SELECT id FROM {rows})`,
			micros(m.now.Add(lease)), ids)
		return err
	})
	if err != nil {
		return nil, err
	}
	return claimed, nil
}

// undelivered locks what is due, what is urgent first.
func (c *conn) undelivered(now int64, limit int) ([]claimedRow, error) {
	urgent, err := c.undeliveredOf(true, now, limit)
	if err != nil || len(urgent) == limit {
		return urgent, err
	}
	ordinary, err := c.undeliveredOf(false, now, limit-len(urgent))
	return append(urgent, ordinary...), err
}

// undeliveredOf marks on the way what was delivered.
func (c *conn) undeliveredOf(force bool, now int64, limit int) ([]claimedRow, error) {
	for {
		rows, done, err := c.claimable(force, now, limit)
		if err != nil || done.n == 0 {
			return rows, err
		}
		if _, err := c.exec(`UPDATE instructions SET callback = 'delivered' WHERE instruction_id IN (SELECT id FROM {rows})`, done); err != nil {
			return nil, err
		}
		if len(rows) > 0 || done.n < limit {
			return rows, nil
		}
	}
}

// claimable locks what is due, but for what another replica is claiming now; done
// is what of it was delivered.
func (c *conn) claimable(force bool, now int64, limit int) (rows []claimedRow, done *rowset, err error) {
	done = idColumn.rows(0)
	err = c.each(func(r *sql.Rows) error {
		var (
			row  claimedRow
			over bool
		)
		err := r.Scan(&row.ID, &row.AgentID, &row.Deadline, &row.Attempt, &row.Doc, &row.OccurrenceID, &row.Boot, &row.Force, &row.Fence,
			&row.CallbackURL, &row.CallbackSecret, &over)
		if over {
			done.add(row.ID)
		} else {
			rows = append(rows, row)
		}
		return err
	}, `SELECT i.instruction_id, i.agent_id, i.deadline, i.attempt, i.doc, i.occurrence_id, i.boot, i.force, i.fence,
			o.callback_url, o.callback_secret, `+delivered("i")+`
		FROM instructions i JOIN occurrences o ON o.agent_id = i.agent_id AND o.occurrence_id = i.occurrence_id
		WHERE `+deliverable+` AND i.force = ? AND i.visible_at <= ? AND o.boot = i.boot AND o.callback_url <> ''
		ORDER BY i.visible_at LIMIT ? {ours}`, now, force, now, limit)
	return rows, done, err
}

// delivery is an instruction on its way, claimed at a wall time; where it goes is
// to be added.
func (s *Store) delivery(p engine.PendingInstruction, at time.Time) (dispatch.Delivery, error) {
	body, err := s.options.Render(p)
	if err != nil {
		return dispatch.Delivery{}, fmt.Errorf("body of instruction %s: %w", p.ID, err)
	}
	return dispatch.Delivery{
		ID: p.ID, Agent: p.AgentID, Occurrence: p.OccurrenceID, Boot: p.Boot, Body: body,
		Attempt: p.Attempts + 1, Urgent: p.Force, ClaimedAt: at, Deadline: p.DeadlineWall,
	}, nil
}

var (
	settledColumns = cols(`instruction_id text, fence bigint, outcome text, callback text, tried bigint, visible_at bigint,
		delivered_at bigint, status bigint, duration bigint, failure text, url text`)
	firstColumns = cols("instruction_id text, fence bigint, status bigint, duration bigint")
)

// Settle implements dispatch.Outbox. An address that answered 410 and whatever
// could not be delivered is for Failures to report. The fence moves on, so that
// the same settlement said again changes nothing; what was delivered at the first
// try is a row of its own and no more, which is there only once.
func (s *Store) Settle(ctx context.Context, settled []dispatch.Settled) error {
	if len(settled) == 0 {
		return nil
	}
	first, rest := settlement(settled)
	if len(rest) == 0 { // one statement, which is a transaction of its own
		c, err := s.write.direct(ctx)
		if err == nil {
			err = s.settleFirst(c, first)
		}
		return fail(ctx, "settle", err)
	}
	return s.writing(ctx, "settle", func(c *conn) error {
		m, err := s.advance(c)
		if err != nil {
			return err
		}
		if first.n > 0 {
			if err := s.settleFirst(c, first); err != nil {
				return err
			}
		}
		return c.settleRest(rest, m.now)
	})
}

// settlement tells what was delivered at the first try from the rest. Of what is
// named twice the first counts.
func settlement(settled []dispatch.Settled) (first *rowset, rest []dispatch.Settled) {
	first = firstColumns.rows(len(settled))
	seen := make(map[string]bool, len(settled))
	for _, x := range settled {
		if seen[x.Delivery.ID] {
			continue
		}
		seen[x.Delivery.ID] = true
		if x.Outcome.Kind == dispatch.Delivered && x.Delivery.Attempt == 1 {
			first.add(x.Delivery.ID, x.Delivery.Fence, x.Outcome.Status, x.Outcome.Duration.Microseconds())
			continue
		}
		rest = append(rest, x)
	}
	return first, rest
}

// settleFirst records what was delivered at the first try. The time is the
// service time as far as the clock's row tells it: a silence that is not opened
// yet does not keep an outcome from being recorded.
func (s *Store) settleFirst(c *conn, first *rowset) error {
	_, err := c.exec(`INSERT INTO deliveries (instruction_id, fence, attempt, tried_at, outcome, status, duration, failure)
		SELECT i.instruction_id, r.fence, 1, {max}(k.last_service, CASE WHEN p.own = 0 THEN {wall} ELSE p.own END - k.ahead), 'delivered', r.status, r.duration, ''
		FROM (SELECT CAST(? AS bigint) AS own) AS p CROSS JOIN service_clock k CROSS JOIN {rows} CROSS JOIN instructions i
		WHERE k.id = 1 AND i.instruction_id = r.instruction_id AND i.fence = r.fence AND i.callback = 'due' ON CONFLICT DO NOTHING`, s.ownWall(), first)
	return err
}

func (c *conn) settleRest(settled []dispatch.Settled, now time.Time) error {
	rows := settledColumns.rows(len(settled))
	for _, x := range settled {
		if err := addSettled(rows, x, now); err != nil {
			return err
		}
	}
	if _, err := c.exec(`INSERT INTO deliveries (instruction_id, fence, attempt, tried_at, outcome, status, duration, failure)
		SELECT i.instruction_id, r.fence, i.attempt + r.tried, ?, r.outcome, r.status, r.duration, r.failure
		FROM {rows} CROSS JOIN instructions i
		WHERE i.instruction_id = r.instruction_id AND i.fence = r.fence AND i.callback = 'due' AND r.tried = 1 ON CONFLICT DO NOTHING`, micros(now), rows); err != nil {
		return err
	}
	_, err := c.exec(`UPDATE instructions SET fence = instructions.fence + 1, callback = r.callback, attempt = attempt + r.tried,
			visible_at = CASE WHEN r.visible_at > 0 THEN r.visible_at ELSE instructions.visible_at END,
			delivered_at = r.delivered_at,
			unreported = CASE WHEN r.tried = 0 THEN unreported WHEN r.failure = '' THEN false
				WHEN r.failure = instructions.failure AND r.outcome = 'retry' THEN unreported ELSE true END,
			failure = CASE WHEN r.tried = 0 THEN instructions.failure ELSE r.failure END,
			failed_url = CASE WHEN r.outcome = 'gone' THEN r.url ELSE failed_url END
		FROM {rows} WHERE instructions.instruction_id = r.instruction_id AND instructions.fence = r.fence
			AND instructions.callback = 'due'`, rows)
	return err
}

// addSettled adds the row of one outcome.
func addSettled(rows *rowset, x dispatch.Settled, now time.Time) error {
	callback, tried, due, taken := "due", 1, time.Time{}, time.Time{}
	switch x.Outcome.Kind {
	case dispatch.Delivered:
		callback, taken = "delivered", now
	case dispatch.Retry:
		due = now.Add(x.Outcome.RetryIn)
	case dispatch.Postponed:
		tried, due = 0, now.Add(x.Outcome.RetryIn)
	case dispatch.Gone:
		callback = "gone"
	case dispatch.GaveUp:
		callback = "gave_up"
	default:
		return fmt.Errorf("settle %s: no such outcome: %q", x.Delivery.ID, x.Outcome.Kind)
	}
	rows.add(x.Delivery.ID, x.Delivery.Fence, string(x.Outcome.Kind), callback, tried, due, taken,
		x.Outcome.Status, x.Outcome.Duration.Microseconds(), x.Outcome.Detail, x.Delivery.URL)
	return nil
}

// Next implements dispatch.Outbox. The lease of what was delivered counts, too:
// when it ends, Claim marks what nobody has acknowledged.
func (s *Store) Next(ctx context.Context) (wait time.Duration, found bool, err error) {
	if s.handed.any() {
		return 0, true, nil
	}
	err = s.reading(ctx, "next delivery", func(r *reader) error {
		now := micros(r.Now())
		var at int64
		const first = `SELECT * FROM (SELECT i.visible_at FROM instructions i WHERE ` + deliverable + ` AND i.force = ? ORDER BY i.visible_at LIMIT 1) AS f`
		if err := r.get(&at, `SELECT COALESCE(MIN(visible_at), 0) FROM (`+first+` UNION ALL `+first+`) AS firsts`, now, true, now, false); err != nil {
			return err
		}
		wait, found = max(0, microseconds(at-now)), at > 0
		return nil
	})
	return wait, found, err
}
