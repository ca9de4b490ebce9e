package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// life is what the process does and in which order: asking to wake, deliberating, waking, stopping. One goroutine runs
// it, and everything that happens comes to it as a message, so it needs no locks.
type life struct {
	p   *Process
	ctx context.Context // of the work; ends when this boot's time is over

	asking   bool             // an ask is under way
	askTimer <-chan time.Time // nil: there is nothing to ask
	answers  chan WakeupAnswer
	moving   *activity // waking or stopping, or nil
	thinking *activity // deliberating, or nil
	next     *Order    // a stop that waits for moving to end
	decided  map[string]bool
	finished chan result
	told     bool // to stop, and it has not been told to wake since
	forced   bool // to stop
	stopped  bool // the stop was obeyed
	handlers sync.WaitGroup
}

// activity is one call of the Handler.
type activity struct {
	what   act
	order  Order        // of a wake or a stop
	about  Deliberation // of a deliberation
	key    string       // of a deliberation: the claim's token, or the instruction's id
	cancel context.CancelFunc
}

type act int

const (
	actWake act = iota
	actStop
	actDeliberate
)

// result is how an activity ended.
type result struct {
	of      *activity
	verdict Verdict // of a deliberation that was brought to its end; else empty
	err     error
}

func newLife(p *Process, ctx context.Context) *life {
	return &life{p: p, ctx: ctx, answers: make(chan WakeupAnswer), decided: map[string]bool{}, finished: make(chan result)}
}

// run lives until this boot's time is over and returns why: errStopped when it has stopped as told, else the cause with
// which the context ended.
func (l *life) run() error {
	l.ask()
	for !l.stopped {
		select {
		case <-l.ctx.Done():
			return context.Cause(l.ctx)
		case in := <-l.p.orders:
			l.obey(in)
		case <-l.askTimer:
			l.ask()
		case a := <-l.answers:
			l.answered(a)
		case r := <-l.finished:
			l.ended(r)
		}
	}
	return errStopped
}

// close ends what is still running and waits for it, within reason.
func (l *life) close() {
	for _, a := range []*activity{l.moving, l.thinking} {
		if a != nil {
			a.cancel()
		}
	}
	if l.forced {
		return // an emergency waits for nobody
	}
	ended := make(chan struct{})
	go func() {
		l.handlers.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-l.p.clock.After(l.p.cfg.HandlerGrace):
		l.p.cfg.Logger.Error("the handler does not return though its context has ended")
	}
}

// obey does what an acknowledged instruction says. Every id comes here once.
func (l *life) obey(in Instruction) {
	l.p.cfg.Logger.Info("instruction", "type", in.Type, "instruction_id", in.InstructionID, "rollout_id", in.RolloutID, "reason", in.Reason)
	order := Order{Cause: CauseInstruction, RolloutID: in.RolloutID, Reason: in.Reason, Force: in.Force, Instruction: &in}
	switch in.Type {
	case InstructionTypeWake:
		l.wake(order)
	case InstructionTypeStop:
		l.stop(order)
	case InstructionTypeDeliberate:
		l.deliberate(deliberationOf(in), keyOf(in), &order)
	case InstructionTypeRehearse: // acknowledged, and not obeyed (rule 8.5)
	}
}

// wake begins to wake up, unless this boot is there, on its way, or stopping.
func (l *life) wake(order Order) {
	if l.moving != nil {
		return
	}
	if awake(l.p.vitals.current()) {
		l.p.vitals.kick() // the next heartbeat is what shows it (rule 4.6)
		return
	}
	l.askTimer, l.told = nil, false
	l.p.vitals.set(ReportedStateWakeup, "")
	l.move(actWake, order)
}

// stop begins to stop. What this boot is doing is ended first; a forced stop does not wait for that.
func (l *life) stop(order Order) {
	l.askTimer, l.told = nil, true
	l.forced = l.forced || order.Force
	if l.thinking != nil {
		l.thinking.cancel()
	}
	switch m := l.moving; {
	case m == nil:
	case m.what == actStop && (!order.Force || m.order.Force):
		return
	case !order.Force:
		l.next = &order
		m.cancel()
		return
	default:
		m.cancel()
	}
	l.next = nil
	l.p.vitals.set(ReportedStateShutdown, "")
	l.move(actStop, order)
}

func (l *life) move(what act, order Order) {
	l.moving = l.start(&activity{what: what, order: order}, func(ctx context.Context) result {
		switch {
		case what == actWake:
			return result{err: l.p.cfg.Handler.Wake(ctx, order)}
		case order.Force:
			return result{err: l.p.stopByForce(ctx, order)}
		default:
			return result{err: l.p.cfg.Handler.Stop(ctx, order)}
		}
	})
}

var errHangs = errors.New("the handler does not return")

// stopByForce ends though the agent may hang: the process is to exit in any case.
func (p *Process) stopByForce(ctx context.Context, order Order) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- p.cfg.Handler.Stop(ctx, order) }()
	select {
	case err := <-ended:
		return err
	case <-p.clock.After(p.cfg.HandlerGrace):
		return errHangs
	}
}

// start runs one activity beside the life; its end comes back as a message.
func (l *life) start(a *activity, call func(context.Context) result) *activity {
	ctx, cancel := context.WithCancel(l.ctx)
	a.cancel = cancel
	l.handlers.Go(func() {
		defer cancel()
		r := call(ctx)
		r.of = a
		select {
		case l.finished <- r:
		case <-l.ctx.Done():
		}
	})
	return a
}

// ended takes the end of an activity. That of one which was abandoned or replaced says nothing any more.
func (l *life) ended(r result) {
	switch r.of {
	case l.moving:
		l.moving = nil
		if r.of.what == actStop {
			l.endedStop(r)
		} else {
			l.endedWake(r)
		}
	case l.thinking:
		l.thinking = nil
		l.endedThinking(r)
	}
}

func (l *life) endedWake(r result) {
	switch {
	case l.next != nil:
		l.stop(*l.next)
	case r.err != nil:
		l.p.cfg.Logger.Error("the agent did not wake", "error", r.err)
		l.p.vitals.set(ReportedStateError, "wakeup failed: "+r.err.Error())
		l.askAfter(l.pace())
	default:
		l.p.vitals.arrive()
	}
}

func (l *life) endedStop(r result) {
	if r.err != nil && !r.of.order.Force {
		l.p.cfg.Logger.Error("the agent did not stop", "error", r.err)
		l.p.vitals.set(ReportedStateError, "stop failed: "+r.err.Error())
		return
	}
	detail := ""
	if r.err != nil {
		detail = fmt.Sprintf("stopped by force: %v", r.err)
	}
	l.p.vitals.set(ReportedStateStopped, detail)
	l.stopped = true
}

// pace is how often this boot asks where nothing else is said.
func (l *life) pace() time.Duration {
	interval, _ := l.p.vitals.rhythm()
	return interval
}
