package engine

import (
	"context"
	"sync"
	"time"
)

// batcher is a group commit: what arrives while a batch is being worked on
// becomes the next batch. Nothing waits longer than for the batch before it and
// for the pace, and under load a batch grows instead of a queue.
type batcher[In, Out any] struct {
	work func([]In) []Out // as many outs as ins
	// limit bounds a batch; 0: nothing does.
	limit int
	// pace is how long after the beginning of a batch of several the next one
	// begins at the earliest: a database that is done quickly would else be kept
	// busy with transactions for a few each. Who comes alone waits for nothing.
	pace time.Duration

	mu      sync.Mutex
	waiting []*batch[In, Out] // that have not begun; the last one has room
	running bool
}

// batch is what is worked on at once. outs may be read when done is closed.
type batch[In, Out any] struct {
	ins  []In
	outs []Out
	done chan struct{}
}

// submit adds to the next batch, and waits for its result or for the context's
// end, which does not keep the batch from what it does.
func (b *batcher[In, Out]) submit(ctx context.Context, in In) (out Out, err error) {
	joined, i := b.join(in)
	select {
	case <-joined.done:
		return joined.outs[i], nil
	case <-ctx.Done():
		return out, ctx.Err()
	}
}

func (b *batcher[In, Out]) join(in In) (joined *batch[In, Out], at int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := len(b.waiting); n > 0 {
		joined = b.waiting[n-1]
	}
	if joined == nil || b.limit > 0 && len(joined.ins) == b.limit {
		joined = &batch[In, Out]{done: make(chan struct{})}
		b.waiting = append(b.waiting, joined)
	}
	joined.ins = append(joined.ins, in)
	if !b.running {
		b.running = true
		go b.run()
	}
	return joined, len(joined.ins) - 1
}

// run works on batches until nothing waits.
func (b *batcher[In, Out]) run() {
	for next := b.next(); next != nil; next = b.next() {
		pace := time.After(b.pace) //nolint:forbidigo // it lets others gather and decides nothing
		next.outs = b.work(next.ins)
		close(next.done)
		if len(next.ins) > 1 {
			<-pace
		}
	}
}

// next takes the next batch. When nothing waits the caller is done.
func (b *batcher[In, Out]) next() *batch[In, Out] {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) == 0 {
		b.running = false
		return nil
	}
	next := b.waiting[0]
	b.waiting = b.waiting[1:]
	return next
}
