package rollout

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
)

// The texts that a decider is handed (rule 4.23), after the FSD. An agent may
// bring its own; what stands in braces is filled in.
const (
	wakeupText = `VERIFY_IDENTITY

You are {agent_id}, occurrence {occurrence_id} of this agent runtime.

MULTI-OCCURRENCE CONTEXT:
You are processing this wakeup on behalf of ALL {occurrences} runtime occurrences.
Your affirmation confirms the identity of the entire agent system.

If you affirm, the other occurrences join in canary waves:
{waves}

Total of the delays: {total_delay}. At the most it takes {at_most}.

REJECTION:
If you reject, NO occurrence wakes up. Your decision applies to all.

Reason for this wakeup: {reason}

If you agree, affirm. [ACCEPT] wakes the fleet; [REJECT] wakes nobody, with your reasoning; [DEFER] decides later.
`
	shutdownText = `SYSTEM SHUTDOWN REQUEST

You are {agent_id}, occurrence {occurrence_id}, processing this shutdown request on behalf of ALL {occurrences} runtime occurrences.

SHUTDOWN PLAN (if you accept):
Your acceptance begins a canary shutdown across all occurrences:
{waves}

Total of the delays: {total_delay}. At the most it takes {at_most}.
The remaining occurrences go on handling requests until their wave's turn.
Expected reactivation: {expected_reactivation}

REJECTION:
If you reject, NO occurrence shuts down. Your decision applies to all.

Reason for the shutdown request: {reason}

Do you accept this shutdown plan?
[ACCEPT] begins the canary shutdown. [REJECT] refuses it for all occurrences, with your reasoning. [DEFER] decides later.
`
)

var placeholder = regexp.MustCompile(`\{([^{}]*)\}`)

// Placeholders lists what a message template may use.
func Placeholders() []string {
	return []string{"agent_id", "at_most", "expected_reactivation", "occurrence_id", "occurrences", "reason", "total_delay", "waves"}
}

// ValidateMessage checks a template of an agent: unknown placeholders are
// refused (rule 4.23).
func ValidateMessage(template, pointer string) []discovery.FieldError {
	var errs []discovery.FieldError
	for _, m := range placeholder.FindAllStringSubmatch(template, -1) {
		if !slices.Contains(Placeholders(), m[1]) {
			errs = append(errs, discovery.FieldError{
				Pointer: pointer,
				Detail:  fmt.Sprintf("{%s} is no placeholder; known are {%s}", m[1], strings.Join(Placeholders(), "}, {")),
			})
		}
	}
	return errs
}

// message writes the text for a decider, with the plan as it would be now.
func (w *world) message(r *Rollout, occurrence string) string {
	template := w.Profile.Messages[r.Kind]
	if template == "" {
		template = shutdownText
		if r.Kind == Wakeup {
			template = wakeupText
		}
	}
	f := w.Profile.Forecast(r.Kind, r.Groups, w.in.Fleet, occurrence, w.now)
	reactivation := "none given"
	if !r.ReactivateWall.IsZero() {
		reactivation = r.ReactivateWall.UTC().Format(time.RFC3339)
	}
	values := map[string]string{
		"agent_id": w.AgentID, "occurrence_id": occurrence, "occurrences": fmt.Sprint(f.Members), "reason": r.Reason,
		"waves": f.describe(), "total_delay": f.Delays.String(), "at_most": f.AtMost.String(), "expected_reactivation": reactivation,
	}
	return placeholder.ReplaceAllStringFunc(template, func(s string) string { return values[s[1:len(s)-1]] })
}

// describe writes the plan for people, a line a wave.
func (f Forecast) describe() string {
	var b strings.Builder
	previous := ""
	for i, v := range f.Waves {
		if v.Status == WaveSkipped {
			continue
		}
		n := max(v.Places, len(v.Members))
		noun := "occurrences"
		if n == 1 {
			noun = "occurrence"
		}
		when := "at once"
		switch {
		case previous == "" && v.Delay > 0:
			when = v.Delay.String() + " after the decision"
		case previous != "":
			when = v.Delay.String() + " after " + previous + " is settled"
		}
		fmt.Fprintf(&b, "- Wave %d (%s): %d %s, starts %s, each has %s\n", i+1, v.Name, n, noun, when, v.Timeout)
		previous = "wave " + fmt.Sprint(i+1)
	}
	return strings.TrimSuffix(b.String(), "\n")
}
