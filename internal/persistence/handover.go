package persistence

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/dispatch"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

const (
	// handedFence is the fence of what is handed over: it is claimed as it is made.
	handedFence = 1
	// handedAtOnce is how much is handed over at most. Of more than that, what comes
	// later would wait too long: any replica may claim it.
	handedAtOnce = 2048
	// handedFor is how long what was handed over may wait for Claim. After that the
	// database is asked, which may know better by then.
	handedFor = time.Second
)

// handed is an instruction that is leased to the replica that has made it.
type handed struct {
	engine.PendingInstruction

	url, secret string
	at          time.Time // of this process, when it was made
	wall        time.Time // the store's, at the same time
}

// wallAt is the store's wall clock, as far as this process's clock tells.
func (h *handed) wallAt(now time.Time) time.Time { return h.wall.Add(now.Sub(h.at)) }

// handover is how what a transaction of this replica commits is sent without
// being read again: its rows are leased to this replica as they are written, and
// Claim finds it here. When the process dies, the leases end.
type handover struct {
	mu    sync.Mutex
	lines [2][]handed // urgent, ordinary; each in the order of the commits
}

func (h *handover) any() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.lines[0])+len(h.lines[1]) > 0
}

// room is how much more can be handed over.
func (h *handover) room() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return max(0, handedAtOnce-len(h.lines[0])-len(h.lines[1]))
}

func (h *handover) add(all []handed) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range all {
		line := lineOf(&all[i])
		h.lines[line] = append(h.lines[line], all[i])
	}
}

// putBack puts what was taken before the rest.
func (h *handover) putBack(all []handed) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.lines {
		others := slices.DeleteFunc(slices.Clone(all), func(x handed) bool { return lineOf(&x) != i })
		h.lines[i] = append(others, h.lines[i]...)
	}
}

func lineOf(x *handed) int {
	if x.Force {
		return 0
	}
	return 1
}

// covered gives the ids of what is covered of an agent.
func (h *handover) covered(agentID string, covered func(rollout.Instruction) bool) (ids []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, line := range h.lines {
		for i := range line {
			if line[i].AgentID == agentID && covered(line[i].Instruction) {
				ids = append(ids, line[i].ID)
			}
		}
	}
	return ids
}

// drop forgets what is covered of an agent.
func (h *handover) drop(agentID string, covered func(rollout.Instruction) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.lines {
		h.lines[i] = slices.DeleteFunc(h.lines[i], func(x handed) bool { return x.AgentID == agentID && covered(x.Instruction) })
	}
}

// take hands out at most limit, those that are urgent first; late is what has
// waited too long, whatever the limit. What has expired is dropped.
func (h *handover) take(limit int, now time.Time) (taken, late []handed) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, line := range h.lines {
		n := 0
		for n < len(line) && now.Sub(line[n].at) > handedFor {
			n++
		}
		late, line = append(late, line[:n]...), line[n:]
		for ; len(line) > 0 && len(taken) < limit; line = line[1:] {
			if x := line[0]; x.DeadlineWall.After(x.wallAt(now)) {
				taken = append(taken, x)
			}
		}
		if len(line) == 0 {
			line = nil // so that what was sent is not kept
		}
		h.lines[i] = line
	}
	return taken, late
}

// claimHanded makes deliveries of what was handed over, and gives back to the
// database what has waited too long for that.
func (s *Store) claimHanded(ctx context.Context, limit int) ([]dispatch.Delivery, error) {
	now := s.elapsing()
	taken, late := s.handed.take(limit, now)
	if err := s.giveBack(ctx, late); err != nil {
		s.handed.putBack(append(late, taken...))
		return nil, err
	}
	claimed := make([]dispatch.Delivery, 0, len(taken))
	for i := range taken {
		x := &taken[i]
		d, err := s.delivery(x.PendingInstruction, x.wallAt(now))
		if err != nil {
			return nil, err
		}
		d.URL, d.Secret, d.Fence = x.url, x.secret, handedFence
		claimed = append(claimed, d)
	}
	return claimed, nil
}

// Release gives back what was handed over and nobody has claimed: it is for another
// replica to send. It is called when Claim is not called any more.
func (s *Store) Release(ctx context.Context) error {
	_, left := s.handed.take(0, s.elapsing().Add(2*handedFor))
	return s.giveBack(ctx, left)
}

// elapsing is a clock that tells how much time has passed.
func (s *Store) elapsing() time.Time {
	if s.options.Clock != nil {
		return s.options.Clock()
	}
	return processClock()
}

// giveBack ends the leases of what was handed over.
func (s *Store) giveBack(ctx context.Context, all []handed) error {
	if len(all) == 0 {
		return nil
	}
	ids := idColumn.rows(len(all))
	for i := range all {
		ids.add(all[i].ID)
	}
	return s.writing(ctx, "give back", func(c *conn) error { return c.endLeases(ids) })
}

func (c *conn) endLeases(ids *rowset) error {
	_, err := c.exec(`UPDATE instructions SET visible_at = issued_at WHERE fence = ? AND instruction_id IN (SELECT id FROM {rows})`, handedFence, ids)
	return err
}

// handingOver is what a transaction hands over once it is committed, and what of
// earlier ones it forbids.
type handingOver struct {
	room    int
	all     []handed
	dropped []func(rollout.Instruction) bool
}

// handOver tells whether an instruction that is being made can be handed over,
// and remembers it if so.
func (t *tx) handOver(in rollout.Instruction) bool {
	h := &t.handing
	if t.next == nil || len(h.all) >= h.room || !in.Deadline.After(t.Now()) {
		return false
	}
	i, known := slices.BinarySearchFunc(t.next.occurrences, in.OccurrenceID,
		func(o discovery.Occurrence, id string) int { return compareBytes(o.ID, id) })
	if !known {
		return false
	}
	o := &t.next.occurrences[i]
	if o.Boot != in.Boot || o.CallbackURL == "" {
		return false
	}
	h.all = append(h.all, handed{
		PendingInstruction: pending(t.agentID, in, 0, t.Clock()), url: o.CallbackURL, secret: o.CallbackSecret,
		at: t.store.elapsing(), wall: t.Clock().Wall(t.Now()),
	})
	return true
}

// noHandOver takes back what is covered of what was handed over.
func (t *tx) noHandOver(covered func(rollout.Instruction) bool) {
	h := &t.handing
	h.all = slices.DeleteFunc(h.all, func(x handed) bool { return covered(x.Instruction) })
	h.dropped = append(h.dropped, covered)
}

// handedOver gives the ids of what is covered of what was handed over and is not
// sent yet.
func (t *tx) handedOver(covered func(rollout.Instruction) bool) []string {
	ids := t.store.handed.covered(t.agentID, covered)
	for i := range t.handing.all {
		if covered(t.handing.all[i].Instruction) {
			ids = append(ids, t.handing.all[i].ID)
		}
	}
	return ids
}

// handOverAll is called when the transaction is committed.
func (t *tx) handOverAll() {
	for _, covered := range t.handing.dropped {
		t.store.handed.drop(t.agentID, covered)
	}
	if len(t.handing.all) > 0 {
		t.store.handed.add(t.handing.all)
	}
}
