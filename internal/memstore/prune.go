package memstore

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
)

// Prune implements engine.Store. It counts what it deletes one by one, whatever
// it is; less than limit says that nothing is left.
func (s *Store) Prune(ctx context.Context, retention time.Duration, limit int) (deleted int, err error) {
	err = s.faulty("Prune", func() error {
		if err := alive(ctx); err != nil {
			return err
		}
		s.mu.Lock()
		agents := slices.Sorted(maps.Keys(s.agents))
		s.mu.Unlock()
		for _, id := range agents {
			n, err := s.pruneAgent(ctx, id, retention, limit-deleted)
			deleted += n
			if err != nil || deleted >= limit {
				return err
			}
		}
		deleted += s.pruneAnswers(limit - deleted)
		return nil
	})
	return deleted, err
}

func (s *Store) pruneAgent(ctx context.Context, id string, retention time.Duration, limit int) (deleted int, err error) {
	err = s.change(ctx, id, func(v *version, now time.Time) {
		p := pruning{version: v, timing: s.settings.Timing(), now: now, before: now.Add(-retention), left: limit}
		p.rollouts()
		p.incidents()
		p.instructions()
		p.occurrences()
		deleted = limit - p.left
	})
	return deleted, err
}

func (s *Store) pruneAnswers(limit int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	wall, deleted := s.now(), 0
	for _, key := range slices.Sorted(maps.Keys(s.answers)) {
		if deleted == limit {
			break
		}
		if !wall.Before(s.answers[key].until) {
			delete(s.answers, key)
			deleted++
		}
	}
	return deleted
}

// pruning deletes from one agent what is past its retention (rule 9.3).
type pruning struct {
	*version
	timing discovery.Timing
	now    time.Time
	before time.Time
	left   int // how much may still go
}

// goes takes one from what may still go, if the instant is long enough ago.
func (p *pruning) goes(at time.Time) bool {
	if p.left == 0 || !at.Before(p.before) {
		return false
	}
	p.left--
	return true
}

// rollouts deletes those that have ended, with what they told; not the verdict
// that stands, nor what holds the agent or what stragglers are told for.
func (p *pruning) rollouts() {
	st := &p.state
	needed := func(id string) bool {
		return st.Standing != nil && st.Standing.RolloutID == id || st.Hold != nil && st.Hold.RolloutID == id ||
			st.LastStop != nil && st.LastStop.RolloutID == id
	}
	gone := map[string]bool{}
	p.version.rollouts = p.version.rollouts.without(func(r *rolloutRow) bool {
		gone[r.ID] = r.Status.Final() && !needed(r.ID) && p.goes(r.FinishedAt)
		return gone[r.ID]
	})
	ofGone := func(r *instructionRow) bool { return gone[r.RolloutID] }
	p.version.instructions, p.waiting = p.version.instructions.without(ofGone), p.waiting.without(ofGone)
}

// incidents deletes those that were resolved, unless the state remembers them.
func (p *pruning) incidents() {
	remembered := map[string]bool{}
	for _, i := range p.state.Incidents {
		remembered[i.ID] = true
	}
	p.version.incidents = p.version.incidents.without(func(r *incidentRow) bool {
		return !r.ResolvedAt.IsZero() && !remembered[r.ID] && p.goes(r.ResolvedAt)
	})
}

// instructions deletes those that have expired and belong to nothing that is
// unfinished.
func (p *pruning) instructions() {
	gone := map[string]bool{}
	p.version.instructions = p.version.instructions.without(func(r *instructionRow) bool {
		gone[r.ID] = !p.ofUnfinished(r.RolloutID) && p.goes(r.Deadline)
		return gone[r.ID]
	})
	p.waiting = p.waiting.without(func(r *instructionRow) bool { return gone[r.ID] })
}

func (p *pruning) ofUnfinished(rolloutID string) bool {
	return slices.ContainsFunc(p.unfinished, func(r *rolloutRow) bool { return r.ID == rolloutID })
}

// occurrences deletes those that are gone, unless their agent has something
// unfinished or is held: a member that vanishes would count as one that has left.
// The agent is looked at again afterwards.
func (p *pruning) occurrences() {
	if len(p.unfinished) > 0 || p.state.Hold != nil {
		return
	}
	var kept []discovery.Occurrence
	all := p.fleet.All()
	for i := range all {
		o := &all[i]
		last := o.LastSign
		if last.IsZero() {
			last = o.RegisteredAt
		}
		if o.Liveness(p.timing, p.now) != discovery.Gone || !p.goes(last) {
			kept = append(kept, *o)
			continue
		}
		p.forget(o.ID)
	}
	if len(kept) < len(all) {
		p.fleet = discovery.NewFleet(p.fleet.Timing, kept)
	}
}

// forget drops what is remembered about an occurrence that is deleted.
func (p *pruning) forget(id string) {
	p.formers = p.formers.without(func(r *formerRow) bool { return r.occurrenceID == id })
	p.state = cloneState(p.state)
	delete(p.state.Notes, id)
	delete(p.state.Loose, id)
	p.state.WakeAt = p.now
}
