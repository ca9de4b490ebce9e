package engine

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestBatches: whoever comes alone is worked on at once; what comes meanwhile is
// the next batch, which a limit divides; and nobody is given another's result.
func TestBatches(t *testing.T) {
	const limit = 4
	for _, c := range []struct {
		name string
		more int
		want []int
	}{
		{"nobody else", 0, []int{1}},
		{"one batch", limit, []int{1, limit}},
		{"one more than the limit", limit + 1, []int{1, limit, 1}},
		{"twice the limit", 2 * limit, []int{1, limit, limit}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var sizes []int
				begun, release := make(chan struct{}, 9), make(chan struct{})
				b := &batcher[int, int]{limit: limit, work: func(ins []int) []int {
					sizes = append(sizes, len(ins))
					begun <- struct{}{}
					<-release
					outs := make([]int, len(ins))
					for i, in := range ins {
						outs[i] = -in
					}
					return outs
				}}
				var all sync.WaitGroup
				submit := func(n int) {
					all.Go(func() {
						if out, err := b.submit(t.Context(), n); err != nil || out != -n {
							t.Errorf("%d was answered %d, %v", n, out, err)
						}
					})
				}
				submit(1)
				<-begun
				for n := range c.more {
					submit(n + 2)
				}
				synctest.Wait()
				close(release)
				all.Wait()
				if !slices.Equal(sizes, c.want) {
					t.Errorf("batches of %v, want %v", sizes, c.want)
				}
			})
		})
	}
}

// TestBatchesArePaced: after a batch of several the next one begins no sooner than
// the pace says, after one alone it does.
func TestBatchesArePaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const pace = time.Minute
		began := time.Now()
		var at []time.Duration
		b := &batcher[int, int]{pace: pace, work: func(ins []int) []int {
			at = append(at, time.Since(began))
			<-time.After(time.Second)
			return ins
		}}
		var all sync.WaitGroup
		for _, c := range []struct {
			when time.Duration
			n    int
		}{{0, 1}, {time.Second / 2, 2}, {3 * time.Second / 2, 1}, {pace + 3*time.Second/2, 1}} {
			for range c.n {
				all.Go(func() {
					<-time.After(c.when)
					_, _ = b.submit(t.Context(), 0)
				})
			}
		}
		all.Wait()
		if want := []time.Duration{0, time.Second, time.Second + pace, 2*time.Second + pace}; !slices.Equal(at, want) {
			t.Errorf("batches began at %v, want %v", at, want)
		}
	})
}

// TestABatchOutlivesWhoLeaves: who does not wait any longer is told so, and what he
// has submitted is done.
func TestABatchOutlivesWhoLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release, done := make(chan struct{}), make(chan []int, 1)
		b := &batcher[int, int]{work: func(ins []int) []int {
			<-release
			done <- ins
			return ins
		}}
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() {
			_, err := b.submit(ctx, 7)
			left <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-left; err == nil {
			t.Error("who has left was answered")
		}
		close(release)
		if ins := <-done; !slices.Equal(ins, []int{7}) {
			t.Errorf("worked on %v", ins)
		}
	})
}
