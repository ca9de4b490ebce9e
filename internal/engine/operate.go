package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// Register registers an occurrence (rules 2.2 and 2.3). It creates the agent
// when that is new.
func (e *Engine) Register(ctx context.Context, agentID, occurrence string, reg discovery.Registration) (v OccurrenceView, created bool, err error) {
	r := e.beats.through(ctx, agentID, arrival{occurrence: occurrence, register: &reg})
	return r.occurrence, r.created, r.err
}

// Leave is a clean leave; an empty boot means the present one (rule 2.6).
func (e *Engine) Leave(ctx context.Context, agentID, occurrence, boot string) error {
	return e.beats.through(ctx, agentID, arrival{occurrence: occurrence, leave: &leaving{boot}}).err
}

// AskAnswer is what an occurrence that asks to wake up is answered (rule 6.2).
type AskAnswer struct {
	rollout.Answer
	Clock discovery.Clock
}

// Ask asks whether an occurrence may wake up (section 6).
func (e *Engine) Ask(ctx context.Context, agentID, occurrence, boot string) (AskAnswer, error) {
	r := e.beats.through(ctx, agentID, arrival{occurrence: occurrence, ask: &asking{boot: boot, ulid: e.newULID()}})
	return r.ask, r.err
}

// Acknowledged says when an instruction was acknowledged, and what time it is
// now, both as wall times.
type Acknowledged struct {
	At         time.Time
	ServerTime time.Time
}

// Acknowledge is a boot saying that it received an instruction (rule 7.3). A
// stopped boot may acknowledge (rule 2.6).
func (e *Engine) Acknowledge(ctx context.Context, agentID, occurrence, instruction, boot string) (Acknowledged, error) {
	r := e.beats.through(ctx, agentID, arrival{occurrence: occurrence, ack: &acknowledging{boot: boot, instruction: instruction}})
	return r.ack, r.err
}

// ClaimAnswer is what who claims is answered.
type ClaimAnswer struct {
	Claim   rollout.Claim
	Message string
	Clock   discovery.Clock
}

// Claim asks for the right to decide a rollout (rules 5.2 and 5.3).
func (e *Engine) Claim(ctx context.Context, rolloutID, occurrence, boot string) (a ClaimAnswer, err error) {
	err = e.updateRollout(ctx, rolloutID, func(d *door, agentID string) error {
		if _, ok, err := d.speaker(agentID, occurrence, boot); err != nil || !ok {
			return err
		}
		answer, err := d.command(rollout.TakeClaim{RolloutID: rolloutID, OccurrenceID: occurrence, Boot: boot})
		if err != nil {
			return err
		}
		a = ClaimAnswer{Claim: *answer.Claim, Message: answer.Message, Clock: d.clock}
		return nil
	})
	return a, err
}

// Decide gives a verdict (rules 5.4 to 5.7).
func (e *Engine) Decide(ctx context.Context, c rollout.GiveVerdict, once *Once) (RolloutView, error) {
	return e.onRollout(ctx, c.RolloutID, c, once)
}

// Order carries out an operator's command (rule 4.18).
func (e *Engine) Order(ctx context.Context, c rollout.Order, once *Once) (RolloutView, error) {
	return e.onRollout(ctx, c.RolloutID, c, once)
}

func (e *Engine) onRollout(ctx context.Context, rolloutID string, c rollout.Command, once *Once) (v RolloutView, err error) {
	leave, err := e.once.enter(ctx, once)
	if err != nil {
		return v, err
	}
	defer leave()
	err = e.updateRollout(ctx, rolloutID, func(d *door, _ string) error {
		if found, err := once.recall(d.tx); found || err != nil {
			return err
		}
		if err := d.step(c); err != nil {
			return err
		}
		if v, err = d.rolloutView(rolloutID); err != nil {
			return err
		}
		return once.keep(d.tx, v)
	})
	return v, err
}

// updateRollout opens the door of the agent that a rollout belongs to, and puts
// the rollout into the state also when it is finished.
func (e *Engine) updateRollout(ctx context.Context, rolloutID string, fn func(d *door, agentID string) error) error {
	agentID, err := e.AgentOf(ctx, rolloutID)
	if err != nil {
		return err
	}
	return e.update(ctx, agentID, false, func(d *door) error {
		if d.state.Find(rolloutID) == nil {
			r, err := d.tx.Rollout(rolloutID)
			if err != nil {
				return err
			}
			d.state.Rollouts = append(d.state.Rollouts, r)
		}
		return fn(d, agentID)
	})
}

