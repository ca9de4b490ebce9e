package dispatch

import (
	"strings"
	"time"
)

// item is a claimed delivery while the dispatcher has it.
type item struct {
	delivery Delivery
	host     string // scheme and authority of its URL
	lane     string // the occurrence, of which only one is sent to at a time; empty: none
	claimed  time.Time
	started  time.Time
	slow     bool // it has been under way for long and is not counted any more
	ended    bool
}

func newItem(d Delivery, claimed time.Time) *item {
	it := &item{delivery: d, host: hostOf(d.URL), claimed: claimed}
	if d.Occurrence != "" && !d.Urgent {
		it.lane = d.Agent + "/" + d.Occurrence
	}
	return it
}

func (it *item) class() class {
	if it.delivery.Urgent {
		return urgent
	}
	return ordinary
}

// hostOf is what connections are counted by: scheme and authority, which is all
// before the path. It need not be more exact than that, since the same receiver
// is usually registered under one spelling.
func hostOf(url string) string {
	scheme, rest, found := strings.Cut(url, "://")
	if !found {
		return url
	}
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	return url[:len(scheme)+len("://")+len(rest)]
}

// outboxNow is the outbox's clock, as far as it can be known: what it was at the
// claim, plus the time that has passed since the claim was asked for. It is
// ahead by the duration of that call at most, never behind.
func (it *item) outboxNow(now time.Time) time.Time {
	if it.delivery.ClaimedAt.IsZero() {
		return now
	}
	return it.delivery.ClaimedAt.Add(now.Sub(it.claimed))
}

// left is the time until the deadline.
func (it *item) left(now time.Time) time.Duration {
	if it.delivery.Deadline.IsZero() {
		return forever
	}
	return it.delivery.Deadline.Sub(it.outboxNow(now))
}
