package dispatch

import (
	"context"

	"github.com/cirisai/orchestrator/internal/webhook"
)

// try makes one try, which ends at the deadline at the latest (rule 7.6).
func (d *Dispatcher) try(ctx context.Context, it *item) Outcome {
	o := d.attempt(ctx, it)
	d.cfg.Observer.Tried(it.delivery, o)
	return o
}

func (d *Dispatcher) attempt(ctx context.Context, it *item) Outcome {
	start := d.cfg.Now()
	left := it.left(start)
	if left <= 0 {
		return Outcome{Kind: GaveUp, Detail: "the deadline has passed"}
	}
	now := it.outboxNow(start)
	body, err := d.cfg.Render(it.delivery, now)
	if err != nil {
		return outcomeOf(it.delivery.Attempt, webhook.Result{Err: err}, left, d.cfg.Rand())
	}
	ctx, cancel := context.WithTimeout(ctx, min(left, webhook.TryTimeout))
	defer cancel()
	result := d.cfg.Sender.Send(ctx, webhook.Request{
		URL: it.delivery.URL, ID: it.delivery.ID, At: now, Body: body, Secret: it.delivery.Secret,
	})
	if result.Err != nil && d.work.Err() != nil {
		return Outcome{Kind: Postponed, Duration: result.Duration, Detail: shuttingDown}
	}
	return outcomeOf(it.delivery.Attempt, result, it.left(d.cfg.Now()), d.cfg.Rand())
}
