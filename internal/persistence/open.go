package persistence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
)

// errClosed is what a store says after Close.
var errClosed = errors.New("the store is closed")

// Options are what a store is given besides its URL.
type Options struct {
	// Logger hears of silences and of transactions that are run again; nil: none.
	Logger *slog.Logger
	// Clock, when set, is the wall clock of either database, for tests in virtual
	// time. Without it PostgreSQL's own clock counts, or for SQLite the process's.
	Clock func() time.Time
	// Render makes the body that a callback is sent of an instruction: a JSON
	// object without "attempt" and "server_time", which the dispatcher adds.
	// Claim fails without it.
	Render func(in engine.PendingInstruction) ([]byte, error)
	// HandOver, when set, is for how long an instruction is leased to this replica
	// as it is made: its Claim hands it out without reading it. Who sets it must
	// call Claim after each Update, and Release in the end. It must be as long as a
	// dispatcher's lease must be, and is what a crash delays such an instruction by.
	HandOver time.Duration
}

// Store keeps agents in a database. It is an engine.Store and a
// dispatch.Outbox, and safe for concurrent use.
type Store struct {
	options Options
	log     *slog.Logger
	pools
	path   string // of the SQLite file
	schema schema

	// highest is the latest service instant that was handed out: time does not
	// move back, though the wall clock may do so between two beats.
	highest atomic.Int64

	// known is what the last transaction read of the settings and the clock.
	known atomic.Pointer[standing]

	memory memory
	queue  queue
	handed handover

	mu       sync.Mutex
	silences []discovery.Silence // committed ones; only ever appended to
}

var _ engine.Store = (*Store)(nil)

// pools are a store's connections: those of transactions that write, those of
// snapshots, and one for the service clock, so that a beat waits for nobody.
// They may be the same.
type pools struct {
	write, read, clock *pool
}

// Open makes the store for a URL: sqlite:PATH, sqlite::memory: (for as long as the
// store is open, with one connection: a View waits for the Update that runs) or
// postgres://USER@HOST/DATABASE?sslmode=... It connects when it is
// first used, so a database that is away is no error here; a URL that cannot be
// used is one, and nothing takes its place (rule 11.1). Migrate must have run
// before anything is kept.
func Open(_ context.Context, url string, opts Options) (*Store, error) {
	s := &Store{options: opts, log: opts.Logger}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	scheme, rest, _ := strings.Cut(url, ":")
	var err error
	switch scheme {
	case "sqlite":
		s.path, s.schema = rest, sqliteSchema
		s.pools, err = openSQLite(rest)
	case "postgres", "postgresql":
		s.schema = postgresSchema
		s.pools, err = openPostgres(url)
	default:
		err = errors.New("want sqlite:PATH or postgres://USER@HOST/DATABASE")
	}
	if err != nil {
		return nil, fmt.Errorf("database URL %q: %w", Redacted(url), err)
	}
	return s, nil
}

// Redacted is a URL without anything that may be a password: the user's name at
// most, and no parameters.
func Redacted(url string) string {
	scheme, rest, found := strings.Cut(url, "://")
	if !found {
		scheme, _, _ = strings.Cut(url, ":")
		if scheme == "sqlite" {
			return url
		}
		return scheme + ":..."
	}
	rest, _, _ = strings.Cut(rest, "?")
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		user, _, _ := strings.Cut(rest[:at], ":")
		rest = user + rest[at:]
	}
	return scheme + "://" + rest
}

// Close ends all connections; what is under way fails.
func (s *Store) Close() error {
	if err := errors.Join(s.write.close(), s.read.close(), s.clock.close()); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	return nil
}

// errPing ends Ping's transaction, which is to change nothing.
var errPing = errors.New("ping")

// Ping implements engine.Store. A database that takes no changes cannot be used
// (rule 8.3), so this asks for the lock that a change needs. The error wraps
// engine.ErrUnavailable when it is not granted.
func (s *Store) Ping(ctx context.Context) error {
	err := s.writingOn(ctx, s.clock, "ping", func(c *conn) error {
		if err := lockClock(c); err != nil {
			return err
		}
		return errPing
	})
	if errors.Is(err, errPing) {
		return nil
	}
	return err
}
