package rollout_test

import (
	"errors"
	"fmt"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// epoch is the service time at which every scenario begins.
var epoch = time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)

// stage is one agent in virtual time: the state, the fleet, and what the
// occurrences do of their own accord. It plays the engine's part: it does what
// is due before it brings news.
type stage struct {
	t        testing.TB
	now      time.Time
	silence  time.Duration
	settings rollout.Settings
	state    rollout.State
	fleet    discovery.Fleet
	actors   map[string]*actor
	log      []rollout.Event
	opened   []rollout.Incident
	resolved []rollout.Incident
	issued   map[string]*rollout.Issued
	made     []string // instruction ids in the order in which they were made
	ulids    int
	last     rollout.Answer
	// before is called with what every step is given, after with every state
	// that a step returned.
	before func(given rollout.State, in rollout.Input)
	after  func(before, next rollout.State, eff rollout.Effects)
}

// actor is an occurrence's process.
type actor struct {
	id       string
	boot     int
	seq      int64
	state    discovery.State
	critical int
	mute     bool          // sends no heartbeats
	deaf     bool          // does not acknowledge
	takes    time.Duration // from being told to being there; negative: never
	arrives  time.Time
	becomes  discovery.State
	former   map[string]bool
}

func newStage(t testing.TB) *stage {
	s := &stage{
		t: t, now: epoch, settings: rollout.DefaultSettings(), state: rollout.State{AgentID: "scout"},
		actors: map[string]*actor{}, issued: map[string]*rollout.Issued{},
	}
	s.fleet = discovery.NewFleet(s.settings.Timing(), nil)
	return s
}

func (a *actor) bootID() string { return fmt.Sprintf("%s-boot-%d", a.id, a.boot) }

// step calls Step and takes over what it returns.
func (s *stage) step(c rollout.Command) error {
	s.t.Helper()
	s.fleet.Timing = s.settings.Timing()
	in := rollout.Input{Command: c, Fleet: s.fleet, Settings: s.settings, Silence: s.silence}
	in.Entropy[0] = byte(len(s.log))
	if s.before != nil {
		s.before(s.state, in)
	}
	next, eff, err := rollout.Step(s.state, in, s.now)
	if err != nil {
		return err
	}
	if s.after != nil {
		s.after(s.state, next, eff)
	}
	s.state = next
	s.last = eff.Answer
	s.log = append(s.log, eff.Events...)
	s.opened = append(s.opened, eff.Opened...)
	s.resolved = append(s.resolved, eff.Resolved...)
	s.take(eff)
	return nil
}

// take keeps the instructions as a store would, and lets the actors hear them.
func (s *stage) take(eff rollout.Effects) {
	for _, x := range eff.Withdraw {
		for _, in := range s.issued {
			if in.AcknowledgedAt.IsZero() && in.WithdrawnAt.IsZero() && x.Covers(in.Instruction) {
				in.WithdrawnAt = s.now
			}
		}
	}
	for _, in := range eff.Instruct {
		if s.issued[in.ID] != nil {
			s.t.Fatalf("instruction %s was made twice", in.ID)
		}
		s.issued[in.ID] = &rollout.Issued{Instruction: in}
		s.made = append(s.made, in.ID)
	}
	for _, id := range eff.Acknowledge {
		if in := s.issued[id]; in != nil && in.AcknowledgedAt.IsZero() {
			in.AcknowledgedAt = s.now
		}
	}
	for _, x := range eff.Resume {
		for _, in := range s.issued {
			if in.RolloutID == x.RolloutID && in.AcknowledgedAt.IsZero() && in.WithdrawnAt.IsZero() {
				in.Deadline = in.Deadline.Add(x.By)
			}
		}
	}
}

// must is step for commands that have to be taken.
func (s *stage) must(c rollout.Command) rollout.Answer {
	s.t.Helper()
	if err := s.step(c); err != nil {
		s.t.Fatalf("%T: %v", c, err)
	}
	return s.last
}

// refused is step for commands that have to be refused; it returns the code.
func (s *stage) refused(c rollout.Command) discovery.Code {
	s.t.Helper()
	var refusal *discovery.Refusal
	if err := s.step(c); !errors.As(err, &refusal) {
		s.t.Fatalf("%T: want a refusal, got %v", c, err)
	}
	return refusal.Code
}

// catchUp does what is due at or before now, as the engine does before news.
func (s *stage) catchUp() {
	if !s.state.WakeAt.IsZero() && !s.state.WakeAt.After(s.now) {
		s.must(nil)
	}
}

