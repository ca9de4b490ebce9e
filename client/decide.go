package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// maxReasoning is the longest reasoning that the service takes, in bytes to be on the safe side of characters.
const maxReasoning = 16384

func deliberationOf(in Instruction) Deliberation {
	d := Deliberation{RolloutID: in.RolloutID, Message: text(in.Message), Reason: in.Reason, ForAll: in.Claim != nil, ExpiresAt: in.Deadline}
	if in.Claim == nil {
		d.Kind = TaskKindShutdown // only a shutdown asks every occurrence for itself (rule 4.24)
	}
	return d
}

// keyOf is what a decision proves its right with.
func keyOf(in Instruction) string {
	if in.Claim != nil {
		return in.Claim.Token
	}
	return in.InstructionID
}

// deliberate has the agent deliberate, unless it does or has done so under this very claim. A newer claim replaces an
// older one.
func (l *life) deliberate(about Deliberation, key string, order *Order) {
	if l.decided[key] || l.stopping() {
		return
	}
	if l.thinking != nil {
		if l.thinking.key == key {
			return
		}
		l.thinking.cancel()
	}
	if about.Kind == TaskKindWakeup {
		l.askTimer = nil
	}
	a := &activity{what: actDeliberate, about: about, key: key}
	if order != nil {
		a.order = *order
	}
	l.thinking = l.start(a, func(ctx context.Context) result {
		verdict, err := l.p.judge(ctx, &a.about, key)
		return result{verdict: verdict, err: err}
	})
}

func (l *life) stopping() bool { return l.moving != nil && l.moving.what == actStop || l.next != nil }

// endedThinking goes on from a verdict, or from there being none.
func (l *life) endedThinking(r result) {
	a := r.of
	if r.err == nil {
		l.decided[a.key] = true
	} else if l.ctx.Err() == nil {
		l.p.cfg.Logger.Warn("no verdict was given", "rollout_id", a.about.RolloutID, "error", r.err)
	}
	accepted := r.err == nil && r.verdict == VerdictAccept
	switch {
	case l.stopping():
	case accepted && !a.about.ForAll:
		l.stop(a.order)
	case accepted && a.about.Kind == TaskKindWakeup:
		// That was this boot's instruction (rule 4.6): nobody tells it to wake.
		l.wake(Order{Cause: CauseAffirmed, RolloutID: a.about.RolloutID, Reason: a.about.Reason})
	case !l.settledIn() && l.askTimer == nil:
		l.askAfter(l.pace())
	}
}

var (
	errLease = errors.New("the claim is over")
	errLost  = errors.New("somebody else decides")
)

// judge has the agent deliberate and posts its verdict. An error says that no verdict of this boot was taken.
func (p *Process) judge(ctx context.Context, about *Deliberation, key string) (Verdict, error) {
	if err := p.learnKind(ctx, about); err != nil {
		return "", err
	}
	var failures backoff
	for {
		j, err := p.cfg.Handler.Deliberate(ctx, *about)
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		if err == nil && !j.Verdict.Valid() {
			err = fmt.Errorf("%q is no verdict", j.Verdict)
		}
		if err == nil && !about.ForAll && j.Verdict == VerdictAccept {
			return j.Verdict, nil // it says so by stopping
		}
		if err == nil {
			err = p.post(ctx, *about, key, j)
		}
		switch {
		case err == nil:
			return j.Verdict, nil
		case errors.Is(err, errLost) || ctx.Err() != nil:
			return "", err
		}
		p.cfg.Logger.WarnContext(ctx, "deliberation failed", "rollout_id", about.RolloutID, "error", err)
		if now := p.service.now(); !now.Before(about.ExpiresAt) {
			return "", fmt.Errorf("%w: %w", errLease, err)
		}
		if err := pause(ctx, p.clock, failures.next(nil, backoffMax)); err != nil {
			return "", err
		}
	}
}

// post posts a verdict until it is answered. That it came too late is errLost.
func (p *Process) post(ctx context.Context, about Deliberation, key string, j Judgement) error {
	body := DecisionRequest{OccurrenceID: &p.cfg.OccurrenceID, Verdict: j.Verdict, Reasoning: shorten(j.Reasoning, maxReasoning)}
	if body.Reasoning == "" {
		body.Reasoning = "no reasons were given"
	}
	if about.ForAll {
		body.ClaimToken = &key
	} else {
		body.InstructionID = &key
		body.Verdict = VerdictReject // whoever decides for itself alone can put nothing off for others
	}
	if body.Verdict == VerdictDefer && !j.Until.IsZero() {
		body.Until = &j.Until
	}
	var failures backoff
	for {
		_, err := call(ctx, p, p.cfg.RequestTimeout, noTime[Rollout], func(ctx context.Context) (*http.Response, error) {
			return p.api.DecideRollout(ctx, about.RolloutID, nil, body)
		})
		var r *Refusal
		switch fateOf(err) {
		case fateDone:
			return nil
		case fateReplaced, fateStopped:
			p.over(err)
			return err
		case fateRefused:
			if errors.As(err, &r) && (r.Status == http.StatusNotFound || r.Status == http.StatusConflict) {
				return fmt.Errorf("%w: %w", errLost, err)
			}
			return err
		case fateRegister:
			p.registerAgain(ctx)
		case fateAgain:
		}
		if err := pause(ctx, p.clock, failures.next(err, p.vitals.patience())); err != nil {
			return err
		}
	}
}

// learnKind asks what the rollout is about, where the instruction does not say it.
func (p *Process) learnKind(ctx context.Context, about *Deliberation) error {
	var failures backoff
	for about.Kind == "" {
		r, err := call(ctx, p, p.cfg.RequestTimeout, noTime[Rollout], func(ctx context.Context) (*http.Response, error) {
			return p.api.GetRollout(ctx, about.RolloutID, nil)
		})
		switch fateOf(err) {
		case fateDone:
			about.Kind = TaskKind(r.Kind)
			continue
		case fateRefused:
			return fmt.Errorf("%w: %w", errLost, err)
		case fateReplaced, fateStopped, fateRegister, fateAgain:
		}
		if err := pause(ctx, p.clock, failures.next(err, backoffMax)); err != nil {
			return err
		}
	}
	return nil
}
