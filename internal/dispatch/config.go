package dispatch

import (
	"errors"
	"time"

	"github.com/cirisai/orchestrator/internal/webhook"
)

// What a Config leaves at zero.
const (
	DefaultInFlight = 256
	DefaultCeiling  = 4096
	DefaultPerHost  = 64
	DefaultHold     = 512
	DefaultLease    = 30 * time.Second
)

const (
	// slowAfter is how long a try counts for Config.InFlight. A receiver that has
	// not answered by then keeps its connection and gives up its place.
	slowAfter = 500 * time.Millisecond
	// holdFor is how long a claimed delivery may wait to be sent. What waits
	// longer goes back to the outbox, which may have withdrawn it meanwhile
	// (rule 7.4) or paused its rollout (rule 4.19).
	holdFor = time.Second

	claimBatch   = 256 // deliveries claimed at once
	settleBatch  = 512 // deliveries settled at once
	claimsARound = 64  // claims of one RunOnce
	settleLimit  = 10 * time.Second
	settleAtOnce = 4                    // batches
	settlePace   = 4 * time.Millisecond // between the beginnings of two settlements, while more is under way
)

// Config is what a Dispatcher is made of. Outbox, Sender, Now and Rand are
// required.
type Config struct {
	Outbox   Outbox
	Sender   Sender
	Now      func() time.Time                                // measures time; what time it is, the outbox says
	Rand     func() float64                                  // in [0, 1), for jitter; safe for concurrent use
	Render   func(d Delivery, now time.Time) ([]byte, error) // nil: Splice
	Observer Observer                                        // nil: nobody

	// InFlight is how many tries run at once, not counting those whose receiver
	// has been silent for half a second; Ceiling is how many run counting all.
	InFlight int
	Ceiling  int
	// PerHost is how many tries to one host:port run at once.
	PerHost int
	// Hold is how many deliveries are claimed ahead of a free place.
	Hold int
	// Lease is for how long deliveries are claimed. It must be longer than
	// webhook.TryTimeout by what waiting and settling can take: 15 s at least.
	Lease time.Duration

	// Synchronous makes RunOnce claim one batch, send it one by one and settle
	// it before it returns, all in the caller's goroutine, so that a simulation
	// replays.
	Synchronous bool
}

// MinLease is the shortest lease that outlasts a try, with what may precede and
// follow it.
const MinLease = webhook.TryTimeout + 5*time.Second

func (c *Config) complete() error {
	switch {
	case c.Outbox == nil || c.Sender == nil || c.Now == nil || c.Rand == nil:
		return errors.New("dispatch: outbox, sender, clock and source of jitter are required")
	case c.Lease != 0 && c.Lease < MinLease:
		return errors.New("dispatch: the lease is shorter than " + MinLease.String())
	case c.InFlight < 0 || c.Ceiling < 0 || c.PerHost < 0 || c.Hold < 0:
		return errors.New("dispatch: a bound is negative")
	}
	if c.Render == nil {
		c.Render = Splice
	}
	if c.Observer == nil {
		c.Observer = nobody{}
	}
	orDefault(&c.InFlight, DefaultInFlight)
	orDefault(&c.Ceiling, DefaultCeiling)
	orDefault(&c.PerHost, DefaultPerHost)
	orDefault(&c.Hold, DefaultHold)
	orDefault(&c.Lease, DefaultLease)
	return nil
}

func orDefault[T comparable](v *T, standard T) {
	var zero T
	if *v == zero {
		*v = standard
	}
}

type nobody struct{}

func (nobody) Tried(Delivery, Outcome) {}
