package engine

import (
	"context"
	"time"
)

// realWaiter waits in real time; it decides nothing but when to look again.
type realWaiter struct{}

func (realWaiter) Wait(ctx context.Context, news <-chan struct{}, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-news:
	case <-timer.C:
	}
}

// monotonic measures how long a poll has waited.
func monotonic() time.Time { return time.Now() }
