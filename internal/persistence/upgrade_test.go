package persistence

import (
	"path/filepath"
	"testing"

	"github.com/cirisai/orchestrator/internal/pgtest"
)

// TestUpgradeKeepsTheOutbox: what was due, and what was tried, is still there after
// migration 2, and after it was taken back.
func TestUpgradeKeepsTheOutbox(t *testing.T) {
	urls := map[string]string{"sqlite": "sqlite:" + filepath.Join(t.TempDir(), "test.db")}
	if server := pgtest.Shared(t); server != nil {
		urls["postgres"] = server.NewDatabase(t)
	}
	for name, url := range urls {
		t.Run(name, func(t *testing.T) {
			s, err := Open(t.Context(), url, Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			p, err := s.provider()
			if err != nil {
				t.Fatal(err)
			}
			must := func(_ any, err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			db := s.write.db
			must(p.UpTo(t.Context(), 1))
			must(db.ExecContext(t.Context(), `INSERT INTO instructions (instruction_id, agent_id, occurrence_id, boot, rollout_id, wave, force,
				issued_at, deadline, callback, visible_at, doc) VALUES ('i1', 'scout', 'o1', 'b1', 'ro_1', 1, false, 1, 9, 'due', 7, '{}')`))
			must(db.ExecContext(t.Context(), `INSERT INTO deliveries VALUES ('i1', 1, 1, 5, 'retry', 503, 12, 'answered 503')`))
			for range 2 {
				must(p.Up(t.Context()))
				var due, status int64
				must(nil, db.QueryRowContext(t.Context(), `SELECT i.visible_at, d.status FROM instructions i
					JOIN deliveries d ON d.instruction_id = i.instruction_id`).Scan(&due, &status))
				if due != 7 || status != 503 {
					t.Errorf("visible at %d, status %d", due, status)
				}
				must(p.DownTo(t.Context(), 1))
				must(nil, db.QueryRowContext(t.Context(), `SELECT visible_at FROM instructions`).Scan(&due))
				if due != 7 {
					t.Errorf("visible at %d", due)
				}
			}
		})
	}
}
