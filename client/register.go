package client

import (
	"context"
	"net/http"
	"time"
)

// call makes one call, bounded by a timeout, and notes what its answer says of the service's time.
func call[T any](ctx context.Context, p *Process, timeout time.Duration, serverTime func(T) time.Time, send func(context.Context) (*http.Response, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	asked := p.clock.Now()
	answer, err := Read[T](send(ctx)) //nolint:bodyclose // Read closes it
	if err == nil {
		p.service.saw(serverTime(answer), asked)
	}
	return answer, err
}

// noTime is for answers without a server_time.
func noTime[T any](T) time.Time { return time.Time{} }

// heartbeatTimeout leaves a fleet with a short liveness timeout the time to try again within it.
func (p *Process) heartbeatTimeout() time.Duration {
	_, liveness := p.vitals.rhythm()
	return min(p.cfg.RequestTimeout, max(liveness/2, time.Second))
}

// register says who this boot is until the service has taken it, or refuses it (rule 2.2).
func (p *Process) register(ctx context.Context) error {
	var failures backoff
	for {
		err := p.registerOnce(ctx)
		switch fateOf(err) {
		case fateDone:
			return nil
		case fateReplaced:
			return ErrReplaced
		case fateStopped:
			return ErrDeregistered
		case fateRefused:
			return err
		case fateAgain, fateRegister:
		}
		d := failures.next(err, backoffMax)
		p.cfg.Logger.WarnContext(ctx, "cannot register yet", "error", err, "again_in", d)
		if err := pause(ctx, p.clock, d); err != nil {
			return err
		}
	}
}

// registerAgain is for a service that has lost this boot. What it does not take now, the next call will ask for again.
func (p *Process) registerAgain(ctx context.Context) {
	if err := p.registerOnce(ctx); err != nil && !p.over(err) {
		p.cfg.Logger.WarnContext(ctx, "cannot register again yet", "error", err)
	}
}

func (p *Process) registerOnce(ctx context.Context) error {
	p.registering.Lock()
	defer p.registering.Unlock()
	body := OccurrenceRegistration{BootID: p.cfg.BootID, Labels: p.cfg.Labels, Group: optional(p.cfg.Group), Version: optional(p.cfg.Version)}
	if p.cfg.Uncoordinated {
		body.Coordinated = new(bool)
	}
	if p.callbackURL != "" {
		body.CallbackURL, body.CallbackSecret = &p.callbackURL, optional(p.cfg.Secret)
	}
	_, err := call(ctx, p, p.cfg.RequestTimeout, noTime[Occurrence], func(ctx context.Context) (*http.Response, error) {
		return p.api.RegisterOccurrence(ctx, p.cfg.AgentID, p.cfg.OccurrenceID, body)
	})
	if err == nil {
		p.registered.Store(true)
	}
	return err
}

// over ends the work where an answer says that this boot's time is over, and tells whether it did.
func (p *Process) over(err error) bool {
	switch fateOf(err) {
	case fateReplaced:
		p.end(ErrReplaced)
	case fateStopped:
		p.end(ErrDeregistered)
	case fateDone, fateAgain, fateRegister, fateRefused:
		return false
	}
	return true
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
