package dispatch

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrDrained is what RunOnce answers once Drain was called.
var ErrDrained = errors.New("the dispatcher has been drained")

// Dispatcher delivers what the outbox holds. RunOnce is for one caller at a
// time; everything else is safe for concurrent use.
type Dispatcher struct {
	cfg Config

	// abort ends the tries that are under way; only Drain calls it.
	work  context.Context
	abort context.CancelFunc
	ready chan struct{}

	mu       sync.Mutex
	queue    *queue
	recent   []*item // under way in the order of their start; leading ones may have ended
	counted  int     // of recent, those that count for InFlight
	underWay int
	limited  bool // the last RunOnce left something in the outbox for want of room
	drained  bool
	settler  settler
	quiet    chan struct{} // closed when nothing is under way or unsettled any more; nil: nobody waits
}

// New makes a dispatcher. It starts nothing: call RunOnce.
func New(cfg Config) (*Dispatcher, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	work, abort := context.WithCancel(context.Background())
	return &Dispatcher{
		cfg: cfg, work: work, abort: abort,
		ready:   make(chan struct{}, 1),
		queue:   newQueue(cfg.PerHost),
		settler: settler{enough: make(chan struct{}, 1)},
	}, nil
}

// RunOnce claims what is due, as far as there is room, starts to send it and
// returns without waiting for any receiver. It says when to call it again: at
// next (zero: no time is known), and sooner whenever Ready says so or something
// new was committed. next is a time on Config.Now's clock.
//
// An error means that the outbox could not be asked or written; what was tried
// is kept and settled by a later call.
func (d *Dispatcher) RunOnce(ctx context.Context) (next time.Time, err error) {
	if d.cfg.Synchronous {
		return d.runSynchronously(ctx)
	}
	if err := d.begin(ctx); err != nil {
		return time.Time{}, err
	}
	sent := map[string]int{} // back to the outbox in this round, by host
	for range claimsARound {
		room := d.room(sent)
		if room == 0 {
			return d.wakeUp(time.Time{}), nil
		}
		asked := d.cfg.Now()
		claimed, err := d.cfg.Outbox.Claim(ctx, room, d.cfg.Lease)
		if err != nil {
			return time.Time{}, fmt.Errorf("claim deliveries: %w", err)
		}
		d.admit(claimed, asked, sent)
		if len(claimed) < room {
			return d.idle(ctx)
		}
	}
	return d.cfg.Now(), nil
}

// begin settles what an earlier failure has left.
func (d *Dispatcher) begin(ctx context.Context) error {
	d.mu.Lock()
	drained := d.drained
	d.mu.Unlock()
	if drained {
		return ErrDrained
	}
	return d.settleLeft(ctx)
}

// room sends back what has waited too long and says how many to claim; when none,
// a try that ends will make it known on Ready.
func (d *Dispatcher) room(sent map[string]int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.cfg.Now()
	d.age(now)
	d.sendBack(now, sent)
	d.start(now)
	room := d.free()
	d.limited = room == 0
	return min(room, claimBatch)
}

// free is how many more deliveries can be claimed.
func (d *Dispatcher) free() int {
	if d.underWay >= d.cfg.Ceiling {
		return 0
	}
	return max(0, d.cfg.InFlight+d.cfg.Hold-d.counted-d.queue.waiting)
}

func (d *Dispatcher) admit(claimed []Delivery, asked time.Time, sent map[string]int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, delivery := range claimed {
		d.queue.push(newItem(delivery, asked))
	}
	if d.drained {
		d.giveUpWaiting()
		return
	}
	now := d.cfg.Now()
	d.start(now)
	d.sendBack(now, sent)
}

// idle is the end of a RunOnce that has claimed all that is due.
func (d *Dispatcher) idle(ctx context.Context) (time.Time, error) {
	wait, found, err := d.cfg.Outbox.Next(ctx)
	if err != nil {
		return time.Time{}, fmt.Errorf("ask when the next delivery is due: %w", err)
	}
	if !found {
		return d.wakeUp(time.Time{}), nil
	}
	return d.wakeUp(d.cfg.Now().Add(max(0, wait))), nil
}

