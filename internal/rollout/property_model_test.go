package rollout_test

import (
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// model is a random fleet, its operators and its deciders, who drive one agent
// on a watched stage. It plays the engine as well: what has ended is put away,
// and brought back when a command names it.
type model struct {
	*rapid.T
	s      *stage
	w      *watch
	ids    []string
	known  []string // rollouts
	tokens []string // of claims
	away   map[string]rollout.Rollout
}

// drawn makes rapid's T serve as the stage's TB.
type drawn struct {
	testing.TB // nil: the stage uses only what follows
	t          *rapid.T
}

func (d drawn) Helper()                           {}
func (d drawn) Errorf(format string, args ...any) { d.t.Errorf(format, args...) }
func (d drawn) Fatalf(format string, args ...any) { d.t.Fatalf(format, args...) }

func newModel(t *rapid.T, deep bool) *model {
	s := newStage(drawn{t: t})
	m := &model{T: t, s: s, w: watched(s), away: map[string]rollout.Rollout{}, ids: []string{"default", "a", "b", "c", "e"}}
	m.w.deep = deep
	s.settings.Coordination = m.sometimes("coordination is off", 15)
	s.settings.Coordination = !s.settings.Coordination
	if m.sometimes("other settings", 30) {
		s.settings.StuckAfter, s.settings.DiscoveryWindow = 20*time.Minute, time.Minute
		s.settings.DecisionTimeout, s.settings.ClaimLease = time.Minute, 20*time.Second
	}
	m.ids = m.ids[:1+evenly(t, "occurrences", len(m.ids))]
	for _, id := range m.ids {
		s.boot(id)
		s.report(id, m.state())
		s.actors[id].takes = pick(m, "takes", 0, time.Second, 15*time.Second, -1)
	}
	if m.sometimes("begins with a rollout", 60) {
		if m.try(m.request()) == nil && !m.sometimes("undecided", 20) {
			_ = m.try(verdictOf(s.last.RolloutID, rollout.Accept))
		}
		m.putAway()
	}
	return m
}

// evenly draws one of n, each as likely as the others; rapid's own choice favours
// the first ones so much that it hardly ever gets anywhere.
func evenly(t *rapid.T, what string, n int) int {
	return rapid.Custom(func(t *rapid.T) int {
		x := 0
		for range 10 {
			x <<= 1
			if rapid.Bool().Draw(t, "bit") {
				x++
			}
		}
		return x
	}).Draw(t, what) % n
}

func pick[T any](m *model, what string, from ...T) T { return from[evenly(m.T, what, len(from))] }

// sometimes is true in about so many of a hundred cases.
func (m *model) sometimes(what string, percent int) bool {
	return evenly(m.T, what, 100) >= 100-percent
}

func (m *model) someone() string { return pick(m, "occurrence", m.ids...) }

func (m *model) state() discovery.State {
	return pick(m, "state", discovery.Starting, discovery.Wakeup, discovery.Work, discovery.Work, discovery.Play, discovery.Shutdown, discovery.Error)
}

// running draws an occurrence whose process runs; none when that one does not.
func (m *model) running() (string, bool) {
	id := m.someone()
	return id, !m.s.fleet.Get(id).HasStopped()
}

// recall draws a rollout and has it loaded as the engine would; empty when there
// is none yet.
func (m *model) recall() string {
	if len(m.known) == 0 {
		return ""
	}
	id := m.known[len(m.known)-1]
	if len(m.known) > 1 && m.sometimes("an older rollout", 30) {
		id = pick(m, "rollout", m.known...)
	}
	if r, isAway := m.away[id]; isAway && m.s.state.Find(id) == nil {
		m.s.state.Rollouts = append(m.s.state.Rollouts, r)
	}
	return id
}

// putAway does what a store does: what has ended is not loaded any more.
func (m *model) putAway() {
	kept := m.s.state.Rollouts[:0:0]
	for _, r := range m.s.state.Rollouts {
		if m.w.trails[r.ID] != nil && !m.knows(r.ID) {
			m.known = append(m.known, r.ID)
		}
		if r.Claim != nil {
			m.tokens = append(m.tokens, r.Claim.Token)
		}
		if r.Status.Final() {
			m.away[r.ID] = r
		} else {
			kept = append(kept, r)
		}
	}
	m.s.state.Rollouts = kept
}

func (m *model) knows(id string) bool {
	for _, k := range m.known {
		if k == id {
			return true
		}
	}
	return false
}

// try gives a command; only a refusal may be the answer.
func (m *model) try(c rollout.Command) error {
	m.s.catchUp()
	before, printed := m.s.state, written(m.s.state)
	err := m.s.step(c)
	if err != nil {
		_ = refusalOf(m.s.t, err)
		if written(before) != printed || !reflect.DeepEqual(before, m.s.state) {
			m.Fatalf("%T was refused, and changed the state", c)
		}
	}
	return err
}

// heartbeat sends a heartbeat of an occurrence's process and checks S12: what is
// old changes nothing and revives nobody.
func (m *model) heartbeat(id string, sequence int64, echo time.Time) {
	m.s.catchUp()
	a, was := m.s.actors[id], *m.s.fleet.Get(id)
	h := discovery.Heartbeat{Boot: a.bootID(), Sequence: sequence, State: a.state, Critical: a.critical, Echo: echo}
	o, taken, refusal := discovery.Accept(&was, id, h, false, m.s.settings.Timing(), m.s.now)
	if refusal != nil {
		return
	}
	if sequence <= was.Sequence && (taken.Accepted || !reflect.DeepEqual(o, was)) {
		m.Fatalf("S12: a heartbeat that is not newer changed %+v to %+v", was, o)
	}
	late := !echo.IsZero() && m.s.now.Sub(echo) > m.s.settings.LivenessTimeout
	if late && (!o.LastSign.Equal(was.LastSign) || o.CallbackGone != was.CallbackGone) {
		m.Fatalf("S12: a heartbeat that was held up is a sign of life: %+v", o)
	}
	if taken.Accepted {
		a.seq = sequence
		m.s.hear(o)
	}
}

// act does one thing at random.
func (m *model) act() {
	for id, a := range m.s.actors {
		if m.s.fleet.Get(id).HasStopped() { // its process has exited
			a.mute, a.deaf, a.arrives = true, true, time.Time{}
		}
	}
	deeds[pick(m, "act", acts...)](m)
	m.putAway()
}

// acts are the names of the deeds, those that matter most named more often.
var acts = []string{
	"run", "run", "run", "run", "run", "run", "run", "quiet", "quiet", "quiet", "obey", "boot", "boot", "report", "report", "report", "mute", "deaf",
	"takes", "critical", "register", "leave", "gone", "old beat", "late beat", "former boot", "ask", "ask", "ask", "ask", "request", "request",
	"claim", "verdict", "verdict", "verdict", "overrule", "command", "command", "command", "command", "command", "command", "acknowledge",
	"acknowledge", "unreachable", "emergency", "release", "release", "outage", "expected", "resolve", "restarts", "newcomers",
}

// settle is the end of every run: whoever may is let go on, everybody falls
// silent, and a day later nothing may be left but what waits for an operator
// (L2).
func (m *model) settle() {
	for _, a := range m.s.actors {
		a.mute = true
	}
	m.s.catchUp()
	m.s.quiet(26 * time.Hour)
	for _, r := range m.s.state.Rollouts {
		if !r.Status.Final() && r.Status != rollout.Paused && r.Status != rollout.Halted {
			m.Fatalf("L2: after a day of silence %s is still %s\n%s", r.ID, r.Status, m.w.describe(&r))
		}
	}
}