// Request asks for a wakeup or a shutdown as an operator (section 4).
func (e *Engine) Request(ctx context.Context, agentID string, c rollout.Request, once *Once) (v RolloutView, err error) {
	leave, err := e.once.enter(ctx, once)
	if err != nil {
		return v, err
	}
	defer leave()
	c.ULID = e.newULID()
	err = e.update(ctx, agentID, false, func(d *door) error {
		if found, err := once.recall(d.tx); found || err != nil {
			return err
		}
		answer, err := d.command(c)
		if err != nil {
			return err
		}
		if v, err = d.rolloutView(answer.RolloutID); err != nil {
			return err
		}
		return once.keep(d.tx, v)
	})
	return v, err
}

// PutAgent replaces an agent's settings, and creates the agent when it is new.
func (e *Engine) PutAgent(ctx context.Context, agentID string, p rollout.Profile, actor string) (v AgentView, err error) {
	err = e.update(ctx, agentID, true, func(d *door) error {
		if err := d.tx.SaveProfile(p); err != nil {
			return err
		}
		d.state = d.state.WithProfile(p, len(d.fleet.Live(d.now)))
		d.news = append(d.news, rollout.Event{Type: "agent.settings", Actor: actor, Data: map[string]any{"expected_occurrences": p.Expected}})
		if err := d.step(nil); err != nil {
			return err
		}
		v = agentView(d.lens(), d.state, agentID)
		return nil
	})
	return v, err
}

// ResolveIncident closes an incident. One whose agent does not remember it any
// more, because its cause is long gone, is resolved as it is.
func (e *Engine) ResolveIncident(ctx context.Context, c rollout.ResolveIncident, once *Once) (i KeptIncident, err error) {
	leave, err := e.once.enter(ctx, once)
	if err != nil {
		return i, err
	}
	defer leave()
	err = e.store.View(ctx, func(tx ReadTx) error {
		i, err = tx.Incident(c.IncidentID)
		return err
	})
	if err != nil {
		return i, err
	}
	err = e.update(ctx, i.AgentID, false, func(d *door) error {
		if found, err := once.recall(d.tx); found || err != nil {
			return err
		}
		if i, err = d.tx.Incident(c.IncidentID); err != nil {
			return err
		}
		if i.ResolvedAt.IsZero() {
			if err := d.step(c); err != nil {
				return err
			}
			if i, err = d.tx.Incident(c.IncidentID); err != nil {
				return err
			}
		}
		return once.keep(d.tx, i)
	})
	return i, err
}

// Undeliverable is the dispatcher's word that an instruction's callback could
// not be reached (rule 7.6).
func (e *Engine) Undeliverable(ctx context.Context, agentID string, c rollout.Unreachable) error {
	return e.update(ctx, agentID, false, func(d *door) error { return d.step(c) })
}

// CallbackGone is the dispatcher's word that a callback URL answered 410: if it
// is still the one registered, the occurrence is gone until its next heartbeat
// (rules 2.9 and 7.6).
func (e *Engine) CallbackGone(ctx context.Context, agentID, occurrence, url string) error {
	return e.update(ctx, agentID, false, func(d *door) error {
		o := d.fleet.Get(occurrence)
		if o == nil || o.CallbackURL != url || o.CallbackGone {
			return nil
		}
		next := *o
		next.CallbackGone = true
		return d.hear(next)
	})
}

// Started is a rollout that an emergency stop began, or found running.
type Started struct {
	AgentID   string
	RolloutID string
}