// wakeUp is due, or sooner if what waits here has to be looked at before then.
func (d *Dispatcher) wakeUp(due time.Time) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	sooner := func(at time.Time) {
		if due.IsZero() || at.Before(due) {
			due = at
		}
	}
	claimed, waiting := d.queue.oldest()
	if waiting {
		sooner(claimed.Add(holdFor))
	}
	if (waiting || d.limited) && len(d.recent) > 0 {
		sooner(d.recent[0].started.Add(slowAfter))
	}
	return due
}

// age stops counting the tries that have been under way for long.
func (d *Dispatcher) age(now time.Time) {
	for len(d.recent) > 0 {
		it := d.recent[0]
		if !it.ended {
			if now.Sub(it.started) < slowAfter {
				return
			}
			d.queue.markSlow(it)
			d.counted--
		}
		d.recent[0] = nil
		d.recent = d.recent[1:]
	}
}

// sendBack gives back to the outbox what has waited for too long, and what waits
// for a host that hangs, beyond one delivery for each place there.
func (d *Dispatcher) sendBack(now time.Time, sent map[string]int) {
	kept := map[string]int{}
	for _, it := range d.queue.withdraw(func(it *item) bool {
		if now.Sub(it.claimed) >= holdFor {
			return true
		}
		if it.delivery.Urgent || !d.queue.congested(it.host) {
			return false
		}
		kept[it.host]++
		return kept[it.host] > d.cfg.PerHost
	}) {
		d.settled(it, postponed(sent[it.host], d.cfg.PerHost, it.left(now), d.cfg.Rand()))
		sent[it.host]++
	}
}

// start sends what can be sent now.
func (d *Dispatcher) start(now time.Time) {
	for {
		it := d.take(now)
		if it == nil {
			return
		}
		go d.run(it)
	}
}

// take hands out the next delivery to send, nil when there is none or no place
// for it. One that has waited too long is given back instead.
func (d *Dispatcher) take(now time.Time) *item {
	for d.counted < d.cfg.InFlight && d.underWay < d.cfg.Ceiling {
		it := d.queue.next()
		if it == nil {
			return nil
		}
		if now.Sub(it.claimed) >= holdFor {
			d.queue.end(it)
			d.settled(it, postponed(0, d.cfg.PerHost, it.left(now), d.cfg.Rand()))
			continue
		}
		it.started = now
		d.recent = append(d.recent, it)
		d.counted++
		d.underWay++
		return it
	}
	return nil
}

// run makes tries until there is nothing left to send at the moment.
func (d *Dispatcher) run(it *item) {
	for it != nil {
		it = d.end(it, d.try(d.work, it))
	}
}

// end records a try and hands out another delivery to its goroutine.
func (d *Dispatcher) end(it *item, o Outcome) *item {
	d.mu.Lock()
	defer d.mu.Unlock()
	it.ended = true
	d.underWay--
	if !it.slow {
		d.counted--
	}
	d.queue.end(it)
	d.settled(it, o)
	now := d.cfg.Now()
	d.age(now)
	following := d.take(now)
	d.start(now)
	if d.limited && (d.free() >= (d.cfg.InFlight+d.cfg.Hold)/4 || d.underWay == 0) {
		d.limited = false
		d.signal()
	}
	d.checkQuiet()
	return following
}

// Ready says that RunOnce has something to do: there is room again for what it
// had to leave in the outbox, or something could not be settled.
func (d *Dispatcher) Ready() <-chan struct{} { return d.ready }

func (d *Dispatcher) signal() {
	select {
	case d.ready <- struct{}{}:
	default:
	}
}

// Load is how busy a dispatcher is.
type Load struct {
	UnderWay  int // tries
	Slow      int // of those, tries that have taken half a second or more
	Waiting   int // claimed and not sent yet
	Unsettled int // tried and not recorded yet
}

// Load says how busy the dispatcher is at the moment, for metrics.
func (d *Dispatcher) Load() Load {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.age(d.cfg.Now())
	return Load{UnderWay: d.underWay, Slow: d.underWay - d.counted, Waiting: d.queue.waiting, Unsettled: len(d.settler.pending)}
}
