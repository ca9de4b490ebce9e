package persistence

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// reader is a transaction that reads: an engine.ReadTx.
type reader struct {
	*conn
	store  *Store
	moment moment
}

var _ engine.ReadTx = (*reader)(nil)

// Now implements engine.ReadTx.
func (r *reader) Now() time.Time { return r.moment.now }

// Clock implements engine.ReadTx.
func (r *reader) Clock() discovery.Clock { return r.moment.clock }

// Settings implements engine.ReadTx.
func (r *reader) Settings() (rollout.Settings, error) { return r.moment.settings, nil }

// HoldAll implements engine.ReadTx.
func (r *reader) HoldAll() (engine.HoldAll, error) { return r.moment.holdAll, nil }

// tx is a transaction that changes the agent whose row it has locked: an
// engine.Tx.
type tx struct {
	reader
	agentID string
	// row is the agent's row as it is to be. changed: flush has to write it;
	// documents: those of its documents that it has to write, too.
	row       agentRow
	changed   bool
	documents bool
	events    *rowset // that flush has to write; nil: none

	// Without a lock: what was read, and what writeAtOnce has to write of
	// occurrences.
	glance *glance
	heard  *rowset

	// wrote: what belongs to the row was changed, so that its version says
	// nothing any more. next is what the agent is then, if that is known.
	wrote    bool
	next     *remembered
	rollouts map[string]*storedRollout // those known, as they are in the database

	handing handingOver

	idle *bool // nobody has anything pending; nil: not known
}

var _ engine.Tx = (*tx)(nil)

// SaveProfile implements engine.Tx.
func (t *tx) SaveProfile(p rollout.Profile) error {
	doc, err := document(p)
	if err != nil {
		return err
	}
	if doc != t.row.Profile {
		t.row.Profile, t.changed, t.documents = doc, true, true
	}
	return nil
}

// flush writes the agent's row if it was changed. It gets another version, so that
// whoever remembers the agent notices.
func (t *tx) flush() error {
	if !t.changed {
		return nil
	}
	t.row.Version = newVersion()
	r := &t.row
	const updateAgent = `UPDATE agents SET version = ?, ` + agentNumbers + ` WHERE agent_id = ?`
	agent := append(append([]any{r.Version}, r.numbers()...), t.agentID)
	var err error
	switch {
	case t.events == nil:
		_, err = t.exec(updateAgent, agent...)
	case t.pool.dialect.writesInWith: // one round trip less
		_, err = t.exec(`WITH written AS (`+insertEvents+`) `+updateAgent, append([]any{t.agentID, t.events}, agent...)...)
	default:
		if _, err = t.exec(insertEvents, t.agentID, t.events); err == nil {
			_, err = t.exec(updateAgent, agent...)
		}
	}
	if err != nil {
		return err
	}
	t.events = nil
	if t.documents {
		if _, err := t.exec(`UPDATE agents SET profile = ?, hold = ?, standing = ?, last_stop = ?, hold_of = ?, standing_of = ?, stopped_by = ?
			WHERE agent_id = ?`, r.Profile, r.Hold, r.Standing, r.LastStop, r.HoldOf, r.StandingOf, r.StoppedBy, t.agentID); err != nil {
			return err
		}
	}
	t.changed, t.documents = false, false
	return nil
}

// newVersion is one that no agent ever had, not even in a copy of this database
// that was taken back from the past.
func newVersion() int64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return int64(binary.BigEndian.Uint64(b[:]) >> 1)
}

// document writes a value as the JSON document that is kept of it; a nil pointer
// as none.
func document[T any](v T) (string, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("%T: %w", v, err)
	}
	if string(raw) == "null" {
		return "", nil
	}
	return string(raw), nil
}
