package audit_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/audit"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// trail is a trail of so many events.
func trail(t testing.TB, n int) ([]audit.Event, audit.Head) {
	t.Helper()
	events := make([]rollout.Event, n)
	for i := range events {
		events[i] = rollout.Event{
			Type: "wave.started", RolloutID: "ro_1", Wave: 1 + i%2, OccurrenceID: fmt.Sprintf("o%d", i), Actor: "operator:ann",
			At: begin.Add(time.Duration(i) * time.Second), Data: map[string]any{"n": i, "reason": "because"},
		}
	}
	return chain(t, audit.Head{}, events...)
}

// mustBreak checks that a trail is found broken at an event, and that the head
// that is returned is that of the last good one.
func mustBreak(t *testing.T, events []audit.Event, at int64) {
	t.Helper()
	head, err := audit.Verify(audit.Head{}, events)
	if !errors.Is(err, audit.ErrBroken) {
		t.Fatalf("verify: %v", err)
	}
	if want := fmt.Sprintf("event %d ", at); !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%q does not name event %d", err, at)
	}
	good := audit.Head{Hash: audit.Genesis}
	for _, e := range events {
		if e.Seq == at {
			break
		}
		good = audit.Head{Seq: e.Seq, Hash: e.Hash}
	}
	if head != good {
		t.Errorf("the last good one is %+v, want %+v", head, good)
	}
}

// edits are changes of one field each.
func edits() map[string]func(e *audit.Event) {
	return map[string]func(e *audit.Event){
		"at":                func(e *audit.Event) { e.At = e.At.Add(time.Microsecond) },
		"type":              func(e *audit.Event) { e.Type = "wave.passed" },
		"agent":             func(e *audit.Event) { e.AgentID = "other" },
		"rollout":           func(e *audit.Event) { e.RolloutID = "ro_2" },
		"rollout removed":   func(e *audit.Event) { e.RolloutID = "" },
		"wave":              func(e *audit.Event) { e.Wave++ },
		"wave removed":      func(e *audit.Event) { e.Wave = 0 },
		"occurrence":        func(e *audit.Event) { e.OccurrenceID = "o" },
		"occurrence none":   func(e *audit.Event) { e.OccurrenceID = "" },
		"actor":             func(e *audit.Event) { e.Actor = "operator:bob" },
		"actor removed":     func(e *audit.Event) { e.Actor = "" },
		"data":              func(e *audit.Event) { e.Data = json.RawMessage(`{"n":2,"reason":"becausE"}`) },
		"data, a number":    func(e *audit.Event) { e.Data = json.RawMessage(`{"n":9,"reason":"because"}`) },
		"data, another key": func(e *audit.Event) { e.Data = json.RawMessage(`{"n":2,"reason":"because","x":null}`) },
		"data removed":      func(e *audit.Event) { e.Data = nil },
		"data, no JSON":     func(e *audit.Event) { e.Data = json.RawMessage(`{"n":`) },
		"data, doubled key": func(e *audit.Event) { e.Data = json.RawMessage(`{"n":2,"n":2,"reason":"because"}`) },
		"prev_hash":         func(e *audit.Event) { e.PrevHash = audit.Genesis },
		"hash":              func(e *audit.Event) { e.Hash = strings.Repeat("a", 64) },
		"hash, letter case": func(e *audit.Event) { e.Hash = strings.ToUpper(e.Hash) },
		"hash removed":      func(e *audit.Event) { e.Hash = "" },
	}
}

// TestEdit is rule 9.1: an edit of any field of an event shows, and the event is
// named.
func TestEdit(t *testing.T) {
	for name, edit := range edits() {
		for i := range 4 {
			t.Run(fmt.Sprintf("%s of event %d", name, i+1), func(t *testing.T) {
				events, _ := trail(t, 4)
				before := events[i]
				edit(&events[i])
				if name == "prev_hash" && i == 0 {
					events[i].PrevHash = strings.Repeat("1", 64)
				}
				if events[i].Seq == before.Seq && fmt.Sprint(events[i]) == fmt.Sprint(before) {
					t.Fatal("nothing was edited")
				}
				mustBreak(t, events, int64(i+1))
			})
		}
	}
}

// TestEditOfTheWave: a wave that is none, written where there was none, is an
// edit as well (rule 9.1).
func TestEditOfTheWave(t *testing.T) {
	for _, wave := range []int{-1, 1} {
		events, _ := chain(t, audit.Head{}, rollout.Event{Type: "x", At: begin}, rollout.Event{Type: "y", At: begin})
		events[0].Wave = wave
		mustBreak(t, events, 1)
	}
}

// TestEditWithItsHash: who edits an event and hashes it anew breaks the next.
func TestEditWithItsHash(t *testing.T) {
	events, _ := trail(t, 4)
	events[1].Actor = "operator:bob"
	hash, err := events[1].Digest()
	if err != nil {
		t.Fatal(err)
	}
	events[1].Hash = hash
	mustBreak(t, events, 3)
}

// TestCuts is rule 9.1: a gap, a cut in the middle, a cut-off beginning, a
// doubled and a foreign event, and another order show.
func TestCuts(t *testing.T) {
	for name, tt := range map[string]struct {
		do func(events []audit.Event) []audit.Event
		at int64
	}{
		"one is missing":       {func(e []audit.Event) []audit.Event { return slices.Delete(e, 2, 3) }, 4},
		"a cut in the middle":  {func(e []audit.Event) []audit.Event { return slices.Delete(e, 1, 4) }, 5},
		"the first is missing": {func(e []audit.Event) []audit.Event { return e[1:] }, 2},
		"swapped":              {func(e []audit.Event) []audit.Event { e[2], e[3] = e[3], e[2]; return e }, 4},
		"doubled":              {func(e []audit.Event) []audit.Event { return slices.Insert(e, 2, e[1]) }, 2},
		"renumbered": {func(e []audit.Event) []audit.Event {
			e = slices.Delete(e, 2, 3)
			for i := range e {
				e[i].Seq = int64(i + 1)
			}
			return e
		}, 3},
		"seq": {func(e []audit.Event) []audit.Event { e[2].Seq = 9; return e }, 9},
	} {
		t.Run(name, func(t *testing.T) {
			events, _ := trail(t, 6)
			_, err := audit.Verify(audit.Head{}, tt.do(events))
			if want := fmt.Sprintf("event %d ", tt.at); !errors.Is(err, audit.ErrBroken) || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("verify: %v, want one that names event %d", err, tt.at)
			}
		})
	}
}

// TestCutOffTail is rule 9.1: a trail without its end verifies, and its head is
// not the one of a checkpoint taken before.
func TestCutOffTail(t *testing.T) {
	events, checkpoint := trail(t, 6)
	head, err := audit.Verify(audit.Head{}, events[:5])
	if err != nil || head == checkpoint || head.Seq != 5 {
		t.Errorf("verify: %+v, %v; the checkpoint is %+v", head, err, checkpoint)
	}
}

// TestVerifyInParts: a trail may be verified in parts, each from the head of the
// one before.
func TestVerifyInParts(t *testing.T) {
	events, want := trail(t, 9)
	head := audit.Head{}
	for part := range slices.Chunk(events, 4) {
		var err error
		if head, err = audit.Verify(head, part); err != nil {
			t.Fatal(err)
		}
	}
	if head != want {
		t.Errorf("head %+v, want %+v", head, want)
	}
	if _, err := audit.Verify(audit.Head{Seq: 4, Hash: events[4].Hash}, events[4:]); !errors.Is(err, audit.ErrBroken) {
		t.Errorf("from another head: %v", err)
	}
}
