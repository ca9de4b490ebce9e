package persistence

import (
	"context"

	"github.com/cirisai/orchestrator/internal/rollout"
)

// Failure is an instruction that could not be delivered by callback, for the
// core to hear of (rule 7.6). The other ways out stay open.
type Failure struct {
	AgentID string
	Boot    string // that the instruction is for
	// GoneURL is the address that answered 410; empty when none did. If the
	// occurrence still has it, it is gone until its next heartbeat.
	GoneURL string
	// Unreachable is the command for the core; Final when the deadline passed.
	rollout.Unreachable
}

type failureRow struct {
	AgentID      string `db:"agent_id"`
	Boot         string `db:"boot"`
	FailedURL    string `db:"failed_url"`
	RolloutID    string `db:"rollout_id"`
	OccurrenceID string `db:"occurrence_id"`
	ID           string `db:"instruction_id"`
	Failure      string `db:"failure"`
	Final        bool   `db:"final"`
}

// Failures lists failures that were not reported yet: of an instruction that is
// still open, each new cause once, and once that its deadline passed. They are
// listed until Reported takes note, so whoever reports may do so twice.
func (s *Store) Failures(ctx context.Context, limit int) ([]Failure, error) {
	var all []Failure
	err := s.reading(ctx, "failures", func(r *reader) error {
		all = nil
		now := micros(r.Now())
		var rows []failureRow
		if err := r.list(&rows, `SELECT agent_id, boot, failed_url, rollout_id, occurrence_id, instruction_id, failure, deadline <= ? AS final
			FROM instructions WHERE unreported AND acknowledged_at = 0 AND withdrawn_at = 0
			UNION ALL
			SELECT agent_id, boot, '', rollout_id, occurrence_id, instruction_id, failure, true
			FROM instructions WHERE callback <> '' AND callback <> 'delivered' AND NOT undeliverable AND NOT unreported
				AND acknowledged_at = 0 AND withdrawn_at = 0 AND NOT suspended AND deadline <= ? AND NOT `+delivered("instructions")+`
			ORDER BY 1, 6 LIMIT ?`, now, now, bounded(limit)); err != nil {
			return err
		}
		for _, row := range rows {
			cause := row.Failure
			if cause == "" {
				cause = "no try was made before the deadline"
			}
			all = append(all, Failure{
				AgentID: row.AgentID, Boot: row.Boot, GoneURL: row.FailedURL,
				Unreachable: rollout.Unreachable{RolloutID: row.RolloutID, OccurrenceID: row.OccurrenceID, InstructionID: row.ID, Cause: cause, Final: row.Final},
			})
		}
		return nil
	})
	return all, err
}

var reportedColumns = cols("id text, failure text, final boolean")

// Reported takes note that the core has heard of the failures. A new cause that
// came up meanwhile stays to be reported.
func (s *Store) Reported(ctx context.Context, failures []Failure) error {
	if len(failures) == 0 {
		return nil
	}
	rows := reportedColumns.rows(len(failures))
	for _, f := range failures {
		rows.add(f.InstructionID, f.Cause, f.Final)
	}
	return s.writing(ctx, "failures reported", func(c *conn) error {
		_, err := c.exec(`UPDATE instructions SET undeliverable = undeliverable OR r.final,
				callback = CASE WHEN r.final AND callback = 'due' THEN 'expired' ELSE callback END,
				unreported = unreported AND instructions.failure <> r.failure
			FROM {rows} WHERE instructions.instruction_id = r.id`, rows)
		return err
	})
}
