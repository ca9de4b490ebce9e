package memstore_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cirisai/orchestrator/internal/audit"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/memstore"
	"github.com/cirisai/orchestrator/internal/rollout"
	"github.com/cirisai/orchestrator/internal/storetest"
)

// say commits one event.
func say(t *testing.T, store *memstore.Store, agent, what string) {
	t.Helper()
	err := store.Update(t.Context(), agent, true, func(tx engine.Tx) error {
		state, _, err := tx.Agent(agent)
		if err != nil {
			return err
		}
		return tx.Commit(state, state, rollout.Effects{Events: []rollout.Event{{Type: what, At: tx.Now()}}})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestAgentsDoNotWaitForEachOther: a transaction on one agent runs to its end
// while one on another agent is open.
func TestAgentsDoNotWaitForEachOther(t *testing.T) {
	store := open(storetest.NewClock())
	inside, outside := make(chan struct{}), make(chan error)
	go func() {
		outside <- store.Update(t.Context(), "b", true, func(engine.Tx) error {
			close(inside)
			return nil
		})
	}()
	err := store.Update(t.Context(), "a", true, func(engine.Tx) error {
		<-inside // would wait for ever if b waited for a
		return <-outside
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestLog: the log is the order in which transactions commit (RELIABILITY: "the
// log"), across agents, and it reads the same from any point.
func TestLog(t *testing.T) {
	store := open(storetest.NewClock())
	var want []string
	for i := range 6 {
		agent := []string{"b", "a", "c"}[i%3]
		say(t, store, agent, fmt.Sprintf("e%d", i))
		want = append(want, fmt.Sprintf("%s/%d/e%d", agent, i/3+1, i))
	}
	err := store.Update(t.Context(), "a", true, func(tx engine.Tx) error {
		state, _, err := tx.Agent("a")
		if err != nil {
			return err
		}
		if err := tx.Commit(state, state, rollout.Effects{Events: []rollout.Event{{Type: "never", At: tx.Now()}}}); err != nil {
			return err
		}
		return errNever
	})
	if err == nil {
		t.Fatal("no error")
	}
	for after := range len(want) + 2 {
		var got []string
		heads := map[string]audit.Head{}
		for _, e := range store.Log(after) {
			got = append(got, fmt.Sprintf("%s/%d/%s", e.AgentID, e.Seq, e.Type))
			if after > 0 {
				continue
			}
			head, err := audit.Verify(heads[e.AgentID], []audit.Event{e})
			if err != nil {
				t.Error(err)
			}
			heads[e.AgentID] = head
		}
		if rest := want[min(after, len(want)):]; strings.Join(got, " ") != strings.Join(rest, " ") {
			t.Errorf("the log after %d reads %v, want %v", after, got, rest)
		}
	}
}

var errNever = fmt.Errorf("never")

// TestSameCallsSameLog: the same calls give the same log, to the last hash (M1).
func TestSameCallsSameLog(t *testing.T) {
	run := func() string {
		clock := storetest.NewClock()
		store := open(clock)
		for i := range 50 {
			clock.Advance(1000)
			say(t, store, fmt.Sprintf("agent-%d", i%7), fmt.Sprintf("e%d", i))
		}
		var hashes strings.Builder
		for _, e := range store.Log(0) {
			hashes.WriteString(e.Hash)
		}
		agents, _, err := store.Due(t.Context(), 10)
		return hashes.String() + fmt.Sprint(agents, err)
	}
	if first, second := run(), run(); first != second {
		t.Error("two runs differ")
	}
}
