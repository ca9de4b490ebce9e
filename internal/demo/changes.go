package demo

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/cirisai/orchestrator/client"
)

// change is one thing that happened to a rollout, when, and in words.
type change struct {
	at   time.Time
	text string
}

// changes tells what has happened between two looks at a rollout, in order of time. Before the first look there was nothing;
// what it is doing then goes without saying, unless it has ended already.
func (o Options) changes(before, after client.Rollout) []change {
	var all []change
	for i, w := range after.Waves {
		var old client.Wave
		if i < len(before.Waves) {
			old = before.Waves[i]
		}
		all = append(all, o.waveChanges(after, old, w)...)
	}
	if before.State != after.State && (before.State != "" || final(after)) {
		all = append(all, change{after.UpdatedAt, fmt.Sprintf("%s %s", after.Kind, after.State)})
	}
	slices.SortStableFunc(all, func(a, b change) int { return a.at.Compare(b.at) })
	return all
}

func (o Options) waveChanges(r client.Rollout, old, w client.Wave) []change {
	title := fmt.Sprintf("wave %d %s", w.Index, w.Group)
	var all []change
	if w.State != old.State {
		if at, what := waveTurn(r, w); what != "" {
			all = append(all, change{at, title + " " + what})
		}
	}
	all = append(all, memberChanges(r, title, old, w)...)
	if words := o.waitsFor(w); words != "" && w.State != old.State && !settled(w) {
		// After all else that has happened at this look: it is what comes next.
		all = append(all, change{r.UpdatedAt.Add(time.Nanosecond), title + " waits for " + words})
	}
	return all
}

// waveTurn says what a wave's state means, and when it was entered.
func waveTurn(r client.Rollout, w client.Wave) (time.Time, string) {
	switch w.State {
	case client.WaveStateRunning:
		return known(w.StartedAt, r), "starts"
	case client.WaveStatePassed:
		return known(w.GateOpenedAt, r), "has passed: enough of it are where they should be"
	case client.WaveStateFailed:
		return known(w.FinishedAt, r), "HAS FAILED"
	case client.WaveStateSkipped:
		return r.UpdatedAt, "is skipped: nobody is in it"
	case client.WaveStateCancelled:
		return r.UpdatedAt, "is cancelled"
	case client.WaveStatePending, client.WaveStateDelayed:
	}
	return time.Time{}, ""
}

// memberChanges groups the members that have come to a new state, a line for each state.
func memberChanges(r client.Rollout, title string, old, w client.Wave) []change {
	states := map[string]client.MemberState{}
	for _, m := range old.Members {
		states[m.OccurrenceID] = m.State
	}
	var all []change
	ids := map[string][]string{}
	times := map[string]time.Time{}
	for _, m := range w.Members {
		if states[m.OccurrenceID] == m.State || m.State == client.MemberStatePending {
			continue
		}
		s := stateOf(r.Kind, m)
		if at := memberAt(r, m); times[s].IsZero() || at.Before(times[s]) {
			times[s] = at
		}
		ids[s] = append(ids[s], m.OccurrenceID)
	}
	for s, who := range ids {
		all = append(all, change{times[s], fmt.Sprintf("%s: %s %s", title, names(who), s)})
	}
	slices.SortFunc(all, func(a, b change) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.text, b.text)) })
	return all
}

// memberAt is when a member came to its state, as far as the service says so.
func memberAt(r client.Rollout, m client.Member) time.Time {
	switch m.State {
	case client.MemberStateInstructed:
		return known(m.InstructedAt, r)
	case client.MemberStateAcknowledged:
		return known(m.AcknowledgedAt, r)
	case client.MemberStateReached:
		return known(m.ReachedAt, r)
	case client.MemberStateFailed:
		return known(m.Deadline, r)
	case client.MemberStatePending, client.MemberStateLost, client.MemberStateSkipped, client.MemberStateCancelled:
	}
	return r.UpdatedAt
}

func known(t *time.Time, r client.Rollout) time.Time {
	if t == nil {
		return r.UpdatedAt
	}
	return *t
}

// settled tells whether the next wave does not wait for this one any more.
func settled(w client.Wave) bool {
	return w.State == client.WaveStatePassed || w.State == client.WaveStateFailed
}
