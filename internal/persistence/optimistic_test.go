package persistence

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/audit"
	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/pgtest"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// lockless is a PostgreSQL database with two replicas, and the agent scout with two
// occurrences, which both remember.
type lockless struct {
	*testing.T
	at       time.Time
	one, two *Store
}

func newLockless(t *testing.T) *lockless {
	t.Helper()
	server := pgtest.Shared(t)
	if server == nil {
		return nil // on SQLite a round trip costs nothing
	}
	l := &lockless{T: t, at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	url := server.NewDatabase(t)
	for _, s := range []**Store{&l.one, &l.two} {
		opened, err := Open(t.Context(), url, Options{Clock: func() time.Time { return l.at }})
		l.must(err)
		t.Cleanup(func() { _ = opened.Close() })
		_, err = opened.Migrate(t.Context())
		l.must(err)
		*s = opened
	}
	l.must(l.one.Beat(t.Context()))
	l.must(l.one.Update(t.Context(), "scout", true, func(tx engine.Tx) error {
		_, fleet, err := tx.Agent("scout")
		if err != nil {
			return err
		}
		o1 := discovery.Occurrence{ID: "o1", Boot: "b1", State: discovery.Work, Sequence: 1, LastSign: tx.Now(), StateSince: tx.Now()}
		o2 := o1
		o2.ID = "o2"
		return tx.SaveOccurrences(fleet, []discovery.Occurrence{o1, o2})
	}))
	return l
}

func (l *lockless) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

// report says that the occurrences have changed their detail, and writes an event.
func report(tx engine.Tx, detail string, ids ...string) error {
	state, fleet, err := tx.Agent("scout")
	if err != nil {
		return err
	}
	var changed []discovery.Occurrence
	for _, id := range ids {
		o := *fleet.Get(id)
		o.Sequence++
		o.Detail, o.LastSign = detail, tx.Now()
		changed = append(changed, o)
	}
	if err := tx.SaveOccurrences(fleet, changed); err != nil {
		return err
	}
	return tx.Commit(state, state, rollout.Effects{Events: []rollout.Event{{Type: detail, At: tx.Now()}}})
}

// rolls begins a rollout.
func rolls(tx engine.Tx) error {
	before, _, err := tx.Agent("scout")
	if err != nil {
		return err
	}
	after := before
	after.Rollouts = []rollout.Rollout{{ID: "ro_1", AgentID: "scout", Kind: rollout.Shutdown, Status: rollout.Rolling, CreatedAt: tx.Now()}}
	return tx.Commit(before, after, rollout.Effects{})
}

// run runs an update and returns how it was run, each time.
func (l *lockless) run(s *Store, fn func(n int, tx engine.Tx) error) (locked []bool) {
	l.Helper()
	l.must(s.Update(l.Context(), "scout", false, func(x engine.Tx) error {
		own, ok := x.(*tx)
		if !ok {
			l.Fatalf("a %T", x)
		}
		locked = append(locked, own.glance == nil)
		return fn(len(locked), x)
	}))
	return locked
}

// shows checks what everybody sees: the details of o1 and o2, and the events,
// which form a chain (rule 9.1).
func (l *lockless) shows(o1, o2 string, events ...string) {
	l.Helper()
	for _, s := range []*Store{l.one, l.two} {
		l.must(s.View(l.Context(), func(tx engine.ReadTx) error {
			_, fleet, err := tx.Agent("scout")
			if err != nil {
				return err
			}
			if a, b := fleet.Get("o1").Detail, fleet.Get("o2").Detail; a != o1 || b != o2 {
				l.Errorf("o1 says %q, o2 %q; want %q and %q", a, b, o1, o2)
			}
			kept, err := tx.Events(engine.EventFilter{AgentID: "scout", Limit: 100})
			if err != nil {
				return err
			}
			if len(kept) != len(events) {
				l.Fatalf("events %+v, want %v", kept, events)
			}
			var head audit.Head
			for i, e := range kept {
				if e.Type != events[i] || e.Seq != head.Seq+1 || e.PrevHash != head.Hash && i > 0 {
					l.Errorf("event %d is %+v, want %s after %+v", i, e, events[i], head)
				}
				head = audit.Head{Seq: e.Seq, Hash: e.Hash}
			}
			return nil
		}))
	}
}

func (l *lockless) want(what string, got []bool, want ...bool) {
	l.Helper()
	if len(got) != len(want) {
		l.Fatalf("%s: %d runs, want %d", what, len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			l.Errorf("%s: run %d locked: %v", what, i+1, got[i])
		}
	}
}

// TestUpdateWithoutALock: what an agent with nothing under way reports is read and
// written in a statement each.
func TestUpdateWithoutALock(t *testing.T) {
	l := newLockless(t)
	if l == nil {
		return
	}
	l.want("one", l.run(l.one, func(_ int, tx engine.Tx) error { return report(tx, "a", "o1") }), false)
	l.want("both", l.run(l.one, func(_ int, tx engine.Tx) error { return report(tx, "b", "o1", "o2") }), false)
	l.want("nobody", l.run(l.one, func(_ int, tx engine.Tx) error { return report(tx, "c") }), false)
	l.want("nothing", l.run(l.one, func(int, engine.Tx) error { return nil }), false)
	l.shows("b", "b", "a", "b", "c")
	l.want("another replica, which has read it", l.run(l.two, func(_ int, tx engine.Tx) error { return report(tx, "d", "o2") }), false)
	l.want("one that remembers it as it was", l.run(l.one, func(_ int, tx engine.Tx) error { return report(tx, "e", "o1") }), false, true)
	l.shows("e", "d", "a", "b", "c", "d", "e")
}

// TestUpdateWithoutALockThatNeedsOne: whatever is not written in one statement is
// made with a lock.
func TestUpdateWithoutALockThatNeedsOne(t *testing.T) {
	for name, fn := range map[string]func(tx engine.Tx) error{
		"a new occurrence": func(tx engine.Tx) error {
			_, fleet, err := tx.Agent("scout")
			if err != nil {
				return err
			}
			return tx.SaveOccurrences(fleet, []discovery.Occurrence{{ID: "o3", Boot: "b1", State: discovery.Work}})
		},
		"another pin": func(tx engine.Tx) error {
			_, fleet, err := tx.Agent("scout")
			if err != nil {
				return err
			}
			o := *fleet.Get("o1")
			o.Pin = "explorer"
			return tx.SaveOccurrences(fleet, []discovery.Occurrence{o})
		},
		"a profile": func(tx engine.Tx) error { return tx.SaveProfile(rollout.Profile{Expected: 3}) },
		"a kept answer": func(tx engine.Tx) error {
			return tx.Keep("key", engine.KeptAnswer{BodyHash: "hash", Status: 200, Body: []byte("{}")})
		},
		"a read after a report": func(tx engine.Tx) error {
			if err := report(tx, "", "o1"); err != nil {
				return err
			}
			o, err := tx.Occurrence("scout", "o1")
			if err == nil && o.Sequence != 2 {
				err = errors.New("the report is not seen")
			}
			return err
		},
		"two reports": func(tx engine.Tx) error {
			if err := report(tx, "", "o1"); err != nil {
				return err
			}
			return report(tx, "", "o1")
		},
		"reads that may not belong together": func(tx engine.Tx) error {
			_, err := tx.FormerBoot("scout", "o1", "b0")
			return err
		},
		"a rollout": rolls,
	} {
		t.Run(name, func(t *testing.T) {
			l := newLockless(t)
			if l == nil {
				return
			}
			l.want("first", l.run(l.one, func(_ int, tx engine.Tx) error { return fn(tx) }), false, true)
		})
	}
}

// TestUpdateWithoutALockIsNotTried: there is no use where something is under way, or
// a silence has to be opened first.
func TestUpdateWithoutALockIsNotTried(t *testing.T) {
	t.Run("what is under way", func(t *testing.T) {
		l := newLockless(t)
		if l == nil {
			return
		}
		l.run(l.one, func(_ int, tx engine.Tx) error { return rolls(tx) })
		l.want("while it is", l.run(l.one, func(_ int, tx engine.Tx) error { return report(tx, "a", "o1") }), true)
	})
	t.Run("after an outage", func(t *testing.T) {
		l := newLockless(t)
		if l == nil {
			return
		}
		l.at = l.at.Add(time.Hour) // rule 2.10: a silence has to be opened first
		l.want("the first", l.run(l.one, func(_ int, tx engine.Tx) error { return report(tx, "a", "o1") }), true)
		l.want("the second", l.run(l.one, func(_ int, tx engine.Tx) error { return report(tx, "b", "o1") }), false)
		l.shows("b", "", "a", "b")
	})
}

// TestUpdateWithoutALockIsOvertaken: whoever is overtaken has written nothing, and
// is run again on what is there now (S2, S7).
func TestUpdateWithoutALockIsOvertaken(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(l *lockless) error
		o2        string
		sequence  int64 // of o1
		events    []string
	}{
		"by another update": {func(l *lockless) error {
			return l.two.Update(l.Context(), "scout", false, func(tx engine.Tx) error { return report(tx, "other", "o2") })
		}, "other", 2, []string{"other", "mine"}},
		"by another update of the same occurrence": {func(l *lockless) error {
			return l.two.Update(l.Context(), "scout", false, func(tx engine.Tx) error { return report(tx, "other", "o1") })
		}, "", 3, []string{"other", "mine"}},
		"by other settings, which have every timer looked at anew": {func(l *lockless) error {
			for _, timeout := range []time.Duration{20 * time.Second, 40 * time.Second} {
				settings := rollout.DefaultSettings()
				settings.LivenessTimeout = timeout
				if _, err := l.two.SaveSettings(l.Context(), settings); err != nil {
					return err
				}
			}
			return nil
		}, "", 2, []string{"mine"}},
		"by a heartbeat taken in passing": {func(l *lockless) error {
			touched, err := l.two.Touch(l.Context(), []engine.Touch{{AgentID: "scout", OccurrenceID: "o1", Boot: "b1", Sequence: 9, State: discovery.Work}})
			if err == nil && !touched[0].Taken {
				err = errors.New("not taken")
			}
			return err
		}, "", 10, []string{"mine"}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLockless(t)
			if l == nil {
				return
			}
			l.run(l.one, func(_ int, tx engine.Tx) error {
				state, _, err := tx.Agent("scout")
				if err != nil {
					return err
				}
				state.WakeAt = tx.Now().Add(time.Hour)
				return tx.Commit(state, state, rollout.Effects{})
			})
			l.want(name, l.run(l.one, func(n int, tx engine.Tx) error {
				if _, _, err := tx.Agent("scout"); err != nil {
					return err
				}
				if n == 1 {
					l.must(c.meanwhile(l))
				}
				return report(tx, "mine", "o1")
			}), false, true)
			l.shows("mine", c.o2, c.events...)
			l.must(l.one.View(t.Context(), func(tx engine.ReadTx) error {
				o, err := tx.Occurrence("scout", "o1")
				if o.Sequence != c.sequence {
					t.Errorf("sequence %d, want %d", o.Sequence, c.sequence)
				}
				return err
			}))
		})
	}
}

