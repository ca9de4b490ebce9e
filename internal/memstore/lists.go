package memstore

import (
	"cmp"
	"slices"
	"strings"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// limited cuts a list to its limit; a limit that is not positive is none.
func limited[T any](list []T, limit int) []T {
	if limit > 0 && len(list) > limit {
		return list[:limit]
	}
	return list
}

// Agents implements engine.ReadTx.
func (r *reader) Agents(after string, limit int) ([]engine.AgentSummary, error) {
	var listed []engine.AgentSummary
	for _, v := range r.versions() {
		if limit > 0 && len(listed) == limit {
			break
		}
		if v.id > after {
			listed = append(listed, r.summary(v))
		}
	}
	return listed, nil
}

func (r *reader) summary(v *version) engine.AgentSummary {
	a := engine.AgentSummary{AgentID: v.id, Profile: cloneProfile(v.profile), Hold: pointerTo(v.state.Hold), Occurrences: v.fleet.Len()}
	for i, all := 0, v.fleet.All(); i < len(all); i++ {
		switch all[i].Liveness(r.settings.Timing(), r.now) {
		case discovery.Live:
			a.Live++
			a.Discovered++
			if all[i].State.Awake() {
				a.Awake++
			}
		case discovery.Stale:
			a.Discovered++
		case discovery.Gone:
		}
	}
	for _, row := range v.unfinished {
		a.Unfinished = append(a.Unfinished, row.ID)
	}
	return a
}

// Rollouts implements engine.ReadTx.
func (r *reader) Rollouts(f engine.RolloutFilter) ([]rollout.Rollout, error) {
	var rows []*rolloutRow
	for _, v := range r.versions() {
		if f.AgentID != "" && f.AgentID != v.id {
			continue
		}
		for _, row := range v.rollouts.before(f.Before) {
			if (f.Kind == "" || f.Kind == row.Kind) && (len(f.States) == 0 || slices.Contains(f.States, row.Status)) {
				rows = append(rows, row)
			}
		}
	}
	slices.SortFunc(rows, func(a, b *rolloutRow) int { return strings.Compare(b.ID, a.ID) })
	var listed []rollout.Rollout
	for _, row := range limited(rows, f.Limit) {
		listed = append(listed, cloneRollout(row.Rollout))
	}
	return listed, nil
}

// Incidents implements engine.ReadTx.
func (r *reader) Incidents(f engine.IncidentFilter) ([]engine.KeptIncident, error) {
	var rows []*incidentRow
	for _, v := range r.versions() {
		for _, row := range v.incidents {
			if (f.AgentID == "" || f.AgentID == v.id) && (f.Open == nil || *f.Open == row.ResolvedAt.IsZero()) {
				rows = append(rows, row)
			}
		}
	}
	slices.SortFunc(rows, func(a, b *incidentRow) int { return newer(a.place(), b.place()) })
	var listed []engine.KeptIncident
	for _, row := range rows {
		if f.Limit > 0 && len(listed) == f.Limit {
			break
		}
		if f.Before == nil || newer(*f.Before, row.place()) < 0 {
			listed = append(listed, r.kept(row))
		}
	}
	return listed, nil
}

func (row *incidentRow) place() engine.IncidentPlace {
	return engine.IncidentPlace{OpenedAt: row.OpenedAt, ID: row.ID}
}

// newer orders incidents: the newest first.
func newer(a, b engine.IncidentPlace) int {
	return cmp.Or(b.OpenedAt.Compare(a.OpenedAt), strings.Compare(b.ID, a.ID))
}

// Counts implements engine.ReadTx.
func (r *reader) Counts() (engine.Counts, error) {
	c := engine.Counts{
		Occurrences: make(map[discovery.Liveness]int), Rollouts: make(map[rollout.Kind]map[rollout.Status]int),
		OpenIncidents: make(map[rollout.IncidentType]int),
	}
	for _, v := range r.versions() {
		c.Agents++
		for i, all := 0, v.fleet.All(); i < len(all); i++ {
			c.Occurrences[all[i].Liveness(r.settings.Timing(), r.now)]++
		}
		for _, row := range v.rollouts {
			if c.Rollouts[row.Kind] == nil {
				c.Rollouts[row.Kind] = make(map[rollout.Status]int)
			}
			c.Rollouts[row.Kind][row.Status]++
		}
		for _, row := range v.incidents {
			if row.ResolvedAt.IsZero() {
				c.OpenIncidents[row.Type]++
			}
		}
		for _, row := range v.waiting {
			if !row.suspended && r.now.Before(row.Deadline) {
				c.Pending++
			}
		}
	}
	return c, nil
}
