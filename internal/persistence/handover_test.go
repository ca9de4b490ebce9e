package persistence_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/dispatch"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/persistence"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// lease is what openHandingOver leases for.
const lease = time.Minute

// reachable makes an occurrence, or gives it another boot or address.
func reachable(t *testing.T, s *persistence.Store, id, boot, url string) {
	t.Helper()
	must(t, s.Update(t.Context(), "scout", true, func(tx engine.Tx) error {
		_, fleet, err := tx.Agent("scout")
		if err != nil {
			return err
		}
		o := discovery.Occurrence{
			ID: id, Boot: boot, State: discovery.Work, Sequence: 1, LastSign: tx.Now(), StateSince: tx.Now(),
			CallbackURL: url, CallbackSecret: "whsec_" + id,
		}
		return tx.SaveOccurrences(fleet, []discovery.Occurrence{o})
	}))
}

const here, there = "https://example.org/here", "https://example.org/there"

// told commits effects; stops are made complete.
func told(t *testing.T, s *persistence.Store, all ...rollout.Effects) {
	t.Helper()
	must(t, s.Update(t.Context(), "scout", false, func(tx engine.Tx) error { return tellIn(tx, all...) }))
}

func tellIn(tx engine.Tx, all ...rollout.Effects) error {
	state, _, err := tx.Agent("scout")
	if err != nil {
		return err
	}
	for _, eff := range all {
		eff.Instruct = slices.Clone(eff.Instruct)
		for i := range eff.Instruct {
			in := &eff.Instruct[i]
			in.IssuedAt, in.Deadline = tx.Now(), tx.Now().Add(time.Hour)
		}
		if err := tx.Commit(state, state, eff); err != nil {
			return err
		}
	}
	return nil
}

func stops(ids ...string) rollout.Effects {
	var eff rollout.Effects
	for _, id := range ids {
		eff.Instruct = append(eff.Instruct, rollout.Instruction{ID: id, Type: rollout.Stop, OccurrenceID: "o1", Boot: "b1", RolloutID: "ro_1", Wave: 1})
	}
	return eff
}

// claims checks what is claimed.
func claims(t *testing.T, s *persistence.Store, want ...string) []dispatch.Delivery {
	t.Helper()
	claimed, err := s.Claim(t.Context(), 10, lease)
	must(t, err)
	ids := make([]string, 0, len(claimed))
	for _, d := range claimed {
		ids = append(ids, d.ID)
	}
	if !slices.Equal(ids, want) {
		t.Errorf("claimed %v, want %v", ids, want)
	}
	return claimed
}

func settle(t *testing.T, s *persistence.Store, d dispatch.Delivery, kind dispatch.Kind) {
	t.Helper()
	must(t, s.Settle(t.Context(), []dispatch.Settled{{Delivery: d, Outcome: dispatch.Outcome{Kind: kind, Status: 204, RetryIn: time.Second}}}))
}

// replicas runs a test with two replicas of which the first hands over what it
// commits; o1 is there and can be reached.
func replicas(t *testing.T, test func(t *testing.T, clock *wallClock, one, two *persistence.Store)) {
	t.Helper()
	databases(t, func(t *testing.T, url string) {
		clock := newWallClock()
		one, two := openHandingOver(t, url, clock.now), open(t, url, clock.now)
		reachable(t, one, "o1", "b1", here)
		test(t, clock, one, two)
	})
}

