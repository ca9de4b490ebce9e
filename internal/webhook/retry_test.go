package webhook

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Rule 7.6: exponential backoff with jitter.
func TestBackoffDoubles(t *testing.T) {
	t.Parallel()
	almost := math.Nextafter(1, 0)
	for _, c := range []struct {
		attempt  int
		from, to time.Duration
	}{
		{1, time.Second, 2 * time.Second},
		{2, 2 * time.Second, 4 * time.Second},
		{3, 4 * time.Second, 8 * time.Second},
		{4, 8 * time.Second, 16 * time.Second},
		{5, 16 * time.Second, 32 * time.Second},
		{6, 30 * time.Second, 60 * time.Second},
		{7, 30 * time.Second, 60 * time.Second},
		{1000000000, 30 * time.Second, 60 * time.Second},
		{0, time.Second, 2 * time.Second},
		{-5, time.Second, 2 * time.Second},
	} {
		if got := Backoff(c.attempt, 0); got != c.from {
			t.Errorf("attempt %d without jitter: %s, want %s", c.attempt, got, c.from)
		}
		if got := Backoff(c.attempt, almost); got > c.to || got < c.to-time.Microsecond {
			t.Errorf("attempt %d with all jitter: %s, want just under %s", c.attempt, got, c.to)
		}
	}
}

func TestBackoffStaysWithinItsBounds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		attempt := rapid.IntRange(-3, 1000).Draw(t, "attempt")
		rnd := rapid.Float64Range(0, math.Nextafter(1, 0)).Draw(t, "rnd")
		if d := Backoff(attempt, rnd); d < BackoffMin || d > BackoffMax {
			t.Fatalf("Backoff(%d, %v) = %s", attempt, rnd, d)
		}
	})
}

// Rule 7.6: a receiver's Retry-After is honoured.
func TestParseRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":                               0,
		"0":                              0,
		"1":                              time.Second,
		" 120 ":                          2 * time.Minute,
		"3600":                           time.Hour,
		"3601":                           time.Hour,
		"99999999999999999999999999999":  time.Hour,
		"00000000000000000000000000007":  7 * time.Second,
		"-1":                             0,
		"+1":                             0,
		"1.5":                            0,
		"soon":                           0,
		"Fri, 02 Jan 2026 03:04:35 GMT":  30 * time.Second,
		"Friday, 02-Jan-26 03:04:35 GMT": 30 * time.Second,
		"Fri Jan  2 03:04:35 2026":       30 * time.Second,
		"Fri, 02 Jan 2026 03:04:05 GMT":  0,
		"Thu, 01 Jan 2026 03:04:05 GMT":  0,
		"Sat, 02 Jan 2027 03:04:05 GMT":  time.Hour,
		"Fri, 32 Jan 2026 03:04:35 GMT":  0,
	} {
		if got := ParseRetryAfter(value, now); got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
}
