package memstore

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cirisai/orchestrator/internal/dispatch"
	"github.com/cirisai/orchestrator/internal/engine"
)

var (
	_ engine.Store    = (*Store)(nil)
	_ dispatch.Outbox = (*Store)(nil)
)

// offer is an instruction that waits for its callback, and where to.
type offer struct {
	agentID     string
	row         *instructionRow
	url, secret string
}

// offers lists what may be delivered by callback, now or later: what a present
// boot that has an address is to carry out. What is due first comes first, the
// urgent before all others. The caller holds mu.
func (s *Store) offers(now time.Time) []offer {
	var all []offer
	for id, v := range s.agents { // sorted below
		for _, r := range v.waiting {
			if r.suspended || r.delivered || r.withheld || !now.Before(r.Deadline) {
				continue
			}
			o := v.fleet.Get(r.OccurrenceID)
			if o == nil || o.Boot != r.Boot || o.CallbackURL == "" {
				continue
			}
			all = append(all, offer{agentID: id, row: r, url: o.CallbackURL, secret: o.CallbackSecret})
		}
	}
	urgency := func(o offer) int {
		if o.row.Force {
			return 0
		}
		return 1
	}
	slices.SortFunc(all, func(a, b offer) int {
		return cmp.Or(urgency(a)-urgency(b), a.row.visibleAt.Compare(b.row.visibleAt),
			strings.Compare(a.agentID, b.agentID), strings.Compare(a.row.ID, b.row.ID))
	})
	return all
}

// Claim implements dispatch.Outbox.
func (s *Store) Claim(ctx context.Context, limit int, lease time.Duration) (claimed []dispatch.Delivery, err error) {
	err = s.faulty("Claim", func() error {
		candidates, err := s.candidates(ctx)
		if err != nil {
			return err
		}
		locks, err := s.acquireAll(ctx, candidates)
		if err != nil {
			return err
		}
		defer locks.release()
		claimed, err = s.claim(limit, lease, candidates)
		return err
	})
	if err != nil {
		return nil, err
	}
	return claimed, nil
}

// candidates names the agents for which something is due.
func (s *Store) candidates(ctx context.Context) (map[string]bool, error) {
	if err := alive(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now, _ := s.clock.peek(s.now(), beatEvery(s.settings))
	agents := map[string]bool{}
	for _, o := range s.offers(now) {
		if !o.row.visibleAt.After(now) {
			agents[o.agentID] = true
		}
	}
	return agents, nil
}

func (s *Store) claim(limit int, lease time.Duration, locked map[string]bool) ([]dispatch.Delivery, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.mark(s.now(), beatEvery(s.settings))
	clock := s.clock.copied()
	var claimed []dispatch.Delivery
	changed := map[string][]*instructionRow{}
	for _, o := range s.offers(now) {
		if len(claimed) == limit {
			break
		}
		if o.row.visibleAt.After(now) || !locked[o.agentID] {
			continue
		}
		row := *o.row
		row.fence++
		row.visibleAt = now.Add(lease)
		p := shown(o.agentID, &row, clock)
		body, err := s.render(p)
		if err != nil {
			return nil, fmt.Errorf("memstore: render instruction %s: %w", row.ID, err)
		}
		claimed = append(claimed, dispatch.Delivery{
			ID: row.ID, Agent: o.agentID, Occurrence: row.OccurrenceID, Boot: row.Boot, URL: o.url, Secret: o.secret, Body: body,
			Attempt: row.attempts + 1, Urgent: row.Force, Fence: row.fence, ClaimedAt: clock.Wall(now), Deadline: p.DeadlineWall,
		})
		changed[o.agentID] = append(changed[o.agentID], &row)
	}
	s.putAll(changed)
	return claimed, nil
}

func (s *Store) render(p engine.PendingInstruction) ([]byte, error) {
	if s.Render != nil {
		return s.Render(p)
	}
	return json.Marshal(p)
}

// putAll commits instructions of several agents. The caller holds mu, and the
// agents' locks.
func (s *Store) putAll(changed map[string][]*instructionRow) {
	for id, rows := range changed { // the order does not matter: each is another agent
		v := *s.agents[id]
		v.putInstructions(rows...)
		s.put(&v)
	}
}

// Settle implements dispatch.Outbox.
func (s *Store) Settle(ctx context.Context, settled []dispatch.Settled) error {
	return s.faulty("Settle", func() error {
		if err := alive(ctx); err != nil {
			return err
		}
		agents := map[string]bool{}
		for i := range settled {
			if id := settled[i].Delivery.Agent; s.known(id) {
				agents[id] = true
			}
		}
		locks, err := s.acquireAll(ctx, agents)
		if err != nil {
			return err
		}
		defer locks.release()
		s.mu.Lock()
		defer s.mu.Unlock()
		now := s.clock.mark(s.now(), beatEvery(s.settings))
		changed := map[string][]*instructionRow{}
		for _, x := range settled {
			d := x.Delivery
			if !agents[d.Agent] {
				continue
			}
			row := s.agents[d.Agent].instructions.get(d.ID)
			twice := slices.ContainsFunc(changed[d.Agent], func(r *instructionRow) bool { return r.ID == d.ID })
			if row == nil || row.fence != d.Fence || twice {
				continue // somebody else has it by now, or has settled it
			}
			changed[d.Agent] = append(changed[d.Agent], row.settle(x.Outcome, now))
		}
		s.putAll(changed)
		return nil
	})
}

// settle records what became of a claimed delivery. The fence moves on, so that
// the same settlement said again changes nothing.
func (r instructionRow) settle(o dispatch.Outcome, now time.Time) *instructionRow {
	r.fence++
	switch o.Kind {
	case dispatch.Delivered:
		r.delivered = true
	case dispatch.Retry:
		r.attempts++
		r.visibleAt = now.Add(o.RetryIn)
	case dispatch.Postponed:
		r.visibleAt = now.Add(o.RetryIn)
	case dispatch.Gone, dispatch.GaveUp:
		r.withheld = true
	}
	return &r
}

// Next implements dispatch.Outbox.
func (s *Store) Next(ctx context.Context) (wait time.Duration, found bool, err error) {
	err = s.faulty("Next", func() error {
		if err := alive(ctx); err != nil {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		now, _ := s.clock.peek(s.now(), beatEvery(s.settings))
		for _, o := range s.offers(now) {
			if left := max(0, o.row.visibleAt.Sub(now)); !found || left < wait {
				wait, found = left, true
			}
		}
		return nil
	})
	if err != nil {
		return 0, false, err
	}
	return wait, found, nil
}

// locks are the locks of several agents.
type locks []lock

// acquireAll locks agents in ascending order.
func (s *Store) acquireAll(ctx context.Context, agents map[string]bool) (locks, error) {
	var held locks
	for _, id := range slices.Sorted(maps.Keys(agents)) {
		l, err := s.acquire(ctx, id)
		if err != nil {
			held.release()
			return nil, err
		}
		held = append(held, l)
	}
	return held, nil
}

func (held locks) release() {
	for _, l := range held {
		l.release()
	}
}
