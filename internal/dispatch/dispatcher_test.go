package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cirisai/orchestrator/internal/webhook"
)

// Rule 7.6: 2xx is delivered, once.
func TestDelivered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, n := newMemory(deliveries("ok", 3, nil)...), newNetwork()
		n.receivers["http://ok1:80"] = answers(202)
		d := mustNew(t, Config{Outbox: m, Sender: n})
		drive(t, d, time.Minute, nil)
		drain(t, d)
		for _, id := range []string{"ok0", "ok1", "ok2"} {
			if got := m.history(id); len(got) != 1 || got[0].Kind != Delivered || got[0].Detail != "" {
				t.Errorf("%s: %+v", id, got)
			}
			if len(n.to(id)) != 1 {
				t.Errorf("%s was sent %d times", id, len(n.to(id)))
			}
		}
		if got := m.history("ok1"); got[0].Status != 202 {
			t.Errorf("%+v", got)
		}
	})
}

// Rules 7.1 and 7.6: each try is rendered and stamped afresh, the id unchanged;
// what fails is tried again with exponential backoff and jitter.
func TestRetries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, n := newMemory(deliveries("r", 1, nil)...), newNetwork()
		failures := 4
		n.receivers["http://r0:80"] = func(context.Context, webhook.Request) webhook.Result {
			if failures--; failures >= 0 {
				return webhook.Result{Status: 503, Body: "busy"}
			}
			return webhook.Result{Status: 200}
		}
		d := mustNew(t, Config{Outbox: m, Sender: n})
		drive(t, d, time.Minute, func() bool { return m.all("r", Delivered) })
		drain(t, d)
		tries := n.to("r0")
		if len(tries) != 5 {
			t.Fatalf("%d tries", len(tries))
		}
		for i, s := range tries {
			var body struct {
				Type       string    `json:"type"`
				Attempt    int       `json:"attempt"`
				ServerTime time.Time `json:"server_time"`
			}
			if err := json.Unmarshal(s.request.Body, &body); err != nil {
				t.Fatal(err)
			}
			if body.Type != "stop" || body.Attempt != i+1 || !body.ServerTime.Equal(s.at) || !s.request.At.Equal(s.at) {
				t.Errorf("try %d at %s: %+v, stamped %s", i+1, s.at, body, s.request.At)
			}
			if i == 0 {
				continue
			}
			wait, want := s.at.Sub(tries[i-1].at), webhook.Backoff(i, 0.5)
			if wait != want {
				t.Errorf("try %d came %s after the last, want %s", i+1, wait, want)
			}
		}
		history := m.history("r0")
		if got := kinds(history); !slices.Equal(got, []Kind{Retry, Retry, Retry, Retry, Delivered}) {
			t.Errorf("%v", got)
		}
		if history[0].Detail != "answered 503: busy" || history[0].Status != 503 {
			t.Errorf("%+v", history[0])
		}
	})
}

// Rule 7.6: a receiver's Retry-After is honoured.
func TestRetryAfterIsHonoured(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, n := newMemory(deliveries("r", 1, nil)...), newNetwork()
		n.receivers["http://r0:80"] = func(context.Context, webhook.Request) webhook.Result {
			if len(n.to("r0")) == 1 {
				return webhook.Result{Status: 429, RetryAfter: 77 * time.Second}
			}
			return webhook.Result{Status: 200}
		}
		d := mustNew(t, Config{Outbox: m, Sender: n})
		drive(t, d, 3*time.Minute, func() bool { return m.all("r", Delivered) })
		drain(t, d)
		tries := n.to("r0")
		if wait := tries[1].at.Sub(tries[0].at); wait < 77*time.Second || wait > 78*time.Second {
			t.Errorf("tried again after %s", wait)
		}
	})
}

// Rule 7.6: 410 is the end.
func TestGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, n := newMemory(deliveries("g", 1, nil)...), newNetwork()
		n.receivers["http://g0:80"] = answers(410)
		d := mustNew(t, Config{Outbox: m, Sender: n})
		drive(t, d, 2*time.Minute, nil)
		drain(t, d)
		if got := m.history("g0"); len(got) != 1 || got[0].Kind != Gone || got[0].Status != 410 || got[0].Detail != "answered 410" {
			t.Errorf("%+v", got)
		}
	})
}

// Rule 7.6: tries go on until the deadline and not beyond; then it is recorded
// that nothing more is tried.
func TestTriesEndAtTheDeadline(t *testing.T) {
	t.Parallel()
	for name, receive := range map[string]func(context.Context, webhook.Request) webhook.Result{
		"refuses": answers(500), "hangs": hangs,
	} {
		synctest.Test(t, func(t *testing.T) {
			m, n := newMemory(deliveries("x", 1, nil)...), newNetwork()
			deadline := m.rows[0].delivery.Deadline
			var lastEnd time.Time
			n.receivers["http://x0:80"] = func(ctx context.Context, r webhook.Request) webhook.Result {
				result := receive(ctx, r)
				lastEnd = time.Now()
				return result
			}
			d := mustNew(t, Config{Outbox: m, Sender: n})
			drive(t, d, 10*time.Minute, nil)
			drain(t, d)
			tries, history := n.to("x0"), m.history("x0")
			if lastEnd.After(deadline) {
				t.Errorf("%s: the last try ended %s after the deadline", name, lastEnd.Sub(deadline))
			}
			if left := deadline.Sub(lastEnd); left > 3*time.Second {
				t.Errorf("%s: no more tries %s before the deadline", name, left)
			}
			if len(tries) < 10 || len(tries) > 30 {
				t.Errorf("%s: %d tries in five minutes", name, len(tries))
			}
			got := kinds(history)
			if len(got) != len(tries) || got[len(got)-1] != GaveUp || slices.Index(got, GaveUp) != len(got)-1 {
				t.Errorf("%s: %v", name, got)
			}
		})
	}
}

