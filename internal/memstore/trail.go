package memstore

import (
	"encoding/json"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/cirisai/orchestrator/internal/audit"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// trail is an agent's audit trail. All versions of the agent share it; each
// knows how many of its events are its own. Events are chained when somebody
// reads them: hashing is the dearest part of a transaction, and most simulated
// runs read the trail once.
type trail struct {
	agentID string

	mu      sync.Mutex
	waiting []rollout.Event // not chained yet; At is wall time
	chained []audit.Event
	head    audit.Head
}

// append adds committed events.
func (t *trail) append(events []rollout.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waiting = append(t.waiting, events...)
}

// read returns the first n events, chained, and the head after them.
func (t *trail) read(n int) ([]audit.Event, audit.Head) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if missing := n - len(t.chained); missing > 0 {
		events, head, err := chain(t.head, t.agentID, t.waiting[:missing])
		if err != nil {
			panic(fmt.Sprintf("memstore: an event that was taken cannot be chained: %v", err))
		}
		t.chained, t.head, t.waiting = append(t.chained, events...), head, t.waiting[missing:]
	}
	events := t.chained[:n:n]
	if n == 0 {
		return events, audit.Head{}
	}
	return events, audit.Head{Seq: events[n-1].Seq, Hash: events[n-1].Hash}
}

// chain chains events whose times are wall times already.
func chain(head audit.Head, agentID string, events []rollout.Event) ([]audit.Event, audit.Head, error) {
	chained, head, err := audit.Chain(head, agentID, events, func(at time.Time) time.Time { return at })
	if err != nil {
		return nil, head, fmt.Errorf("chain events: %w", err)
	}
	return chained, head, nil
}

// frozen copies events as they are to be kept, with wall times. What could be
// changed from outside, or might not be written at all, is written at once: an
// event that cannot be kept fails its transaction, not a later reader.
func frozen(events []rollout.Event, wall func(time.Time) time.Time) ([]rollout.Event, error) {
	kept := make([]rollout.Event, len(events))
	for i, e := range events {
		e.At, e.Data = wall(e.At), maps.Clone(e.Data)
		for key, value := range e.Data {
			if plain(value) {
				continue
			}
			raw, err := json.Marshal(value)
			if err != nil {
				return nil, fmt.Errorf("data of event %s: %w", e.Type, err)
			}
			e.Data[key] = json.RawMessage(raw)
		}
		kept[i] = e
	}
	return kept, nil
}

// plain tells whether a value cannot be changed from outside and can always be
// written.
func plain(value any) bool {
	switch value.(type) {
	case nil, bool, string, int, int64:
		return true
	}
	return false
}
