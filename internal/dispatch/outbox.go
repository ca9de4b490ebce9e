package dispatch

import (
	"context"
	"time"

	"github.com/cirisai/orchestrator/internal/webhook"
)

// Outbox is where committed messages wait for delivery by callback. It is called
// from several goroutines.
type Outbox interface {
	// Claim takes at most limit deliveries that are due, those that are Urgent
	// first and among equals those that have been due longest, and leases them to the caller: until the lease ends or they are
	// settled nobody else is handed them, and each claim of one has a higher
	// fence than the last. It never hands out what is acknowledged, withdrawn,
	// past its deadline or of a paused rollout, nor what has no callback URL
	// (rules 7.2, 7.4, 4.19).
	Claim(ctx context.Context, limit int, lease time.Duration) ([]Delivery, error)

	// Settle records what became of claimed deliveries, in one transaction. One
	// whose fence has moved on, or that is not there any more, is passed over:
	// that is no error and changes nothing. After an error any of them may or may
	// not have been recorded, and the same call is made again. Calls may overlap;
	// what they are about does not.
	Settle(ctx context.Context, settled []Settled) error

	// Next says how long it is until something is due; found is false when
	// nothing waits. It counts ends of leases as well.
	Next(ctx context.Context) (wait time.Duration, found bool, err error)
}

// Sender makes one try; *webhook.Client is one. It must return soon after its
// context has ended, and in any case within webhook.TryTimeout.
type Sender interface {
	Send(ctx context.Context, r webhook.Request) webhook.Result
}

// Observer is told of every try, for metrics. It is called from several
// goroutines, before the outcome is settled, and must not block.
type Observer interface {
	Tried(d Delivery, o Outcome)
}

// Delivery is one message on its way to one receiver.
type Delivery struct {
	ID string // the instruction's id, sent as webhook-id; the same on every try

	// The boot that is told; Occurrence is empty for what goes to nobody's boot,
	// such as an incident that is posted to a notification URL.
	Agent      string
	Occurrence string
	Boot       string

	URL    string // the callback URL as it was registered when this was claimed
	Secret string // the receiver's "whsec_..."; empty: it registered none

	// Body is what Config.Render makes the request's body of: for Splice a JSON
	// object without the members "attempt" and "server_time".
	Body []byte

	Attempt int  // the number of this try, from 1: one more than were settled as Retry
	Urgent  bool // force is true: it waits for no other delivery to its occurrence
	Fence   int64

	// ClaimedAt is the outbox's clock when it handed this out, and Deadline is a
	// time on that clock, after which the message is not to be sent; zero: none.
	// A zero ClaimedAt says that the outbox goes by the dispatcher's clock.
	ClaimedAt time.Time
	Deadline  time.Time
}

// Kind is what became of a claimed delivery.
type Kind string

// The kinds.
const (
	// Delivered: the receiver answered 2xx.
	Delivered Kind = "delivered"
	// Retry: it did not; the next try is due in Outcome.RetryIn.
	Retry Kind = "retry"
	// Gone: it answered 410. If Delivery.URL is still the address registered, the
	// occurrence is gone until its next heartbeat (rule 7.6).
	Gone Kind = "gone"
	// GaveUp: it did not, and no further try fits in before the deadline. The
	// outbox offers it no more; from the deadline on the member is visibly
	// unreachable, with the incident undeliverable (rule 7.6).
	GaveUp Kind = "gave_up"
	// Postponed: no try was made; it is due again in Outcome.RetryIn. It counts
	// for no attempt.
	Postponed Kind = "postponed"
)

// Outcome is what became of a claimed delivery, and why.
type Outcome struct {
	Kind     Kind
	Status   int           // the HTTP status; 0: there was no answer
	Duration time.Duration // how long the try took
	Detail   string        // what went wrong, in words, one line; empty when delivered
	RetryIn  time.Duration // for Retry and Postponed, counted from when it is settled
}

// Settled is a delivery and its outcome.
type Settled struct {
	Delivery Delivery
	Outcome  Outcome
}
