package persistence

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/pgtest"
)

// TestPruningTakesTheDeliveriesAlong (rule 9.3): what was tried for an instruction goes
// with it, and with no other.
func TestPruningTakesTheDeliveriesAlong(t *testing.T) {
	urls := map[string]string{"sqlite": "sqlite:" + filepath.Join(t.TempDir(), "test.db")}
	if server := pgtest.Shared(t); server != nil {
		urls["postgres"] = server.NewDatabase(t)
	}
	for name, url := range urls {
		t.Run(name, func(t *testing.T) {
			at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
			s, err := Open(t.Context(), url, Options{Clock: func() time.Time { return at }})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			must := func(_ any, err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			must(s.Migrate(t.Context()))
			for id, deadline := range map[string]time.Time{"old": at.Add(-2 * time.Hour), "young": at} {
				must(s.write.db.ExecContext(t.Context(), fmt.Sprintf(`INSERT INTO instructions (instruction_id, agent_id, occurrence_id, boot, rollout_id,
					wave, force, issued_at, deadline, callback, visible_at, doc) VALUES ('%s', 'scout', 'o1', 'b1', 'ro_1', 1, false, 1, %d, 'due', 7, '{}')`,
					id, micros(deadline))))
				for fence := range 2 {
					must(s.write.db.ExecContext(t.Context(), fmt.Sprintf(`INSERT INTO deliveries VALUES ('%s', %d, 1, 5, 'retry', 503, 12, '')`, id, fence)))
				}
			}
			must(s.Prune(t.Context(), time.Hour, 100))
			var left []string
			must(nil, s.write.db.SelectContext(t.Context(), &left, `SELECT instruction_id FROM deliveries ORDER BY 1`))
			if !slices.Equal(left, []string{"young", "young"}) {
				t.Errorf("left are the deliveries of %v", left)
			}
		})
	}
}
