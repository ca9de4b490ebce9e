package webhook

import (
	"net/http"
	"strings"
	"time"
)

// MaxRetryAfter is the longest time that a receiver can put off the next try.
const MaxRetryAfter = time.Hour

// The delay before the second try is between BackoffMin and twice that; no delay
// is longer than BackoffMax.
const (
	BackoffMin = time.Second
	BackoffMax = time.Minute
)

// Backoff is the time to wait after the attempt-th try failed, counted from 1
// (rule 7.6): it doubles with every try, and is drawn from the interval between
// one step and the next, so that a thousand receivers that failed together do
// not come back together. rnd is in [0, 1). It lies within 1 s and 60 s.
func Backoff(attempt int, rnd float64) time.Duration {
	step := BackoffMin
	for range attempt - 1 {
		if step >= BackoffMax/2 {
			break
		}
		step *= 2
	}
	step = min(step, BackoffMax/2)
	return step + time.Duration(rnd*float64(step))
}

// ParseRetryAfter reads a Retry-After header, seconds or an HTTP date, into the
// time to wait from now on, capped at MaxRetryAfter. What is absent, malformed
// or past is 0.
func ParseRetryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0
	}
	if strings.Trim(value, "0123456789") == "" {
		return seconds(value)
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return max(0, min(at.Sub(now), MaxRetryAfter))
}

// seconds reads digits without ever overflowing.
func seconds(digits string) time.Duration {
	var wait time.Duration
	for i := range len(digits) {
		wait = wait*10 + time.Duration(digits[i]-'0')*time.Second
		if wait >= MaxRetryAfter {
			return MaxRetryAfter
		}
	}
	return wait
}
