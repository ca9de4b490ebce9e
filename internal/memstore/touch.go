package memstore

import (
	"context"
	"slices"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
)

// Touch implements engine.Store. It waits for the transactions of the agents
// that it is about: what it records must not be lost to what they write.
func (s *Store) Touch(ctx context.Context, beats []engine.Touch) (touched []engine.Touched, err error) {
	err = s.faulty("Touch", func() error {
		if err := alive(ctx); err != nil {
			return err
		}
		agents := map[string]bool{}
		for i := range beats {
			if id := beats[i].AgentID; s.known(id) {
				agents[id] = true
			}
		}
		locks, err := s.acquireAll(ctx, agents)
		if err != nil {
			return err
		}
		defer locks.release()
		touched = s.touch(beats)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return touched, nil
}

func (s *Store) touch(beats []engine.Touch) []engine.Touched {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.mark(s.now(), beatEvery(s.settings))
	clock := s.clock.copied()
	next := map[string]*version{}
	changed := map[string][]discovery.Occurrence{}
	touched := make([]engine.Touched, len(beats))
	for i, b := range beats {
		touched[i].Wall = clock.Wall(now)
		v := s.agents[b.AgentID]
		if v == nil {
			continue
		}
		o := v.fleet.Get(b.OccurrenceID)
		known := slices.IndexFunc(changed[b.AgentID], func(x discovery.Occurrence) bool { return x.ID == b.OccurrenceID })
		if known >= 0 {
			o = &changed[b.AgentID][known] // as an earlier one of this batch has left it
		}
		if o == nil || !s.mayTouch(v, o, b, clock, now) {
			continue
		}
		seen := *o
		if now.After(seen.LastSign) {
			seen.LastSign = now
		}
		if !b.AliveOnly {
			seen.Sequence = b.Sequence
			touched[i].Pending = pendingOf(v, b.OccurrenceID, b.Boot, now, clock)
		}
		touched[i].Taken = true
		if known >= 0 {
			changed[b.AgentID][known] = seen
		} else {
			changed[b.AgentID] = append(changed[b.AgentID], seen)
		}
		next[b.AgentID] = v
	}
	for id, v := range next { // the order does not matter: each is another agent
		put := *v
		put.fleet = v.fleet.With(changed[id]...)
		s.put(&put)
	}
	return touched
}

// mayTouch tells whether a heartbeat changes nothing but the sequence and the
// last sign of life. One that was throttled need not: it is nothing but a sign of
// life, and counts as one whatever it would have said (rule 10.9).
func (s *Store) mayTouch(v *version, o *discovery.Occurrence, b engine.Touch, clock discovery.Clock, now time.Time) bool {
	timing := s.settings.Timing()
	h := discovery.Heartbeat{
		Boot: b.Boot, Sequence: b.Sequence, State: b.State, Version: b.Version, Critical: b.Critical, High: b.High,
		Detail: b.Detail, Echo: clock.Service(b.EchoWall),
	}
	if b.AliveOnly {
		fresh := h.Echo.IsZero() || now.Sub(h.Echo) <= timing.LivenessTimeout
		return o.Boot == b.Boot && b.Sequence > o.Sequence && !o.HasStopped() && fresh
	}
	if note := v.state.Notes[o.ID]; note.Watched && note.Boot == o.Boot {
		return false
	}
	return discovery.Unchanged(o, h, timing, now)
}
