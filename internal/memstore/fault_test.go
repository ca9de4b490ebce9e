package memstore_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/dispatch"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/memstore"
	"github.com/cirisai/orchestrator/internal/rollout"
	"github.com/cirisai/orchestrator/internal/storetest"
)

// calls are all methods that can meet a fault.
func calls(store *memstore.Store) map[string]func(ctx context.Context) error {
	return map[string]func(ctx context.Context) error{
		"Update": func(ctx context.Context) error {
			return store.Update(ctx, "scout", true, func(tx engine.Tx) error { return tx.SaveProfile(rollout.Profile{Expected: 7}) })
		},
		"View": func(ctx context.Context) error { return store.View(ctx, func(engine.ReadTx) error { return nil }) },
		"Touch": func(ctx context.Context) error {
			_, err := store.Touch(ctx, []engine.Touch{{AgentID: "scout"}})
			return err
		},
		"Due":  func(ctx context.Context) error { _, _, err := store.Due(ctx, 1); return err },
		"Beat": store.Beat,
		"SaveSettings": func(ctx context.Context) error {
			_, err := store.SaveSettings(ctx, rollout.Settings{LivenessTimeout: time.Second})
			return err
		},
		"HoldAll": func(ctx context.Context) error {
			_, err := store.HoldAll(ctx, engine.HoldAll{Active: true})
			return err
		},
		"Prune":  func(ctx context.Context) error { _, err := store.Prune(ctx, time.Hour, 1); return err },
		"Ping":   store.Ping,
		"Claim":  func(ctx context.Context) error { _, err := store.Claim(ctx, 1, time.Minute); return err },
		"Settle": func(ctx context.Context) error { return store.Settle(ctx, []dispatch.Settled{{}}) },
		"Next":   func(ctx context.Context) error { _, _, err := store.Next(ctx); return err },
	}
}

// TestFaults: every call asks for its fault by its name, once, and a fault is
// what a caller sees when a database cannot be used.
func TestFaults(t *testing.T) {
	for _, kind := range []memstore.FaultKind{memstore.NoFault, memstore.FaultBefore, memstore.FaultAfter, memstore.FaultSerialization} {
		store := open(storetest.NewClock())
		var asked []string
		store.Fault = func(op string) memstore.FaultKind {
			asked = append(asked, op)
			return kind
		}
		for name, call := range calls(store) {
			asked = nil
			err := call(t.Context())
			fails := kind == memstore.FaultBefore || kind == memstore.FaultAfter
			if fails != errors.Is(err, engine.ErrUnavailable) || !fails && err != nil {
				t.Errorf("%s with fault %d: %v", name, kind, err)
			}
			if len(asked) != 1 || asked[0] != name {
				t.Errorf("%s asked for the faults of %v", name, asked)
			}
		}
	}
}

// TestFaultBeforeAndAfter: an error says nothing about whether it happened.
func TestFaultBeforeAndAfter(t *testing.T) {
	for kind, happens := range map[memstore.FaultKind]bool{memstore.FaultBefore: false, memstore.FaultAfter: true} {
		store := open(storetest.NewClock())
		store.Fault = func(string) memstore.FaultKind { return kind }
		for name, call := range calls(store) {
			if err := call(t.Context()); err == nil {
				t.Errorf("%s: no error", name)
			}
		}
		store.Fault = nil
		err := store.View(t.Context(), func(tx engine.ReadTx) error {
			state, _, err := tx.Agent("scout")
			if (err == nil && state.Profile.Expected == 7) != happens {
				t.Errorf("fault %d: Update has happened: want %v, got %v and %v", kind, happens, state.Profile, err)
			}
			if hold, _ := tx.HoldAll(); hold.Active != happens {
				t.Errorf("fault %d: HoldAll has happened: want %v", kind, happens)
			}
			if set, _ := tx.Settings(); (set.LivenessTimeout == time.Second) != happens {
				t.Errorf("fault %d: SaveSettings has happened: want %v", kind, happens)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestFaultSerialization: the function is run twice, from the same beginning.
func TestFaultSerialization(t *testing.T) {
	store := open(storetest.NewClock())
	store.Fault = func(string) memstore.FaultKind { return memstore.FaultSerialization }
	runs := 0
	err := store.Update(t.Context(), "scout", true, func(tx engine.Tx) error {
		runs++
		state, _, err := tx.Agent("scout")
		if err != nil {
			return err
		}
		state.Profile.Expected++
		return tx.SaveProfile(state.Profile)
	})
	if err != nil || runs != 2 {
		t.Fatalf("%d runs, %v", runs, err)
	}
	_ = store.View(t.Context(), func(tx engine.ReadTx) error {
		if state, _, _ := tx.Agent("scout"); state.Profile.Expected != 1 {
			t.Errorf("counted %d, want 1", state.Profile.Expected)
		}
		return nil
	})
}
