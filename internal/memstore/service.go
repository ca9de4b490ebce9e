package memstore

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// Due implements engine.Store. Agents that a hold of all has not reached yet
// come first; an emergency is never late.
func (s *Store) Due(ctx context.Context, limit int) (agents []string, next time.Duration, err error) {
	err = s.faulty("Due", func() error {
		if err := alive(ctx); err != nil {
			return err
		}
		agents, next = s.due(limit)
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	return agents, next, nil
}

func (s *Store) due(limit int) (agents []string, next time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, _ := s.clock.peek(s.now(), beatEvery(s.settings))
	type entry struct {
		id string
		at time.Time // zero: a hold has not reached it
	}
	var entries []entry
	for id, v := range s.agents { // sorted below
		held := s.holdAll.Active && v.state.HoldSeen < s.holdAll.Number
		switch at := v.state.WakeAt; {
		case held:
			entries = append(entries, entry{id: id})
		case at.IsZero():
		case !at.After(now):
			entries = append(entries, entry{id: id, at: at})
		case next == 0 || at.Sub(now) < next:
			next = at.Sub(now)
		}
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Or(a.at.Compare(b.at), strings.Compare(a.id, b.id)) })
	if limit > 0 && len(entries) > limit {
		entries, next = entries[:limit], time.Microsecond // more are due already
	}
	for _, e := range entries {
		agents = append(agents, e.id)
	}
	return agents, next
}

// Beat implements engine.Store.
func (s *Store) Beat(ctx context.Context) error {
	return s.faulty("Beat", func() error {
		if err := alive(ctx); err != nil {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		wall := s.now()
		s.clock.mark(wall, beatEvery(s.settings))
		s.clock.beat = wall
		return nil
	})
}

// SaveSettings implements engine.Store. Where there were none, before is the
// zero value. Timers that were set by other settings are looked at anew at once.
func (s *Store) SaveSettings(ctx context.Context, set rollout.Settings) (before rollout.Settings, err error) {
	err = s.faulty("SaveSettings", func() error {
		if err := alive(ctx); err != nil {
			return err
		}
		before, err = s.saveSettings(ctx, set)
		return err
	})
	return before, err
}

func (s *Store) saveSettings(ctx context.Context, set rollout.Settings) (before rollout.Settings, err error) {
	s.mu.Lock()
	if s.saved {
		before = s.settings
	}
	changed := s.saved && before != set
	s.settings, s.saved = set, true
	agents := slices.Sorted(maps.Keys(s.agents))
	s.mu.Unlock()
	if !changed {
		return before, nil
	}
	for _, id := range agents {
		err := s.change(ctx, id, func(v *version, now time.Time) {
			if v.state.WakeAt.After(now) {
				v.state.WakeAt = now
			}
		})
		if err != nil {
			return before, err
		}
	}
	return before, nil
}

// change changes an agent in passing, without a transaction's function.
func (s *Store) change(ctx context.Context, agentID string, fn func(v *version, now time.Time)) error {
	l, err := s.acquire(ctx, agentID)
	if err != nil {
		return err
	}
	defer l.release()
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.mark(s.now(), beatEvery(s.settings))
	v := *s.agents[agentID]
	fn(&v, now)
	s.put(&v)
	return nil
}

// HoldAll implements engine.Store.
func (s *Store) HoldAll(ctx context.Context, change engine.HoldAll) (hold engine.HoldAll, err error) {
	err = s.faulty("HoldAll", func() error {
		if err := alive(ctx); err != nil {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if change.Active || s.holdAll.Active {
			change.Number = s.holdAll.Number
			if change.Active {
				change.Number++
			}
			s.holdAll = change
		}
		hold = s.holdAll
		return nil
	})
	return hold, err
}

// Ping implements engine.Store.
func (s *Store) Ping(ctx context.Context) error {
	return s.faulty("Ping", func() error { return alive(ctx) })
}
