package rollout

import (
	"time"
)

// world is one step at work: the copy of the state that it changes, what it was
// given, and what it has caused so far.
type world struct {
	State
	in  Input
	now time.Time
	eff Effects

	peersMade peersKey // what peersWere was made for
	peersWere []PeerResult
}

// Step does what was due, then the command, then what follows (rule 2.11). The
// fleet of the input is the fleet before any change that arrives with it: bring
// news of the fleet in a Step of its own, after one that did what was due. It
// returns a *discovery.Refusal for a command that the rules do not allow, and
// then neither state nor effects count.
func Step(s State, in Input, now time.Time) (State, Effects, error) {
	w := &world{State: s.clone(), in: in, now: now}
	w.catchUp(now)
	w.now = now
	for _, e := range in.News {
		w.record(e)
	}
	if in.Command != nil {
		if err := in.Command.apply(w); err != nil {
			return s, Effects{}, err
		}
	}
	w.settle()
	w.SteppedAt = now
	w.WakeAt, _ = w.nextDue(now)
	return w.State, w.eff, nil
}

// catchUp lives through every instant before now at which something was due, in
// order (rule 2.11).
func (w *world) catchUp(now time.Time) {
	for at, ok := w.nextDue(w.SteppedAt); ok && at.Before(now); at, ok = w.nextDue(at) {
		w.now = at
		w.settle()
		w.SteppedAt = at
	}
}

// settle applies the rules at this instant until nothing moves any more.
func (w *world) settle() {
	for moved := true; moved; {
		moved = false
		for i := 0; i < len(w.Rollouts); i++ {
			moved = w.advance(&w.Rollouts[i]) || moved
		}
	}
	w.keepStopped()
	w.tellStragglers()
	w.judgeFleet()
	w.review()
	w.annotate()
}

// advance does for one rollout the next thing that is due, and tells whether it
// changed more than members' states.
func (w *world) advance(r *Rollout) bool {
	switch r.Status {
	case Deferred:
		return w.endDeferral(r)
	case Deciding:
		return w.keepDeciding(r)
	case Rolling:
		return w.roll(r)
	case Paused:
		w.joinReturning(r)
		w.followAll(r)
		return false
	case Halted:
		w.joinReturning(r)
		w.followAll(r)
		return w.judgeAll(r)
	case Succeeded, Partial, Rejected, Failed, Aborted, Superseded:
		return false
	}
	return false
}

// roll carries a rollout on. The order is that of section 4: members are looked
// at first, gates and failures are judged before the next member is let go, and
// the end is judged last.
func (w *world) roll(r *Rollout) bool {
	w.joinReturning(r)
	w.followAll(r)
	if w.judgeAll(r) {
		return true
	}
	for i := range r.Waves {
		w.letGo(r, &r.Waves[i])
	}
	return w.startNext(r) || w.finish(r)
}

// wall is the wall time of this instant.
func (w *world) wall() time.Time { return w.now.Add(w.in.Silence) }

// service is the service time of a wall instant, never earlier than this one's
// past: a wall timer that ran out during a silence is due at once.
func (w *world) service(wall time.Time) time.Time { return wall.Add(-w.in.Silence) }

// record writes an event.
func (w *world) record(e Event) {
	e.At = w.now
	w.eff.Events = append(w.eff.Events, e)
}

// changed notes that a rollout or one of its waves has changed its state.
func (w *world) changed(r *Rollout, kind string, wave int, actor string, data map[string]any) {
	r.Version++
	r.UpdatedAt = w.now
	w.record(Event{Type: kind, RolloutID: r.ID, Wave: wave, Actor: actor, Data: data})
}
