package memstore

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/cirisai/orchestrator/internal/audit"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// Store is an engine.Store and a dispatch.Outbox in memory. It is safe for
// concurrent use: transactions on one agent wait for each other, those on
// different agents do not, and readers wait for nobody.
type Store struct {
	// Fault, if set, is asked at every call which fault it meets; op is the name
	// of the method. It must be set before the store is used.
	Fault func(op string) FaultKind
	// Render makes the body that a callback is sent of an instruction: a JSON
	// object without "attempt" and "server_time", which the dispatcher adds. nil:
	// the instruction itself as JSON.
	Render func(in engine.PendingInstruction) ([]byte, error)

	wall func() time.Time

	mu       sync.Mutex // held for moments only, never while a function runs
	clock    serviceClock
	settings rollout.Settings
	saved    bool // somebody has saved settings
	holdAll  engine.HoldAll
	answers  map[string]answer
	locks    map[string]lock
	agents   map[string]*version
	// shared: somebody reads agents; the next commit must leave that map alone.
	shared bool
	log    []logged
}

// answer is a kept answer and until when (rule 10.7).
type answer struct {
	engine.KeptAnswer
	until time.Time // wall time
}

// logged says which event of which trail was committed next.
type logged struct {
	trail *trail
	index int
}

// New returns an empty store whose wall time is clock's, with the default
// settings. Until Beat is called for the first time there are no silences and
// service time runs with the clock; from then on it must be called every five
// seconds, or three times in a liveness timeout where that is more often.
func New(clock func() time.Time) *Store {
	return &Store{
		wall: clock, settings: rollout.DefaultSettings(),
		answers: map[string]answer{}, locks: map[string]lock{}, agents: map[string]*version{},
	}
}

// now is the wall time, of microseconds, as a database would have it.
func (s *Store) now() time.Time { return s.wall().UTC().Truncate(time.Microsecond) }

// lock is an agent's: held by whoever has put something into the channel.
type lock chan struct{}

// acquire locks an agent. Whoever takes several takes them in ascending order.
func (s *Store) acquire(ctx context.Context, agentID string) (lock, error) {
	s.mu.Lock()
	l, known := s.locks[agentID]
	if !known {
		l = make(lock, 1)
		s.locks[agentID] = l
	}
	s.mu.Unlock()
	select {
	case l <- struct{}{}:
		return l, nil
	default:
	}
	select {
	case l <- struct{}{}:
		return l, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("memstore: lock agent %s: %w", agentID, ctx.Err())
	}
}

func (l lock) release() { <-l }

// Update runs fn in a transaction on one agent. See engine.Store.
func (s *Store) Update(ctx context.Context, agentID string, create bool, fn func(tx engine.Tx) error) error {
	kind := s.fault("Update")
	if kind == FaultBefore {
		return unavailable("Update", kind)
	}
	if err := alive(ctx); err != nil {
		return err
	}
	if !create && !s.known(agentID) {
		return noAgent(agentID)
	}
	l, err := s.acquire(ctx, agentID)
	if err != nil {
		return err
	}
	defer l.release()
	tx, err := s.begin(agentID, create)
	if err != nil {
		return err
	}
	if err := fn(tx); err != nil {
		return err
	}
	if kind == FaultSerialization {
		if tx, err = s.begin(agentID, create); err != nil {
			return err
		}
		if err := fn(tx); err != nil {
			return err
		}
	}
	if err := alive(ctx); err != nil {
		return err
	}
	s.commit(tx)
	if kind == FaultAfter {
		return unavailable("Update", kind)
	}
	return nil
}

// alive returns the error of a context that has ended.
func alive(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("memstore: %w", err)
	}
	return nil
}

func noAgent(id string) error { return fmt.Errorf("agent %s: %w", id, engine.ErrNotFound) }

func (s *Store) known(agentID string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.agents[agentID] != nil
}

// begin reads the clock after the lock was granted, and what is decided by.
func (s *Store) begin(agentID string, create bool) (*transaction, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.agents[agentID]
	if v == nil {
		if !create {
			return nil, noAgent(agentID)
		}
		v = newVersion(agentID)
	}
	wall := s.now()
	now := s.clock.mark(wall, beatEvery(s.settings))
	return &transaction{
		reader: reader{store: s, now: now, wall: wall, clock: s.clock.copied(), settings: s.settings, holdAll: s.holdAll, own: v},
		made:   s.agents[agentID] == nil,
	}, nil
}

// commit puts what a transaction has made in the place of what was.
func (s *Store) commit(tx *transaction) {
	if !tx.dirty && !tx.made {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v := tx.own
	if n := len(tx.events); n > 0 {
		v.trail.append(tx.events)
		for i := range n {
			s.log = append(s.log, logged{trail: v.trail, index: v.events + i})
		}
		v.events += n
	}
	s.put(v)
	maps.Copy(s.answers, tx.answers)
}

// put makes v the present version of its agent. The caller holds mu.
func (s *Store) put(v *version) {
	if s.shared {
		s.agents, s.shared = maps.Clone(s.agents), false
	}
	s.agents[v.id] = v
}

// View runs fn on a snapshot. See engine.Store.
func (s *Store) View(ctx context.Context, fn func(tx engine.ReadTx) error) error {
	return s.faulty("View", func() error {
		if err := alive(ctx); err != nil {
			return err
		}
		return fn(s.snapshot())
	})
}

func (s *Store) snapshot() *reader {
	s.mu.Lock()
	defer s.mu.Unlock()
	wall := s.now()
	now, clock := s.clock.peek(wall, beatEvery(s.settings))
	s.shared = true
	return &reader{store: s, now: now, wall: wall, clock: clock, settings: s.settings, holdAll: s.holdAll, agents: s.agents}
}

// Log lists the events of all agents in the order in which they were committed,
// but for the first after of them.
func (s *Store) Log(after int) []audit.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	events := make([]audit.Event, 0, len(s.log)-min(after, len(s.log)))
	for _, l := range s.log[min(after, len(s.log)):] {
		chained, _ := l.trail.read(l.index + 1)
		events = append(events, chained[l.index])
	}
	return events
}