// hear brings a changed occurrence.
func (s *stage) hear(o discovery.Occurrence) {
	s.fleet = s.fleet.With(o)
	if n, ok := s.state.Notes[o.ID]; ok && n.Boot != o.Boot {
		for _, in := range s.issued {
			if in.OccurrenceID == o.ID && in.Boot != o.Boot && in.AcknowledgedAt.IsZero() {
				in.WithdrawnAt = s.now
			}
		}
	}
	s.must(nil)
}

// boot starts a new process of an occurrence.
func (s *stage) boot(id string, change ...func(*discovery.Registration)) *actor {
	s.t.Helper()
	s.catchUp()
	a := s.actors[id]
	if a == nil {
		a = &actor{id: id, takes: time.Second, former: map[string]bool{}}
		s.actors[id] = a
	} else {
		a.former[a.bootID()] = true
	}
	a.boot++
	a.seq, a.state, a.arrives, a.mute = 0, discovery.Starting, time.Time{}, false
	reg := discovery.Registration{Boot: a.bootID(), Coordinated: true}
	for _, c := range change {
		c(&reg)
	}
	o, _, refusal := discovery.Register(s.fleet.Get(id), id, reg, false, s.settings.Timing(), s.now)
	if refusal != nil {
		s.t.Fatalf("register %s: %v", id, refusal)
	}
	s.hear(o)
	return a
}

// beat sends an occurrence's next heartbeat, now.
func (s *stage) beat(id string) discovery.Taken {
	s.t.Helper()
	s.catchUp()
	a := s.actors[id]
	a.seq++
	o, taken, refusal := discovery.Accept(s.fleet.Get(id), id, discovery.Heartbeat{
		Boot: a.bootID(), Sequence: a.seq, State: a.state,
		Critical: a.critical,
	}, false, s.settings.Timing(), s.now)
	if refusal != nil {
		s.t.Fatalf("heartbeat of %s: %v", id, refusal)
	}
	if taken.Accepted {
		s.hear(o)
	}
	return taken
}

// report changes what an occurrence reports, and says so at once.
func (s *stage) report(id string, state discovery.State) {
	s.t.Helper()
	s.actors[id].state = state
	s.beat(id)
}

// fleetOf boots occurrences that report the given state.
func (s *stage) fleetOf(state discovery.State, ids ...string) {
	s.t.Helper()
	for _, id := range ids {
		s.boot(id)
		if state != discovery.Starting {
			s.report(id, state)
		}
	}
}

// ids makes n occurrence ids, o1 to on.
func ids(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("o%d", i+1)
	}
	return out
}

// ask is an occurrence asking to wake up.
func (s *stage) ask(id string) rollout.Answer {
	s.t.Helper()
	s.catchUp()
	s.fleet = s.fleet.With(discovery.Asked(*s.fleet.Get(id), s.now))
	return s.must(rollout.Ask{ULID: s.ulid(), OccurrenceID: id})
}

func (s *stage) ulid() string {
	s.ulids++
	return fmt.Sprintf("%026d", s.ulids)
}

// request asks for a rollout as an operator.
func (s *stage) request(kind rollout.Kind, change ...func(*rollout.Request)) string {
	s.t.Helper()
	s.catchUp()
	c := rollout.Request{
		ULID: s.ulid(), Kind: kind, Reason: "upgrade", Actor: "operator:local",
		Consent: rollout.ConsentRequired, OnTimeout: rollout.TimeoutFails,
	}
	for _, f := range change {
		f(&c)
	}
	return s.must(c).RolloutID
}

// instant skips the deliberation.
func instant(c *rollout.Request) { c.Consent = rollout.ConsentInstant }

// order commands a rollout.
func (s *stage) order(id string, control rollout.Control, wave int) error {
	s.t.Helper()
	s.catchUp()
	return s.step(rollout.Order{RolloutID: id, Control: control, Reason: "test", Actor: "operator:local", Wave: wave})
}

// rollout finds a rollout that must be there.
func (s *stage) rollout(id string) rollout.Rollout {
	s.t.Helper()
	r := s.state.Find(id)
	if r == nil {
		s.t.Fatalf("no rollout %s", id)
	}
	return *r
}

// decide gives the holder's verdict.
func (s *stage) decide(id string, v rollout.Verdict) {
	s.t.Helper()
	s.catchUp()
	r := s.rollout(id)
	if r.Claim == nil {
		s.t.Fatalf("nobody holds the claim of %s", id)
	}
	s.must(rollout.GiveVerdict{
		RolloutID: id, OccurrenceID: r.Claim.OccurrenceID, Token: r.Claim.Token, Verdict: v,
		Reasoning: "because", Actor: "occurrence:" + r.Claim.OccurrenceID,
	})
}

