package demo

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/cirisai/orchestrator/client"
)

// clockOf writes a virtual duration as the specification does: T+3:00.
func clockOf(virtual time.Duration) string {
	sign := "+"
	if virtual < 0 {
		sign, virtual = "-", -virtual
	}
	seconds := int(virtual.Round(time.Second) / time.Second)
	return fmt.Sprintf("T%s%d:%02d", sign, seconds/60, seconds%60)
}

// stateOf says in plain words where a member is.
func stateOf(kind client.RolloutKind, m client.Member) string {
	waking := kind == client.RolloutKindWakeup
	switch m.State {
	case client.MemberStatePending:
		return "not told yet"
	case client.MemberStateInstructed:
		return "told"
	case client.MemberStateAcknowledged:
		return choose(waking, "waking up", "winding down")
	case client.MemberStateReached:
		return choose(waking, "at work", "stopped")
	case client.MemberStateFailed:
		return choose(waking, "did not wake in time", "did not stop in time")
	case client.MemberStateLost:
		return "not heard of any more"
	case client.MemberStateSkipped:
		return "left out"
	case client.MemberStateCancelled:
		return choose(m.InstructedAt == nil, "never told", "told, but not waited for any more")
	}
	return string(m.State)
}

func choose(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}

// mark is a member in one character.
func mark(s client.MemberState) byte {
	switch s {
	case client.MemberStatePending:
		return '.'
	case client.MemberStateInstructed:
		return 'o'
	case client.MemberStateAcknowledged:
		return 'O'
	case client.MemberStateReached:
		return '#'
	case client.MemberStateFailed, client.MemberStateLost:
		return 'x'
	case client.MemberStateSkipped, client.MemberStateCancelled:
		return '-'
	}
	return '?'
}

// count writes "1 occurrence", "9 occurrences".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// moments are the times of day in a text of the service's, with the words that lead to them. To the second, as they are
// written there, they say nothing about seconds that stand for minutes.
var moments = regexp.MustCompile(`(;|,| to end)? (since|until|by|at) \d{4}-\d\d-\d\dT[0-9:.]+Z`)

// waitsFor says what a wave waits for, in virtual time.
func (o Options) waitsFor(w client.Wave) string {
	words := moments.ReplaceAllString(text(w.WaitingFor), "")
	if d, err := time.ParseDuration(w.Delay); err == nil && d > 0 {
		words = strings.Replace(words, "delay of "+w.Delay, "delay of "+o.virtual(d).Round(time.Second).String(), 1)
	}
	return words
}

// names lists who it is, or how many when that would be long.
func names(ids []string) string {
	const most = 6
	slices.Sort(ids)
	if len(ids) > most {
		return fmt.Sprintf("%s to %s (%d)", ids[0], ids[len(ids)-1], len(ids))
	}
	return strings.Join(ids, ", ")
}

// indent sets a text of somebody else's off from the demonstration's own.
func indent(text string) string {
	return "  | " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n  | ")
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
