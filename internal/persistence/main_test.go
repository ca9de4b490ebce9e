package persistence_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/persistence"
	"github.com/cirisai/orchestrator/internal/pgtest"
	"github.com/cirisai/orchestrator/internal/storetest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestConformance(t *testing.T) {
	for _, kind := range kinds(t) {
		t.Run(kind.name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T, clock *storetest.Clock) engine.Store {
				return open(t, kind.migrated(t), clock.Now)
			})
		})
	}
}

// TestConformanceHandingOver: to whoever is the only replica, it makes no difference
// that what he commits is handed over to himself.
func TestConformanceHandingOver(t *testing.T) {
	for _, kind := range kinds(t) {
		t.Run(kind.name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T, clock *storetest.Clock) engine.Store {
				return openHandingOver(t, kind.migrated(t), clock.Now)
			})
		})
	}
}

// kind is a kind of database to be tested with.
type kind struct {
	name string
	// empty makes a database without a schema, migrated one with it but without
	// anything else; both give its URL.
	empty, migrated func(t *testing.T) string
}

func kinds(t *testing.T) []kind {
	t.Helper()
	all := []kind{{"sqlite", emptySQLite, migratedSQLite}}
	if pgtest.Shared(t) != nil {
		all = append(all, kind{"postgres", emptyPostgres, migratedPostgres})
	}
	return all
}

// databases runs a test on a migrated database of each kind.
func databases(t *testing.T, test func(t *testing.T, url string)) {
	t.Helper()
	for _, kind := range kinds(t) {
		t.Run(kind.name, func(t *testing.T) { test(t, kind.migrated(t)) })
	}
}

// open opens a database. The clock may be nil.
func open(t testing.TB, url string, clock func() time.Time) *persistence.Store {
	t.Helper()
	return openWith(t, url, persistence.Options{Clock: clock, Render: storetest.Render})
}

// openHandingOver opens a database that hands over what it commits.
func openHandingOver(t testing.TB, url string, clock func() time.Time) *persistence.Store {
	t.Helper()
	return openWith(t, url, persistence.Options{Clock: clock, Render: storetest.Render, HandOver: time.Minute})
}

func openWith(t testing.TB, url string, options persistence.Options) *persistence.Store {
	t.Helper()
	s, err := persistence.Open(t.Context(), url, options)
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

func migrate(t testing.TB, url string) {
	t.Helper()
	if _, err := open(t, url, nil).Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func emptySQLite(t *testing.T) string {
	t.Helper()
	return "sqlite:" + filepath.Join(t.TempDir(), "test.db")
}

// template is a migrated SQLite database, made once and copied.
var template struct {
	sync.Once
	content []byte
}

func migratedSQLite(t *testing.T) string {
	t.Helper()
	template.Do(func() {
		path := filepath.Join(t.TempDir(), "template.db")
		s, err := persistence.Open(t.Context(), "sqlite:"+path, persistence.Options{})
		if err == nil {
			_, err = s.Migrate(t.Context())
		}
		if err == nil {
			err = s.Close()
		}
		if err == nil {
			template.content, err = os.ReadFile(path)
		}
		if err != nil {
			t.Fatal(err)
		}
	})
	path := filepath.Join(t.TempDir(), "test.db")
	if err := os.WriteFile(path, template.content, 0o600); err != nil {
		t.Fatal(err)
	}
	return "sqlite:" + path
}

func emptyPostgres(t *testing.T) string {
	t.Helper()
	return pgtest.Shared(t).NewDatabase(t)
}

// spare are migrated PostgreSQL databases that no test uses now.
var spare struct {
	sync.Mutex
	urls []string
}

// migratedPostgres takes a database that an earlier test has done with, for
// making one takes long.
func migratedPostgres(t *testing.T) string {
	t.Helper()
	spare.Lock()
	defer spare.Unlock()
	var url string
	if n := len(spare.urls); n > 0 {
		url, spare.urls = spare.urls[n-1], spare.urls[:n-1]
	} else {
		server := pgtest.Shared(t)
		name, err := server.CreateDatabase(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		url = server.URL(name)
		migrate(t, url)
	}
	t.Cleanup(func() {
		wipe(t, url)
		spare.Lock()
		defer spare.Unlock()
		spare.urls = append(spare.urls, url)
	})
	return url
}

// wipe empties a PostgreSQL database.
func wipe(t *testing.T, url string) {
	t.Helper()
	db, err := sql.Open("postgres", url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.Exec(`DELETE FROM deliveries; DELETE FROM instructions; DELETE FROM members; DELETE FROM rollouts;
		DELETE FROM loose_stops; DELETE FROM incidents; DELETE FROM events; DELETE FROM boots; DELETE FROM occurrences;
		DELETE FROM agents; DELETE FROM kept_answers; DELETE FROM settings; DELETE FROM silences;
		UPDATE service_clock SET last_wall = 0, last_service = 0, silences = 0, since = 0, ahead = 0;
		UPDATE hold_all SET number = 0, active = false, held_by = '', reason = ''`); err != nil {
		t.Fatal(err)
	}
}
