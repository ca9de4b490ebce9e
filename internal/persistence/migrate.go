package persistence

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/cirisai/orchestrator/migrations"
)

// schema is where a database's schema comes from.
type schema struct {
	dialect goose.Dialect
	files   fs.FS
	dir     string
}

var (
	sqliteSchema   = schema{goose.DialectSQLite3, migrations.SQLite, "sqlite"}
	postgresSchema = schema{goose.DialectPostgres, migrations.Postgres, "postgres"}
)

// A migration waits for one that another process runs, looking again every
// lockEvery, for lockFor at most.
const (
	lockEvery = time.Second
	lockFor   = 120 * lockEvery
)

// Migration is one step of the schema.
type Migration struct {
	Version int64
	Name    string
	// AppliedAt is when it was applied, by the database's or the process's clock;
	// zero: it was not.
	AppliedAt time.Time
}

// Migrate brings the schema up to date and returns what it has applied. Any
// number of processes may do so at once: they wait for each other.
func (s *Store) Migrate(ctx context.Context) ([]Migration, error) {
	applied, err := s.migrate(ctx)
	return applied, fail(ctx, "migrate", err)
}

func (s *Store) migrate(ctx context.Context) (applied []Migration, err error) {
	// goose has no lock for SQLite, and the switch to WAL when a connection is
	// opened wants one as well.
	unlock, err := s.lockSchema(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	p, err := s.provider()
	if err != nil {
		return nil, err
	}
	results, err := p.Up(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range results {
		applied = append(applied, Migration{Version: r.Source.Version, Name: r.Source.Path})
	}
	return applied, nil
}

// Status lists all migrations in order.
func (s *Store) Status(ctx context.Context) ([]Migration, error) {
	p, err := s.provider()
	if err != nil {
		return nil, err
	}
	status, err := p.Status(ctx)
	if err != nil {
		return nil, fail(ctx, "status", err)
	}
	all := make([]Migration, len(status))
	for i, st := range status {
		all[i] = Migration{Version: st.Source.Version, Name: st.Source.Path, AppliedAt: st.AppliedAt}
	}
	return all, nil
}

func (s *Store) provider() (*goose.Provider, error) {
	files, err := fs.Sub(s.schema.files, s.schema.dir)
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	var options []goose.ProviderOption
	if s.schema.dialect == goose.DialectPostgres {
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(uint64(lockEvery/time.Second), uint64(lockFor/lockEvery)))
		if err != nil {
			return nil, fmt.Errorf("migrations: %w", err)
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	p, err := goose.NewProvider(s.schema.dialect, s.write.db.DB, files, options...)
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	return p, nil
}

// lockSchema keeps other processes from migrating the same SQLite file.
func (s *Store) lockSchema(ctx context.Context) (unlock func() error, err error) {
	if s.schema.dialect != goose.DialectSQLite3 || s.path == inMemory {
		return func() error { return nil }, nil
	}
	return lockFile(ctx, s.path+".lock")
}