// TestUpdateWithoutALockThatFails: the function's error is the caller's, and
// nothing has changed. Where what it has read may be of two moments, it is asked
// again.
func TestUpdateWithoutALockThatFails(t *testing.T) {
	l := newLockless(t)
	if l == nil {
		return
	}
	fault := errors.New("fault")
	for reads, want := range []int{1, 2} {
		runs := 0
		err := l.one.Update(t.Context(), "scout", false, func(tx engine.Tx) error {
			runs++
			if reads == 1 {
				if _, err := tx.FormerBoot("scout", "o1", "b0"); err != nil {
					return err
				}
			}
			if err := report(tx, "never", "o1"); err != nil {
				return err
			}
			return fault
		})
		if !errors.Is(err, fault) || runs != want {
			t.Errorf("%v after %d runs, want the fault after %d", err, runs, want)
		}
	}
	l.shows("", "")
	ended, end := context.WithCancel(t.Context())
	end()
	if err := l.one.Update(ended, "scout", false, func(tx engine.Tx) error { return report(tx, "never", "o1") }); !errors.Is(err, context.Canceled) {
		t.Errorf("want context.Canceled, got %v", err)
	}
	if err := l.one.Update(t.Context(), "nobody", false, func(engine.Tx) error { return nil }); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("want ErrNotFound, got %v", err)
	}
}
