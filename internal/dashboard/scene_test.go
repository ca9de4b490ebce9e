package dashboard

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// began is when every scene begins.
var began = time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)

// scene is one agent played through the real core, so that the page is tested
// with what it will be given.
type scene struct {
	t         testing.TB
	agent     string
	now       time.Time
	state     rollout.State
	fleet     discovery.Fleet
	set       rollout.Settings
	silent    map[string]bool // they send no heartbeats
	rollouts  map[string]rollout.Rollout
	incidents map[string]rollout.Incident
	told      []rollout.Instruction
}

// newScene is an agent with n occurrences, o01 to the last, in that state.
func newScene(t testing.TB, agent string, n int, state discovery.State) *scene {
	s := &scene{
		t: t, agent: agent, now: began, set: rollout.DefaultSettings(), state: rollout.State{AgentID: agent},
		silent: map[string]bool{}, rollouts: map[string]rollout.Rollout{}, incidents: map[string]rollout.Incident{},
	}
	s.fleet = discovery.NewFleet(s.set.Timing(), nil)
	words := map[string]discovery.State{}
	for i := range n {
		words[fmt.Sprintf("o%02d", i+1)] = state
	}
	s.hearAll(words)
	return s
}

func (s *scene) step(c rollout.Command) rollout.Answer {
	s.t.Helper()
	next, eff, err := rollout.Step(s.state, rollout.Input{Command: c, Fleet: s.fleet, Settings: s.set}, s.now)
	if err != nil {
		s.t.Fatalf("%s: %v", s.agent, err)
	}
	s.state = next
	for _, r := range next.Rollouts {
		s.rollouts[r.ID] = r
	}
	for _, i := range eff.Opened {
		s.incidents[i.ID] = i
	}
	for _, i := range eff.Resolved {
		delete(s.incidents, i.ID)
	}
	s.told = append(s.told, eff.Instruct...)
	return eff.Answer
}

// hear takes a heartbeat, after which the occurrence goes on in that state.
func (s *scene) hear(id string, state discovery.State) {
	s.t.Helper()
	s.hearAll(map[string]discovery.State{id: state})
}

// hearAll takes a heartbeat of each in one step.
func (s *scene) hearAll(words map[string]discovery.State) {
	s.t.Helper()
	s.step(nil)
	var changed []discovery.Occurrence
	for id, state := range words {
		o := s.fleet.Get(id)
		hb := discovery.Heartbeat{Boot: "b1", Sequence: 1, State: state}
		if o != nil {
			hb.Sequence = o.Sequence + 1
		}
		next, _, refusal := discovery.Accept(o, id, hb, false, s.set.Timing(), s.now)
		if refusal != nil {
			s.t.Fatal(refusal)
		}
		s.silent[id] = state == discovery.Stopped
		changed = append(changed, next)
	}
	s.fleet = s.fleet.With(changed...)
	s.step(nil)
}

// pass lets time pass, in which all who are not silent send heartbeats.
func (s *scene) pass(d time.Duration) {
	s.t.Helper()
	for end := s.now.Add(d); s.now.Before(end); {
		s.now = s.now.Add(min(5*time.Second, end.Sub(s.now)))
		words := map[string]discovery.State{}
		for _, o := range s.fleet.All() {
			if !s.silent[o.ID] {
				words[o.ID] = o.State
			}
		}
		s.hearAll(words)
	}
}

func (s *scene) until(clock string) {
	s.t.Helper()
	at, err := time.Parse(time.TimeOnly, clock)
	if err != nil {
		s.t.Fatal(err)
	}
	s.pass(time.Date(began.Year(), began.Month(), began.Day(), at.Hour(), at.Minute(), at.Second(), 0, time.UTC).Sub(s.now))
}

