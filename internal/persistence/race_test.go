package persistence_test

import (
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/persistence"
	"github.com/cirisai/orchestrator/internal/pgtest"
	"github.com/cirisai/orchestrator/internal/rollout"
	"github.com/cirisai/orchestrator/internal/storetest"
)

// save writes one occurrence as it was heard.
func save(t *testing.T, s *persistence.Store, change func(o *discovery.Occurrence)) {
	t.Helper()
	if err := s.Update(t.Context(), "scout", true, func(tx engine.Tx) error { return saveIn(tx, change) }); err != nil {
		t.Fatal(err)
	}
}

func saveIn(tx engine.Tx, change func(o *discovery.Occurrence)) error {
	_, fleet, err := tx.Agent("scout")
	if err != nil {
		return err
	}
	o := discovery.Occurrence{ID: "o1", Boot: "b1", State: discovery.Work, Sequence: 1, LastSign: tx.Now(), StateSince: tx.Now()}
	if was := fleet.Get("o1"); was != nil {
		o = *was
	}
	change(&o)
	return tx.SaveOccurrences(fleet, []discovery.Occurrence{o})
}

func occurrence(t *testing.T, s *persistence.Store) (o discovery.Occurrence) {
	t.Helper()
	if err := s.View(t.Context(), func(tx engine.ReadTx) (err error) {
		o, err = tx.Occurrence("scout", "o1")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return o
}

// Rule 2.4, S12: heartbeat 7, which reports another state, is held up at one
// replica after it has read that 6 was the last; meanwhile another replica takes
// 8 in passing. Then 7 is old: its transaction is run again and sees that.
func TestAnOldHeartbeatThatWasHeldUpChangesNothing(t *testing.T) {
	if pgtest.Shared(t) == nil {
		return // on SQLite the transaction keeps all others out
	}
	url, clock := migratedPostgres(t), storetest.NewClock()
	one, two := open(t, url, clock.Now), open(t, url, clock.Now)
	save(t, one, func(o *discovery.Occurrence) { o.Sequence = 6 })

	runs, taken := 0, false
	err := one.Update(t.Context(), "scout", false, func(tx engine.Tx) error {
		runs++
		_, fleet, err := tx.Agent("scout")
		if err != nil {
			return err
		}
		if runs == 1 {
			beat := engine.Touch{AgentID: "scout", OccurrenceID: "o1", Boot: "b1", Sequence: 8, State: discovery.Work}
			touched, err := two.Touch(t.Context(), []engine.Touch{beat})
			if err != nil || !touched[0].Taken {
				t.Errorf("heartbeat 8: %+v, %v", touched, err)
			}
		}
		next, outcome, refusal := discovery.Accept(fleet.Get("o1"), "o1", discovery.Heartbeat{Boot: "b1", Sequence: 7, State: discovery.Play}, false,
			fleet.Timing, tx.Now())
		if refusal != nil {
			return refusal
		}
		if taken = outcome.Accepted; !taken {
			return nil
		}
		return tx.SaveOccurrences(fleet, []discovery.Occurrence{next})
	})
	if err != nil {
		t.Fatal(err)
	}
	if o := occurrence(t, one); runs != 2 || taken || o.Sequence != 8 || o.State != discovery.Work {
		t.Errorf("%d runs, taken: %v, sequence %d, state %s", runs, taken, o.Sequence, o.State)
	}
}

// A touch never waits for a transaction that has changed the same occurrence: it
// leaves the heartbeat to the door. So there is nothing to be deadlocked about,
// and one agent's long transaction does not hold up the heartbeats of others.
func TestATouchDoesNotWait(t *testing.T) {
	if pgtest.Shared(t) == nil {
		return // SQLite has one writer
	}
	s := open(t, migratedPostgres(t), nil)
	save(t, s, func(*discovery.Occurrence) {})
	err := s.Update(t.Context(), "scout", false, func(tx engine.Tx) error {
		if err := saveIn(tx, func(o *discovery.Occurrence) { o.Detail, o.Pin = "changed", "explorer" }); err != nil {
			return err
		}
		touched, err := s.Touch(t.Context(), []engine.Touch{{AgentID: "scout", OccurrenceID: "o1", Boot: "b1", Sequence: 2, State: discovery.Work}})
		if err == nil && touched[0].Taken {
			t.Error("a heartbeat was taken of what is about to change")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// S2, S7: a replica that slept while it held what it had read decides nothing. It
// reads under the lock, so it sees the abort that came first.
func TestAZombieSeesTheAbort(t *testing.T) {
	databases(t, func(t *testing.T, url string) {
		zombie, operator := open(t, url, nil), open(t, url, nil)
		set := func(s *persistence.Store, from, to rollout.Status) error {
			return s.Update(t.Context(), "scout", true, func(tx engine.Tx) error {
				before, _, err := tx.Agent("scout")
				if err != nil {
					return err
				}
				after := before
				r := rollout.Rollout{ID: "ro_1", AgentID: "scout", Kind: rollout.Shutdown, CreatedAt: tx.Now()}
				if from != "" {
					if r, err = tx.Rollout("ro_1"); err != nil {
						return err
					}
				}
				if r.Status != from {
					return errStale
				}
				r.Status = to
				after.Rollouts = []rollout.Rollout{r}
				return tx.Commit(before, after, rollout.Effects{})
			})
		}
		if err := set(operator, "", rollout.Deciding); err != nil {
			t.Fatal(err)
		}
		// What the zombie read before it fell asleep says that all is open.
		if err := zombie.View(t.Context(), func(tx engine.ReadTx) error {
			r, err := tx.Rollout("ro_1")
			if r.Status != rollout.Deciding {
				t.Errorf("the zombie reads %s", r.Status)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if err := set(operator, rollout.Deciding, rollout.Aborted); err != nil {
			t.Fatal(err)
		}
		if err := set(zombie, rollout.Deciding, rollout.Rolling); !errors.Is(err, errStale) {
			t.Errorf("the zombie was let through: %v", err)
		}
	})
}

var errStale = errors.New("not as it was")

// Rule 4.1: the database itself refuses a second unfinished rollout of a kind.
func TestTwoUnfinishedRolloutsOfAKindAreRefused(t *testing.T) {
	databases(t, func(t *testing.T, url string) {
		s := open(t, url, nil)
		make := func(id string) error {
			return s.Update(t.Context(), "scout", true, func(tx engine.Tx) error {
				before, _, err := tx.Agent("scout")
				if err != nil {
					return err
				}
				after := before
				after.Rollouts = append(before.Rollouts[:len(before.Rollouts):len(before.Rollouts)],
					rollout.Rollout{ID: id, AgentID: "scout", Kind: rollout.Wakeup, Status: rollout.Deciding, CreatedAt: tx.Now()})
				return tx.Commit(before, after, rollout.Effects{})
			})
		}
		if err := make("ro_1"); err != nil {
			t.Fatal(err)
		}
		if err := make("ro_2"); err == nil {
			t.Error("a second one was taken")
		}
	})
}

// Rule 2.10: one replica that starts while another serves opens no silence, and
// both show the same time.
func TestReplicasShareOneClock(t *testing.T) {
	databases(t, func(t *testing.T, url string) {
		clock := storetest.NewClock()
		one, two := open(t, url, clock.Now), open(t, url, clock.Now)
		now := func(s *persistence.Store) (at time.Time, offset time.Duration) {
			t.Helper()
			if err := s.View(t.Context(), func(tx engine.ReadTx) error {
				at, offset = tx.Now(), tx.Clock().Offset()
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			return at, offset
		}
		beat := func(s *persistence.Store) {
			t.Helper()
			if err := s.Beat(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		beat(one)
		for range 3 {
			clock.Advance(5 * time.Second)
			beat(one)
		}
		beat(two)
		if _, offset := now(two); offset != 0 {
			t.Errorf("a starting replica has opened a silence of %v", offset)
		}
		clock.Advance(time.Hour) // both are away
		beat(two)
		t1, o1 := now(one)
		t2, o2 := now(two)
		if !t1.Equal(t2) || o1 != o2 || o1 < 59*time.Minute {
			t.Errorf("the replicas show %v (%v) and %v (%v)", t1, o1, t2, o2)
		}
	})
}

// Without a clock of its own a store goes by the database's, or the process's.
func TestTheDatabasesClock(t *testing.T) {
	databases(t, func(t *testing.T, url string) {
		s := open(t, url, nil)
		before := time.Now().Add(-time.Minute)
		if err := s.View(t.Context(), func(tx engine.ReadTx) error {
			if now := tx.Now(); now.Before(before) || now.After(time.Now().Add(time.Minute)) || now.Location() != time.UTC {
				t.Errorf("it is %v", now)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	})
}

// Heartbeats that bring no news move no index on PostgreSQL (HOT updates).
func TestHeartbeatsMoveNoIndex(t *testing.T) {
	if pgtest.Shared(t) == nil {
		return
	}
	url := emptyPostgres(t)
	s, err := persistence.Open(t.Context(), url, persistence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	save(t, s, func(*discovery.Occurrence) {})
	const beats = 50
	for n := range beats {
		beat := engine.Touch{AgentID: "scout", OccurrenceID: "o1", Boot: "b1", Sequence: int64(n + 2), State: discovery.Work}
		if touched, err := s.Touch(t.Context(), []engine.Touch{beat}); err != nil || !touched[0].Taken {
			t.Fatalf("heartbeat %d: %v, %v", n, touched, err)
		}
	}
	if err := s.Close(); err != nil { // its sessions tell the statistics as they end
		t.Fatal(err)
	}
	db, err := sql.Open("postgres", url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var updated, hot int
	for updated < beats { // until the sessions have ended; the test's time limit ends this, too
		if err := db.QueryRow(`SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'occurrences'`).Scan(&updated, &hot); err != nil {
			t.Fatal(err)
		}
	}
	if hot != updated {
		t.Errorf("%d of %d updates were HOT", hot, updated)
	}
}
