package rollout_test

import (
	"strings"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// groupOf makes one wave of a plan: the defaults of its name, a size, and what
// a test wants otherwise.
func groupOf(name string, size rollout.Size, change ...func(*rollout.Group)) rollout.Group {
	g := rollout.Defaults(name)
	g.Size = size
	for _, c := range change {
		c(&g)
	}
	return g
}

func sized(n int) rollout.Size { return rollout.Size{Kind: rollout.SizeCount, N: n} }
func share(p int) rollout.Size { return rollout.Size{Kind: rollout.SizePercent, N: p} }
func remaining() rollout.Size  { return rollout.Size{Kind: rollout.SizeRest} }

func delayed(d time.Duration) func(*rollout.Group) { return func(g *rollout.Group) { g.Delay = d } }
func within(d time.Duration) func(*rollout.Group)  { return func(g *rollout.Group) { g.Timeout = d } }

func stable(d time.Duration) func(*rollout.Group) { return func(g *rollout.Group) { g.StableFor = d } }

func needs(a rollout.Amount) func(*rollout.Group) { return func(g *rollout.Group) { g.MinHealthy = a } }

func spares(a rollout.Amount) func(*rollout.Group) { return func(g *rollout.Group) { g.MaxFailed = a } }

func atOnce(a rollout.Amount) func(*rollout.Group) {
	return func(g *rollout.Group) { g.MaxConcurrent = a }
}

func onFailure(f rollout.OnFailure) func(*rollout.Group) {
	return func(g *rollout.Group) { g.OnFailure = f }
}
func uncleanWillDo(g *rollout.Group) { g.AllowUnclean = true }

// withPlan makes a request bring its own plan.
func withPlan(groups ...rollout.Group) func(*rollout.Request) {
	return func(c *rollout.Request) { c.Groups = groups }
}

// shut begins a shutdown that asks nobody, with a plan.
func (s *stage) shut(groups ...rollout.Group) string {
	s.t.Helper()
	return s.request(rollout.Shutdown, instant, withPlan(groups...))
}

// wakeUp begins a wakeup that an operator decides, with a plan: it has no
// decider.
func (s *stage) wakeUp(groups ...rollout.Group) string {
	s.t.Helper()
	id := s.request(rollout.Wakeup, withPlan(groups...))
	if err := s.overrule(id, rollout.Accept); err != nil {
		s.t.Fatal(err)
	}
	return id
}

// idle makes occurrences that send heartbeats and do nothing they are told.
func (s *stage) idle(occurrences ...string) {
	for _, id := range occurrences {
		s.actors[id].deaf = true
	}
}

// silent makes occurrences that are not heard any more.
func (s *stage) silent(occurrences ...string) {
	for _, id := range occurrences {
		s.actors[id].mute = true
	}
}

// back has silent occurrences heard again, in the state they are in.
func (s *stage) back(occurrences ...string) {
	s.t.Helper()
	for _, id := range occurrences {
		s.actors[id].mute = false
		s.beat(id)
	}
}

// keepAlive lets time pass in which everybody who is not silent says that
// nothing has changed, and nobody acts.
func (s *stage) keepAlive(d time.Duration) {
	s.t.Helper()
	for end := s.now.Add(d); s.now.Before(end); {
		s.quiet(min(end.Sub(s.now), s.settings.HeartbeatInterval))
		for _, id := range s.actorIDs() {
			if a := s.actors[id]; !a.mute && a.state != discovery.Stopped {
				s.beat(id)
			}
		}
	}
}

// want compares a rollout's waves and members, a line a wave.
func (s *stage) want(id string, lines ...string) {
	s.t.Helper()
	got := strings.TrimSuffix(s.members(id), "\n")
	if want := strings.Join(lines, "\n"); got != want {
		s.t.Errorf("at %s the rollout is %s with\n%s\nwant\n%s", clock(s.now), s.rollout(id).Status, got, want)
	}
}

// wantState compares the state of a rollout.
func (s *stage) wantState(id string, want rollout.Status) {
	s.t.Helper()
	if got := s.rollout(id).Status; got != want {
		s.t.Errorf("at %s the rollout is %s, want %s\n%s", clock(s.now), got, want, s.members(id))
	}
}

// wantMember compares the state of one member.
func (s *stage) wantMember(id, occurrence string, want rollout.MemberStatus) {
	s.t.Helper()
	if got := s.place(id, occurrence).Status; got != want {
		s.t.Errorf("at %s %s is %s, want %s", clock(s.now), occurrence, got, want)
	}
}

// wave is wave k of a rollout, from 1.
func (s *stage) wave(id string, k int) rollout.Wave {
	s.t.Helper()
	return s.rollout(id).Waves[k-1]
}

// wantWave compares the state of one wave.
func (s *stage) wantWave(id string, k int, want rollout.WaveStatus) {
	s.t.Helper()
	if got := s.wave(id, k).Status; got != want {
		s.t.Errorf("at %s wave %d is %s, want %s\n%s", clock(s.now), k, got, want, s.members(id))
	}
}

// wantAt compares when an event first happened.
func (s *stage) wantAt(kind string, wave int, want string) {
	s.t.Helper()
	if got := s.at(kind, wave); got != want {
		s.t.Errorf("%s of wave %d at %s, want %s", kind, wave, got, want)
	}
}

// wantTold compares how often an occurrence was told to wake or to stop.
func (s *stage) wantTold(occurrence string, want int) {
	s.t.Helper()
	if got := len(s.told(occurrence, rollout.Wake)) + len(s.told(occurrence, rollout.Stop)); got != want {
		s.t.Errorf("at %s %s was told %d times, want %d", clock(s.now), occurrence, got, want)
	}
}

// ok fails a test on an error.
func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// begun tells whether wave 1 of a rollout has started.
func (s *stage) begun(id string) bool {
	s.t.Helper()
	r := s.rollout(id)
	return r.Started()
}