// acknowledge acknowledges the last instruction of each of these.
func (s *scene) acknowledge(ids ...string) {
	s.t.Helper()
	for _, id := range ids {
		for _, in := range slices.Backward(s.told) {
			if in.OccurrenceID == id {
				s.step(rollout.Acknowledge{Issued: rollout.Issued{Instruction: in}, OccurrenceID: id, Boot: in.Boot})
				break
			}
		}
	}
}

func (s *scene) all(state discovery.State) {
	s.t.Helper()
	words := map[string]discovery.State{}
	for _, o := range s.fleet.All() {
		if !o.HasStopped() {
			words[o.ID] = state
		}
	}
	s.hearAll(words)
}

func (s *scene) agentView() engine.AgentView {
	v := engine.AgentView{AgentSummary: engine.AgentSummary{AgentID: s.agent, Profile: s.state.Profile, Hold: s.state.Hold, Occurrences: s.fleet.Len()}}
	for _, o := range s.fleet.All() {
		switch o.Liveness(s.fleet.Timing, s.now) {
		case discovery.Live:
			v.Live++
			v.Discovered++
		case discovery.Stale:
			v.Discovered++
		case discovery.Gone:
		}
	}
	for _, r := range s.state.Rollouts {
		if !r.Status.Final() {
			v.Unfinished = append(v.Unfinished, r.ID)
		}
	}
	return v
}

func (s *scene) rolloutView(id string) engine.RolloutView {
	r, ok := s.rollouts[id]
	if !ok {
		s.t.Fatalf("%s has no rollout %s", s.agent, id)
	}
	lens := rollout.Lens{Profile: s.state.Profile, Fleet: s.fleet, Settings: s.set, Now: s.now}
	v := engine.RolloutView{Rollout: r, Waves: lens.Waves(r), NextAction: lens.NextAction(r)}
	for i := range v.Waves {
		v.WaitingFor = append(v.WaitingFor, lens.WaitingFor(r, v.Waves, i))
	}
	return v
}

// fake answers like the engine would, from what it is given.
type fake struct {
	agents    []engine.AgentView
	rollouts  []engine.RolloutView
	incidents []engine.KeptIncident
	err       error
}

func newFake(scenes ...*scene) *fake {
	f := &fake{}
	for _, s := range scenes {
		f.agents = append(f.agents, s.agentView())
		for id := range s.rollouts {
			f.rollouts = append(f.rollouts, s.rolloutView(id))
		}
		for _, i := range s.incidents {
			f.incidents = append(f.incidents, engine.KeptIncident{Incident: i, AgentID: s.agent, OpenedWall: i.OpenedAt})
		}
	}
	slices.SortFunc(f.agents, func(a, b engine.AgentView) int { return cmp.Compare(a.AgentID, b.AgentID) })
	slices.SortFunc(f.rollouts, func(a, b engine.RolloutView) int { return cmp.Compare(b.ID, a.ID) })
	slices.SortFunc(f.incidents, func(a, b engine.KeptIncident) int {
		return cmp.Or(b.OpenedAt.Compare(a.OpenedAt), cmp.Compare(a.ID, b.ID))
	})
	return f
}

func (f *fake) Agents(_ context.Context, after string, limit int) ([]engine.AgentView, error) {
	var found []engine.AgentView
	for _, a := range f.agents {
		if a.AgentID > after && len(found) < limit {
			found = append(found, a)
		}
	}
	return found, f.err
}

func (f *fake) Rollouts(_ context.Context, q engine.RolloutFilter) ([]engine.RolloutView, error) {
	var found []engine.RolloutView
	for _, r := range f.rollouts {
		if slices.Contains(q.States, r.Status) && (q.Before == "" || r.ID < q.Before) && len(found) < q.Limit {
			found = append(found, r)
		}
	}
	return found, f.err
}

func (f *fake) Incidents(_ context.Context, q engine.IncidentFilter) ([]engine.KeptIncident, error) {
	if q.Open == nil || !*q.Open {
		return nil, fmt.Errorf("asked for incidents that are not open: %+v", q)
	}
	return f.incidents[:min(len(f.incidents), q.Limit)], f.err
}
