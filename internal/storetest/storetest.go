package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// Run tests a store against its contract, engine.Store, and against
// dispatch.Outbox when it is one. Open returns an empty store whose wall time
// is the clock's, and arranges for its end with t.Cleanup. It must not call
// Beat: as long as nobody does, there are no silences, and the clock may be
// moved at will.
func Run(t *testing.T, open func(t *testing.T, clock *Clock) engine.Store) {
	t.Helper()
	for _, chapter := range chapters() {
		t.Run(chapter.name, func(t *testing.T) {
			for _, p := range chapter.proofs {
				t.Run(p.name, func(t *testing.T) {
					p.run(newSuite(t, open))
				})
			}
		})
	}
}

// proof is one test; its name says which rule or promise it proves.
type proof struct {
	name string
	run  func(s *suite)
}

type chapter struct {
	name   string
	proofs []proof
}

func chapters() []chapter {
	return []chapter{
		{"agents", agentProofs()},
		{"round trip", roundTripProofs()},
		{"rollouts", rolloutProofs()},
		{"boots", bootProofs()},
		{"instructions", instructionProofs()},
		{"touch", touchProofs()},
		{"events", eventProofs()},
		{"incidents", incidentProofs()},
		{"answers", answerProofs()},
		{"due", dueProofs()},
		{"lists", listProofs()},
		{"prune", pruneProofs()},
		{"service clock", clockProofs()},
		{"concurrency", concurrencyProofs()},
		{"outbox", outboxProofs()},
	}
}

// agent is the agent that most tests are about.
const agent = "scout"

// suite is what a test works with: a store of its own and its clock.
type suite struct {
	t     *testing.T
	ctx   context.Context
	clock *Clock
	store engine.Store
	fresh func(t *testing.T, clock *Clock) engine.Store
	made  *filler
}

func newSuite(t *testing.T, open func(t *testing.T, clock *Clock) engine.Store) *suite {
	t.Helper()
	clock := NewClock()
	s := &suite{t: t, ctx: t.Context(), clock: clock, store: open(t, clock), fresh: open, made: &filler{base: clock.Now().Add(time.Hour)}}
	if _, err := s.store.SaveSettings(s.ctx, rollout.DefaultSettings()); err != nil {
		t.Fatalf("SaveSettings: %v", err)
	}
	return s
}

// must ends the test on an error.
func (s *suite) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatalf("unexpected error: %v", err)
	}
}

// same compares what was read with what was to be read.
func (s *suite) same(what string, want, got any) {
	s.t.Helper()
	if d := diff(want, got); d != "" {
		s.t.Errorf("%s: %s", what, d)
	}
}

// update changes an agent, which is made if it is not known.
func (s *suite) update(agentID string, fn func(tx engine.Tx) error) {
	s.t.Helper()
	s.must(s.store.Update(s.ctx, agentID, true, fn))
}

// view reads.
func (s *suite) view(fn func(tx engine.ReadTx) error) {
	s.t.Helper()
	s.must(s.store.View(s.ctx, fn))
}

// commit changes an agent's state: change is given a copy of the present one.
func (s *suite) commit(agentID string, change func(state *rollout.State, eff *rollout.Effects)) {
	s.t.Helper()
	s.update(agentID, func(tx engine.Tx) error { return commit(tx, agentID, change) })
}

func commit(tx engine.Tx, agentID string, change func(state *rollout.State, eff *rollout.Effects)) error {
	before, _, err := tx.Agent(agentID)
	if err != nil {
		return err
	}
	after, _, err := tx.Agent(agentID)
	if err != nil {
		return err
	}
	var eff rollout.Effects
	change(&after, &eff)
	return tx.Commit(before, after, eff)
}

// hear saves occurrences as a registration or a heartbeat would.
func (s *suite) hear(agentID string, heard ...discovery.Occurrence) {
	s.t.Helper()
	s.update(agentID, func(tx engine.Tx) error {
		_, fleet, err := tx.Agent(agentID)
		if err != nil {
			return err
		}
		return tx.SaveOccurrences(fleet, heard)
	})
}

// state and fleet read an agent.
func (s *suite) state(agentID string) rollout.State {
	s.t.Helper()
	state, _ := s.agent(agentID)
	return state
}

func (s *suite) fleet(agentID string) discovery.Fleet {
	s.t.Helper()
	_, fleet := s.agent(agentID)
	return fleet
}

func (s *suite) agent(agentID string) (state rollout.State, fleet discovery.Fleet) {
	s.t.Helper()
	s.view(func(tx engine.ReadTx) (err error) {
		state, fleet, err = tx.Agent(agentID)
		return err
	})
	return state, fleet
}

// occurrence reads one occurrence.
func (s *suite) occurrence(agentID, id string) discovery.Occurrence {
	s.t.Helper()
	o := s.fleet(agentID).Get(id)
	if o == nil {
		s.t.Fatalf("occurrence %s/%s is not there", agentID, id)
	}
	return *o
}

// at work is an occurrence that was heard just now: live, coordinated, working.
func (s *suite) working(id, boot string) discovery.Occurrence {
	now := s.now()
	return discovery.Occurrence{
		ID: id, Coordinated: true, RegisteredAt: now, Boot: boot, BootHeard: now, Sequence: 1,
		State: discovery.Work, StateSince: now, LastSign: now,
	}
}

// now is the service time.
func (s *suite) now() (now time.Time) {
	s.t.Helper()
	s.view(func(tx engine.ReadTx) error {
		now = tx.Now()
		return nil
	})
	return now
}
