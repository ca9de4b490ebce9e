package persistence

import (
	"database/sql"
	"errors"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// Counts implements engine.ReadTx.
func (r *reader) Counts() (engine.Counts, error) {
	c := engine.Counts{
		Occurrences:   make(map[discovery.Liveness]int),
		Rollouts:      make(map[rollout.Kind]map[rollout.Status]int),
		OpenIncidents: make(map[rollout.IncidentType]int),
	}
	return c, errors.Join(
		r.get(&c.Agents, `SELECT count(*) FROM agents`),
		r.get(&c.Pending, `SELECT count(*) FROM instructions
			WHERE acknowledged_at = 0 AND withdrawn_at = 0 AND NOT suspended AND deadline > ?`, micros(r.Now())),
		r.each(func(rows *sql.Rows) error {
			var (
				l discovery.Liveness
				n int
			)
			err := rows.Scan(&l, &n)
			c.Occurrences[l] = n
			return err
		}, `SELECT liveness, count(*) FROM (SELECT `+livenessOf+` AS liveness FROM occurrences o) x GROUP BY liveness`, r.livenessArgs()...),
		r.each(func(rows *sql.Rows) error {
			var (
				k rollout.Kind
				s rollout.Status
				n int
			)
			err := rows.Scan(&k, &s, &n)
			if c.Rollouts[k] == nil {
				c.Rollouts[k] = make(map[rollout.Status]int)
			}
			c.Rollouts[k][s] = n
			return err
		}, `SELECT kind, status, count(*) FROM rollouts GROUP BY kind, status`),
		r.each(func(rows *sql.Rows) error {
			var (
				t rollout.IncidentType
				n int
			)
			err := rows.Scan(&t, &n)
			c.OpenIncidents[t] = n
			return err
		}, `SELECT type, count(*) FROM incidents WHERE resolved_at = 0 GROUP BY type`),
	)
}
