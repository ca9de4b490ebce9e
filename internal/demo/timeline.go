package demo

import (
	"fmt"
	"time"

	"github.com/cirisai/orchestrator/client"
)

// milestone is a moment of the shutdown: when the specification has it, and when it was.
type milestone struct {
	what      string
	specified time.Duration
	at        *time.Time // nil: it did not happen
}

// milestones are the specification's, for nine occurrences; the delays and the time that stopping takes are the same for
// any number.
func milestones(r client.Rollout) []milestone {
	if r.Decision == nil {
		return nil
	}
	all := []milestone{{"the decider accepts; the explorer is told to stop", 0, &r.Decision.DecidedAt}}
	for _, w := range r.Waves {
		if w.State == client.WaveStateSkipped {
			continue
		}
		switch w.Group {
		case explorer:
			all = append(all, milestone{"explorer stopped, validated", 30 * time.Second, lastStopped(w)})
		case earlyAdopter:
			all = append(all, milestone{"early adopters told", time.Minute, firstTold(w)},
				milestone{"early adopters stopped, validated", 2 * time.Minute, lastStopped(w)})
		case general:
			all = append(all, milestone{"all others told", 3 * time.Minute, firstTold(w)},
				milestone{"the whole fleet stopped", 5 * time.Minute, lastStopped(w)})
		}
	}
	return all
}

// firstTold is when the first member of a wave was told.
func firstTold(w client.Wave) *time.Time {
	var first *time.Time
	for _, m := range w.Members {
		if t := m.InstructedAt; t != nil && (first == nil || t.Before(*first)) {
			first = t
		}
	}
	return first
}

// lastStopped is when the last member of a wave had stopped; nil when not all have.
func lastStopped(w client.Wave) *time.Time {
	var last *time.Time
	for _, m := range w.Members {
		if m.State != client.MemberStateReached || m.ReachedAt == nil {
			return nil
		}
		if last == nil || m.ReachedAt.After(*last) {
			last = m.ReachedAt
		}
	}
	return last
}

// timeline sets what was beside what should be, a line for each milestone.
func timeline(r client.Rollout, virtual func(time.Duration) time.Duration) []string {
	lines := []string{fmt.Sprintf("  %-52s %-10s %s", "", "specified", "here")}
	for _, m := range milestones(r) {
		here := "-"
		if m.at != nil {
			here = clockOf(virtual(m.at.Sub(r.Decision.DecidedAt)))
		}
		lines = append(lines, fmt.Sprintf("  %-52s %-10s %s", m.what, clockOf(m.specified), here))
	}
	return lines
}