// Emergency stops one agent, or all when agentID is empty, and holds them
// (rules 8.1, 8.2 and 8.4). It tells what it could even when some agent failed.
func (e *Engine) Emergency(ctx context.Context, agentID, reason, actor string, once *Once) (started []Started, err error) {
	leave, err := e.once.enter(ctx, once)
	if err != nil {
		return nil, err
	}
	defer leave()
	if agentID != "" {
		err = e.update(ctx, agentID, false, func(d *door) error {
			if found, err := once.recall(d.tx); found || err != nil {
				return err
			}
			answer, err := d.command(rollout.EmergencyStop{ULID: e.newULID(), Reason: reason, Actor: actor})
			if err != nil {
				return err
			}
			started = []Started{{agentID, answer.RolloutID}}
			return once.keep(d.tx, started)
		})
		return started, err
	}
	if found, err := e.recallAlone(ctx, once); found || err != nil {
		return nil, err
	}
	all, err := e.store.HoldAll(ctx, HoldAll{Active: true, By: actor, Reason: reason})
	if err != nil {
		return nil, err
	}
	started, err = e.forAll(ctx, func(d *door, _ string) (string, error) {
		// Opening the door has carried out the hold, by whichever replica came first.
		if d.state.Hold == nil {
			return "", fmt.Errorf("hold %d was released meanwhile", all.Number)
		}
		return d.state.Hold.RolloutID, nil
	})
	return started, errors.Join(err, e.keepAlone(ctx, once, started))
}

// forAll opens every agent's door in turn; a failure keeps none of the others
// from its turn.
func (e *Engine) forAll(ctx context.Context, fn func(d *door, agent string) (string, error)) (started []Started, err error) {
	const page = 500
	after := ""
	var errs []error
	for {
		agents, err := e.Agents(ctx, after, page)
		if err != nil {
			return started, errors.Join(append(errs, err)...)
		}
		for _, a := range agents {
			var id string
			err := e.update(ctx, a.AgentID, false, func(d *door) (err error) {
				id, err = fn(d, a.AgentID)
				return err
			})
			if err != nil {
				errs = append(errs, fmt.Errorf("agent %s: %w", a.AgentID, err))
				continue
			}
			started = append(started, Started{a.AgentID, id})
		}
		if len(agents) < page {
			return started, errors.Join(errs...)
		}
		after = agents[len(agents)-1].AgentID
	}
}

// Release ends the hold of one agent (rule 8.4).
func (e *Engine) Release(ctx context.Context, agentID, reason, actor string, once *Once) (v AgentView, err error) {
	leave, err := e.once.enter(ctx, once)
	if err != nil {
		return v, err
	}
	defer leave()
	err = e.update(ctx, agentID, false, func(d *door) error {
		if found, err := once.recall(d.tx); found || err != nil {
			return err
		}
		all, err := d.tx.HoldAll()
		if err != nil {
			return err
		}
		if err := d.step(rollout.Release{Reason: reason, Actor: actor, HoldsUpTo: all.Number}); err != nil {
			return err
		}
		v = agentView(d.lens(), d.state, agentID)
		return once.keep(d.tx, v)
	})
	return v, err
}

// ReleaseAll ends the hold of all agents, and every agent's own, whatever gave it
// (rule 8.4). It returns the agents that were held.
func (e *Engine) ReleaseAll(ctx context.Context, reason, actor string, once *Once) ([]string, error) {
	leave, err := e.once.enter(ctx, once)
	if err != nil {
		return nil, err
	}
	defer leave()
	if found, err := e.recallAlone(ctx, once); found || err != nil {
		return nil, err
	}
	all, err := e.store.HoldAll(ctx, HoldAll{Active: false, By: actor, Reason: reason})
	if err != nil {
		return nil, err
	}
	released := []string{}
	_, err = e.forAll(ctx, func(d *door, agent string) (string, error) {
		if d.state.Hold != nil {
			released = append(released, agent)
		}
		return "", d.step(rollout.Release{Reason: reason, Actor: actor, HoldsUpTo: all.Number})
	})
	return released, errors.Join(err, e.keepAlone(ctx, once, released))
}

// recallAlone and keepAlone keep the answers of what concerns all agents, in a
// transaction of their own: doing such a thing twice does no harm. They borrow
// the first agent's door; where there is no agent there is nothing to repeat.
func (e *Engine) recallAlone(ctx context.Context, once *Once) (found bool, err error) {
	err = e.alone(ctx, once, func(tx Tx) error {
		found, err = once.recall(tx)
		return err
	})
	return found, err
}

func (e *Engine) keepAlone(ctx context.Context, once *Once, result any) error {
	return e.alone(ctx, once, func(tx Tx) error { return once.keep(tx, result) })
}

func (e *Engine) alone(ctx context.Context, once *Once, fn func(tx Tx) error) error {
	if once == nil {
		return nil
	}
	first, err := e.Agents(ctx, "", 1)
	if err != nil || len(first) == 0 {
		return err
	}
	return e.store.Update(ctx, first[0].AgentID, false, fn)
}
