package client

import (
	"context"
	"net/http"
	"time"
)

// ask asks to wake up (section 6); the answer comes as a message.
func (l *life) ask() {
	l.askTimer = nil
	if l.asking || l.settledIn() {
		return
	}
	l.asking = true
	l.p.tasks.Go(func() {
		answer, ok := l.p.askToWake(l.ctx)
		if !ok {
			return
		}
		select {
		case l.answers <- answer:
		case <-l.ctx.Done():
		}
	})
}

// askAfter asks again after d, less a little so that a fleet does not ask in step.
func (l *life) askAfter(d time.Duration) {
	l.askTimer = l.p.clock.After(jitter(d, 0.1))
}

// settledIn tells whether there is nothing to ask: this boot is awake, is waking, or was told to stop.
func (l *life) settledIn() bool {
	return l.moving != nil || l.told || awake(l.p.vitals.current())
}

// answered follows the directive (rule 6.2). One that comes after an instruction has overtaken it is void.
func (l *life) answered(a WakeupAnswer) {
	l.asking = false
	if l.settledIn() {
		return
	}
	l.p.cfg.Logger.Info("asked to wake up", "directive", a.Directive, "reason", a.Reason)
	order := Order{RolloutID: text(a.RolloutID), Reason: a.Reason}
	switch a.Directive {
	case DirectiveDecide:
		if a.Claim != nil {
			about := Deliberation{Kind: TaskKindWakeup, RolloutID: order.RolloutID, Message: text(a.Message), ForAll: true, ExpiresAt: a.Claim.ExpiresAt}
			l.deliberate(about, a.Claim.Token, nil)
		}
		if l.thinking == nil {
			l.askAfter(l.pace())
		}
	case DirectiveProceed:
		order.Cause = CauseProceed
		l.wake(order)
	case DirectiveIndependent:
		order.Cause = CauseIndependent
		l.wake(order)
	case DirectiveWait:
		l.askAfter(l.again(a))
	default: // a newer service may say more; to wait is never wrong
		l.askAfter(l.again(a))
	}
}

func (l *life) again(a WakeupAnswer) time.Duration {
	if d, err := time.ParseDuration(text(a.AskAgainAfter)); err == nil && d > 0 {
		return max(d, leastInterval)
	}
	return l.pace()
}

// askToWake asks until it is answered; false when this boot's time was over first.
func (p *Process) askToWake(ctx context.Context) (WakeupAnswer, bool) {
	var failures backoff
	for {
		answer, err := call(ctx, p, p.cfg.RequestTimeout, noTime[WakeupAnswer], func(ctx context.Context) (*http.Response, error) {
			return p.api.RequestWakeup(ctx, p.cfg.AgentID, nil, WakeupRequest{OccurrenceID: &p.cfg.OccurrenceID, BootID: &p.cfg.BootID})
		})
		switch fateOf(err) {
		case fateDone:
			return answer, true
		case fateReplaced, fateStopped:
			p.over(err)
			return answer, false
		case fateRegister, fateRefused: // 404: it does not know this occurrence (rule 6.1)
			p.registerAgain(ctx)
		case fateAgain:
		}
		if pause(ctx, p.clock, failures.next(err, backoffMax)) != nil {
			return answer, false
		}
	}
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
