package engine

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// HeartbeatAnswer is what a heartbeat is answered.
type HeartbeatAnswer struct {
	Accepted   bool
	Sequence   int64
	ServerTime time.Time // wall
	Pending    []PendingInstruction
	Settings   rollout.Settings
}

// batchLimit bounds how many heartbeats one transaction takes, so that no
// statement grows without end.
const batchLimit = 512

// batchTimeout bounds a batch, whoever waits for it.
const batchTimeout = 15 * time.Second

// heartbeats takes heartbeats in groups: those that say nothing new are
// recorded in passing, all agents' together; the others go through their
// agent's door, together with all that have gathered for it meanwhile.
type heartbeats struct {
	e     *Engine
	touch batcher[Touch, touchResult]

	mu    sync.Mutex
	doors map[string]*batcher[beat, beatResult]
	// said is what an occurrence last said, as far as this replica knows. It is
	// only a hint as to which way to try first.
	said map[who]said
}

type who struct{ agent, occurrence string }

type said struct {
	boot           string
	state          discovery.State
	critical, high int
	detail         string
	version        string
}

type touchResult struct {
	touched Touched
	err     error
}

type beat struct {
	occurrence string
	hb         discovery.Heartbeat // Echo is wall time until the clock is known
}

type beatResult struct {
	answer HeartbeatAnswer
	err    error
}

func newHeartbeats(e *Engine) *heartbeats {
	h := &heartbeats{e: e, doors: map[string]*batcher[beat, beatResult]{}, said: map[who]said{}}
	h.touch.work, h.touch.limit = h.touchAll, batchLimit
	return h
}

// Heartbeat takes a heartbeat (section 2). hb.Echo is the wall time that the
// sender echoes, zero for none.
func (e *Engine) Heartbeat(ctx context.Context, agentID, occurrence string, hb discovery.Heartbeat) (HeartbeatAnswer, error) {
	h := e.beats
	id := who{agentID, occurrence}
	news := said{boot: hb.Boot, state: hb.State, critical: hb.Critical, high: hb.High, detail: hb.Detail, version: hb.Version}
	h.mu.Lock()
	last, known := h.said[id]
	h.mu.Unlock()
	if !known || last == news {
		select {
		case r := <-h.touch.submit(touchOf(agentID, occurrence, hb)):
			if r.err != nil {
				return HeartbeatAnswer{}, r.err
			}
			if r.touched.Taken {
				h.remember(id, news)
				e.observer.Heartbeat(false)
				return HeartbeatAnswer{Accepted: true, Sequence: hb.Sequence, ServerTime: r.touched.Wall, Pending: r.touched.Pending, Settings: e.Settings()}, nil
			}
		case <-ctx.Done():
			return HeartbeatAnswer{}, ctx.Err()
		}
	}
	select {
	case r := <-h.door(agentID).submit(beat{occurrence, hb}): //nolint:contextcheck // a batch belongs to many requests; none of them may end it
		if r.err == nil && r.answer.Accepted {
			h.remember(id, news)
			e.observer.Heartbeat(true)
		}
		return r.answer, r.err
	case <-ctx.Done():
		return HeartbeatAnswer{}, ctx.Err()
	}
}

// Alive records that a throttled heartbeat is a sign of life, and nothing more
// (rule 10.9).
func (e *Engine) Alive(ctx context.Context, agentID, occurrence string, hb discovery.Heartbeat) error {
	t := touchOf(agentID, occurrence, hb)
	t.AliveOnly = true
	select {
	case r := <-e.beats.touch.submit(t):
		return r.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func touchOf(agentID, occurrence string, hb discovery.Heartbeat) Touch {
	return Touch{
		AgentID: agentID, OccurrenceID: occurrence, Boot: hb.Boot, Sequence: hb.Sequence, State: hb.State,
		Version: hb.Version, Detail: hb.Detail, Critical: hb.Critical, High: hb.High, EchoWall: hb.Echo,
	}
}

// hintLimit bounds the memory of what was last said.
const hintLimit = 100_000

func (h *heartbeats) remember(id who, s said) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.said) >= hintLimit {
		clear(h.said)
	}
	h.said[id] = s
}

