package dispatch

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/cirisai/orchestrator/internal/webhook"
)

// Rule 7.6, answer by answer.
func TestOutcomeOf(t *testing.T) {
	t.Parallel()
	const minute = time.Minute
	for _, c := range []struct {
		name    string
		attempt int
		result  webhook.Result
		left    time.Duration
		want    Outcome
	}{
		{"delivered", 1, webhook.Result{Status: 204, Body: "x"}, minute, Outcome{Kind: Delivered, Status: 204}},
		{"delivered, too late to matter", 1, webhook.Result{Status: 200}, -minute, Outcome{Kind: Delivered, Status: 200}},
		{"redirect", 1, webhook.Result{Status: 302}, minute, Outcome{Kind: Retry, Status: 302, Detail: "answered 302", RetryIn: 1500 * time.Millisecond}},
		{"refused", 1, webhook.Result{Status: 400, Body: "no"}, minute, Outcome{Kind: Retry, Status: 400, Detail: "answered 400: no", RetryIn: 1500 * time.Millisecond}},
		{"third", 3, webhook.Result{Status: 500}, minute, Outcome{Kind: Retry, Status: 500, Detail: "answered 500", RetryIn: 6 * time.Second}},
		{"no answer", 1, webhook.Result{Err: errors.New("no\nroute")}, minute, Outcome{Kind: Retry, Detail: "no route", RetryIn: 1500 * time.Millisecond}},
		{"no deadline", 50, webhook.Result{Status: 500}, forever, Outcome{Kind: Retry, Status: 500, Detail: "answered 500", RetryIn: 45 * time.Second}},
		{"gone", 9, webhook.Result{Status: 410, RetryAfter: minute}, minute, Outcome{Kind: Gone, Status: 410, Detail: "answered 410"}},
		{"asks for time", 9, webhook.Result{Status: 503, RetryAfter: 5 * time.Second}, minute, Outcome{Kind: Retry, Status: 503, Detail: "answered 503", RetryIn: 5250 * time.Millisecond}},
		{"asks for no time", 9, webhook.Result{Status: 503, RetryAfter: time.Millisecond}, minute, Outcome{Kind: Retry, Status: 503, Detail: "answered 503", RetryIn: time.Second + 50*time.Microsecond}},
		{"asks for too much time", 1, webhook.Result{Status: 503, RetryAfter: minute}, minute, Outcome{Kind: GaveUp, Status: 503, Detail: "answered 503"}},
		{"the last step is shortened", 9, webhook.Result{Status: 500}, 20 * time.Second, Outcome{Kind: Retry, Status: 500, Detail: "answered 500", RetryIn: 10 * time.Second}},
		{"too little is left", 1, webhook.Result{Status: 500}, 1500 * time.Millisecond, Outcome{Kind: GaveUp, Status: 500, Detail: "answered 500"}},
		{"nothing is left", 1, webhook.Result{Status: 500}, -minute, Outcome{Kind: GaveUp, Status: 500, Detail: "answered 500"}},
	} {
		if got := outcomeOf(c.attempt, c.result, c.left, 0.5); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// Whatever a receiver does, the next try comes before the deadline, never sooner
// than a second from now, and never sooner than it asked for.
func TestTheNextTryIsWithinItsBounds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		attempt := rapid.IntRange(1, 100).Draw(t, "attempt")
		asked := time.Duration(rapid.Int64Range(0, int64(webhook.MaxRetryAfter)).Draw(t, "asked"))
		left := time.Duration(rapid.Int64Range(-int64(time.Hour), int64(time.Hour)).Draw(t, "left"))
		rnd := rapid.Float64Range(0, math.Nextafter(1, 0)).Draw(t, "rnd")
		wait, again := nextTry(attempt, asked, left, rnd)
		if !again {
			if left > 3*time.Second && asked == 0 {
				t.Fatalf("given up with %s left", left)
			}
			return
		}
		if wait < webhook.BackoffMin || wait < asked || wait >= left {
			t.Fatalf("wait %s, asked %s, left %s", wait, asked, left)
		}
	})
}

func TestPostponed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		place int
		left  time.Duration
		want  time.Duration
	}{
		{0, forever, 750 * time.Millisecond},
		{63, forever, 750 * time.Millisecond},
		{64, forever, 1500 * time.Millisecond},
		{1000000, forever, 7500 * time.Millisecond},
		{1000000, 4 * time.Second, 2 * time.Second},
		{0, time.Millisecond, postponeFloor},
		{0, -time.Hour, postponeFloor},
	} {
		got := postponed(c.place, 64, c.left, 0.5)
		if got.Kind != Postponed || got.RetryIn != c.want || got.Detail == "" {
			t.Errorf("place %d, %s left: %+v, want %s", c.place, c.left, got, c.want)
		}
	}
}

func TestDetailIsShortAndOneLine(t *testing.T) {
	t.Parallel()
	got := detail(webhook.Result{Err: errors.New(strings.Repeat("ä\r\n", 1000))})
	if len(got) > maxDetail || !utf8.ValidString(got) || strings.ContainsAny(got, "\r\n") {
		t.Errorf("%q", got)
	}
}

// Rule 7.1: attempt and server_time are members of the object that is sent.
func TestSplice(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 678900000, time.FixedZone("", 3600))
	for body, want := range map[string]string{
		`{}`:                     `{"attempt":7,"server_time":"2026-01-02T02:04:05.6789Z"}`,
		" {\n} ":                 `{"attempt":7,"server_time":"2026-01-02T02:04:05.6789Z"}`,
		`{"a":{"b":[1]},"c":""}`: `{"a":{"b":[1]},"c":"","attempt":7,"server_time":"2026-01-02T02:04:05.6789Z"}`,
		"{\"a\":1\n}\n":          `{"a":1,"attempt":7,"server_time":"2026-01-02T02:04:05.6789Z"}`,
	} {
		got, err := Splice(Delivery{Body: []byte(body), Attempt: 7}, now)
		if err != nil || string(got) != want || !json.Valid(got) {
			t.Errorf("%s: %s, %v", body, got, err)
		}
	}
	for _, body := range []string{"", "{", "}", "[]", "null", "x{}"} {
		if _, err := Splice(Delivery{Body: []byte(body)}, now); !errors.Is(err, ErrBody) {
			t.Errorf("%q: %v", body, err)
		}
	}
}

func TestSpliceDoesNotTouchTheBody(t *testing.T) {
	t.Parallel()
	body := []byte(`{"a":1}`)
	room := append(make([]byte, 0, 200), body...)
	d := Delivery{Body: room, Attempt: 1}
	if _, err := Splice(d, time.Unix(0, 0)); err != nil || string(room) != string(body) || string(d.Body) != string(body) {
		t.Errorf("%s, %v", room, err)
	}
}

func TestHostOf(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"http://a/x":           "http://a",
		"https://a/x":          "https://a",
		"http://a":             "http://a",
		"http://a:8080?y=/z":   "http://a:8080",
		"http://a:8080/y?z":    "http://a:8080",
		"http://[fd00::1]:9/#": "http://[fd00::1]:9",
		"rubbish/a":            "rubbish/a",
		"":                     "",
	} {
		if got := hostOf(url); got != want {
			t.Errorf("%s: %s, want %s", url, got, want)
		}
	}
}
