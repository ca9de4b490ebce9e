package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"sync"

	"github.com/cirisai/orchestrator/internal/discovery"
)

// Idempotency refusals (rule 10.7).
const (
	CodeInProgress discovery.Code = "in_progress"
	CodeKeyReused  discovery.Code = "idempotency_key_reused"
)

// Once makes a POST of an operator happen once (rule 10.7). A nil *Once is a
// request without a key. Key names principal, method and path besides the key
// itself; Body is the request's body.
type Once struct {
	Key  string
	Body []byte
	// Render writes the answer that is kept, inside the transaction.
	Render func(result any) (status int, body []byte, err error)
	// Replayed is set when the answer is one that was kept.
	Replayed *KeptAnswer
}

func (o *Once) hash() string {
	sum := sha256.Sum256(o.Body)
	return hex.EncodeToString(sum[:])
}

// recall looks for a kept answer; found means that the request must not be
// carried out again.
func (o *Once) recall(tx Tx) (found bool, err error) {
	if o == nil {
		return false, nil
	}
	kept, err := tx.Recall(o.Key)
	if err != nil || kept == nil {
		return false, err
	}
	if kept.BodyHash != o.hash() {
		return false, discovery.Refuse(CodeKeyReused, "this Idempotency-Key was used with another body")
	}
	o.Replayed = kept
	return true, nil
}

// keep keeps the answer in the transaction of the effect.
func (o *Once) keep(tx Tx, result any) error {
	if o == nil {
		return nil
	}
	status, body, err := o.Render(result)
	if err != nil {
		return err
	}
	return tx.Keep(o.Key, KeptAnswer{BodyHash: o.hash(), Status: status, Body: body})
}

// inFlight knows which keys this replica is working on. Requests that meet on
// two replicas wait for the agent's row instead, and the later one is answered
// with what the first one kept.
type inFlight struct {
	mu   sync.Mutex
	keys map[string]bool
}

func newInFlight() *inFlight { return &inFlight{keys: map[string]bool{}} }

// enter claims the key until the returned function is called.
func (f *inFlight) enter(_ context.Context, o *Once) (leave func(), err error) {
	if o == nil {
		return func() {}, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.keys[o.Key] {
		return nil, discovery.Refuse(CodeInProgress, "the first request with this Idempotency-Key is still running")
	}
	f.keys[o.Key] = true
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.keys, o.Key)
	}, nil
}