// Rules 4.20 and 7.2: what is past its deadline is not sent, even if the outbox
// hands it out.
func TestNothingIsSentAfterTheDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		late := deliveries("late", 1, func(_ int, d *Delivery) { d.Deadline = time.Now() })
		m := newMemory(late...)
		o := &handOut{memory: m, deliveries: late}
		d := mustNew(t, Config{Outbox: o, Sender: n})
		drive(t, d, time.Second, nil)
		drain(t, d)
		if n.count() != 0 {
			t.Error("it was sent")
		}
		if got := m.history("late0"); len(got) != 1 || got[0].Kind != GaveUp {
			t.Errorf("%+v", got)
		}
	})
}

// handOut is an outbox that claims what a test tells it to, once.
type handOut struct {
	*memory

	deliveries []Delivery
}

func (h *handOut) Claim(context.Context, int, time.Duration) ([]Delivery, error) {
	out := h.deliveries
	h.deliveries = nil
	return out, nil
}

// Promise 13.5 and rule 2.10: no replica's clock decides anything. A dispatcher
// whose clock is a day off sends the outbox's time and keeps its deadlines.
func TestTheOutboxSaysWhatTimeItIs(t *testing.T) {
	t.Parallel()
	for _, offset := range []time.Duration{-24 * time.Hour, 24 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			m, n := newMemory(), newNetwork()
			m.offset = offset
			m.put(deliveries("x", 1, func(_ int, d *Delivery) { d.Deadline = m.now().Add(time.Minute) })...)
			n.receivers["http://x0:80"] = answers(500)
			d := mustNew(t, Config{Outbox: m, Sender: n})
			start := time.Now()
			drive(t, d, 5*time.Minute, nil)
			drain(t, d)
			tries := n.to("x0")
			for _, s := range tries {
				if want := s.at.Add(offset); !s.request.At.Equal(want) || !strings.Contains(string(s.request.Body), want.UTC().Format(time.RFC3339Nano)) {
					t.Errorf("sent at %s by the outbox's clock: stamped %s, body %s", want, s.request.At, s.request.Body)
				}
			}
			last := tries[len(tries)-1].at.Sub(start)
			if last > time.Minute || last < 50*time.Second {
				t.Errorf("the last try came %s after the start, the deadline was after a minute", last)
			}
		})
	}
}

// A body that cannot be rendered fails visibly, like a receiver that refuses.
func TestABodyThatCannotBeRendered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, n := newMemory(deliveries("x", 1, func(_ int, d *Delivery) { d.Body = []byte(`[]`) })...), newNetwork()
		d := mustNew(t, Config{Outbox: m, Sender: n})
		drive(t, d, 5*time.Second, func() bool { return len(m.history("x0")) > 0 })
		drain(t, d)
		if got := m.history("x0")[0]; got.Kind != Retry || got.Detail != ErrBody.Error() || n.count() != 0 {
			t.Errorf("%+v, sent %d times", got, n.count())
		}
	})
}

// Two instructions to one occurrence follow each other; an urgent one waits for
// none (rule 8.1).
func TestOneAtATimeForEachOccurrence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		same := func(i int, d *Delivery) {
			d.Occurrence, d.URL = "one", "http://one:80/"
			d.Urgent = i == 4
		}
		m, n := newMemory(deliveries("x", 5, same)...), newNetwork()
		n.receivers["http://one:80"] = takes(100 * time.Millisecond)
		start := time.Now()
		d := mustNew(t, Config{Outbox: m, Sender: n})
		drive(t, d, time.Minute, func() bool { return m.all("x", Delivered) })
		drain(t, d)
		if n.most["http://one:80"] != 2 {
			t.Errorf("%d at once, want one ordinary and one urgent", n.most["http://one:80"])
		}
		for i, want := range []time.Duration{0, 100, 200, 300, 0} {
			id := fmt.Sprintf("x%d", i)
			if at := n.to(id)[0].at.Sub(start); at != want*time.Millisecond {
				t.Errorf("%s was sent after %s, want %s", id, at, want*time.Millisecond)
			}
		}
	})
}

