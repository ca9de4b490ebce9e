package engine

import (
	"context"
	"sync"
	"time"
)

// Waiter waits, for long polls and streams. Tests bring their own.
type Waiter interface {
	// Wait returns when news is signalled, d has passed, or ctx has ended.
	Wait(ctx context.Context, news <-chan struct{}, d time.Duration)
}

// hub tells those who wait for news of an agent that something was committed by
// this replica. What other replicas commit is seen by looking again.
type hub struct {
	mu      sync.Mutex
	waiting map[string]chan struct{}
}

func newHub() *hub { return &hub{waiting: map[string]chan struct{}{}} }

// news returns a channel that is closed at the next commit for the agent.
func (h *hub) news(agentID string) <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	c, ok := h.waiting[agentID]
	if !ok {
		c = make(chan struct{})
		h.waiting[agentID] = c
	}
	return c
}

func (h *hub) notify(agentID string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c, ok := h.waiting[agentID]; ok {
		close(c)
		delete(h.waiting, agentID)
	}
}

// News returns a channel that is closed when this replica next commits
// something about the agent.
func (e *Engine) News(agentID string) <-chan struct{} { return e.hub.news(agentID) }

// lookAgain is how often those who wait look for what other replicas did.
const lookAgain = time.Second

// WaitForNews waits for something new about the agent: as soon as this replica
// commits it, within a second when another did; at most d.
func (e *Engine) WaitForNews(ctx context.Context, news <-chan struct{}, d time.Duration) {
	e.waiter.Wait(ctx, news, min(d, lookAgain))
}
