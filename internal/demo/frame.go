package demo

import (
	"fmt"
	"strings"

	"github.com/cirisai/orchestrator/client"
)

// mostListed is the largest fleet whose members are listed one by one.
const mostListed = 12

// frame draws a rollout as it is now: its waves, their members, and what each waits for.
func (o Options) frame(r client.Rollout, clock string) []string {
	lines := []string{fmt.Sprintf("  %-8s %s %s", clock, r.Kind, r.State)}
	total := 0
	for _, w := range r.Waves {
		total += len(w.Members)
	}
	for _, w := range r.Waves {
		lines = append(lines, "", fmt.Sprintf("  wave %d  %-14s %-9s %s", w.Index, w.Group, w.State, bar(w)))
		if total <= mostListed {
			for _, m := range w.Members {
				lines = append(lines, fmt.Sprintf("          %-14s %s", m.OccurrenceID, stateOf(r.Kind, m)))
			}
		} else if s := summary(r.Kind, w); s != "" {
			lines = append(lines, "          "+s)
		}
		if words := o.waitsFor(w); words != "" {
			lines = append(lines, "          waits for "+words)
		}
	}
	if total > mostListed {
		lines = append(lines, "", "  . not told   o told   O said yes   # there   x failed or lost   - left out")
	}
	return lines
}

// bar is a wave's members in a character each.
func bar(w client.Wave) string {
	const most = 60
	var b strings.Builder
	for i, m := range w.Members {
		if i == most {
			b.WriteString("...")
			break
		}
		b.WriteByte(mark(m.State))
	}
	return b.String()
}

// summary counts a wave's members by what they are doing, in the order of their first appearance.
func summary(kind client.RolloutKind, w client.Wave) string {
	counts, order := map[string]int{}, []string{}
	for _, m := range w.Members {
		s := stateOf(kind, m)
		if counts[s] == 0 {
			order = append(order, s)
		}
		counts[s]++
	}
	parts := make([]string, 0, len(order))
	for _, s := range order {
		parts = append(parts, fmt.Sprintf("%d %s", counts[s], s))
	}
	return strings.Join(parts, ", ")
}
