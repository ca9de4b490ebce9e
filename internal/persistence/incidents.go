package persistence

import (
	"maps"

	"github.com/cirisai/orchestrator/internal/rollout"
)

var incidentColumns = cols("incident_id text, key text, kept boolean, opened_at bigint, resolved_at bigint, type text, doc text")

// keptAs is an incident as it is to be kept.
type keptAs struct {
	rollout.Incident
	key  string
	kept bool
}

// saveIncidents writes incidents that were opened or resolved, and which of them
// are kept because their cause persists.
func (t *tx) saveIncidents(before, after map[string]rollout.Incident, eff rollout.Effects) error {
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
	return t.writeIncidents(order, changed)
}

// writeIncidents writes what is kept no more first: it makes room for what is.
func (t *tx) writeIncidents(order []string, changed map[string]keptAs) error {
	if len(order) == 0 {
		return nil
	}
	rows := incidentColumns.rows(len(order))
	kept := map[string]rollout.Incident{}
	for _, now := range []bool{false, true} {
		for _, id := range order {
			k := changed[id]
			if k.kept != now {
				continue
			}
			doc, err := document(k.Incident)
			if err != nil {
				return err
			}
			rows.add(k.ID, k.key, k.kept, k.OpenedAt, k.ResolvedAt, string(k.Type), doc)
			if k.kept {
				if kept[k.key], err = readIncident(k.key, doc); err != nil {
					return err
				}
			}
		}
	}
	if _, err := t.exec(`INSERT INTO incidents (incident_id, agent_id, key, kept, opened_at, resolved_at, type, doc)
		SELECT r.incident_id, ?, r.key, r.kept, r.opened_at, r.resolved_at, r.type, r.doc FROM {rows} WHERE true
		ON CONFLICT (incident_id) DO UPDATE SET key = excluded.key, kept = excluded.kept, opened_at = excluded.opened_at,
			resolved_at = excluded.resolved_at, type = excluded.type, doc = excluded.doc`, t.agentID, rows); err != nil {
		return err
	}
	if t.next != nil {
		next := *t.next
		next.incidents = maps.Clone(next.incidents)
		maps.DeleteFunc(next.incidents, func(_ string, i rollout.Incident) bool { _, written := changed[i.ID]; return written })
		maps.Copy(next.incidents, kept)
		t.next = &next
	}
	return nil
}
