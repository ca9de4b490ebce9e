package persistence

import (
	"context"
	"sync"
)

// queue lets the transactions of one agent in this process come one after the
// other, so that those that wait for its row wait here and hold no connection
// meanwhile: else a few busy agents would take them all, and heartbeats and the
// service clock would have none. Who waits for what another process has locked
// waits in the database.
type queue struct {
	mu    sync.Mutex
	lines map[string]*line
}

// line is a queue of one agent: turn has room for whoever's turn it is.
type line struct {
	turn  chan struct{}
	users int // who has the turn and who waits
}

// enter waits for its turn and returns what ends it.
func (q *queue) enter(ctx context.Context, agentID string) (leave func(), err error) {
	q.mu.Lock()
	if q.lines == nil {
		q.lines = map[string]*line{}
	}
	l := q.lines[agentID]
	if l == nil {
		l = &line{turn: make(chan struct{}, 1)}
		q.lines[agentID] = l
	}
	l.users++
	q.mu.Unlock()
	select {
	case l.turn <- struct{}{}:
		return func() {
			<-l.turn
			q.quit(agentID, l)
		}, nil
	case <-ctx.Done():
		q.quit(agentID, l)
		return nil, ctx.Err()
	}
}

func (q *queue) quit(agentID string, l *line) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if l.users--; l.users == 0 {
		delete(q.lines, agentID)
	}
}
