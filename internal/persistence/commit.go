package persistence

import (
	"fmt"
	"maps"
	"slices"

	"github.com/cirisai/orchestrator/internal/rollout"
)

// Commit implements engine.Tx. What a step says of instructions that were there
// before comes before those that it has made.
func (t *tx) Commit(before, after rollout.State, eff rollout.Effects) error {
	if after.AgentID != t.agentID {
		return fmt.Errorf("the state of agent %q, but agent %q is locked", after.AgentID, t.agentID)
	}
	t.wrote = true
	if len(eff.Instruct) > 0 {
		t.idle = nil
	}
	old, made := acknowledgements(eff)
	for _, write := range []func() error{
		func() error { return t.saveRollouts(after.Rollouts) },
		func() error { return t.saveNotes(before.Notes, after.Notes) },
		func() error { return t.saveLoose(before.Loose, after.Loose) },
		func() error { return t.saveIncidents(before.Incidents, after.Incidents, eff) },
		func() error { return t.acknowledge(old) },
		func() error { return t.withdraw(eff.Withdraw) },
		func() error { return t.resume(eff.Resume) },
		func() error { return t.instruct(eff.Instruct, heldBack(made, eff.Suspend)) },
		func() error { return t.acknowledge(made) },
		func() error { return t.suspend(eff.Suspend) },
		func() error { return t.appendEvents(eff.Events) },
		func() error { return t.saveAgent(after) },
	} {
		if err := write(); err != nil {
			return err
		}
	}
	return nil
}

// acknowledgements tells those of older instructions from those of instructions
// that the same step has made.
func acknowledgements(eff rollout.Effects) (old, made []string) {
	if len(eff.Acknowledge) == 0 {
		return nil, nil
	}
	fresh := make(map[string]bool, len(eff.Instruct))
	for i := range eff.Instruct {
		fresh[eff.Instruct[i].ID] = true
	}
	for _, id := range eff.Acknowledge {
		if fresh[id] {
			made = append(made, id)
		} else {
			old = append(old, id)
		}
	}
	return old, made
}

// heldBack tells which of the instructions that a step makes are not to be sent
// now, as the same step says.
func heldBack(acknowledged, suspended []string) func(rollout.Instruction) bool {
	return func(in rollout.Instruction) bool {
		return slices.Contains(acknowledged, in.ID) || slices.Contains(suspended, in.RolloutID)
	}
}

// saveAgent takes over what the agent's own row holds of the state.
func (t *tx) saveAgent(s rollout.State) error {
	row := t.row
	row.HoldSeen, row.Complete, row.Incidents = s.HoldSeen, s.Complete, s.IncidentsMade
	row.SteppedAt, row.WakeAt = micros(s.SteppedAt), micros(s.WakeAt)
	var err error
	if row.Hold, err = document(s.Hold); err != nil {
		return err
	}
	if row.Standing, err = document(s.Standing); err != nil {
		return err
	}
	if row.LastStop, err = document(s.LastStop); err != nil {
		return err
	}
	row.HoldOf, row.StandingOf, row.StoppedBy = "", "", ""
	if s.Hold != nil {
		row.HoldOf = s.Hold.RolloutID
	}
	if s.Standing != nil {
		row.StandingOf = s.Standing.RolloutID
	}
	if s.LastStop != nil {
		row.StoppedBy = s.LastStop.RolloutID
	}
	if row.Hold != t.row.Hold || row.Standing != t.row.Standing || row.LastStop != t.row.LastStop {
		t.documents = true
	}
	t.row, t.changed = row, true
	return nil
}

var noteColumns = cols("agent_id text, occurrence_id text, note_boot text, stop_by text, woken_by text, wait_until bigint, watched boolean")

// saveNotes writes the notes that differ. They are kept with their occurrence,
// so there must be one.
func (t *tx) saveNotes(before, after map[string]rollout.Note) error {
	rows := noteColumns.rows(0)
	changed := map[string]rollout.Note{}
	for id, n := range after {
		if n != before[id] {
			changed[id] = n
		}
	}
	for id := range before {
		if _, kept := after[id]; !kept {
			changed[id] = rollout.Note{}
		}
	}
	if len(changed) == 0 {
		return nil
	}
	for id, n := range changed {
		rows.add(t.agentID, id, n.Boot, n.StopBy, n.WokenBy, n.WaitUntil, n.Watched)
	}
	t.rememberNotes(changed)
	n, err := t.exec(`UPDATE occurrences SET note_boot = r.note_boot, stop_by = r.stop_by, woken_by = r.woken_by, wait_until = r.wait_until,
		watched = r.watched FROM {rows} WHERE occurrences.agent_id = r.agent_id AND occurrences.occurrence_id = r.occurrence_id`, rows)
	if err == nil && n != int64(rows.n) {
		err = fmt.Errorf("%d notes are about occurrences that agent %s does not have", int64(rows.n)-n, t.agentID)
	}
	return err
}

// rememberNotes takes notes over as they would be read again.
func (t *tx) rememberNotes(changed map[string]rollout.Note) {
	if t.next == nil {
		return
	}
	next := *t.next
	next.notes = maps.Clone(next.notes)
	for id, n := range changed {
		n.WaitUntil = instant(micros(n.WaitUntil))
		if next.notes[id] = n; n.Boot == "" {
			delete(next.notes, id)
		}
	}
	t.next = &next
}

var looseColumns = cols("occurrence_id text, doc text")

func (t *tx) saveLoose(before, after map[string]rollout.LooseStop) error {
	rows, gone := looseColumns.rows(0), idColumn.rows(0)
	stored := map[string]rollout.LooseStop{}
	for id, l := range after {
		if was, known := before[id]; known && was == l {
			continue
		}
		doc, err := document(l)
		if err != nil {
			return err
		}
		rows.add(id, doc)
		if stored[id], err = readLoose(id, doc); err != nil {
			return err
		}
	}
	for id := range before {
		if _, kept := after[id]; !kept {
			gone.add(id)
		}
	}
	if gone.n > 0 {
		if _, err := t.exec(`DELETE FROM loose_stops WHERE agent_id = ? AND occurrence_id IN (SELECT id FROM {rows})`, t.agentID, gone); err != nil {
			return err
		}
	}
	if rows.n > 0 {
		if _, err := t.exec(`INSERT INTO loose_stops (agent_id, occurrence_id, doc) SELECT ?, r.occurrence_id, r.doc FROM {rows} WHERE true
			ON CONFLICT (agent_id, occurrence_id) DO UPDATE SET doc = excluded.doc`, t.agentID, rows); err != nil {
			return err
		}
	}
	if t.next != nil && rows.n+gone.n > 0 {
		next := *t.next
		next.loose = maps.Clone(next.loose)
		maps.Copy(next.loose, stored)
		for _, id := range ofColumn[string](gone, 0) {
			delete(next.loose, id)
		}
		t.next = &next
	}
	return nil
}
