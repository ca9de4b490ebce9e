package engine

import (
	"context"
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

// batchPace is between the beginnings of two batches; to a heartbeat it is nothing.
const batchPace = 700 * time.Microsecond

// batchTimeout bounds a batch, whoever waits for it.
const batchTimeout = 15 * time.Second

// heartbeats takes heartbeats in groups: those that say nothing new are
// recorded in passing, all agents' together; the others go through their
// agent's door, together with all that have gathered for it meanwhile.
type heartbeats struct {
	e     *Engine
	touch batcher[Touch, touchResult]

	mu    sync.Mutex
	doors map[string]*batcher[arrival, arrived]
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

func newHeartbeats(e *Engine) *heartbeats {
	h := &heartbeats{e: e, doors: map[string]*batcher[arrival, arrived]{}, said: map[who]said{}}
	h.touch.work, h.touch.limit, h.touch.pace = h.touchAll, batchLimit, batchPace
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
		touched, err := h.pass(ctx, touchOf(agentID, occurrence, hb))
		if err != nil {
			return HeartbeatAnswer{}, err
		}
		if touched.Taken {
			if !known {
				h.remember(id, news)
			}
			e.observer.Heartbeat(false)
			return HeartbeatAnswer{Accepted: true, Sequence: hb.Sequence, ServerTime: touched.Wall, Pending: touched.Pending, Settings: e.Settings()}, nil
		}
	}
	r := h.through(ctx, agentID, arrival{occurrence: occurrence, beat: &hb})
	if r.err == nil && r.beat.Accepted {
		h.remember(id, news)
		e.observer.Heartbeat(true)
	}
	return r.beat, r.err
}

// Alive records that a throttled heartbeat is a sign of life, and nothing more
// (rule 10.9).
func (e *Engine) Alive(ctx context.Context, agentID, occurrence string, hb discovery.Heartbeat) error {
	t := touchOf(agentID, occurrence, hb)
	t.AliveOnly = true
	_, err := e.beats.pass(ctx, t)
	return err
}

// pass records a heartbeat in passing, together with others.
func (h *heartbeats) pass(ctx context.Context, t Touch) (Touched, error) {
	r, err := h.touch.submit(ctx, t)
	if err != nil {
		return Touched{}, err
	}
	return r.touched, r.err
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

func (h *heartbeats) door(agentID string) *batcher[arrival, arrived] {
	h.mu.Lock()
	defer h.mu.Unlock()
	b, ok := h.doors[agentID]
	if !ok {
		b = &batcher[arrival, arrived]{limit: batchLimit, pace: batchPace, work: func(batch []arrival) []arrived { return h.takeAll(agentID, batch) }}
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
