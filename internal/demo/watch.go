package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cirisai/orchestrator/client"
)

// look is how long to wait between two looks at the rollout of a small fleet.
const look = 40 * time.Millisecond

var errTooLong = errors.New("it took longer than its plan can take")

// watch shows a rollout until it is where it should be watched to, or takes longer than it can.
func (d *demo) watch(ctx context.Context, id string, until func(client.Rollout) bool) (client.Rollout, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, d.longest(), errTooLong)
	defer cancel()
	for {
		r, err := d.operator.rollout(ctx, id)
		if err != nil {
			return r, cause(ctx, err)
		}
		d.show(d.seen[id], r)
		d.seen[id] = r
		if until(r) {
			d.screen.keep()
			return r, nil
		}
		if err := d.wait(ctx, d.opts.least(look, time.Millisecond)); err != nil {
			return r, cause(ctx, err)
		}
	}
}

// cause is why a context has ended, where that is why something failed.
func cause(ctx context.Context, err error) error {
	if c := context.Cause(ctx); c != nil {
		return c
	}
	return err
}

// longest is all delays and timeouts of the plan together, and some time to spare.
func (d *demo) longest() time.Duration {
	total := d.patience()
	for _, w := range d.opts.plan() {
		total += d.opts.real(w.delay) + 2*w.timeout
	}
	return total
}

// patience is how long to wait for what should happen at once, in the worst case.
func (d *demo) patience() time.Duration { return time.Minute + d.opts.least(0, perTimeout) }

// wait lets time pass, unless an occurrence fails meanwhile. Should the claim move on, the next decider is answered too.
func (d *demo) wait(ctx context.Context, t time.Duration) error {
	over, cancel := context.WithTimeout(ctx, t)
	defer cancel()
	for {
		select {
		case err := <-d.fleet.failures:
			return err
		case q := <-d.fleet.questions:
			q.answer <- d.judgement(q.about.Kind)
		case <-over.Done():
			return ctx.Err()
		}
	}
}

// show draws the rollout on a terminal; elsewhere it writes down what has changed since the last look.
func (d *demo) show(before, r client.Rollout) {
	if d.screen.terminal {
		d.screen.draw(d.opts.frame(r, d.clock(r, r.UpdatedAt, now())))
		return
	}
	for _, c := range d.opts.changes(before, r) {
		d.screen.say("  %-8s %s", d.clock(r, c.at, c.at), c.text)
	}
}

// clock writes the virtual time since the decision: at a moment of the service's, or while the rollout runs at this one.
func (d *demo) clock(r client.Rollout, at, running time.Time) string {
	if r.Decision == nil {
		return ""
	}
	if r.FinishedAt == nil {
		at = running
	}
	return clockOf(d.opts.virtual(at.Sub(r.Decision.DecidedAt)))
}

// final tells whether nothing more will become of the rollout by itself.
func final(r client.Rollout) bool {
	switch r.State {
	case client.RolloutStateSucceeded, client.RolloutStatePartial, client.RolloutStateRejected, client.RolloutStateFailed,
		client.RolloutStateAborted, client.RolloutStateSuperseded:
		return true
	case client.RolloutStateDeciding, client.RolloutStateDeferred, client.RolloutStateRolling, client.RolloutStatePaused,
		client.RolloutStateHalted:
		return false
	}
	return false
}

// finalOrHalted also ends where the service waits for a person.
func finalOrHalted(r client.Rollout) bool {
	return final(r) || r.State == client.RolloutStateHalted
}

// question waits for the next decider, and shows what it was handed.
func (d *demo) question(ctx context.Context) (question, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, d.patience(), errors.New("nobody was asked to decide"))
	defer cancel()
	for d.fleet.gone() < d.opts.Occurrences {
		again, stop := context.WithTimeout(ctx, 5*look)
		select {
		case err := <-d.fleet.failures:
			stop()
			return question{}, err
		case q := <-d.fleet.questions:
			stop()
			d.screen.say("One of them is asked to decide for all: %s. This is what it is handed\n"+
				"(the durations in it are divided already):\n\n%s\n", q.occurrence, indent(q.about.Message))
			return q, nil
		case <-again.Done():
			stop()
		}
		if ctx.Err() != nil {
			return question{}, context.Cause(ctx)
		}
	}
	return question{}, errors.New("all occurrences were told to stop before anybody was asked; are all agents of this database held?")
}

// answer has a decider answer, and says so.
func (d *demo) answer(q question) {
	j := d.judgement(q.about.Kind)
	d.screen.say("%s decides: %s. %q\n", q.occurrence, j.Verdict, j.Reasoning)
	q.answer <- j
}

func (d *demo) judgement(kind client.TaskKind) client.Judgement {
	switch {
	case kind == client.TaskKindWakeup:
		return client.Judgement{Verdict: client.VerdictAccept, Reasoning: "I know who I am and what I am for."}
	case d.opts.Reject:
		return client.Judgement{Verdict: client.VerdictReject, Reasoning: "There are people in the middle of a conversation with me."}
	default:
		return client.Judgement{Verdict: client.VerdictAccept, Reasoning: "The reason is good, and the plan keeps most of us serving until the end."}
	}
}

// expect notes what is not as it should be.
func (d *demo) expect(ok bool, format string, args ...any) {
	if !ok {
		d.wrong = append(d.wrong, fmt.Sprintf(format, args...))
	}
}

// awaitAwake waits until the whole fleet reports work: who came too late for the waves of its wakeup wakes beside them.
func (d *demo) awaitAwake(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, d.patience(), errors.New("some occurrences do not come to work"))
	defer cancel()
	for {
		all, err := d.operator.occurrences(ctx)
		if err != nil {
			return cause(ctx, err)
		}
		awake := 0
		for _, o := range all {
			if o.State == client.ReportedStateWork {
				awake++
			}
		}
		if awake == d.opts.Occurrences {
			return nil
		}
		if err := d.wait(ctx, 5*look); err != nil {
			return cause(ctx, err)
		}
	}
}
