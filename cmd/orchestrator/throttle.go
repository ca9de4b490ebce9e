package main

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/cirisai/orchestrator/api"
)

// throttle gives each principal so many requests a second (rule 10.9), and as many
// at once.
type throttle struct {
	limit int
	mu    sync.Mutex
	each  map[string]*rate.Limiter
}

func newThrottle(limit int) *throttle {
	return &throttle{limit: limit, each: map[string]*rate.Limiter{}}
}

// wait says how long the principal has to wait before its next request; zero: it
// may go on.
func (t *throttle) wait(p api.Principal) time.Duration {
	if t.limit == 0 {
		return 0
	}
	t.mu.Lock()
	l, ok := t.each[p.Actor()]
	if !ok {
		l = rate.NewLimiter(rate.Limit(t.limit), t.limit)
		t.each[p.Actor()] = l
	}
	t.mu.Unlock()
	r := l.Reserve()
	wait := r.Delay()
	if wait > 0 {
		r.Cancel()
	}
	return wait
}
