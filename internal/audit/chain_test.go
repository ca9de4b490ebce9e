package audit_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/audit"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// begin is the service time at which the trails of these tests begin; wall time
// is an hour ahead of it.
var begin = time.Date(2026, 1, 2, 2, 4, 5, 678_901_234, time.UTC)

func wall(t time.Time) time.Time { return t.Add(time.Hour) }

// vector is the trail whose hashes are published below.
func vector() []rollout.Event {
	return []rollout.Event{
		{
			Type: "rollout.requested", RolloutID: "ro_01J", Actor: "operator:ann", At: begin,
			Data: map[string]any{"reason": "stop \u2014 <now> & \"here\"\n\u20ac \U0001F600 \u2028", "kind": "shutdown"},
		},
		{Type: "wave.started", RolloutID: "ro_01J", Wave: 2, OccurrenceID: "o1", At: begin.Add(321_099 * time.Microsecond)},
	}
}

// The canonical forms that the hashes of the vector are made of, written by hand
// from RFC 8785, and the hashes, computed with another program.
const (
	firstForm = `{"actor":"operator:ann","agent_id":"scout","at":"2026-01-02T03:04:05.678901Z",` +
		`"data":{"kind":"shutdown","reason":"stop ` + "\u2014" + ` <now> & \"here\"\n` + "\u20ac \U0001F600 \u2028" + `"},"occurrence_id":null,` +
		`"prev_hash":"0000000000000000000000000000000000000000000000000000000000000000","rollout_id":"ro_01J","seq":1,` +
		`"type":"rollout.requested","wave":null}`
	firstHash  = "4729197eed6bf92a3f442d7d3c33087219346a4423e719cb7ca25ae8b97ca82a"
	secondForm = `{"actor":"system:orchestrator","agent_id":"scout","at":"2026-01-02T03:04:06Z","data":{},"occurrence_id":"o1",` +
		`"prev_hash":"` + firstHash + `","rollout_id":"ro_01J","seq":2,"type":"wave.started","wave":2}`
	secondHash = "a3201b0c182c0ea426a172acf1daf0bfcecc6c94c4f8be0a7109daaa26fcab3f"
)

func chain(t testing.TB, head audit.Head, events ...rollout.Event) ([]audit.Event, audit.Head) {
	t.Helper()
	chained, next, err := audit.Chain(head, "scout", events, wall)
	if err != nil {
		t.Fatal(err)
	}
	return chained, next
}

func sha(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// TestVector is rule 9.1: SHA-256 over the RFC 8785 form of the event without
// its hash; the first prev_hash is 64 zeros.
func TestVector(t *testing.T) {
	events, head := chain(t, audit.Head{}, vector()...)
	for i, want := range []struct{ form, hash string }{{firstForm, firstHash}, {secondForm, secondHash}} {
		if got := sha(want.form); got != want.hash {
			t.Errorf("event %d: the vector's form hashes to %s, want %s", i+1, got, want.hash)
		}
		if events[i].Hash != want.hash {
			t.Errorf("event %d: hash %s, want %s", i+1, events[i].Hash, want.hash)
		}
	}
	if head != (audit.Head{Seq: 2, Hash: secondHash}) {
		t.Errorf("head %+v", head)
	}
	if audit.Genesis != strings.Repeat("0", 64) || events[0].PrevHash != audit.Genesis {
		t.Errorf("the first prev_hash is %s", events[0].PrevHash)
	}
}

// TestChain is rule 9.1: seq is gapless, each event names the hash of the one
// before it, times are wall times of microseconds, an event without an actor is
// the system's own.
func TestChain(t *testing.T) {
	first, head := chain(t, audit.Head{}, vector()...)
	second, last := chain(t, head, rollout.Event{Type: "x", At: begin}, rollout.Event{Type: "y", At: begin, Actor: "occurrence:o1"})
	all := append(first, second...)
	prev := audit.Genesis
	for i, e := range all {
		if e.Seq != int64(i+1) || e.PrevHash != prev || e.AgentID != "scout" {
			t.Errorf("event %d: %+v", i+1, e)
		}
		prev = e.Hash
	}
	if last != (audit.Head{Seq: 4, Hash: prev}) {
		t.Errorf("head %+v", last)
	}
	if all[2].Actor != "system:orchestrator" || all[3].Actor != "occurrence:o1" {
		t.Errorf("actors %q, %q", all[2].Actor, all[3].Actor)
	}
	if want := time.Date(2026, 1, 2, 3, 4, 5, 678_901_000, time.UTC); !all[0].At.Equal(want) || all[0].At.Location() != time.UTC {
		t.Errorf("at %s, want %s", all[0].At, want)
	}
	if got, err := audit.Verify(audit.Head{}, all); err != nil || got != last {
		t.Errorf("verify: %+v, %v", got, err)
	}
}

// TestChainOfNothing: no events leave the head where it was, but that the head
// of an empty trail names its first prev_hash.
func TestChainOfNothing(t *testing.T) {
	events, head := chain(t, audit.Head{})
	if len(events) != 0 || head != (audit.Head{Hash: audit.Genesis}) {
		t.Errorf("%v, %+v", events, head)
	}
	if got, err := audit.Verify(audit.Head{}, nil); err != nil || got != head {
		t.Errorf("verify: %+v, %v", got, err)
	}
}

// TestChainRefusesWhatCannotBeWritten: data that is no JSON makes no event.
func TestChainRefusesWhatCannotBeWritten(t *testing.T) {
	events, head, err := audit.Chain(audit.Head{}, "scout", []rollout.Event{{Type: "x", Data: map[string]any{"c": make(chan int)}}}, wall)
	if err == nil || events != nil || head.Seq != 0 {
		t.Errorf("%v, %+v, %v", events, head, err)
	}
}

// TestShownForm is section 10.3: the fields of an event, null where there is
// nothing to say.
func TestShownForm(t *testing.T) {
	events, _ := chain(t, audit.Head{}, vector()...)
	for i, want := range []string{
		`{"seq":1,"at":"2026-01-02T03:04:05.678901Z","type":"rollout.requested","agent_id":"scout","rollout_id":"ro_01J","wave":null,` +
			`"occurrence_id":null,"actor":"operator:ann","prev_hash":"` + audit.Genesis + `","hash":"` + firstHash + `"}`,
		`{"seq":2,"at":"2026-01-02T03:04:06Z","type":"wave.started","agent_id":"scout","rollout_id":"ro_01J","wave":2,` +
			`"occurrence_id":"o1","actor":"system:orchestrator","prev_hash":"` + firstHash + `","hash":"` + secondHash + `"}`,
	} {
		got, wanted := fields(t, events[i]), map[string]any{}
		if err := json.Unmarshal([]byte(want), &wanted); err != nil {
			t.Fatal(err)
		}
		if _, isObject := got["data"].(map[string]any); !isObject {
			t.Errorf("event %d: data is %v", i+1, got["data"])
		}
		delete(got, "data")
		if len(got) != len(wanted) {
			t.Errorf("event %d: %v", i+1, got)
		}
		for key, value := range wanted {
			if got[key] != value {
				t.Errorf("event %d: %s is %v, want %v", i+1, key, got[key], value)
			}
		}
	}
}

func fields(t testing.TB, e audit.Event) map[string]any {
	t.Helper()
	raw, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]any{}
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}
