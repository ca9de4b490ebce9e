package persistence_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/persistence"
	"github.com/cirisai/orchestrator/internal/pgtest"
	"github.com/cirisai/orchestrator/internal/storetest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// databases runs a test on a fresh database of each kind, given its URL.
func databases(t *testing.T, test func(t *testing.T, url string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { test(t, "sqlite:"+filepath.Join(t.TempDir(), "test.db")) })
	if server := pgtest.Shared(t); server != nil {
		t.Run("postgres", func(t *testing.T) { test(t, server.NewDatabase(t)) })
	}
}

// open opens a database.
func open(t *testing.T, url string, clock func() time.Time) *persistence.Store {
	t.Helper()
	s, err := persistence.Open(t.Context(), url, persistence.Options{Clock: clock, Render: body})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// migrated opens a database and brings its schema up to date.
func migrated(t *testing.T, url string, clock func() time.Time) *persistence.Store {
	t.Helper()
	s := open(t, url, clock)
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// body is what a callback is sent in these tests.
func body(in engine.PendingInstruction) ([]byte, error) {
	return []byte(`{"instruction_id":"` + in.ID + `"}`), nil
}

func TestConformance(t *testing.T) {
	databases(t, func(t *testing.T, url string) {
		_ = url
	})
	t.Run("sqlite", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T, clock *storetest.Clock) engine.Store {
			return migrated(t, "sqlite:"+filepath.Join(t.TempDir(), "test.db"), clock.Now)
		})
	})
	t.Run("memory", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T, clock *storetest.Clock) engine.Store {
			return migrated(t, "sqlite::memory:", clock.Now)
		})
	})
	server := pgtest.Shared(t)
	if server == nil {
		return
	}
	t.Run("postgres", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T, clock *storetest.Clock) engine.Store {
			return migrated(t, server.NewDatabase(t), clock.Now)
		})
	})
}