// Promise 13.4: a dispatcher that dies in the middle of a try has lost nothing.
func TestALeaseHandsOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, n := newMemory(deliveries("x", 3, nil)...), newNetwork()
		// Another dispatcher has claimed them and is no more.
		if claimed, err := m.Claim(t.Context(), 3, DefaultLease); err != nil || len(claimed) != 3 {
			t.Fatalf("%d claimed, %v", len(claimed), err)
		}
		d := mustNew(t, Config{Outbox: m, Sender: n})
		start := time.Now()
		drive(t, d, time.Minute, func() bool { return m.all("x", Delivered) })
		drain(t, d)
		if took := time.Since(start); took > DefaultLease+time.Second {
			t.Errorf("taken over after %s", took)
		}
	})
}

// A settlement that comes after the lease was lost changes nothing.
func TestALostLeaseChangesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, n := newMemory(deliveries("x", 1, nil)...), newNetwork()
		n.receivers["http://x0:80"] = func(context.Context, webhook.Request) webhook.Result {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.rows[0].delivery.Fence += 10 // somebody else has claimed it meanwhile
			return webhook.Result{Status: 200}
		}
		d := mustNew(t, Config{Outbox: m, Sender: n})
		drive(t, d, time.Second, nil)
		drain(t, d)
		if len(m.history("x0")) != 0 || m.stale != 1 {
			t.Errorf("recorded %v, %d stale", m.history("x0"), m.stale)
		}
	})
}

type recorder struct{ tried chan Outcome }

func (r recorder) Tried(_ Delivery, o Outcome) { r.tried <- o }

// Metrics are told of every try.
func TestTheObserverIsToldOfEveryTry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, n := newMemory(deliveries("x", 2, nil)...), newNetwork()
		n.receivers["http://x0:80"] = takes(30 * time.Millisecond)
		n.receivers["http://x1:80"] = answers(410)
		r := recorder{tried: make(chan Outcome, 10)}
		d := mustNew(t, Config{Outbox: m, Sender: n, Observer: r})
		drive(t, d, time.Second, nil)
		drain(t, d)
		first, second := <-r.tried, <-r.tried
		if first.Kind != Gone || first.Duration != 0 || second.Kind != Delivered || second.Duration != 30*time.Millisecond {
			t.Errorf("%+v, %+v", first, second)
		}
	})
}

func TestNewChecksItsConfig(t *testing.T) {
	t.Parallel()
	good := func() Config {
		return Config{Outbox: newMemory(), Sender: newNetwork(), Now: time.Now, Rand: func() float64 { return 0 }}
	}
	if _, err := New(good()); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*Config){
		"no outbox":      func(c *Config) { c.Outbox = nil },
		"no sender":      func(c *Config) { c.Sender = nil },
		"no clock":       func(c *Config) { c.Now = nil },
		"no jitter":      func(c *Config) { c.Rand = nil },
		"short lease":    func(c *Config) { c.Lease = webhook.TryTimeout },
		"negative bound": func(c *Config) { c.PerHost = -1 },
	} {
		c := good()
		spoil(&c)
		if _, err := New(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// In a simulation RunOnce does everything itself, in order, in one goroutine.
func TestSynchronousMode(t *testing.T) {
	t.Parallel()
	run := func() (ids []string, history []Outcome) {
		now := time.Unix(0, 0)
		m, n := newMemory(deliveries("x", 5, nil)...), newNetwork()
		n.receivers["http://x2:80"] = answers(500)
		d := mustNew(t, Config{Outbox: m, Sender: n, Synchronous: true, InFlight: 2, Now: func() time.Time { return now }})
		for range 2 { // two full batches: there is more
			if next, err := d.RunOnce(t.Context()); err != nil || !next.Equal(now) {
				t.Errorf("next %s, %v", next, err)
			}
		}
		next, err := d.RunOnce(t.Context())
		if err != nil || !next.After(now) || next.After(now.Add(2*time.Second)) {
			t.Errorf("next %s, %v", next, err)
		}
		for _, s := range n.tries {
			ids = append(ids, s.request.ID)
		}
		if load := d.Load(); load != (Load{}) {
			t.Errorf("%+v", load)
		}
		return ids, m.history("x2")
	}
	ids, history := run()
	if !slices.Equal(ids, []string{"x0", "x1", "x2", "x3", "x4"}) {
		t.Errorf("%v", ids)
	}
	if len(history) != 1 || history[0].Kind != Retry {
		t.Errorf("%v", history)
	}
}

func TestSynchronousModeSettlesAgainAfterAnError(t *testing.T) {
	t.Parallel()
	m, n := newMemory(deliveries("x", 2, nil)...), newNetwork()
	d := mustNew(t, Config{Outbox: m, Sender: n, Synchronous: true})
	m.failSet = 1
	if _, err := d.RunOnce(t.Context()); !errors.Is(err, errAway) {
		t.Errorf("%v", err)
	}
	if _, err := d.RunOnce(t.Context()); err != nil || !m.all("x", Delivered) || n.count() != 2 {
		t.Errorf("%v, %d tries", err, n.count())
	}
	m.put(deliveries("y", 1, nil)...)
	m.failClaim = 1
	if _, err := d.RunOnce(t.Context()); !errors.Is(err, errAway) {
		t.Errorf("%v", err)
	}
}
