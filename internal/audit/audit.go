// Package audit keeps the events of an agent as a chain of hashes.
//
// Every change is an event (rule 9.1). An event's hash is SHA-256 over its RFC
// 8785 form without the hash itself, and that form holds the hash of the event
// before it, so that an edit, a gap or a cut in the middle shows. The form is
// that in which the API shows events, so anybody can check a trail with nothing
// but what was read.
package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/cirisai/orchestrator/internal/rollout"
)

// Genesis is the prev_hash of an agent's first event.
var Genesis = strings.Repeat("0", 64)

// Event is an event as it is kept and shown. At is wall time in UTC, of
// microseconds. Empty RolloutID and OccurrenceID and a Wave of 0 are null in
// JSON.
type Event struct {
	Seq          int64
	At           time.Time
	Type         string
	AgentID      string
	RolloutID    string
	Wave         int
	OccurrenceID string
	Actor        string
	Data         json.RawMessage
	PrevHash     string
	Hash         string
}

// Head is the end of a chain: the number of events, and the last one's hash.
type Head struct {
	Seq  int64
	Hash string
}

// shown is the JSON form of an event.
type shown struct {
	Seq          int64           `json:"seq"`
	At           time.Time       `json:"at"`
	Type         string          `json:"type"`
	AgentID      string          `json:"agent_id"`
	RolloutID    *string         `json:"rollout_id"`
	Wave         *int            `json:"wave"`
	OccurrenceID *string         `json:"occurrence_id"`
	Actor        string          `json:"actor"`
	Data         json.RawMessage `json:"data"`
	PrevHash     string          `json:"prev_hash"`
	Hash         string          `json:"hash,omitempty"`
}

// MarshalJSON writes the event as the API shows it.
func (e Event) MarshalJSON() ([]byte, error) {
	orNull := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	s := shown{
		Seq: e.Seq, At: e.At.UTC(), Type: e.Type, AgentID: e.AgentID, RolloutID: orNull(e.RolloutID),
		OccurrenceID: orNull(e.OccurrenceID), Actor: e.Actor, Data: e.Data, PrevHash: e.PrevHash, Hash: e.Hash,
	}
	if e.Wave != 0 {
		s.Wave = &e.Wave
	}
	if len(s.Data) == 0 {
		s.Data = json.RawMessage("{}")
	}
	return json.Marshal(s)
}

// UnmarshalJSON reads the event as the API shows it.
func (e *Event) UnmarshalJSON(raw []byte) error {
	var s shown
	if err := json.Unmarshal(raw, &s); err != nil {
		return fmt.Errorf("event: %w", err)
	}
	*e = Event{Seq: s.Seq, At: s.At.UTC(), Type: s.Type, AgentID: s.AgentID, Actor: s.Actor, Data: s.Data, PrevHash: s.PrevHash, Hash: s.Hash}
	if s.RolloutID != nil {
		e.RolloutID = *s.RolloutID
	}
	if s.Wave != nil {
		e.Wave = *s.Wave
	}
	if s.OccurrenceID != nil {
		e.OccurrenceID = *s.OccurrenceID
	}
	return nil
}

// Digest computes the hash that the event must have.
func (e Event) Digest() (string, error) {
	e.Hash = ""
	raw, err := e.MarshalJSON()
	if err != nil {
		return "", fmt.Errorf("digest of event %d: %w", e.Seq, err)
	}
	value := jsontext.Value(raw)
	if err := value.Canonicalize(); err != nil {
		return "", fmt.Errorf("digest of event %d: %w", e.Seq, err)
	}
	sum := sha256.Sum256(value)
	return hex.EncodeToString(sum[:]), nil
}

// Chain appends events to an agent's trail. Wall converts the events' service
// times to wall time. An event without an actor is the system's own.
func Chain(head Head, agentID string, events []rollout.Event, wall func(time.Time) time.Time) ([]Event, Head, error) {
	if head.Hash == "" {
		head.Hash = Genesis
	}
	chained := make([]Event, 0, len(events))
	for _, e := range events {
		data, err := json.Marshal(e.Data)
		if err != nil {
			return nil, head, fmt.Errorf("data of event %s: %w", e.Type, err)
		}
		if e.Data == nil {
			data = json.RawMessage("{}")
		}
		actor := e.Actor
		if actor == "" {
			actor = "system:orchestrator"
		}
		next := Event{
			Seq: head.Seq + 1, At: wall(e.At).UTC().Truncate(time.Microsecond), Type: e.Type, AgentID: agentID, RolloutID: e.RolloutID,
			Wave: e.Wave, OccurrenceID: e.OccurrenceID, Actor: actor, Data: data, PrevHash: head.Hash,
		}
		if next.Hash, err = next.Digest(); err != nil {
			return nil, head, err
		}
		chained = append(chained, next)
		head = Head{Seq: next.Seq, Hash: next.Hash}
	}
	return chained, head, nil
}

// ErrBroken is what Verify's errors wrap: the chain does not hold.
var ErrBroken = errors.New("the chain is broken")

// Verify checks that the events follow head without a gap and that every hash
// is right. The error wraps ErrBroken and names the first bad event; the head
// returned is that of the last good one.
func Verify(head Head, events []Event) (Head, error) {
	if head.Hash == "" {
		head.Hash = Genesis
	}
	for _, e := range events {
		digest, err := e.Digest()
		switch {
		case e.Seq != head.Seq+1:
			return head, fmt.Errorf("event %d follows event %d: %w", e.Seq, head.Seq, ErrBroken)
		case e.PrevHash != head.Hash:
			return head, fmt.Errorf("event %d does not name the hash of the event before it: %w", e.Seq, ErrBroken)
		case err != nil:
			return head, fmt.Errorf("event %d cannot be read: %w: %w", e.Seq, err, ErrBroken)
		case digest != e.Hash:
			return head, fmt.Errorf("event %d was edited: %w", e.Seq, ErrBroken)
		}
		head = Head{Seq: e.Seq, Hash: e.Hash}
	}
	return head, nil
}
