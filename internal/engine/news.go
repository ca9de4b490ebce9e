package engine

import (
	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// newsOf writes what is new about an occurrence as events (rule 9.1): that it
// was registered, has a new boot, reports another state, has left. What only
// keeps it alive is no change.
func newsOf(before, after *discovery.Occurrence) []rollout.Event {
	actor := "occurrence:" + after.ID
	event := func(kind string, data map[string]any) rollout.Event {
		return rollout.Event{Type: kind, OccurrenceID: after.ID, Actor: actor, Data: data}
	}
	var events []rollout.Event
	switch {
	case before == nil:
		events = append(events, event("occurrence.registered", map[string]any{"boot_id": after.Boot, "coordinated": after.Coordinated}))
	case before.Boot != after.Boot:
		events = append(events, event("occurrence.booted", map[string]any{"boot_id": after.Boot, "replaces": before.Boot}))
	}
	if before != nil && before.Boot == after.Boot && before.State != after.State && !after.Left {
		events = append(events, event("occurrence.state", map[string]any{"from": string(before.State), "to": string(after.State)}))
	}
	if before != nil && !before.Left && after.Left {
		events = append(events, event("occurrence.left", nil))
	}
	if before != nil && before.Coordinated != after.Coordinated {
		events = append(events, event("occurrence.coordinated", map[string]any{"coordinated": after.Coordinated}))
	}
	if before != nil && len(after.Conflicts) > 0 && (len(before.Conflicts) == 0 || before.Conflicts[len(before.Conflicts)-1] != after.Conflicts[len(after.Conflicts)-1]) {
		events = append(events, event("occurrence.boot_replaced", map[string]any{"answers_within_a_minute": len(after.Conflicts)}))
	}
	if before != nil && !before.CallbackGone && after.CallbackGone {
		e := event("occurrence.callback_gone", nil)
		e.Actor = "system:dispatch"
		events = append(events, e)
	}
	return events
}
