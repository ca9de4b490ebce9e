package dispatch

import (
	"context"
	"fmt"
)

// settler gathers what is to be recorded. While one batch is being written the
// next one gathers, so the more there is the fewer transactions it takes for
// each.
type settler struct {
	pending []Settled
	writing bool
}

// settled puts an outcome among those to be recorded. d.mu is held.
func (d *Dispatcher) settled(it *item, o Outcome) {
	d.settler.pending = append(d.settler.pending, Settled{Delivery: it.delivery, Outcome: o})
	if !d.settler.writing {
		d.settler.writing = true
		go d.writeAll(d.work)
	}
}

// writeAll records batch after batch until nothing is left. After an error it
// leaves the rest to the next RunOnce, which Ready asks for.
func (d *Dispatcher) writeAll(ctx context.Context) {
	if err := d.write(ctx); err != nil {
		d.signal()
	}
}

// settleLeft records in the caller's goroutine what writeAll had to leave.
func (d *Dispatcher) settleLeft(ctx context.Context) error {
	d.mu.Lock()
	if d.settler.writing || len(d.settler.pending) == 0 {
		d.mu.Unlock()
		return nil
	}
	d.settler.writing = true
	d.mu.Unlock()
	return d.write(ctx)
}

func (d *Dispatcher) write(ctx context.Context) error {
	for {
		batch := d.nextBatch()
		if batch == nil {
			return nil
		}
		if err := d.writeBatch(ctx, batch); err != nil {
			d.giveBack(batch)
			return fmt.Errorf("settle %d deliveries: %w", len(batch), err)
		}
	}
}

func (d *Dispatcher) writeBatch(ctx context.Context, batch []Settled) error {
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	return d.cfg.Outbox.Settle(ctx, batch)
}

// nextBatch takes what has gathered; nil ends the writing.
func (d *Dispatcher) nextBatch() []Settled {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.settler.pending) == 0 {
		d.settler.pending = nil
		d.settler.writing = false
		d.checkQuiet()
		return nil
	}
	n := min(len(d.settler.pending), settleBatch)
	batch := d.settler.pending[:n:n]
	d.settler.pending = d.settler.pending[n:]
	return batch
}

// giveBack keeps a batch that could not be written, in front of the others.
func (d *Dispatcher) giveBack(batch []Settled) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.settler.pending = append(batch, d.settler.pending...)
	d.settler.writing = false
	d.checkQuiet()
}
