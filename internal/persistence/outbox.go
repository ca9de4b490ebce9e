package persistence

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/cirisai/orchestrator/internal/dispatch"
)

var _ dispatch.Outbox = (*Store)(nil)

// deliverable is what of the instructions i the outbox may hand out at a service
// time: nothing that was taken back, taken up or has expired.
const deliverable = `i.callback = 'due' AND i.acknowledged_at = 0 AND i.withdrawn_at = 0 AND NOT i.suspended AND +i.deadline > ?`

// claimedRow is an instruction with where it goes.
type claimedRow struct {
	instructionRow

	ID, OccurrenceID, Boot      string
	Force                       bool
	Fence                       int64
	CallbackURL, CallbackSecret string
}

// Claim implements dispatch.Outbox.
func (s *Store) Claim(ctx context.Context, limit int, lease time.Duration) ([]dispatch.Delivery, error) {
	if s.options.Render == nil {
		return nil, errors.New("claim: the store was opened without Options.Render")
	}
	var claimed []dispatch.Delivery
	err := s.writing(ctx, "claim", func(c *conn) error {
		claimed = nil
		m, err := s.advance(c)
		if err != nil {
			return err
		}
		rows, err := c.claimable(micros(m.now), limit)
		if err != nil || len(rows) == 0 {
			return err
		}
		ids := idColumn.rows(len(rows))
		for i := range rows {
			d, err := s.delivery(&rows[i], m)
			if err != nil {
				return err
			}
			claimed = append(claimed, d)
			ids.add(rows[i].ID)
		}
		_, err = c.exec(`UPDATE instructions SET fence = fence + 1, leased_until = ? WHERE instruction_id IN (SELECT id FROM {rows})`,
			micros(m.now.Add(lease)), ids)
		return err
	})
	if err != nil {
		return nil, err
	}
	return claimed, nil
}

// claimable locks what is due, but for what another replica is claiming now.
func (c *conn) claimable(now int64, limit int) ([]claimedRow, error) {
	var rows []claimedRow
	err := c.each(func(r *sql.Rows) error {
		var row claimedRow
		err := r.Scan(&row.ID, &row.AgentID, &row.Deadline, &row.Attempt, &row.Doc, &row.OccurrenceID, &row.Boot, &row.Force, &row.Fence,
			&row.CallbackURL, &row.CallbackSecret)
		rows = append(rows, row)
		return err
	}, `SELECT i.instruction_id, i.agent_id, i.deadline, i.attempt, i.doc, i.occurrence_id, i.boot, i.force, i.fence,
			o.callback_url, o.callback_secret
		FROM instructions i JOIN occurrences o ON o.agent_id = i.agent_id AND o.occurrence_id = i.occurrence_id
		WHERE `+deliverable+` AND i.due_at <= ? AND i.leased_until <= ? AND o.boot = i.boot AND o.callback_url <> ''
		ORDER BY i.force DESC, i.due_at LIMIT ? {ours}`, now, now, now, bounded(limit))
	return rows, err
}

func (s *Store) delivery(row *claimedRow, m moment) (dispatch.Delivery, error) {
	p, err := row.pending(m.clock)
	if err != nil {
		return dispatch.Delivery{}, err
	}
	body, err := s.options.Render(p)
	if err != nil {
		return dispatch.Delivery{}, fmt.Errorf("body of instruction %s: %w", row.ID, err)
	}
	return dispatch.Delivery{
		ID: row.ID, Agent: row.AgentID, Occurrence: row.OccurrenceID, Boot: row.Boot,
		URL: row.CallbackURL, Secret: row.CallbackSecret, Body: body,
		Attempt: row.Attempt + 1, Urgent: row.Force, Fence: row.Fence + 1,
		ClaimedAt: m.clock.Wall(m.now), Deadline: p.DeadlineWall,
	}, nil
}

var settledColumns = cols(`instruction_id text, fence bigint, outcome text, callback text, tried bigint, due_at bigint,
	delivered_at bigint, status bigint, duration bigint, failure text, url text`)

// Settle implements dispatch.Outbox. An address that answered 410 and whatever
// could not be delivered is for Failures to report. The fence moves on, so that
// the same settlement said again changes nothing.
func (s *Store) Settle(ctx context.Context, settled []dispatch.Settled) error {
	if len(settled) == 0 {
		return nil
	}
	return s.writing(ctx, "settle", func(c *conn) error {
		m, err := s.advance(c)
		if err != nil {
			return err
		}
		rows := settledColumns.rows(len(settled))
		seen := make(map[string]bool, len(settled))
		for _, x := range settled {
			if seen[x.Delivery.ID] {
				continue // the first settlement moves the fence on
			}
			seen[x.Delivery.ID] = true
			if err := addSettled(rows, x, m.now); err != nil {
				return err
			}
		}
		if _, err := c.exec(`INSERT INTO deliveries (instruction_id, fence, attempt, tried_at, outcome, status, duration, failure)
			SELECT i.instruction_id, r.fence, i.attempt + r.tried, ?, r.outcome, r.status, r.duration, r.failure
			FROM {rows} CROSS JOIN instructions i
			WHERE i.instruction_id = r.instruction_id AND i.fence = r.fence AND i.callback = 'due' AND r.tried = 1 ON CONFLICT DO NOTHING`, micros(m.now), rows); err != nil {
			return err
		}
		_, err = c.exec(`UPDATE instructions SET fence = instructions.fence + 1, callback = r.callback, attempt = attempt + r.tried, leased_until = 0,
				due_at = CASE WHEN r.due_at > 0 THEN r.due_at ELSE instructions.due_at END,
				delivered_at = r.delivered_at,
				unreported = CASE WHEN r.tried = 0 THEN unreported WHEN r.failure = '' THEN false
					WHEN r.failure = instructions.failure AND r.outcome = 'retry' THEN unreported ELSE true END,
				failure = CASE WHEN r.tried = 0 THEN instructions.failure ELSE r.failure END,
				failed_url = CASE WHEN r.outcome = 'gone' THEN r.url ELSE failed_url END
			FROM {rows} WHERE instructions.instruction_id = r.instruction_id AND instructions.fence = r.fence
				AND instructions.callback = 'due'`, rows)
		return err
	})
}

// addSettled adds the row of one outcome.
func addSettled(rows *rowset, x dispatch.Settled, now time.Time) error {
	callback, tried, due, delivered := "due", 1, time.Time{}, time.Time{}
	switch x.Outcome.Kind {
	case dispatch.Delivered:
		callback, delivered = "delivered", now
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
	rows.add(x.Delivery.ID, x.Delivery.Fence, string(x.Outcome.Kind), callback, tried, due, delivered,
		x.Outcome.Status, x.Outcome.Duration.Microseconds(), x.Outcome.Detail, x.Delivery.URL)
	return nil
}

// Next implements dispatch.Outbox.
func (s *Store) Next(ctx context.Context) (wait time.Duration, found bool, err error) {
	err = s.reading(ctx, "next delivery", func(r *reader) error {
		now := micros(r.Now())
		var at int64
		if err := r.get(&at, `SELECT COALESCE(MIN({max}(i.due_at, i.leased_until)), 0) FROM instructions i WHERE `+deliverable, now); err != nil {
			return err
		}
		wait, found = max(0, microseconds(at-now)), at > 0
		return nil
	})
	return wait, found, err
}
