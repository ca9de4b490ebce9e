package engine

import "sync"

// batcher is a group commit: what arrives while a batch is being worked on
// becomes the next batch. Nothing waits longer than for the batch before it,
// and under load a batch grows instead of a queue.
type batcher[In, Out any] struct {
	work func([]In) []Out // as many outs as ins

	mu      sync.Mutex
	waiting []submission[In, Out]
	running bool
	limit   int
}

type submission[In, Out any] struct {
	in  In
	out chan Out
}

// submit adds to the next batch and returns where its result will come.
func (b *batcher[In, Out]) submit(in In) <-chan Out {
	s := submission[In, Out]{in: in, out: make(chan Out, 1)}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting = append(b.waiting, s)
	if !b.running {
		b.running = true
		go b.run()
	}
	return s.out
}

func (b *batcher[In, Out]) run() {
	for {
		b.mu.Lock()
		batch := b.waiting
		if len(batch) == 0 {
			b.running = false
			b.mu.Unlock()
			return
		}
		if b.limit > 0 && len(batch) > b.limit {
			b.waiting = batch[b.limit:]
			batch = batch[:b.limit:b.limit]
		} else {
			b.waiting = nil
		}
		b.mu.Unlock()
		ins := make([]In, len(batch))
		for i := range batch {
			ins[i] = batch[i].in
		}
		for i, out := range b.work(ins) {
			batch[i].out <- out
		}
	}
}
