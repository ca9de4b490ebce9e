package persistence_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/persistence"
	"github.com/cirisai/orchestrator/internal/pgtest"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// mark writes something that can be looked for.
func mark(ctx context.Context, s *persistence.Store, n int) error {
	return s.Update(ctx, "scout", true, func(tx engine.Tx) error { return tx.SaveProfile(rollout.Profile{Expected: n}) })
}

func marked(t *testing.T, s *persistence.Store) (n int) {
	t.Helper()
	if err := s.View(t.Context(), func(tx engine.ReadTx) error {
		state, _, err := tx.Agent("scout")
		n = state.Profile.Expected
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

// unavailable checks that every method says that the database is away.
func unavailable(t *testing.T, s *persistence.Store) {
	t.Helper()
	ctx := t.Context()
	_, _, due := s.Due(ctx, 1)
	_, touch := s.Touch(ctx, []engine.Touch{{AgentID: "scout", OccurrenceID: "o1"}})
	_, claim := s.Claim(ctx, 1, time.Minute)
	_, _, next := s.Next(ctx)
	_, failures := s.Failures(ctx, 1)
	_, settings := s.SaveSettings(ctx, rollout.DefaultSettings())
	_, hold := s.HoldAll(ctx, engine.HoldAll{Active: true})
	_, prune := s.Prune(ctx, time.Hour, 10)
	for name, err := range map[string]error{
		"Update": mark(ctx, s, 99), "View": s.View(ctx, func(engine.ReadTx) error { return nil }), "Due": due, "Touch": touch,
		"Beat": s.Beat(ctx), "Ping": s.Ping(ctx), "Claim": claim, "Next": next, "Failures": failures, "SaveSettings": settings,
		"HoldAll": hold, "Prune": prune,
	} {
		if !errors.Is(err, engine.ErrUnavailable) {
			t.Errorf("%s: want ErrUnavailable, got %v", name, err)
		}
	}
}

// Promises 7 and 8, S9: PostgreSQL is killed and comes back. What was answered is
// there; in between everything says that the database is away, and afterwards
// the same store works.
func TestPostgresIsKilled(t *testing.T) {
	server := pgtest.Start(t)
	if server == nil {
		return
	}
	url := server.NewDatabase(t)
	migrate(t, url)
	s := open(t, url, nil)
	if err := mark(t.Context(), s, 1); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	unavailable(t, s)
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := marked(t, s); n != 1 {
		t.Errorf("what was committed reads %d", n)
	}
	if err := mark(t.Context(), s, 2); err != nil {
		t.Errorf("after the restart: %v", err)
	}

	err := s.Update(t.Context(), "scout", false, func(tx engine.Tx) error {
		if err := tx.SaveProfile(rollout.Profile{Expected: 3}); err != nil {
			return err
		}
		server.Kill() // in the middle of the transaction
		_, _, err := tx.Agent("scout")
		return err
	})
	if !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("killed in a transaction: want ErrUnavailable, got %v", err)
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := marked(t, s); n != 2 {
		t.Errorf("a transaction that was cut off has left %d", n)
	}
}

// Of a server that is not there, or lets nobody in, everything says so, too.
func TestPostgresCannotBeReached(t *testing.T) {
	server := pgtest.Shared(t)
	if server == nil {
		return
	}
	for _, url := range []string{"postgres://nobody@127.0.0.1:1/x?sslmode=disable", server.URL("none")} {
		unavailable(t, open(t, url, nil))
	}
}

// A statement that is cancelled because it took too long, or waited too long for
// a lock, is an error and no empty answer (SPEC 14).
func TestPostgresTimeouts(t *testing.T) {
	if pgtest.Shared(t) == nil {
		return
	}
	url := migratedPostgres(t)
	holder := open(t, url, nil)
	if err := mark(t.Context(), holder, 1); err != nil {
		t.Fatal(err)
	}
	for _, setting := range []string{"statement_timeout=50", "lock_timeout=50"} {
		t.Run(setting, func(t *testing.T) {
			impatient := open(t, url+"&"+setting, nil)
			err := holder.Update(t.Context(), "scout", false, func(engine.Tx) error {
				err := mark(t.Context(), impatient, 2)
				if !errors.Is(err, engine.ErrUnavailable) || errors.Is(err, engine.ErrNotFound) {
					t.Errorf("want ErrUnavailable, got %v", err)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	if n := marked(t, holder); n != 1 {
		t.Errorf("reads %d", n)
	}
}

// A replica that hangs within a transaction loses it, and its lock, to the
// others; when it goes on it has changed nothing.
func TestPostgresEndsAHangingTransaction(t *testing.T) {
	if pgtest.Shared(t) == nil {
		return
	}
	url := migratedPostgres(t)
	hanging, other := open(t, url+"&idle_in_transaction_session_timeout=100", nil), open(t, url, nil)
	if err := mark(t.Context(), other, 1); err != nil {
		t.Fatal(err)
	}
	err := hanging.Update(t.Context(), "scout", false, func(tx engine.Tx) error {
		if err := mark(t.Context(), other, 2); err != nil { // waits for the lock until the server ends this transaction
			t.Errorf("the other replica: %v", err)
		}
		return tx.SaveProfile(rollout.Profile{Expected: 3})
	})
	if !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("want ErrUnavailable, got %v", err)
	}
	if n := marked(t, other); n != 2 {
		t.Errorf("reads %d, want what the other one wrote", n)
	}
}

// An administrator ends the connection in the middle of a transaction.
func TestPostgresBackendTerminated(t *testing.T) {
	if pgtest.Shared(t) == nil {
		return
	}
	url := migratedPostgres(t)
	s := open(t, url, nil)
	if err := mark(t.Context(), s, 1); err != nil {
		t.Fatal(err)
	}
	admin, err := sql.Open("postgres", url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = admin.Close() }()
	err = s.Update(t.Context(), "scout", false, func(tx engine.Tx) error {
		if err := tx.SaveProfile(rollout.Profile{Expected: 2}); err != nil {
			return err
		}
		_, err := admin.Exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'orchestrator'
			AND datname = current_database() AND state = 'idle in transaction'`)
		return err
	})
	if !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("want ErrUnavailable, got %v", err)
	}
	if n := marked(t, s); n != 1 {
		t.Errorf("reads %d", n)
	}
}

func TestSQLiteFileIsNoDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	if err := os.WriteFile(path, []byte("this is some text and no database, which is longer than a header"), 0o600); err != nil {
		t.Fatal(err)
	}
	unavailable(t, open(t, "sqlite:"+path, nil))
}

func TestSQLiteDirectoryVanishes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mounted")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s := open(t, "sqlite:"+filepath.Join(dir, "test.db"), nil)
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	unavailable(t, s)
}

func TestAClosedStoreIsAway(t *testing.T) {
	databases(t, func(t *testing.T, url string) {
		s := open(t, url, nil)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		unavailable(t, s)
	})
}
