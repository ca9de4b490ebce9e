package dashboard

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// frame is what every page has.
type frame struct {
	Title   string
	Style   string // URLs
	Icon    string
	Refresh int // seconds; 0: the page stays as it is
	AsOf    *stamp
}

func newFrame(title string, alert bool, now time.Time) frame {
	icon := "icon.svg"
	if alert {
		icon = "icon-alert.svg"
	}
	return frame{Title: title, Style: files.url("dashboard.css"), Icon: files.url(icon), AsOf: stampOf(now, now)}
}

// page is all that the template shows.
type page struct {
	frame
	Main, Older, Agents bool // which one it is
	CanRefresh          bool
	Tiles               []tile
	Calls               []call // what waits for a person; empty: nothing does
	Incidents           incidentList
	AgentCards          []agentCard
	AgentsElsewhere     *elsewhere
	Unfinished          []rolloutCard
	UnfinishedCut       bool
	Finished            []rolloutCard
	OlderThan           string // the id to go on below; empty: there is nothing older
}

// tile is a number that leads to its section.
type tile struct {
	Href, Label, Number, Note string
	Tone                      tone
}

// call is something that a person should do, and where.
type call struct {
	Href, Text string
	Tone       tone
}

// elsewhere leads to agents that are not on the page.
type elsewhere struct{ Text, After string }

// page says in words what was read.
func (v *view) page(refresh bool) page {
	p := page{frame: newFrame("orchestrator", false, v.now), Main: v.mode == mainPage, Older: v.mode == olderRollouts, Agents: v.mode == allAgents}
	switch v.mode {
	case mainPage:
		v.fillMain(&p)
		p.CanRefresh = true
		if refresh {
			p.Refresh = refreshSeconds
		}
	case olderRollouts:
		p.Title = "older rollouts · orchestrator"
	case allAgents:
		p.Title = "agents · orchestrator"
		p.AgentCards = v.agentCards()
		if v.moreAgents {
			p.AgentsElsewhere = &elsewhere{Text: "The agents after these", After: v.agents[len(v.agents)-1].AgentID}
		}
	}
	for i := range v.finished {
		p.Finished = append(p.Finished, newRolloutCard(&v.finished[i], v.now))
	}
	if v.older {
		p.OlderThan = v.finished[len(v.finished)-1].ID
	}
	return p
}

func (v *view) fillMain(p *page) {
	p.Incidents = newIncidentList(v.incidents, v.now)
	for i := range p.Incidents.Entries {
		e := &p.Incidents.Entries[i]
		if e.RolloutHref = rolloutURL(e.RolloutID); v.shown(e.RolloutID) != nil {
			e.RolloutHref = "#" + e.RolloutID
		}
	}
	cards := v.agentCards()
	p.AgentCards, p.AgentsElsewhere = v.pickAgents(cards)
	for i := range v.unfinished {
		p.Unfinished = append(p.Unfinished, newRolloutCard(&v.unfinished[i], v.now))
	}
	p.UnfinishedCut = len(v.unfinished) == unfinishedMax
	p.Calls = v.calls()
	p.Tiles = v.tiles(cards)
	if len(p.Calls) > 0 {
		p.frame = newFrame(fmt.Sprintf("(%d) orchestrator", len(p.Calls)), true, v.now)
	}
}

// shown finds a rollout that is on the page; nil when it is not.
func (v *view) shown(id string) *engine.RolloutView {
	for _, list := range [][]engine.RolloutView{v.unfinished, v.finished} {
		for i := range list {
			if list[i].ID == id {
				return &list[i]
			}
		}
	}
	return nil
}

func rolloutURL(id string) string { return "/v1/rollouts/" + url.PathEscape(id) }

