package dashboard

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

const (
	incidentsShown  = 20
	occurrencesEach = 12
)

// incidentList is the open incidents. Those of one sort about one rollout, or one
// agent, are one entry, so that a network that is down is one and not ninety.
type incidentList struct {
	Entries []incidentEntry
	Left    string // what is not shown, in words
}

type incidentEntry struct {
	Title       string
	Type        string
	N           int
	AgentID     string
	RolloutID   string
	RolloutHref string
	Wave        int
	Occurrences []string
	MoreOf      int // occurrences that are not named
	Detail      string
	Opened      *stamp // the latest
	Since       *stamp // the first, if there are several
	Advice      string
	ID          string // of the latest
}

type incidentKey struct {
	agent, rollout string
	wave           int
	kind           rollout.IncidentType
}

// newIncidentList expects the newest first, and keeps that order.
func newIncidentList(incidents []engine.KeptIncident, now time.Time) incidentList {
	var list incidentList
	at := map[incidentKey]int{}
	for i := range incidents {
		in := &incidents[i]
		key := incidentKey{in.AgentID, in.RolloutID, in.Wave, in.Type}
		j, known := at[key]
		if !known {
			j = len(list.Entries)
			at[key] = j
			list.Entries = append(list.Entries, newIncidentEntry(in, now))
		}
		list.Entries[j].add(in, now)
	}
	list.cut(incidentsShown)
	return list
}

func newIncidentEntry(in *engine.KeptIncident, now time.Time) incidentEntry {
	return incidentEntry{
		ID: in.ID, Title: sentence(string(in.Type)), Type: string(in.Type), AgentID: in.AgentID, RolloutID: in.RolloutID, Wave: in.Wave,
		Detail: readable(clip(in.Detail, longText), now), Opened: stampOf(in.OpenedWall, now), Advice: advice(in.Type),
	}
}

func (e *incidentEntry) add(in *engine.KeptIncident, now time.Time) {
	e.N++
	if e.N > 1 {
		e.Since = stampOf(in.OpenedWall, now)
	}
	switch {
	case in.OccurrenceID == "":
	case len(e.Occurrences) < occurrencesEach:
		e.Occurrences = append(e.Occurrences, in.OccurrenceID)
	default:
		e.MoreOf++
	}
}

// cut leaves the first entries, and counts the others by their sort.
func (l *incidentList) cut(limit int) {
	if len(l.Entries) <= limit {
		return
	}
	left := map[string]int{}
	for _, e := range l.Entries[limit:] {
		left[e.Type] += e.N
	}
	l.Entries = l.Entries[:limit]
	kinds := make([]string, 0, len(left))
	for kind := range left {
		kinds = append(kinds, kind)
	}
	slices.SortFunc(kinds, func(a, b string) int { return cmp.Or(left[b]-left[a], strings.Compare(a, b)) })
	for i, kind := range kinds {
		kinds[i] = fmt.Sprintf("%d %s", left[kind], kind)
	}
	l.Left = strings.Join(kinds, ", ")
}

// advice says what somebody who has just woken up can do about an incident.
func advice(t rollout.IncidentType) string {
	switch t {
	case rollout.IncidentWaveFailed:
		return "Look at the wave's failed members. If its rollout is halted: retry, promote or abort it."
	case rollout.IncidentDecisionTimeout:
		return "Nobody decided in time, so nothing was done. Ask again, or decide it yourself next time."
	case rollout.IncidentDeferralLimit:
		return "It was deferred for as long as that is possible, and nothing was done. Ask again if it is still wanted."
	case rollout.IncidentWakeupRefused:
		return "The fleet stays down until an operator asks for a wakeup, or all of it has been restarted."
	case rollout.IncidentMemberStuck:
		return "It says that all is well and does not do what it was told. Look at its process; ending that is up to you."
	case rollout.IncidentOccurrenceStuck:
		return "It has been waking up or winding down for too long. Look at its log."
	case rollout.IncidentUndeliverable:
		return "Its callback address could not be reached in time. Look at the address and the way there."
	case rollout.IncidentKeepsRestarting:
		return "Something restarts it, a supervisor perhaps. Stop that, or shut down with terminal, which keeps it down."
	case rollout.IncidentStraggler:
		return "It was still running after its shutdown had ended, and was told once more. See that it stops."
	case rollout.IncidentIdentityConflict:
		return "Two processes use this occurrence's id. Stop one of them, or give it an id of its own."
	case rollout.IncidentPausedLong:
		return "It has been paused for a day. Resume or abort it."
	case rollout.IncidentRestartedWhileHeld:
		return "Something restarts it while the agent is held. Stop that, or release the agent."
	case rollout.IncidentBelowExpected:
		return "Look for who is missing, or correct the agent's expected_occurrences."
	}
	return ""
}