// TestHandOver: what a replica commits it alone sends, and once it is delivered
// nobody else does (rule 7.6).
func TestHandOver(t *testing.T) {
	replicas(t, func(t *testing.T, clock *wallClock, one, two *persistence.Store) {
		told(t, one, stops("i1"))
		claims(t, two)
		if wait, found, err := one.Next(t.Context()); err != nil || !found || wait != 0 {
			t.Errorf("next in %v, %v, %v", wait, found, err)
		}
		settle(t, one, claims(t, one, "i1")[0], dispatch.Delivered)
		claims(t, one)
		clock.at = clock.at.Add(lease)
		claims(t, two)
		if _, found, err := two.Next(t.Context()); err != nil || found {
			t.Errorf("something is due: %v, %v", found, err)
		}
		failures, err := two.Failures(t.Context(), 10)
		must(t, err)
		clock.at = clock.at.Add(time.Hour)
		late, err := two.Failures(t.Context(), 10)
		must(t, err)
		if len(failures)+len(late) > 0 {
			t.Errorf("failures of what was delivered: %v, %v", failures, late)
		}
	})
}

// TestHandOverOfTheDead: what a replica has committed and not sent when it dies is
// sent when the lease ends (promise 4), and what it says afterwards counts for
// nothing (promise 6).
func TestHandOverOfTheDead(t *testing.T) {
	replicas(t, func(t *testing.T, clock *wallClock, one, two *persistence.Store) {
		told(t, one, stops("i1"))
		old := claims(t, one, "i1")[0]
		clock.at = clock.at.Add(lease - time.Microsecond)
		claims(t, two)
		clock.at = clock.at.Add(time.Microsecond)
		again := claims(t, two, "i1")[0]
		if again.Fence <= old.Fence || again.Attempt != 1 {
			t.Errorf("fence %d after %d, attempt %d", again.Fence, old.Fence, again.Attempt)
		}
		settle(t, one, old, dispatch.Delivered)
		clock.at = clock.at.Add(lease)
		claims(t, two, "i1")
	})
}

// TestHandOverThatIsNotTaken: what nobody claims in time is given back, and so is
// what is left in the end: another replica sends it at once.
func TestHandOverThatIsNotTaken(t *testing.T) {
	replicas(t, func(t *testing.T, clock *wallClock, one, two *persistence.Store) {
		told(t, one, stops("i1"))
		told(t, two, rollout.Effects{Withdraw: []rollout.Withdrawal{{InstructionID: "i1"}}})
		told(t, one, stops("i2"))
		clock.at = clock.at.Add(2 * time.Second)
		claims(t, one, "i2") // by way of the database, which knows that i1 was withdrawn
		told(t, one, stops("i3"))
		must(t, one.Release(t.Context()))
		claims(t, two, "i3")
	})
}

// TestHandOverThatComesTooLate: what another replica has claimed since is not taken
// away from it.
func TestHandOverThatComesTooLate(t *testing.T) {
	replicas(t, func(t *testing.T, clock *wallClock, one, two *persistence.Store) {
		told(t, one, stops("i1"))
		clock.at = clock.at.Add(lease)
		claims(t, two, "i1")
		claims(t, one)
		claims(t, two)
	})
}

