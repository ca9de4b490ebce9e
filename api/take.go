package api

import (
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
	"github.com/cirisai/orchestrator/internal/wire"
)

// takePlan makes the core's groups of a plan; nil stays nil. What a plan leaves
// open has the default of its group (rule 10.4).
func takePlan(p *Plan) []rollout.Group {
	if p == nil {
		return nil
	}
	groups := make([]rollout.Group, 0, len(p.Waves))
	for _, w := range p.Waves {
		g := rollout.Defaults(w.Group)
		switch {
		case w.Count != nil:
			g.Size = rollout.Size{Kind: rollout.SizeCount, N: *w.Count}
		case w.Percent != nil:
			g.Size = rollout.Size{Kind: rollout.SizePercent, N: *w.Percent}
		default:
			g.Size = rollout.Size{Kind: rollout.SizeRest}
		}
		g.Delay = time.Duration(or(w.Delay, wire.Duration(g.Delay)))
		g.Timeout = time.Duration(or(w.Timeout, wire.Duration(g.Timeout)))
		g.StableFor = time.Duration(or(w.StableFor, wire.Duration(g.StableFor)))
		g.AllowUnclean = or(w.AllowUnclean, g.AllowUnclean)
		g.OnFailure = rollout.OnFailure(or(w.OnFailure, OnFailure(g.OnFailure)))
		takeAmount(w.MinHealthy, &g.MinHealthy)
		takeAmount(w.MaxFailed, &g.MaxFailed)
		takeAmount(w.MaxConcurrent, &g.MaxConcurrent)
		groups = append(groups, g)
	}
	return groups
}

func takeAmount(given *NumberOrPercent, to *rollout.Amount) {
	if given != nil {
		*to = rollout.Amount{N: given.N, Percent: given.Percent, Set: true}
	}
}

// showPlan is a plan with everything that it leaves open filled in; nil where
// there is none.
func showPlan(groups []rollout.Group) *Plan {
	if len(groups) == 0 {
		return nil
	}
	p := &Plan{}
	for _, g := range groups {
		delay, timeout, stable := wire.Duration(g.Delay), wire.Duration(g.Timeout), wire.Duration(g.StableFor)
		unclean, fails, healthy := g.AllowUnclean, OnFailure(g.OnFailure), showAmount(g.MinHealthy)
		w := WavePlan{
			Group: g.Name, Delay: &delay, Timeout: &timeout, StableFor: &stable, AllowUnclean: &unclean, OnFailure: &fails,
			MinHealthy: &healthy, MaxFailed: showAmountOrNil(g.MaxFailed), MaxConcurrent: showAmountOrNil(g.MaxConcurrent),
		}
		switch g.Size.Kind {
		case rollout.SizeCount:
			w.Count = &g.Size.N
		case rollout.SizePercent:
			w.Percent = &g.Size.N
		case rollout.SizeRest:
			rest := true
			w.Rest = &rest
		}
		p.Waves = append(p.Waves, w)
	}
	return p
}

// takeProfile makes the core's settings of an agent.
func takeProfile(s AgentSettings) (rollout.Profile, error) {
	p := rollout.Profile{Expected: or(s.ExpectedOccurrences, 0), Plans: make(map[rollout.Kind][]rollout.Group), Messages: make(map[rollout.Kind]string)}
	var bad []discovery.FieldError
	if s.Plans != nil {
		for _, given := range []struct {
			kind rollout.Kind
			plan *Plan
		}{{rollout.Wakeup, s.Plans.Wakeup}, {rollout.Shutdown, s.Plans.Shutdown}} {
			if groups := takePlan(given.plan); groups != nil {
				p.Plans[given.kind] = groups
				bad = append(bad, rollout.ValidatePlan(groups, "/plans/"+string(given.kind)+"/waves")...)
			}
		}
	}
	if s.Messages != nil {
		for _, given := range []struct {
			kind rollout.Kind
			text *string
		}{{rollout.Wakeup, s.Messages.Wakeup}, {rollout.Shutdown, s.Messages.Shutdown}} {
			if given.text != nil {
				p.Messages[given.kind] = *given.text
				bad = append(bad, rollout.ValidateMessage(*given.text, "/messages/"+string(given.kind))...)
			}
		}
	}
	return p, invalid(bad)
}

// invalid refuses a request whose fields the core finds wanting; nil for none.
func invalid(bad []discovery.FieldError) error {
	if len(bad) == 0 {
		return nil
	}
	return &discovery.Refusal{Code: rollout.CodeInvalid, Detail: "the request does not hold what is wanted", Fields: bad}
}

// takePlanOf checks a request's plan as well.
func takePlanOf(p *Plan) ([]rollout.Group, error) {
	groups := takePlan(p)
	if groups == nil {
		return nil, nil
	}
	return groups, invalid(rollout.ValidatePlan(groups, "/plan/waves"))
}

// wallOf is a time that may not be given.
func wallOf(t *wire.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return time.Time(*t)
}
