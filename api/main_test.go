package api_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/api"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/memstore"
	"github.com/cirisai/orchestrator/internal/persistence"
	"github.com/cirisai/orchestrator/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// opener opens an empty store with a wall clock.
type opener func(t *testing.T, clock func() time.Time) engine.Store

// overStores runs a test over every kind of store, as a subtest each: what is
// promised over HTTP is promised whatever is behind it.
func overStores(t *testing.T, test func(t *testing.T, open opener)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) { test(t, openMemory) })
	// Every transaction is run, thrown away and run again, as a database may do.
	t.Run("memory, twice", func(t *testing.T) { test(t, openTwice) })
	t.Run("sqlite", func(t *testing.T) { test(t, openSQLite) })
	if server := pgtest.Shared(t); server != nil {
		t.Run("postgres", func(t *testing.T) {
			test(t, func(t *testing.T, clock func() time.Time) engine.Store {
				return openDatabase(t, server.NewDatabase(t), clock)
			})
		})
	}
}

func openMemory(_ *testing.T, clock func() time.Time) engine.Store { return memstore.New(clock) }

func openTwice(_ *testing.T, clock func() time.Time) engine.Store {
	s := memstore.New(clock)
	s.Fault = func(string) memstore.FaultKind { return memstore.FaultSerialization }
	return s
}

func openSQLite(t *testing.T, clock func() time.Time) engine.Store {
	return openDatabase(t, "sqlite:"+filepath.Join(t.TempDir(), "test.db"), clock)
}

func openDatabase(t *testing.T, url string, clock func() time.Time) engine.Store {
	t.Helper()
	s, err := persistence.Open(t.Context(), url, persistence.Options{Clock: clock, Render: api.InstructionBody})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}
