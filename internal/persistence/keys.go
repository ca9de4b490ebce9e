package persistence

import (
	"database/sql"
	"errors"
	"time"

	"github.com/cirisai/orchestrator/internal/engine"
)

// answersKept is for how long an Idempotency-Key is good (rule 10.7), by the
// wall clock.
const answersKept = 24 * time.Hour

// Recall implements engine.Tx.
func (t *tx) Recall(key string) (*engine.KeptAnswer, error) {
	var row struct {
		BodyHash string `db:"body_hash"`
		Status   int    `db:"status"`
		Body     []byte `db:"body"`
	}
	err := t.get(&row, `SELECT body_hash, status, body FROM kept_answers WHERE key = ? AND made_wall > ?`,
		key, micros(t.moment.wall.Add(-answersKept)))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil //nolint:nilnil // nothing was kept, which is no error
	}
	if err != nil {
		return nil, err
	}
	return &engine.KeptAnswer{BodyHash: row.BodyHash, Status: row.Status, Body: row.Body}, nil
}

// Keep implements engine.Tx.
func (t *tx) Keep(key string, a engine.KeptAnswer) error {
	body := a.Body
	if body == nil {
		body = []byte{}
	}
	_, err := t.exec(`INSERT INTO kept_answers (key, made_wall, body_hash, status, body) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (key) DO UPDATE SET made_wall = excluded.made_wall, body_hash = excluded.body_hash, status = excluded.status,
			body = excluded.body`, key, micros(t.moment.wall), a.BodyHash, a.Status, body)
	return err
}
