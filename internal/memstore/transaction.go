package memstore

import (
	"fmt"
	"slices"
	"time"

	"github.com/cirisai/orchestrator/internal/audit"
	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// answersFor is how long answers are kept (rule 10.7).
const answersFor = 24 * time.Hour

// transaction changes the locked agent: reader.own is the next version once it
// is dirty.
type transaction struct {
	reader
	made    bool // the agent is new
	dirty   bool
	events  []rollout.Event // appended on commit
	answers map[string]answer
}

// next is the version that may be changed.
func (t *transaction) next() *version {
	if !t.dirty {
		v := *t.own
		t.own, t.dirty = &v, true
	}
	return t.own
}

// SaveOccurrences implements engine.Tx.
func (t *transaction) SaveOccurrences(_ discovery.Fleet, changed []discovery.Occurrence) error {
	if len(changed) == 0 {
		return nil
	}
	v := t.next()
	saved := make([]discovery.Occurrence, 0, len(changed))
	for _, o := range changed {
		was := v.fleet.Get(o.ID)
		if i := slices.IndexFunc(saved, func(x discovery.Occurrence) bool { return x.ID == o.ID }); i >= 0 {
			was, saved = pointerTo(&saved[i]), slices.Delete(saved, i, i+1)
		}
		switch {
		case was == nil:
		case was.Boot != o.Boot:
			v.retire(o.ID, was.Boot)
			v.withdraw(t.now, rollout.Withdrawal{OccurrenceID: o.ID, KeepBoot: o.Boot})
		case was.CallbackURL != o.CallbackURL:
			v.reroute(t.now, o.ID, o.Boot)
		}
		saved = append(saved, cloneOccurrence(o))
	}
	v.fleet = v.fleet.With(saved...)
	return nil
}

// SaveProfile implements engine.Tx.
func (t *transaction) SaveProfile(p rollout.Profile) error {
	t.next().profile = cloneProfile(p)
	return nil
}

// Recall implements engine.Tx.
func (t *transaction) Recall(key string) (*engine.KeptAnswer, error) {
	a, known := t.answers[key]
	if !known {
		t.store.mu.Lock()
		a, known = t.store.answers[key]
		t.store.mu.Unlock()
	}
	if !known || !t.wall.Before(a.until) {
		return nil, nil //nolint:nilnil // the contract: nil when there is nothing
	}
	kept := cloneAnswer(a.KeptAnswer)
	return &kept, nil
}

// Keep implements engine.Tx.
func (t *transaction) Keep(key string, a engine.KeptAnswer) error {
	if t.answers == nil {
		t.answers = map[string]answer{}
	}
	t.answers[key] = answer{KeptAnswer: cloneAnswer(a), until: t.wall.Add(answersFor)}
	t.next()
	return nil
}

// Commit implements engine.Tx.
func (t *transaction) Commit(_, after rollout.State, eff rollout.Effects) error {
	v := t.next()
	v.state = cloneState(after)
	v.state.Profile = rollout.Profile{}
	v.putRollouts(after.Rollouts)
	if err := t.commitInstructions(v, eff); err != nil {
		return err
	}
	v.commitIncidents(eff)
	events, err := frozen(eff.Events, t.clock.Wall)
	if err != nil {
		return err
	}
	t.events = append(t.events, events...)
	return nil
}

// commitInstructions applies what a step says of instructions. What it says of
// those that were there before comes first: those that it has made already are
// as they are to be, but that they may be acknowledged, or suspended, at once.
func (t *transaction) commitInstructions(v *version, eff rollout.Effects) error {
	t.acknowledge(v, eff.Acknowledge)
	v.withdraw(t.now, eff.Withdraw...)
	for _, x := range eff.Resume {
		v.changeWaiting(func(r instructionRow) *instructionRow {
			if r.RolloutID != x.RolloutID || !r.suspended {
				return nil
			}
			r.suspended, r.Deadline = false, r.Deadline.Add(x.By)
			return &r
		})
	}
	rows := make([]*instructionRow, 0, len(eff.Instruct))
	for _, in := range eff.Instruct {
		if v.instructions.get(in.ID) != nil {
			return fmt.Errorf("memstore: instruction %s is there already", in.ID)
		}
		row := &instructionRow{visibleAt: t.now}
		row.Instruction = cloneInstruction(in)
		rows = append(rows, row)
	}
	v.putInstructions(rows...)
	if len(rows) > 0 {
		t.acknowledge(v, eff.Acknowledge)
	}
	for _, id := range eff.Suspend {
		v.changeWaiting(func(r instructionRow) *instructionRow {
			if r.RolloutID != id {
				return nil
			}
			r.suspended = true
			return &r
		})
	}
	return nil
}

func (t *transaction) acknowledge(v *version, ids []string) {
	var rows []*instructionRow
	for _, id := range ids {
		if r := v.waiting.get(id); r != nil {
			next := *r
			next.AcknowledgedAt = t.now
			rows = append(rows, &next)
		}
	}
	v.putInstructions(rows...)
}

// commitIncidents keeps those that were opened and those that were resolved; one
// may be both. What the state remembers of them is in the state.
func (v *version) commitIncidents(eff rollout.Effects) {
	for _, list := range [][]rollout.Incident{eff.Opened, eff.Resolved} {
		for _, i := range list {
			v.incidents = v.incidents.with(&incidentRow{Incident: i, agentID: v.id})
		}
	}
}

// Events implements engine.ReadTx: with those of this transaction.
func (t *transaction) Events(f engine.EventFilter) ([]audit.Event, error) {
	if f.AgentID != t.own.id || len(t.events) == 0 {
		return t.reader.Events(f)
	}
	events, _, err := t.trail()
	return selectEvents(events, f), err
}

// EventHead implements engine.ReadTx: with the events of this transaction.
func (t *transaction) EventHead(agentID string) (audit.Head, error) {
	if agentID != t.own.id || len(t.events) == 0 {
		return t.reader.EventHead(agentID)
	}
	_, head, err := t.trail()
	return head, err
}

func (t *transaction) trail() ([]audit.Event, audit.Head, error) {
	before, head := t.own.trail.read(t.own.events)
	added, head, err := chain(head, t.own.id, t.events)
	return append(slices.Clone(before), added...), head, err
}
