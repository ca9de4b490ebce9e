package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// The pause after the first failure lies between backoffMin/2 and backoffMin; each further one is up to twice as long.
const (
	backoffMin = 200 * time.Millisecond
	backoffMax = 15 * time.Second
)

// backoff counts failures in a row. The zero value has seen none.
type backoff struct{ failures int }

func (b *backoff) reset() { b.failures = 0 }

// next is how long to pause after one more failure: never less than the service asked for, and else at most limit.
func (b *backoff) next(err error, limit time.Duration) time.Duration {
	d := backoffMin << min(b.failures, 10)
	b.failures++
	d = jitter(min(d, limit, backoffMax), 0.5)
	var r *Refusal
	if errors.As(err, &r) {
		d = max(d, r.RetryAfter)
	}
	return d
}

// jitter shortens d by up to the given share of it, so that occurrences that started together do not stay in step.
func jitter(d time.Duration, share float64) time.Duration {
	return d - time.Duration(rand.Float64()*share*float64(d)) //nolint:gosec // G404: it spreads load and guards nothing
}

// pause waits, and returns the context's error if that ends first.
func pause(ctx context.Context, clock Clock, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-clock.After(d):
		return nil
	}
}
