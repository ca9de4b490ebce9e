package dashboard

import (
	"context"
	"fmt"
	"time"

	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// How much is read. What is shown of it is less.
const (
	incidentsRead = 500
	agentsRead    = 500
	unfinishedMax = 100
	finishedShown = 10
	agentsAPage   = 200
)

var (
	unfinished = []rollout.Status{rollout.Deciding, rollout.Deferred, rollout.Rolling, rollout.Paused, rollout.Halted}
	finished   = []rollout.Status{
		rollout.Succeeded, rollout.Partial, rollout.Rejected, rollout.Failed, rollout.Aborted, rollout.Superseded,
	}
)

// view is what was read for one page.
type view struct {
	now  time.Time
	mode mode

	incidents  []engine.KeptIncident
	agents     []engine.AgentView
	moreAgents bool
	unfinished []engine.RolloutView
	finished   []engine.RolloutView
	older      bool
}

// mode says which page it is.
type mode int

const (
	mainPage mode = iota
	olderRollouts
	allAgents
)

// loadMain reads what is open, who is there, and the newest rollouts. The three
// are not one snapshot: each is true, and the next look is five seconds away.
func (v *view) loadMain(ctx context.Context, s Service) (err error) {
	v.mode = mainPage
	open := true
	if v.incidents, err = s.Incidents(ctx, engine.IncidentFilter{Open: &open, Limit: incidentsRead}); err != nil {
		return fmt.Errorf("read the incidents: %w", err)
	}
	if v.agents, err = s.Agents(ctx, "", agentsRead); err != nil {
		return fmt.Errorf("read the agents: %w", err)
	}
	v.moreAgents = len(v.agents) == agentsRead
	if v.unfinished, err = s.Rollouts(ctx, engine.RolloutFilter{States: unfinished, Limit: unfinishedMax}); err != nil {
		return fmt.Errorf("read the unfinished rollouts: %w", err)
	}
	return v.loadFinished(ctx, s, "")
}

// loadOlder reads finished rollouts below the one with the id.
func (v *view) loadOlder(ctx context.Context, s Service, before string) error {
	v.mode = olderRollouts
	return v.loadFinished(ctx, s, before)
}

func (v *view) loadFinished(ctx context.Context, s Service, before string) (err error) {
	v.finished, err = s.Rollouts(ctx, engine.RolloutFilter{States: finished, Before: before, Limit: finishedShown + 1})
	if err != nil {
		return fmt.Errorf("read the finished rollouts: %w", err)
	}
	if v.older = len(v.finished) > finishedShown; v.older {
		v.finished = v.finished[:finishedShown]
	}
	return nil
}

// loadAgents reads the agents after the one with the id.
func (v *view) loadAgents(ctx context.Context, s Service, after string) (err error) {
	v.mode = allAgents
	if v.agents, err = s.Agents(ctx, after, agentsAPage+1); err != nil {
		return fmt.Errorf("read the agents: %w", err)
	}
	if v.moreAgents = len(v.agents) > agentsAPage; v.moreAgents {
		v.agents = v.agents[:agentsAPage]
	}
	return nil
}
