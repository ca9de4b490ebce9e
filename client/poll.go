package client

import (
	"context"
	"net/http"
	"time"
)

// poll asks for instructions by long polls until ctx ends (rule 7.5).
func (p *Process) poll(ctx context.Context) {
	if p.cfg.PollWait < 0 {
		return
	}
	var failures, idle backoff
	for ctx.Err() == nil {
		began := p.clock.Now()
		list, err := p.pollOnce(ctx)
		var wait time.Duration
		switch {
		case ctx.Err() != nil || p.over(err):
			return
		case err != nil:
			if fateOf(err) == fateRegister {
				p.registerAgain(ctx)
			}
			wait = failures.next(err, backoffMax)
			p.cfg.Logger.WarnContext(ctx, "poll failed", "error", err, "again_in", wait)
		case p.takeAll(list.Instructions, list.ServerTime) || p.clock.Now().Sub(began) > p.cfg.PollWait/2:
			failures.reset()
			idle.reset()
		default: // it came back early with nothing new, and would again
			failures.reset()
			wait = idle.next(nil, time.Second)
		}
		if pause(ctx, p.clock, wait) != nil {
			return
		}
	}
}

func (p *Process) pollOnce(ctx context.Context) (InstructionList, error) {
	wait := p.cfg.PollWait.String()
	return call(ctx, p, p.cfg.PollWait+p.cfg.RequestTimeout, func(l InstructionList) time.Time { return l.ServerTime },
		func(ctx context.Context) (*http.Response, error) {
			return p.api.PollInstructions(ctx, p.cfg.AgentID, p.cfg.OccurrenceID,
				&PollInstructionsParams{BootID: p.cfg.BootID, Wait: &wait})
		})
}
