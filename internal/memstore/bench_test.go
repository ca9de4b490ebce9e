package memstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/memstore"
	"github.com/cirisai/orchestrator/internal/rollout"
	"github.com/cirisai/orchestrator/internal/storetest"
)

const twenty = 20

// fleetOfTwenty is an agent with twenty occurrences that are being shut down.
func fleetOfTwenty(tb testing.TB) (*memstore.Store, *storetest.Clock) {
	tb.Helper()
	clock := storetest.NewClock()
	store := memstore.New(clock.Now)
	now := clock.Now()
	err := store.Update(tb.Context(), "scout", true, func(tx engine.Tx) error {
		before, fleet, err := tx.Agent("scout")
		if err != nil {
			return err
		}
		after, _, err := tx.Agent("scout")
		if err != nil {
			return err
		}
		var heard []discovery.Occurrence
		r := rollout.Rollout{
			ID: "ro_1", AgentID: "scout", Kind: rollout.Shutdown, Status: rollout.Rolling, CreatedAt: now, StartedAt: now,
			Groups: rollout.DefaultPlan(), Waves: []rollout.Wave{{Status: rollout.WaveRunning, StartedAt: now}},
		}
		for i := range twenty {
			id := fmt.Sprintf("o%02d", i)
			heard = append(heard, discovery.Occurrence{ID: id, Coordinated: true, Boot: "b1", State: discovery.Work, LastSign: now})
			r.Waves[0].Members = append(r.Waves[0].Members, rollout.Member{OccurrenceID: id, Status: rollout.MemberInstructed})
			after.Notes[id] = rollout.Note{Boot: "b1", Watched: true}
		}
		after.Rollouts = append(after.Rollouts, r)
		if err := tx.SaveOccurrences(fleet, heard); err != nil {
			return err
		}
		return tx.Commit(before, after, rollout.Effects{})
	})
	if err != nil {
		tb.Fatal(err)
	}
	return store, clock
}

// BenchmarkUpdate is a heartbeat with news, without the step: load, save one
// occurrence, commit the state with an event.
func BenchmarkUpdate(b *testing.B) {
	store, clock := fleetOfTwenty(b)
	ctx := b.Context()
	b.ReportAllocs()
	for n := int64(0); b.Loop(); n++ {
		clock.Advance(time.Millisecond)
		err := store.Update(ctx, "scout", false, func(tx engine.Tx) error {
			state, fleet, err := tx.Agent("scout")
			if err != nil {
				return err
			}
			o := *fleet.Get("o07")
			o.Sequence, o.LastSign = n, tx.Now()
			if err := tx.SaveOccurrences(fleet, []discovery.Occurrence{o}); err != nil {
				return err
			}
			return tx.Commit(state, state, rollout.Effects{Events: []rollout.Event{{Type: "test", At: tx.Now()}}})
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTouch is a heartbeat without news.
func BenchmarkTouch(b *testing.B) {
	store, clock := fleetOfTwenty(b)
	ctx := b.Context()
	b.ReportAllocs()
	for n := int64(1); b.Loop(); n++ {
		clock.Advance(time.Millisecond)
		touched, err := store.Touch(ctx, []engine.Touch{{AgentID: "scout", OccurrenceID: "o07", Boot: "b1", Sequence: n, State: discovery.Work, AliveOnly: true}})
		if err != nil || !touched[0].Taken {
			b.Fatal(touched, err)
		}
	}
}

// BenchmarkView loads an agent.
func BenchmarkView(b *testing.B) {
	store, _ := fleetOfTwenty(b)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		err := store.View(ctx, func(tx engine.ReadTx) error {
			_, _, err := tx.Agent("scout")
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
