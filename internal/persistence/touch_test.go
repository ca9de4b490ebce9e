package persistence_test

import (
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/persistence"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// wallClock is a wall clock that a test sets.
type wallClock struct{ at time.Time }

func (c *wallClock) now() time.Time { return c.at }

func newWallClock() *wallClock { return &wallClock{time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func touchOne(t *testing.T, s *persistence.Store, sequence int64) engine.Touched {
	t.Helper()
	touched, err := s.Touch(t.Context(), []engine.Touch{{AgentID: "scout", OccurrenceID: "o1", Boot: "b1", Sequence: sequence, State: discovery.Work}})
	must(t, err)
	return touched[0]
}

// tellOne makes an instruction for the occurrence.
func tellOne(t *testing.T, s *persistence.Store) {
	t.Helper()
	must(t, s.Update(t.Context(), "scout", false, func(tx engine.Tx) error {
		state, _, err := tx.Agent("scout")
		if err != nil {
			return err
		}
		return tx.Commit(state, state, rollout.Effects{Instruct: []rollout.Instruction{{
			ID: "i1", Type: rollout.Stop, OccurrenceID: "o1", Boot: "b1", RolloutID: "ro_1", IssuedAt: tx.Now(), Deadline: tx.Now().Add(time.Hour),
		}}})
	}))
}

// TestATouchAfterAnOutage: the first word after an outage opens the silence itself
// (rule 2.10). It is answered with the time that it is, and with what its boot has to
// carry out, though a transaction was later than the last beat before the outage; and
// no second silence follows.
func TestATouchAfterAnOutage(t *testing.T) {
	databases(t, func(t *testing.T, url string) {
		clock := newWallClock()
		before := open(t, url, clock.now)
		must(t, before.Beat(t.Context()))
		clock.at = clock.at.Add(1700 * time.Millisecond)
		save(t, before, func(*discovery.Occurrence) {})
		tellOne(t, before)
		clock.at = clock.at.Add(12 * time.Second)
		after := open(t, url, clock.now)
		for sequence := range int64(3) {
			got := touchOne(t, after, sequence+2)
			if !got.Taken || !got.Wall.Equal(clock.at) || len(got.Pending) != 1 {
				t.Errorf("heartbeat %d at %v: %+v", sequence+2, clock.at, got)
			}
			clock.at = clock.at.Add(time.Millisecond)
			must(t, after.Beat(t.Context()))
		}
		wantSilences(t, after, 1)
		was := occurrence(t, after).LastSign
		clock.at = clock.at.Add(20 * time.Second) // short enough for nobody to be stale
		if got := touchOne(t, after, 9); !got.Taken || !got.Wall.Equal(clock.at) {
			t.Errorf("after another outage, at %v: %+v", clock.at, got)
		}
		if d := occurrence(t, after).LastSign.Sub(was); d > time.Second {
			t.Errorf("%v of the silence count", d)
		}
		wantSilences(t, after, 2)
	})
}

func wantSilences(t *testing.T, s *persistence.Store, want int) {
	t.Helper()
	must(t, s.View(t.Context(), func(tx engine.ReadTx) error {
		if n := len(tx.Clock().Silences); n != want {
			t.Errorf("there were %d silences, want %d", n, want)
		}
		return nil
	}))
}

// TestATouchOnOldKnowledge: what a replica believes of the clock and the settings is
// checked by the statement that relies on it.
func TestATouchOnOldKnowledge(t *testing.T) {
	databases(t, func(t *testing.T, url string) {
		clock := newWallClock()
		s, other := open(t, url, clock.now), open(t, url, clock.now)
		must(t, s.Beat(t.Context()))
		save(t, s, func(*discovery.Occurrence) {})
		if !touchOne(t, s, 2).Taken {
			t.Fatal("not taken")
		}
		settings := rollout.DefaultSettings()
		settings.LivenessTimeout = 9 * time.Second
		_, err := other.SaveSettings(t.Context(), settings)
		must(t, err)
		for range 5 {
			clock.at = clock.at.Add(2 * time.Second)
			must(t, other.Beat(t.Context()))
		}
		if touchOne(t, s, 3).Taken {
			t.Error("one that is stale by the settings of another replica was touched")
		}
		save(t, other, func(o *discovery.Occurrence) { o.LastSign = o.LastSign.Add(10 * time.Second) })
		if !touchOne(t, s, 4).Taken {
			t.Error("not taken by the new settings")
		}
		clock.at = clock.at.Add(time.Minute)
		must(t, other.Beat(t.Context())) // another replica opens the silence
		if got := touchOne(t, s, 5); !got.Taken || !got.Wall.Equal(clock.at) {
			t.Errorf("after a silence of a minute, at %v: %+v", clock.at, got)
		}
	})
}