func (v *view) tiles(cards []agentCard) []tile {
	live, stale := 0, 0
	worst := good
	for i := range cards {
		live += cards[i].Live
		stale += cards[i].Stale
		if calm(cards[i]) == 0 {
			worst = warn
		}
	}
	cut := ""
	if v.moreAgents {
		cut = "+"
	}
	incidents := tile{Href: "#incidents", Label: noun(len(v.incidents), "open incident", "open incidents"), Number: atMost(len(v.incidents), incidentsRead), Tone: good}
	if len(v.incidents) > 0 {
		incidents.Tone = bad
	}
	agents := tile{Href: "#agents", Label: noun(len(v.agents), "agent", "agents"), Number: fmt.Sprint(len(v.agents)) + cut, Tone: worst}
	occurrences := tile{Href: "#agents", Label: noun(live, "occurrence live", "occurrences live"), Number: fmt.Sprint(live) + cut, Tone: worst}
	if stale > 0 {
		occurrences.Note = fmt.Sprintf("%d stale", stale)
	}
	if len(v.agents) == 0 {
		agents.Tone, occurrences.Tone = quiet, quiet
	}
	rollouts := tile{Href: "#rollouts", Label: noun(len(v.unfinished), "rollout unfinished", "rollouts unfinished"), Number: atMost(len(v.unfinished), unfinishedMax), Tone: quiet}
	for i := range v.unfinished {
		t, _ := statusTone(v.unfinished[i].Status)
		rollouts.Tone = louder(rollouts.Tone, t)
	}
	return []tile{incidents, agents, occurrences, rollouts}
}

func atMost(n, limit int) string {
	if n >= limit {
		return fmt.Sprintf("%d+", limit)
	}
	return fmt.Sprint(n)
}

// calls lists what waits for a person: rollouts that only an operator can move
// on, and incidents.
func (v *view) calls() []call {
	var calls []call
	for i := range v.unfinished {
		r := &v.unfinished[i]
		if text := waitsForOperator(r); text != "" {
			t, _ := statusTone(r.Status)
			calls = append(calls, call{Href: "#" + r.ID, Text: text, Tone: t})
		}
	}
	if n := len(v.incidents); n > 0 {
		calls = append(calls, call{Href: "#incidents", Text: count(n, "incident is open", "incidents are open"), Tone: bad})
	}
	return calls
}

// waitsForOperator says what an operator can do about a rollout that does not move
// on by itself; nothing for the others.
func waitsForOperator(r *engine.RolloutView) string {
	what := "The " + string(r.Kind) + " of " + r.AgentID
	switch r.Status {
	case rollout.Halted:
		return what + " is halted: retry, promote or abort it"
	case rollout.Paused:
		return what + " is paused: resume or abort it"
	case rollout.Deferred:
		if r.DeferredTillWall.IsZero() {
			return what + " is deferred: decide or abort it"
		}
	case rollout.Deciding, rollout.Rolling, rollout.Succeeded, rollout.Partial, rollout.Rejected, rollout.Failed, rollout.Aborted, rollout.Superseded:
	}
	return ""
}

// louder is the one of two tones that needs somebody more.
func louder(a, b tone) tone {
	order := []tone{quiet, good, busy, warn, bad}
	for i := len(order) - 1; i >= 0; i-- {
		if a == order[i] || b == order[i] {
			return order[i]
		}
	}
	return a
}

// trouble is a page that says why there is no other.
type trouble struct {
	frame
	Headline string
	Text     []string
	Cause    string
}

// unavailable says that the database is away, and what that means.
func unavailable(err error, now time.Time) trouble {
	t := trouble{
		frame:    newFrame("(!) orchestrator: no database", true, now),
		Headline: "The database cannot be used now",
		Text: []string{
			"This replica decides nothing until it can: it moves no rollout on, sends nothing new, and takes no heartbeats. Occurrences go on with what they were doing. Replicas that reach the database carry on.",
			"Nothing is lost. While no replica can take heartbeats all clocks stand still, nobody counts as gone for it, and everything goes on afterwards where it was.",
			fmt.Sprintf("Look at the database and at the way to it. This page tries again every %d seconds.", refreshSeconds),
		},
		Cause: causeOf(err),
	}
	t.Refresh = refreshSeconds
	return t
}

// broken says that something went wrong that should not.
func broken(err error, now time.Time) trouble {
	t := trouble{
		frame:    newFrame("(!) orchestrator: error", true, now),
		Headline: "The orchestrator could not read its state",
		Text: []string{
			"This is a bug, or a database that holds what it should not. Rollouts may move on all the same; /metrics and the log say more.",
			fmt.Sprintf("This page tries again every %d seconds.", refreshSeconds),
		},
		Cause: causeOf(err),
	}
	t.Refresh = refreshSeconds
	return t
}

func notFound() trouble {
	f := newFrame("not found · orchestrator", false, time.Time{})
	return trouble{frame: f, Headline: "There is no such page", Text: []string{"The address asks for something that cannot be an id."}}
}

// causeOf writes an error on one line; what each line of a joined one says is kept.
func causeOf(err error) string {
	if err == nil {
		err = errors.New("unknown")
	}
	return clip(strings.ReplaceAll(err.Error(), "\n", "; "), longText)
}
