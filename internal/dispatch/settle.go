package dispatch

import (
	"context"
	"fmt"
	"time"
)

// settler gathers what is to be recorded. While one batch is being written the
// next one gathers, and for settlePace after a batch of several has begun as long
// as more is under way: so the more there is the fewer transactions it takes for
// each.
type settler struct {
	pending []Settled
	writing bool
	began   time.Time // the last batch
	several bool      // it was one of several
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
		batch, rest := d.nextBatch()
		if rest > 0 {
			<-time.After(rest) //nolint:forbidigo // it lets others gather and decides nothing
			continue
		}
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

// nextBatch takes what has gathered, or says for how long more may gather; no
// batch ends the writing.
func (d *Dispatcher) nextBatch() (batch []Settled, rest time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := &d.settler
	if len(s.pending) == 0 {
		s.pending, s.writing = nil, false
		d.checkQuiet()
		return nil, 0
	}
	now := d.cfg.Now()
	if rest = settlePace - now.Sub(s.began); s.several && rest > 0 && rest <= settlePace && d.underWay > 0 && len(s.pending) < settleBatch {
		return nil, rest
	}
	n := min(len(s.pending), settleBatch)
	s.began, s.several = now, n > 1
	batch, s.pending = s.pending[:n:n], s.pending[n:]
	return batch, 0
}

// giveBack keeps a batch that could not be written, in front of the others.
func (d *Dispatcher) giveBack(batch []Settled) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.settler.pending = append(batch, d.settler.pending...)
	d.settler.writing = false
	d.checkQuiet()
}