func (h *heartbeats) door(agentID string) *batcher[beat, beatResult] {
	h.mu.Lock()
	defer h.mu.Unlock()
	b, ok := h.doors[agentID]
	if !ok {
		b = &batcher[beat, beatResult]{limit: batchLimit, work: func(beats []beat) []beatResult { return h.takeAll(agentID, beats) }}
		h.doors[agentID] = b
	}
	return b
}

// touchAll records a batch in passing. Of several heartbeats of one occurrence
// only the first is tried; the others go through the door, which takes them in
// order.
func (h *heartbeats) touchAll(beats []Touch) []touchResult {
	results := make([]touchResult, len(beats))
	seen := make(map[who]bool, len(beats))
	tried, at := make([]Touch, 0, len(beats)), make([]int, 0, len(beats))
	for i, t := range beats {
		if id := (who{t.AgentID, t.OccurrenceID}); !seen[id] {
			seen[id] = true
			tried, at = append(tried, t), append(at, i)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), batchTimeout)
	defer cancel()
	touched, err := h.e.store.Touch(ctx, tried)
	for j, i := range at {
		if err != nil {
			results[i].err = err
			continue
		}
		results[i].touched = touched[j]
	}
	return results
}

// takeAll takes a batch of one agent through the door: one Update, one step.
func (h *heartbeats) takeAll(agentID string, beats []beat) []beatResult {
	ctx, cancel := context.WithTimeout(context.Background(), batchTimeout)
	defer cancel()
	results := make([]beatResult, len(beats))
	err := h.e.update(ctx, agentID, true, func(d *door) error {
		results = make([]beatResult, len(beats)) // fn may run again
		if err := d.acceptAll(agentID, beats, results); err != nil {
			return err
		}
		return d.answerAll(agentID, beats, results)
	})
	if err != nil {
		for i := range results {
			results[i] = beatResult{err: err}
		}
	}
	return results
}

// acceptAll lets discovery judge every heartbeat in order, writes who has
// changed, and steps once.
func (d *door) acceptAll(agentID string, beats []beat, results []beatResult) error {
	changed := make([]discovery.Occurrence, 0, len(beats))
	at := make(map[string]int, len(beats))
	for i, b := range beats {
		o := d.fleet.Get(b.occurrence)
		if j, again := at[b.occurrence]; again {
			o = &changed[j]
		}
		former, err := d.former(agentID, o, b.hb.Boot)
		if err != nil {
			return err
		}
		hb := b.hb
		hb.Echo = d.clock.Service(hb.Echo)
		next, outcome, refusal := discovery.Accept(o, b.occurrence, hb, former, d.set.Timing(), d.now)
		results[i].answer = HeartbeatAnswer{Accepted: outcome.Accepted, Sequence: outcome.Sequence}
		switch {
		case refusal != nil && refusal.Code == discovery.CodeBootReplaced:
			results[i].err, next = refusal, discovery.Refused(*o, d.now)
		case refusal != nil:
			results[i].err = refusal
			continue
		case !outcome.Accepted:
			continue
		}
		if j, again := at[b.occurrence]; again {
			changed[j] = next
			continue
		}
		at[b.occurrence] = len(changed)
		changed = append(changed, next)
	}
	if len(changed) == 0 {
		return nil
	}
	return d.hear(changed...)
}

// answerAll adds to each answer what its boot has to carry out.
func (d *door) answerAll(agentID string, beats []beat, results []beatResult) error {
	wall := d.clock.Wall(d.now)
	for i := range results {
		if results[i].err != nil {
			continue
		}
		var err error
		results[i].answer.ServerTime, results[i].answer.Settings = wall, d.set
		if results[i].answer.Pending, err = d.tx.Pending(agentID, beats[i].occurrence, beats[i].hb.Boot); err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	return nil
}
