package sim

import (
	"fmt"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// actor is an occurrence's process, with its bad habits.
type actor struct {
	w       *World
	id      string
	boots   int
	seq     int64
	state   discovery.State
	echo    time.Time
	stopped bool

	takes    time.Duration // from being told to being there
	arrives  time.Time
	becomes  discovery.State
	deaf     bool // acknowledges nothing
	mute     bool // sends nothing
	stubborn bool // says yes and does nothing
	claim    *rollout.Claim
	wakeup   string
	done     map[string]bool // instructions carried out by this boot
}

func newActor(w *World, i int) *actor {
	a := &actor{w: w, id: fmt.Sprintf("o%d", i), takes: time.Duration(1+w.rng.IntN(60)) * time.Second}
	a.deaf, a.stubborn = w.rng.IntN(12) == 0, w.rng.IntN(8) == 0
	return a
}

func (a *actor) boot() string { return fmt.Sprintf("%s-%d", a.id, a.boots) }

// behave gives up all bad habits.
func (a *actor) behave() { a.deaf, a.mute, a.stubborn, a.takes = false, false, false, 5*time.Second }

// start starts a new process.
func (a *actor) start() error {
	a.boots++
	a.seq, a.state, a.stopped, a.arrives, a.claim, a.done = 0, discovery.Starting, false, time.Time{}, nil, map[string]bool{}
	_, _, err := a.w.replica().Register(a.w.ctx, agentID, a.id, discovery.Registration{Boot: a.boot(), Coordinated: true})
	return tolerate(err)
}

// live is what a process does when it is its turn.
func (a *actor) live() error {
	switch {
	case a.mute:
		return nil
	case a.boots == 0 || a.stopped:
		return a.start()
	}
	if !a.arrives.IsZero() && !a.w.wall.Before(a.arrives) {
		a.state, a.arrives = a.becomes, time.Time{}
	}
	if err := a.beat(); err != nil {
		return err
	}
	if a.stopped {
		return nil
	}
	if a.state == discovery.Starting || a.state == discovery.Wakeup {
		if err := a.ask(); err != nil {
			return err
		}
	}
	return a.decide()
}

func (a *actor) beat() error {
	a.seq++
	hb := discovery.Heartbeat{Boot: a.boot(), Sequence: a.seq, State: a.state, Echo: a.echo}
	if a.w.rng.IntN(30) == 0 {
		hb.Critical = 1
	}
	answer, err := a.w.replica().Heartbeat(a.w.ctx, agentID, a.id, hb)
	if err != nil {
		return tolerate(err)
	}
	a.echo = answer.ServerTime
	a.stopped = a.state == discovery.Stopped && answer.Sequence > 0
	for _, p := range answer.Pending {
		if err := a.obey(p); err != nil {
			return err
		}
	}
	return nil
}

// obey acknowledges, and acts only if that was answered (rule 7.3), once.
func (a *actor) obey(p engine.PendingInstruction) error {
	if a.deaf {
		return nil
	}
	if p.Boot != a.boot() {
		return fmt.Errorf("%s was handed an instruction of boot %s (rule 7.2)", a.boot(), p.Boot)
	}
	if _, err := a.w.replica().Acknowledge(a.w.ctx, agentID, a.id, p.ID, a.boot()); err != nil {
		return tolerate(err)
	}
	if a.done[p.ID] {
		return nil
	}
	a.done[p.ID] = true
	switch p.Type {
	case rollout.Deliberate:
		if p.Claim != nil {
			a.claim, a.wakeup = &rollout.Claim{Token: p.Claim.Token}, p.RolloutID
		}
	case rollout.Wake, rollout.Stop:
		if a.stubborn && !p.Force {
			return nil
		}
		a.becomes, a.arrives = discovery.Work, a.w.wall.Add(a.takes)
		if p.Type == rollout.Stop {
			a.becomes = discovery.Stopped
		}
	case rollout.Rehearse:
	}
	return nil
}

func (a *actor) ask() error {
	answer, err := a.w.replica().Ask(a.w.ctx, agentID, a.id, a.boot())
	if err != nil {
		return tolerate(err)
	}
	a.w.check.answered(answer.Directive)
	switch answer.Directive {
	case rollout.Decide:
		a.claim, a.wakeup, a.state = answer.Claim, answer.RolloutID, discovery.Wakeup
	case rollout.Proceed, rollout.Independent:
		if a.arrives.IsZero() {
			a.becomes, a.arrives = discovery.Work, a.w.wall.Add(a.takes)
		}
	case rollout.Wait:
		a.state = discovery.Wakeup
	}
	return nil
}

// decide gives a verdict, sooner or later, sometimes too late.
func (a *actor) decide() error {
	if a.claim == nil || a.w.rng.IntN(3) == 0 {
		return nil
	}
	c := rollout.GiveVerdict{RolloutID: a.wakeup, OccurrenceID: a.id, Token: a.claim.Token, Reasoning: "because", Actor: "occurrence:" + a.id, Verdict: rollout.Accept}
	switch n := a.w.rng.IntN(12); n {
	case 0:
		c.Verdict = rollout.Reject
	case 1:
		c.Verdict = rollout.Defer
		c.UntilWall = a.w.wall.Add(time.Duration(1+a.w.rng.IntN(300)) * time.Second)
	}
	v, err := a.w.replica().Decide(a.w.ctx, c, nil)
	if err != nil {
		return tolerate(err)
	}
	a.w.reach["verdict "+string(c.Verdict)]++
	a.claim = nil
	if v.Kind == rollout.Wakeup && c.Verdict == rollout.Accept && a.arrives.IsZero() {
		a.becomes, a.arrives = discovery.Work, a.w.wall.Add(a.takes)
	}
	return nil
}
