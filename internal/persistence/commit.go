package persistence

import (
	"fmt"

	"github.com/cirisai/orchestrator/internal/rollout"
)

// Commit implements engine.Tx. What a step says of instructions that were there
// before comes before those that it has made.
func (t *tx) Commit(before, after rollout.State, eff rollout.Effects) error {
	if after.AgentID != t.agentID {
		return fmt.Errorf("the state of agent %q, but agent %q is locked", after.AgentID, t.agentID)
	}
	old, made := acknowledgements(eff)
	for _, write := range []func() error{
		func() error { return t.saveRollouts(before, after) },
		func() error { return t.saveNotes(before.Notes, after.Notes) },
		func() error { return t.saveLoose(before.Loose, after.Loose) },
		func() error { return t.saveIncidents(before.Incidents, after.Incidents, eff) },
		func() error { return t.acknowledge(old) },
		func() error { return t.withdraw(eff.Withdraw) },
		func() error { return t.resume(eff.Resume) },
		func() error { return t.instruct(eff.Instruct) },
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
	for id, n := range after {
		if n != before[id] {
			rows.add(t.agentID, id, n.Boot, n.StopBy, n.WokenBy, n.WaitUntil, n.Watched)
		}
	}
	for id := range before {
		if _, kept := after[id]; !kept {
			rows.add(t.agentID, id, "", "", "", int64(0), false)
		}
	}
	if rows.n == 0 {
		return nil
	}
	n, err := t.exec(`UPDATE occurrences SET note_boot = r.note_boot, stop_by = r.stop_by, woken_by = r.woken_by, wait_until = r.wait_until,
		watched = r.watched FROM {rows} WHERE occurrences.agent_id = r.agent_id AND occurrences.occurrence_id = r.occurrence_id`, rows)
	if err == nil && n != int64(rows.n) {
		err = fmt.Errorf("%d notes are about occurrences that agent %s does not have", int64(rows.n)-n, t.agentID)
	}
	return err
}

var looseColumns = cols("occurrence_id text, doc text")

func (t *tx) saveLoose(before, after map[string]rollout.LooseStop) error {
	rows, gone := looseColumns.rows(0), idColumn.rows(0)
	for id, l := range after {
		if was, known := before[id]; known && was == l {
			continue
		}
		doc, err := document(l)
		if err != nil {
			return err
		}
		rows.add(id, doc)
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
	if rows.n == 0 {
		return nil
	}
	_, err := t.exec(`INSERT INTO loose_stops (agent_id, occurrence_id, doc) SELECT ?, r.occurrence_id, r.doc FROM {rows} WHERE true
		ON CONFLICT (agent_id, occurrence_id) DO UPDATE SET doc = excluded.doc`, t.agentID, rows)
	return err
}

var incidentColumns = cols("incident_id text, key text, kept boolean, opened_at bigint, resolved_at bigint, type text, doc text")

// saveIncidents writes incidents that were opened or resolved, and which of them
// are kept because their cause persists.
func (t *tx) saveIncidents(before, after map[string]rollout.Incident, eff rollout.Effects) error {
	type keptAs struct {
		rollout.Incident
		key  string
		kept bool
	}
	var order []string
	changed := map[string]keptAs{}
	put := func(k keptAs) {
		if _, known := changed[k.ID]; !known {
			order = append(order, k.ID)
		}
		changed[k.ID] = k
	}
	for _, i := range eff.Opened {
		put(keptAs{Incident: i})
	}
	for _, i := range eff.Resolved {
		put(keptAs{Incident: i})
	}
	for _, key := range sortedKeys(before) {
		was := before[key]
		if is, kept := after[key]; (!kept || is.ID != was.ID) && changed[was.ID].ID == "" {
			put(keptAs{Incident: was}) // its cause is gone; it was resolved long ago
		}
	}
	for _, key := range sortedKeys(after) {
		is := after[key]
		if was, known := before[key]; !known || was != is || changed[is.ID].ID != "" {
			put(keptAs{Incident: is, key: key, kept: true})
		}
	}
	rows := incidentColumns.rows(len(order))
	for _, kept := range []bool{false, true} { // what is kept no more makes room for what is
		for _, id := range order {
			k := changed[id]
			if k.kept != kept {
				continue
			}
			doc, err := document(k.Incident)
			if err != nil {
				return err
			}
			rows.add(k.ID, k.key, k.kept, k.OpenedAt, k.ResolvedAt, string(k.Type), doc)
		}
	}
	if rows.n == 0 {
		return nil
	}
	_, err := t.exec(`INSERT INTO incidents (incident_id, agent_id, key, kept, opened_at, resolved_at, type, doc)
		SELECT r.incident_id, ?, r.key, r.kept, r.opened_at, r.resolved_at, r.type, r.doc FROM {rows} WHERE true
		ON CONFLICT (incident_id) DO UPDATE SET key = excluded.key, kept = excluded.kept, opened_at = excluded.opened_at,
			resolved_at = excluded.resolved_at, type = excluded.type, doc = excluded.doc`, t.agentID, rows)
	return err
}