// pending lists what an occurrence's present boot has to carry out.
func (s *stage) pending(id string) []*rollout.Issued {
	var out []*rollout.Issued
	for _, key := range s.made {
		in := s.issued[key]
		r := s.state.Find(in.RolloutID)
		if in.OccurrenceID == id && in.Boot == s.actors[id].bootID() && in.AcknowledgedAt.IsZero() && in.WithdrawnAt.IsZero() &&
			s.now.Before(in.Deadline) && (r == nil || r.Status != rollout.Paused) {
			out = append(out, in)
		}
	}
	return out
}

// acknowledge takes up everything pending for an occurrence.
func (s *stage) acknowledge(id string) {
	s.t.Helper()
	for _, in := range s.pending(id) {
		s.must(rollout.Acknowledge{Issued: *in, OccurrenceID: id, Boot: s.actors[id].bootID()})
	}
}

// obey lets the actors hear, acknowledge and carry out what is pending.
func (s *stage) obey() {
	for _, id := range s.actorIDs() {
		a := s.actors[id]
		if a.deaf || a.mute {
			continue
		}
		for _, in := range s.pending(id) {
			s.must(rollout.Acknowledge{Issued: *in, OccurrenceID: id, Boot: a.bootID()})
			if in.Type == rollout.Deliberate || a.takes < 0 {
				continue
			}
			a.becomes = discovery.Work
			if in.Type == rollout.Stop {
				a.becomes = discovery.Stopped
			}
			a.arrives = s.now.Add(a.takes)
		}
	}
}

func (s *stage) actorIDs() []string {
	out := make([]string, 0, len(s.actors))
	for id := range s.actors {
		out = append(out, id)
	}
	sort.Slice(out, func(i, j int) bool { return discovery.CompareIDs(out[i], out[j]) < 0 })
	return out
}

// run lets time pass: everything happens at its moment, heartbeats come every
// heartbeat interval, told occurrences do what they are told.
func (s *stage) run(d time.Duration) {
	s.t.Helper()
	end := s.now.Add(d)
	beatAt := s.now.Add(s.settings.HeartbeatInterval)
	for {
		s.obey()
		next := end
		for _, at := range append([]time.Time{beatAt, s.state.WakeAt}, s.arrivals()...) {
			if at.After(s.now) && at.Before(next) {
				next = at
			}
		}
		s.now = next
		s.catchUp()
		for _, id := range s.actorIDs() {
			a := s.actors[id]
			if !a.arrives.IsZero() && !a.arrives.After(s.now) && !a.mute {
				a.arrives = time.Time{}
				s.report(id, a.becomes)
			}
			if !beatAt.After(s.now) && !a.mute && a.state != discovery.Stopped {
				s.beat(id)
			}
		}
		if !beatAt.After(s.now) {
			beatAt = beatAt.Add(s.settings.HeartbeatInterval)
		}
		if !s.now.Before(end) {
			s.obey()
			return
		}
	}
}

func (s *stage) arrivals() []time.Time {
	var out []time.Time
	for _, a := range s.actors {
		if !a.mute {
			out = append(out, a.arrives)
		}
	}
	return out
}

// at finds when an event of a type first happened, as m:ss since the epoch.
func (s *stage) at(kind string, wave int) string {
	for _, e := range s.log {
		if e.Type == kind && (wave == 0 || e.Wave == wave) {
			return clock(e.At)
		}
	}
	return "never"
}

func clock(t time.Time) string {
	d := t.Sub(epoch)
	if d%time.Second == 0 {
		return fmt.Sprintf("%d:%02d", int(d.Minutes()), int(d.Seconds())%60)
	}
	return d.String()
}

// members writes a rollout's members and their states, a wave a line.
func (s *stage) members(id string) string {
	var b strings.Builder
	for i, v := range s.rollout(id).Waves {
		fmt.Fprintf(&b, "%d %s %s:", i+1, v.Name, v.Status)
		for _, m := range v.Members {
			fmt.Fprintf(&b, " %s=%s", m.OccurrenceID, m.Status)
			if m.Status == rollout.MemberReached && s.rollout(id).Kind != rollout.Wakeup && !m.Clean {
				b.WriteString("(unclean)")
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

// incident tells whether an incident of a type was opened, and whether it is
// open still.
func (s *stage) incident(kind rollout.IncidentType) (opened, open bool) {
	for _, i := range s.opened {
		opened = opened || i.Type == kind
	}
	for _, i := range s.state.Incidents {
		open = open || i.Type == kind && i.ResolvedAt.IsZero()
	}
	return opened, open
}
