package dashboard

import (
	"strings"
	"time"

	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// rolloutCard is a rollout on the page.
type rolloutCard struct {
	ID, AgentID string
	Kind        string // as a title
	Tone        tone
	State       string
	Meaning     string // of the state, where the word does not say it
	Final       bool
	Reason      string
	RequestedBy string
	Created     *stamp
	Finished    *stamp
	Took        string
	Next        *stamp
	Waits       string // for what, where it is not a wave that waits
	Notes       []string
	Decision    *decision
	Forecast    bool
	Waves       []waveBlock
	Commands    []string
}

type decision struct {
	Verdict   string
	Tone      tone
	By        string
	At        *stamp
	Reasoning string
}

func newRolloutCard(r *engine.RolloutView, now time.Time) rolloutCard {
	c := rolloutCard{
		ID: r.ID, AgentID: r.AgentID, Kind: kindTitle(r.Kind), State: string(r.Status), Final: r.Status.Final(),
		Reason: clip(r.Reason, longText), RequestedBy: clip(r.RequestedBy, shortText),
		Created: stampOf(r.Clock.Wall(r.CreatedAt), now), Finished: stampOf(r.Clock.Wall(r.FinishedAt), now),
		Decision: newDecision(r, now), Commands: rollout.Allowed(r.Rollout), Notes: notes(r, now),
	}
	c.Tone, c.Meaning = statusTone(r.Status)
	switch {
	case c.Final:
		c.Took = roughly(r.FinishedAt.Sub(r.CreatedAt))
	default:
		if waitsForOperator(r) == "" {
			c.Next = stampOf(r.Clock.Wall(r.NextAction), now)
		}
		c.Waits = readable(waitsAsAWhole(r), now)
	}
	c.Forecast = !c.Final && !r.Started()
	for i := range r.Waves {
		c.Waves = append(c.Waves, newWaveBlock(r, i, c.Waits == "", now))
	}
	return c
}

func kindTitle(k rollout.Kind) string {
	if k == rollout.Emergency {
		return "Emergency stop"
	}
	return sentence(string(k))
}

// waitsAsAWhole is what a rollout waits for when it is no single wave that waits:
// then every wave would say the same.
func waitsAsAWhole(r *engine.RolloutView) string {
	switch r.Status {
	case rollout.Deciding, rollout.Deferred, rollout.Paused:
	case rollout.Rolling, rollout.Halted, rollout.Succeeded, rollout.Partial, rollout.Rejected, rollout.Failed, rollout.Aborted, rollout.Superseded:
		return ""
	}
	for _, text := range r.WaitingFor {
		if text != "" {
			return text
		}
	}
	return "an operator"
}

// statusTone gives a state its colour, and says what its word does not.
func statusTone(s rollout.Status) (tone, string) {
	switch s {
	case rollout.Deciding:
		return busy, "one occurrence decides for all"
	case rollout.Deferred:
		return warn, "the decision was put off"
	case rollout.Rolling:
		return busy, "the decision is being carried out"
	case rollout.Paused:
		return warn, "an operator has stopped its clocks"
	case rollout.Halted:
		return bad, "a wave failed, and an operator must say how to go on"
	case rollout.Succeeded:
		return good, "everybody is where they were told to go"
	case rollout.Partial:
		return warn, "not everybody is where they were told to go"
	case rollout.Rejected:
		return quiet, "the fleet said no, and nothing was done"
	case rollout.Failed:
		return bad, ""
	case rollout.Aborted:
		return quiet, "an operator ended it; what was done stays done"
	case rollout.Superseded:
		return quiet, "another rollout took its place"
	}
	return quiet, ""
}

func newDecision(r *engine.RolloutView, now time.Time) *decision {
	d := r.Decision
	if d == nil {
		return nil
	}
	out := &decision{By: clip(d.Actor, shortText), At: stampOf(r.Clock.Wall(d.DecidedAt), now), Reasoning: clip(d.Reasoning, longText), Tone: quiet}
	if d.OccurrenceID != "" {
		out.By = "occurrence " + d.OccurrenceID
	}
	switch d.Verdict {
	case rollout.Accept:
		out.Verdict, out.Tone = "accepted", good
	case rollout.Reject:
		out.Verdict, out.Tone = "rejected", bad
	case rollout.Defer:
		out.Verdict, out.Tone = "deferred", warn
	default:
		out.Verdict = string(d.Verdict)
	}
	if r.Kind == rollout.Emergency {
		out.Verdict, out.Tone = "ordered", quiet // nobody was asked (rule 8.1)
	}
	return out
}

// notes are the parts of a request that somebody on call should not miss.
func notes(r *engine.RolloutView, now time.Time) []string {
	var all []string
	if r.Terminal {
		all = append(all, "terminal: the agent is held when it has ended")
	}
	if r.Consent == rollout.ConsentInstant {
		all = append(all, "no consent asked")
	}
	if r.OnTimeout == rollout.TimeoutAccepts {
		all = append(all, "silence accepts")
	}
	if r.Independent {
		all = append(all, "each occurrence decides for itself")
	}
	if !r.NotBeforeWall.IsZero() {
		all = append(all, "not before "+stampOf(r.NotBeforeWall, now).Clock)
	}
	if !r.ReactivateWall.IsZero() {
		all = append(all, "expected back at "+stampOf(r.ReactivateWall, now).Clock)
	}
	return all
}

// Title is the rollout in a few words.
func (c rolloutCard) Title() string { return c.Kind + " of " + c.AgentID }

// CommandList is what an operator may do now, in words.
func (c rolloutCard) CommandList() string { return strings.Join(c.Commands, ", ") }
