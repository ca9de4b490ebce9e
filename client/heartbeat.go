package client

import (
	"context"
	"net/http"
	"time"
	"unicode/utf8"
)

// maxDetail is the longest detail that a heartbeat carries, in bytes.
const maxDetail = 1024

// beat sends heartbeats until ctx ends: one in each interval, and one whenever there is news (rules 2.2 and 2.4).
func (p *Process) beat(ctx context.Context) {
	var failures backoff
	for ctx.Err() == nil {
		_, err := p.heartbeat(ctx)
		interval, _ := p.vitals.rhythm()
		wait, news := jitter(interval, 0.15), p.vitals.news
		switch {
		case err == nil:
			failures.reset()
		case ctx.Err() != nil || p.over(err):
			return
		default:
			if fateOf(err) == fateRegister {
				p.registerAgain(ctx)
			}
			wait = failures.next(err, interval)
			news = nil // it does not push a service that is in trouble
			p.cfg.Logger.WarnContext(ctx, "heartbeat failed", "error", err, "again_in", wait)
		}
		select {
		case <-ctx.Done():
		case <-news:
		case <-p.clock.After(wait):
		}
	}
}

// heartbeat sends one heartbeat, always with a sequence of its own: what is repeated is newer than what may have been
// lost on the way. It takes the instructions of the answer in.
func (p *Process) heartbeat(ctx context.Context) (HeartbeatAnswer, error) {
	silence := p.service.silence()
	report := p.vitals.report()
	p.sequence++
	report.BootID, report.Sequence, report.Echo = p.cfg.BootID, p.sequence, p.service.echo()
	report.Version = optional(p.cfg.Version)
	answer, err := call(ctx, p, p.heartbeatTimeout(), func(a HeartbeatAnswer) time.Time { return a.ServerTime },
		func(ctx context.Context) (*http.Response, error) {
			return p.api.Heartbeat(ctx, p.cfg.AgentID, p.cfg.OccurrenceID, report)
		})
	if err != nil {
		return answer, err
	}
	p.vitals.heard(report, answer)
	if !answer.Accepted && answer.Sequence >= p.sequence {
		p.sequence = answer.Sequence // this boot has counted further than this process knows
		p.vitals.kick()
	}
	if _, liveness := p.vitals.rhythm(); silence > liveness {
		// It was away for long, and may have come back without what it was told at registration.
		p.registerAgain(ctx)
	}
	p.takeAll(answer.Instructions, answer.ServerTime)
	return answer, nil
}

// report is what there is to say, without who says it.
func (v *vitals) report() HeartbeatReport {
	v.mu.Lock()
	defer v.mu.Unlock()
	r := HeartbeatReport{State: v.state, Detail: optional(shorten(v.detail, maxDetail))}
	if v.critical > 0 || v.high > 0 {
		critical, high := v.critical, v.high
		r.Incidents = &IncidentCounts{Critical: &critical, High: &high}
	}
	return r
}

// heard takes off what an answered heartbeat has told: incidents count once.
func (v *vitals) heard(r HeartbeatReport, a HeartbeatAnswer) {
	v.adopt(a.HeartbeatInterval, a.LivenessTimeout)
	if r.Incidents == nil || !a.Accepted {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.critical -= *r.Incidents.Critical
	v.high -= *r.Incidents.High
}

// lastWord says stopped until it is answered (rule 2.6), and returns nil when the service has heard it.
func (p *Process) lastWord(ctx context.Context) error {
	var failures backoff
	for {
		answer, err := p.heartbeat(ctx)
		switch fateOf(err) {
		case fateDone:
			if answer.Accepted || answer.Sequence < p.sequence {
				return nil
			}
			continue // it was taken for an older one; now the sequence is right
		case fateStopped:
			return nil
		case fateReplaced:
			return ErrReplaced
		case fateRefused:
			return err
		case fateRegister:
			p.registerAgain(ctx)
		case fateAgain:
		}
		d := failures.next(err, backoffMax)
		p.cfg.Logger.WarnContext(ctx, "the last word was not heard yet", "error", err, "again_in", d)
		if err := pause(ctx, p.clock, d); err != nil {
			return err
		}
	}
}

// shorten cuts a text to at most so many bytes, between characters.
func shorten(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}
