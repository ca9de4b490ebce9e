package dashboard

import (
	"fmt"
	"slices"
	"time"

	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// agentsShown is how many agents the main page shows. Those that somebody should
// look at come first; the others are a click away.
const agentsShown = 24

// agentCard is an agent on the page.
type agentCard struct {
	ID         string
	Tone       tone
	State      string // in a word or two
	Live       int
	Stale      int
	Gone       int
	Expected   int // 0: not declared
	Bar        bar
	Hold       *holdNote
	Unfinished []unfinishedLink
}

// unfinishedLink leads to a rollout, on this page if it is there.
type unfinishedLink struct{ Href, Text string }

type holdNote struct {
	Since     *stamp
	By        string
	Reason    string
	RolloutID string
	Cause     string // what gave it
}

func newAgentCard(a *engine.AgentView, now time.Time) agentCard {
	c := agentCard{
		ID: a.AgentID, Live: a.Live, Stale: a.Discovered - a.Live, Gone: a.Occurrences - a.Discovered,
		Expected: a.Profile.Expected,
	}
	for _, id := range a.Unfinished {
		c.Unfinished = append(c.Unfinished, unfinishedLink{Href: rolloutURL(id), Text: id})
	}
	c.Tone, c.State = agentTone(a)
	missing := max(0, a.Profile.Expected-a.Discovered)
	c.Bar = newBar(fmt.Sprintf("%d live, %d stale, %d missing", c.Live, c.Stale, missing),
		part{c.Live, "reached"}, part{c.Stale, "unclean"}, part{missing, "missing"})
	if a.Hold != nil {
		c.Hold = &holdNote{
			Since: stampOf(a.Clock.Wall(a.Hold.Since), now), By: clip(a.Hold.By, shortText), Reason: clip(a.Hold.Reason, longText),
			RolloutID: a.Hold.RolloutID, Cause: "an emergency stop",
		}
		if a.Hold.Terminal {
			c.Hold.Cause = "a terminal shutdown"
		}
	}
	return c
}

// agentTone says how an agent is, in a word or two. What is held is not asked for
// its numbers: it is meant to be down.
func agentTone(a *engine.AgentView) (tone, string) {
	switch {
	case a.Hold != nil && a.Live > 0:
		return bad, "held, but running"
	case a.Hold != nil:
		return warn, "held"
	case a.Discovered == 0:
		return warn, "nobody discovered"
	case a.Profile.Expected > a.Live:
		return warn, "below expected"
	case a.Live < a.Discovered:
		return warn, "some are stale"
	}
	return good, "all live"
}

// agentCards makes a card of every agent that was read.
func (v *view) agentCards() []agentCard {
	cards := make([]agentCard, len(v.agents))
	for i := range v.agents {
		c := newAgentCard(&v.agents[i], v.now)
		for j := range c.Unfinished {
			v.name(&c.Unfinished[j])
			if r := v.shown(v.agents[i].Unfinished[j]); r != nil && stopping(r) && c.Hold == nil && c.Tone == warn {
				c.Tone, c.State = busy, "shutting down" // its numbers are as they should be
			}
		}
		cards[i] = c
	}
	return cards
}

// stopping tells whether a rollout is the reason why occurrences disappear.
func stopping(r *engine.RolloutView) bool { return r.Kind != rollout.Wakeup && r.Started() }

// pickAgents picks the agents of the main page: those in trouble first, each part
// in order of id.
func (v *view) pickAgents(cards []agentCard) ([]agentCard, *elsewhere) {
	if len(cards) <= agentsShown {
		return cards, nil
	}
	cards = slices.Clone(cards)
	slices.SortStableFunc(cards, func(a, b agentCard) int { return calm(a) - calm(b) })
	left := len(cards) - agentsShown
	text := fmt.Sprintf("%d more agents", left)
	if v.moreAgents {
		text = fmt.Sprintf("more than %d other agents", left)
	}
	if calm(cards[agentsShown]) > 0 && !v.moreAgents {
		text += ", none of them in trouble"
	}
	return cards[:agentsShown], &elsewhere{Text: "All agents (" + text + ")"}
}

// name says what rollout a link leads to, if that is on the page.
func (v *view) name(link *unfinishedLink) {
	if r := v.shown(link.Text); r != nil {
		link.Href, link.Text = "#"+r.ID, string(r.Kind)+" "+string(r.Status)
	}
}

func calm(c agentCard) int {
	if c.Tone == good || c.Tone == busy {
		return 1
	}
	return 0
}
