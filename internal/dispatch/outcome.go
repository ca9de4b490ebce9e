package dispatch

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/cirisai/orchestrator/internal/webhook"
)

const (
	maxDetail = 512 // bytes

	// forever is the time left of a delivery without a deadline.
	forever = time.Duration(math.MaxInt64)

	// A place at a congested host is asked for again after about this long, the
	// longer the more wait for it.
	postponeMin = time.Second
	postponeMax = 10 * time.Second

	// postponeFloor keeps a delivery near its deadline from going back and forth.
	postponeFloor = 100 * time.Millisecond

	maxRetryAfterJitter = time.Second
)

// outcomeOf says what follows from a try (rule 7.6). left is the time until the
// deadline, rnd is in [0, 1).
func outcomeOf(attempt int, r webhook.Result, left time.Duration, rnd float64) Outcome {
	o := Outcome{Status: r.Status, Duration: r.Duration}
	if r.Err == nil && r.Delivered() {
		o.Kind = Delivered
		return o
	}
	o.Detail = detail(r)
	if r.Err == nil && r.Status == http.StatusGone {
		o.Kind = Gone
		return o
	}
	wait, again := nextTry(attempt, r.RetryAfter, left, rnd)
	if !again {
		o.Kind = GaveUp
		return o
	}
	o.Kind, o.RetryIn = Retry, wait
	return o
}

// nextTry says how long to wait before the next try, or that none fits in before
// the deadline. What a receiver asked for is never undercut, except that it
// cannot ask for less than the shortest backoff. A backoff that would reach
// beyond the deadline is shortened to about half of what is left, so that tries
// go on until the deadline and not only until the last full step before it.
func nextTry(attempt int, asked, left time.Duration, rnd float64) (wait time.Duration, again bool) {
	if asked > 0 {
		wait = max(asked, webhook.BackoffMin)
		wait += time.Duration(rnd * float64(min(asked/10, maxRetryAfterJitter)))
		return wait, wait < left
	}
	wait = webhook.Backoff(attempt, rnd)
	if wait < left {
		return wait, true
	}
	wait = time.Duration(float64(left) * (0.4 + 0.2*rnd))
	return wait, wait >= webhook.BackoffMin
}

// postponed says when a delivery that found no place is due again: place is how
// many others of its host were sent back before it, out of perHost that can be
// served at once.
func postponed(place, perHost int, left time.Duration, rnd float64) Outcome {
	wait := min(postponeMin*time.Duration(1+place/perHost), postponeMax)
	wait = min(time.Duration(float64(wait)*(0.5+0.5*rnd)), max(left/2, postponeFloor))
	return Outcome{Kind: Postponed, RetryIn: wait, Detail: "no connection was free: too many deliveries are under way"}
}

func detail(r webhook.Result) string {
	switch {
	case r.Err != nil:
		return oneLine(r.Err.Error())
	case r.Body == "":
		return fmt.Sprintf("answered %d", r.Status)
	default:
		return oneLine(fmt.Sprintf("answered %d: %s", r.Status, r.Body))
	}
}

func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > maxDetail {
		s = s[:maxDetail]
	}
	return strings.ToValidUTF8(s, "")
}
