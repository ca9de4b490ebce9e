package memstore

import (
	"maps"
	"slices"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// What crosses the boundary is copied, in and out, so that nothing is shared by
// accident. These copies are written by hand because they are most of what a
// transaction costs; a test fills every field and checks that none is shared.

func pointerTo[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}

func cloneProfile(p rollout.Profile) rollout.Profile {
	p.Messages = maps.Clone(p.Messages)
	if p.Plans != nil {
		plans := make(map[rollout.Kind][]rollout.Group, len(p.Plans))
		for kind, groups := range p.Plans {
			plans[kind] = slices.Clone(groups)
		}
		p.Plans = plans
	}
	return p
}

// cloneState copies a state but for its rollouts, which are kept apart.
func cloneState(s rollout.State) rollout.State {
	s.Rollouts = nil
	s.Profile = cloneProfile(s.Profile)
	s.Notes = cloneMap(s.Notes)
	s.Loose = cloneMap(s.Loose)
	s.Incidents = cloneMap(s.Incidents)
	s.Hold = pointerTo(s.Hold)
	s.Standing = pointerTo(s.Standing)
	if s.LastStop != nil {
		s.LastStop = pointerTo(s.LastStop)
		s.LastStop.Exempt = slices.Clone(s.LastStop.Exempt)
	}
	return s
}

func cloneMap[V any](m map[string]V) map[string]V {
	if m == nil {
		return map[string]V{}
	}
	return maps.Clone(m)
}

func cloneRollout(r rollout.Rollout) rollout.Rollout {
	r.Groups = slices.Clone(r.Groups)
	r.Round = slices.Clone(r.Round)
	r.Claim = pointerTo(r.Claim)
	r.Decision = pointerTo(r.Decision)
	r.Waves = slices.Clone(r.Waves)
	for i := range r.Waves {
		r.Waves[i].Members = slices.Clone(r.Waves[i].Members)
	}
	return r
}

func cloneOccurrence(o discovery.Occurrence) discovery.Occurrence {
	o.Labels = maps.Clone(o.Labels)
	o.Conflicts = slices.Clone(o.Conflicts)
	return o
}

// cloneFleet copies a fleet, which is then judged by the given timing.
func cloneFleet(f discovery.Fleet, timing discovery.Timing) discovery.Fleet {
	if f.Len() == 0 {
		return discovery.NewFleet(timing, nil)
	}
	c := f.With(f.All()[0]) // its own occurrences; the order, which cannot be changed, is shared
	c.Timing = timing
	for i, all := 0, c.All(); i < len(all); i++ {
		if o := &all[i]; o.Labels != nil || o.Conflicts != nil {
			*o = cloneOccurrence(*o)
		}
	}
	return c
}

func cloneInstruction(in rollout.Instruction) rollout.Instruction {
	in.Peers = slices.Clone(in.Peers)
	in.Claim = pointerTo(in.Claim)
	return in
}

func cloneAnswer(a engine.KeptAnswer) engine.KeptAnswer {
	a.Body = slices.Clone(a.Body)
	return a
}
