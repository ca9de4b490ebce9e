package dispatch

import (
	"context"
	"fmt"
	"time"
)

// runSynchronously is RunOnce of a dispatcher with one thread: a batch is
// claimed, sent in the order in which it was handed out, and settled.
func (d *Dispatcher) runSynchronously(ctx context.Context) (time.Time, error) {
	if err := d.begin(ctx); err != nil {
		return time.Time{}, err
	}
	asked := d.cfg.Now()
	claimed, err := d.cfg.Outbox.Claim(ctx, d.cfg.InFlight, d.cfg.Lease)
	if err != nil {
		return time.Time{}, fmt.Errorf("claim deliveries: %w", err)
	}
	outcomes := make([]Settled, 0, len(claimed))
	for _, delivery := range claimed {
		o := d.try(ctx, newItem(delivery, asked))
		outcomes = append(outcomes, Settled{Delivery: delivery, Outcome: o})
	}
	d.mu.Lock()
	d.settler.pending = append(d.settler.pending, outcomes...)
	d.mu.Unlock()
	if err := d.settleLeft(ctx); err != nil {
		return time.Time{}, err
	}
	if len(claimed) == d.cfg.InFlight {
		return d.cfg.Now(), nil
	}
	return d.idle(ctx)
}
