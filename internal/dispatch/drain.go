package dispatch

import (
	"context"
	"fmt"
)

const shuttingDown = "the service was shutting down"

// Drain ends a dispatcher: it starts nothing any more, gives what waits back to
// the outbox, and returns when every try that is under way has ended and been
// recorded. When ctx ends first, the tries are broken off and ctx's error comes
// back; what is not recorded then is sent again once its lease has ended.
// RunOnce answers ErrDrained from now on.
func (d *Dispatcher) Drain(ctx context.Context) error {
	d.mu.Lock()
	d.drained = true
	d.giveUpWaiting()
	if d.quiet == nil {
		d.quiet = make(chan struct{})
	}
	quiet := d.quiet
	d.checkQuiet()
	d.mu.Unlock()
	defer d.abort()
	select {
	case <-quiet:
		return d.settleLeft(ctx)
	case <-ctx.Done():
		return fmt.Errorf("drain the dispatcher: %w", ctx.Err())
	}
}

// giveUpWaiting gives all that waits back to the outbox, to be sent by another
// replica at once.
func (d *Dispatcher) giveUpWaiting() {
	for _, it := range d.queue.withdraw(func(*item) bool { return true }) {
		d.settled(it, Outcome{Kind: Postponed, Detail: shuttingDown})
	}
}

// checkQuiet lets Drain return once nothing is under way and nobody is writing.
// What could not be written is Drain's own last try.
func (d *Dispatcher) checkQuiet() {
	if d.quiet == nil || d.underWay > 0 || d.settler.gathering || d.settler.writing > 0 {
		return
	}
	select {
	case <-d.quiet:
	default:
		close(d.quiet)
	}
}