// TestHandOverThatIsForbidden: what is acknowledged, withdrawn or paused after it
// was committed, or is for a boot that was replaced, is not sent (rules 7.2, 7.4,
// 4.19).
func TestHandOverThatIsForbidden(t *testing.T) {
	withdrawal := func(x rollout.Withdrawal) rollout.Effects { return rollout.Effects{Withdraw: []rollout.Withdrawal{x}} }
	for name, then := range map[string]func(t *testing.T, s *persistence.Store){
		"acknowledged": func(t *testing.T, s *persistence.Store) {
			t.Helper()
			told(t, s, rollout.Effects{Acknowledge: []string{"i1"}})
		},
		"withdrawn": func(t *testing.T, s *persistence.Store) {
			t.Helper()
			told(t, s, withdrawal(rollout.Withdrawal{InstructionID: "i1"}))
		},
		"its rollout withdrawn": func(t *testing.T, s *persistence.Store) {
			t.Helper()
			told(t, s, withdrawal(rollout.Withdrawal{RolloutID: "ro_1"}))
		},
		"its occurrence replaced": func(t *testing.T, s *persistence.Store) {
			t.Helper()
			reachable(t, s, "o1", "b2", here)
		},
		"paused": func(t *testing.T, s *persistence.Store) {
			t.Helper()
			told(t, s, rollout.Effects{Suspend: []string{"ro_1"}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			replicas(t, func(t *testing.T, clock *wallClock, one, two *persistence.Store) {
				told(t, one, stops("i1"))
				then(t, one)
				claims(t, one)
				clock.at = clock.at.Add(2 * lease)
				claims(t, one)
				claims(t, two)
			})
		})
	}
}

// TestHandOverThatIsNotForbidden: what is resumed is sent at once, what has a new
// address there, unless it was delivered (rules 4.20 and 7.6); and what is said of
// others says nothing of it.
func TestHandOverThatIsNotForbidden(t *testing.T) {
	t.Run("resumed", func(t *testing.T) {
		replicas(t, func(t *testing.T, _ *wallClock, one, _ *persistence.Store) {
			told(t, one, stops("i1"))
			told(t, one, rollout.Effects{Suspend: []string{"ro_1"}})
			told(t, one, rollout.Effects{Resume: []rollout.Extension{{RolloutID: "ro_1"}}})
			claims(t, one, "i1")
		})
	})
	t.Run("of another occurrence, or of another rollout", func(t *testing.T) {
		replicas(t, func(t *testing.T, _ *wallClock, one, _ *persistence.Store) {
			told(t, one, stops("i1"))
			reachable(t, one, "o2", "b1", here)
			reachable(t, one, "o2", "b2", there)
			told(t, one, rollout.Effects{Withdraw: []rollout.Withdrawal{{RolloutID: "ro_2"}}}, rollout.Effects{Suspend: []string{"ro_2"}, Acknowledge: []string{"i2"}})
			claims(t, one, "i1")
		})
	})
	t.Run("of another agent", func(t *testing.T) {
		replicas(t, func(t *testing.T, _ *wallClock, one, _ *persistence.Store) {
			told(t, one, stops("i1"))
			must(t, one.Update(t.Context(), "other", true, func(tx engine.Tx) error {
				return tx.SaveOccurrences(discovery.Fleet{}, []discovery.Occurrence{{ID: "o1", Boot: "b1", State: discovery.Work}})
			}))
			must(t, one.Update(t.Context(), "other", false, func(tx engine.Tx) error {
				state, fleet, err := tx.Agent("other")
				if err != nil {
					return err
				}
				o := *fleet.Get("o1")
				o.Boot = "b2"
				if err := tx.SaveOccurrences(fleet, []discovery.Occurrence{o}); err != nil {
					return err
				}
				return tx.Commit(state, state, rollout.Effects{Withdraw: []rollout.Withdrawal{{OccurrenceID: "o1"}}})
			}))
			claims(t, one, "i1")
		})
	})
	t.Run("a new address", func(t *testing.T) {
		replicas(t, func(t *testing.T, _ *wallClock, one, _ *persistence.Store) {
			told(t, one, stops("i1"))
			reachable(t, one, "o1", "b1", there)
			if d := claims(t, one, "i1")[0]; d.URL != there {
				t.Errorf("sent to %s", d.URL)
			}
		})
	})
	t.Run("a new address of what was delivered", func(t *testing.T) {
		replicas(t, func(t *testing.T, clock *wallClock, one, _ *persistence.Store) {
			told(t, one, stops("i1"))
			settle(t, one, claims(t, one, "i1")[0], dispatch.Delivered)
			reachable(t, one, "o1", "b1", there)
			claims(t, one)
			clock.at = clock.at.Add(lease)
			claims(t, one)
		})
	})
}

// TestHandOverOfOneTransaction: what a transaction makes and takes back is not
// sent, and nothing is of one that comes to nothing.
func TestHandOverOfOneTransaction(t *testing.T) {
	replicas(t, func(t *testing.T, _ *wallClock, one, two *persistence.Store) {
		acknowledged := stops("i4")
		acknowledged.Acknowledge = []string{"i4"}
		paused := rollout.Effects{Suspend: []string{"ro_2"}, Instruct: []rollout.Instruction{
			{ID: "i5", Type: rollout.Stop, OccurrenceID: "o1", Boot: "b1", RolloutID: "ro_2", Wave: 1},
		}}
		told(t, one, stops("i1", "i2", "i3"), rollout.Effects{Withdraw: []rollout.Withdrawal{{InstructionID: "i2"}}}, acknowledged, paused)
		claims(t, one, "i1", "i3")

		fault := errors.New("fault")
		err := one.Update(t.Context(), "scout", false, func(tx engine.Tx) error {
			if err := tellIn(tx, stops("i6")); err != nil {
				return err
			}
			return fault
		})
		if !errors.Is(err, fault) {
			t.Errorf("want the fault, got %v", err)
		}
		claims(t, one)
		claims(t, two)
	})
}

// TestHandOverOfWhomToTell: the address may have become known in the same
// transaction; who has none, or is another boot, is not told by callback.
func TestHandOverOfWhomToTell(t *testing.T) {
	replicas(t, func(t *testing.T, _ *wallClock, one, _ *persistence.Store) {
		reachable(t, one, "o2", "b1", "")
		reachable(t, one, "o3", "b2", here)
		must(t, one.Update(t.Context(), "scout", false, func(tx engine.Tx) error {
			_, fleet, err := tx.Agent("scout")
			if err != nil {
				return err
			}
			o := discovery.Occurrence{ID: "o4", Boot: "b1", State: discovery.Work, Sequence: 1, LastSign: tx.Now(), CallbackURL: there, CallbackSecret: "whsec_o4"}
			if err := tx.SaveOccurrences(fleet, []discovery.Occurrence{o}); err != nil {
				return err
			}
			var eff rollout.Effects
			for _, id := range []string{"o1", "o2", "o3", "o4", "o5"} {
				eff.Instruct = append(eff.Instruct, rollout.Instruction{ID: "for_" + id, Type: rollout.Stop, OccurrenceID: id, Boot: "b1", RolloutID: "ro_1"})
			}
			eff.Instruct[3].Force = true
			return tellIn(tx, eff)
		}))
		claimed := claims(t, one, "for_o4", "for_o1") // what is urgent goes first (rule 8.1)
		if d := claimed[0]; d.URL != there || d.Secret != "whsec_o4" || !d.Urgent {
			t.Errorf("delivery %+v", d)
		}
	})
}

// TestHandOverHasABound: of very many, those that would wait long are for whoever
// has time.
func TestHandOverHasABound(t *testing.T) {
	replicas(t, func(t *testing.T, _ *wallClock, one, two *persistence.Store) {
		const bound, more = 2048, 3
		ids := make([]string, bound+more)
		for i := range ids {
			ids[i] = fmt.Sprintf("i%05d", i)
		}
		told(t, one, stops(ids...))
		claims(t, two, ids[bound:]...)
		got := 0
		for {
			claimed, err := one.Claim(t.Context(), 1000, lease)
			must(t, err)
			if len(claimed) == 0 {
				break
			}
			got += len(claimed)
		}
		if got != bound {
			t.Errorf("%d were handed over, want %d", got, bound)
		}
	})
}

// TestHandOverThatCannotBeGivenBack: it is kept, and claiming says that it failed.
func TestHandOverThatCannotBeGivenBack(t *testing.T) {
	replicas(t, func(t *testing.T, clock *wallClock, one, _ *persistence.Store) {
		told(t, one, stops("i1"))
		clock.at = clock.at.Add(2 * time.Second)
		told(t, one, stops("i2"))
		ended, end := context.WithCancel(t.Context())
		end()
		if claimed, err := one.Claim(ended, 10, lease); !errors.Is(err, context.Canceled) {
			t.Errorf("claimed %v, %v", claimed, err)
		}
		claims(t, one, "i2")
		claims(t, one, "i1")
	})
}
