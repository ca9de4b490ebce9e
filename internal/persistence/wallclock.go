package persistence

import (
	"context"
	"time"
)

// processClock is the wall clock of this process: SQLite has no other.
func processClock() time.Time { return time.Now() }

// pause waits, or returns the context's error.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
