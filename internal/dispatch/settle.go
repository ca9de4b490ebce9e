package dispatch

import (
	"context"
	"fmt"
	"time"
)

// settler gathers what is to be recorded. For settlePace after a batch of several
// has begun more of them gather, as long as more is under way: so the more there is
// the fewer transactions it takes for each. A batch that takes long holds up none
// of the next ones until settleAtOnce are being written.
type settler struct {
	pending   []Settled
	gathering bool // somebody waits for more, or is about to take a batch
	writing   int  // batches
	began     time.Time
	several   bool          // the last batch was one of several
	enough    chan struct{} // nothing more is to be waited for
}

// settled puts an outcome among those to be recorded. d.mu is held.
func (d *Dispatcher) settled(it *item, o Outcome) {
	s := &d.settler
	s.pending = append(s.pending, Settled{Delivery: it.delivery, Outcome: o})
	if !s.gathering && s.writing < settleAtOnce {
		s.gathering = true
		go d.writeAll(d.work)
	}
	if len(s.pending) >= settleBatch || d.underWay == 0 {
		select {
		case s.enough <- struct{}{}:
		default:
		}
	}
}

// writeAll records batch after batch until nothing is left or somebody else gathers
// the next one. After an error it leaves the rest to the next RunOnce, which Ready
// asks for.
func (d *Dispatcher) writeAll(ctx context.Context) {
	if err := d.write(ctx); err != nil {
		d.signal()
	}
}

// settleLeft records in the caller's goroutine what writeAll had to leave.
func (d *Dispatcher) settleLeft(ctx context.Context) error {
	d.mu.Lock()
	if d.settler.gathering || len(d.settler.pending) == 0 {
		d.mu.Unlock()
		return nil
	}
	d.settler.gathering = true
	d.mu.Unlock()
	return d.write(ctx)
}

// write is called by whoever has begun to gather.
func (d *Dispatcher) write(ctx context.Context) error {
	for {
		batch, rest := d.nextBatch()
		if rest > 0 {
			select {
			case <-time.After(rest): //nolint:forbidigo // it lets others gather and decides nothing
			case <-d.settler.enough:
			}
			continue
		}
		if batch == nil {
			return nil
		}
		if err := d.writeBatch(ctx, batch); err != nil {
			d.giveBack(batch)
			return fmt.Errorf("settle %d deliveries: %w", len(batch), err)
		}
		if !d.gatherAgain() {
			return nil
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
		s.pending, s.gathering = nil, false
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
	s.gathering = false
	s.writing++
	return batch, 0
}

// gatherAgain is called after a batch was written: the writer goes on, unless
// there is somebody who does or nothing to do.
func (d *Dispatcher) gatherAgain() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := &d.settler
	s.writing--
	if len(s.pending) == 0 || s.gathering {
		d.checkQuiet()
		return false
	}
	s.gathering = true
	return true
}

// giveBack keeps a batch that could not be written, in front of the others.
func (d *Dispatcher) giveBack(batch []Settled) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.settler.pending = append(batch, d.settler.pending...)
	d.settler.writing--
	d.checkQuiet()
}
