package dispatch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/webhook"
)

var errAway = errors.New("the database is away")

// row is a delivery in the fake outbox, with all that was recorded of it.
type row struct {
	delivery Delivery
	due      time.Time
	done     bool
	gone     bool // withdrawn
	settled  time.Time
	history  []Outcome
}

// memory is an outbox in memory that keeps to the contract of Outbox, with
// faults. Its clock is time.Now plus offset.
type memory struct {
	mu        sync.Mutex
	offset    time.Duration
	rows      []*row
	byID      map[string]*row
	claims    int
	settles   []int         // sizes
	latency   time.Duration // of each call
	failClaim int           // the next so many calls fail
	failAfter int           // the next so many settlements fail after they took effect
	failSet   int           // the next so many settlements fail before
	stale     int           // settlements of a lost lease
}

func newMemory(deliveries ...Delivery) *memory {
	m := &memory{byID: map[string]*row{}}
	m.put(deliveries...)
	return m
}

func (m *memory) now() time.Time { return time.Now().Add(m.offset) }

func (m *memory) put(deliveries ...Delivery) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range deliveries {
		r := &row{delivery: d, due: m.now()}
		m.rows = append(m.rows, r)
		m.byID[d.ID] = r
	}
}

func (m *memory) wait() {
	if m.latency > 0 {
		<-time.After(m.latency)
	}
}

func (m *memory) Claim(ctx context.Context, limit int, lease time.Duration) ([]Delivery, error) {
	m.wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if m.failClaim > 0 {
		m.failClaim--
		return nil, errAway
	}
	m.claims++
	now := m.now()
	var out []Delivery
	rows := slices.Clone(m.rows)
	slices.SortStableFunc(rows, func(a, b *row) int { return a.due.Compare(b.due) })
	for _, first := range []bool{true, false} {
		for _, r := range rows {
			if len(out) == limit || r.delivery.Urgent != first || !m.open(r, now) || r.due.After(now) {
				continue
			}
			r.due = now.Add(lease)
			r.delivery.Fence++
			d := r.delivery
			d.ClaimedAt = now
			d.Attempt = 1 + r.tries()
			out = append(out, d)
		}
	}
	return out, nil
}

func (m *memory) open(r *row, now time.Time) bool {
	return !r.done && !r.gone && (r.delivery.Deadline.IsZero() || r.delivery.Deadline.After(now))
}

func (r *row) tries() int {
	n := 0
	for _, o := range r.history {
		if o.Kind == Retry {
			n++
		}
	}
	return n
}

func (m *memory) Settle(ctx context.Context, settled []Settled) error {
	m.wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if m.failSet > 0 {
		m.failSet--
		return errAway
	}
	m.settles = append(m.settles, len(settled))
	for _, s := range settled {
		r := m.byID[s.Delivery.ID]
		if r == nil || r.delivery.Fence != s.Delivery.Fence {
			m.stale++
			continue
		}
		r.delivery.Fence++ // settled: the lease is over
		r.history = append(r.history, s.Outcome)
		r.done = s.Outcome.Kind != Retry && s.Outcome.Kind != Postponed
		r.settled = m.now()
		r.due = r.settled.Add(s.Outcome.RetryIn)
	}
	if m.failAfter > 0 {
		m.failAfter--
		return errAway
	}
	return nil
}

func (m *memory) Next(context.Context) (time.Duration, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	var next time.Time
	for _, r := range m.rows {
		if m.open(r, now) && (next.IsZero() || r.due.Before(next)) {
			next = r.due
		}
	}
	return next.Sub(now), !next.IsZero(), nil
}

// history is what was recorded of a delivery, without what was only postponed.
func (m *memory) history(id string) []Outcome {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Outcome
	for _, o := range m.byID[id].history {
		if o.Kind != Postponed {
			out = append(out, o)
		}
	}
	return out
}

// all says whether every delivery whose id begins so has come to the kind of end.
func (m *memory) all(prefix string, kind Kind) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.rows {
		if len(r.delivery.ID) < len(prefix) || r.delivery.ID[:len(prefix)] != prefix {
			continue
		}
		if n := len(r.history); n == 0 || r.history[n-1].Kind != kind {
			return false
		}
	}
	return true
}

// settled is when the last one was settled.
func (m *memory) settled() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	var last time.Time
	for _, r := range m.rows {
		if r.settled.After(last) {
			last = r.settled
		}
	}
	return last
}

// calls counts the claims and the settlements so far.
func (m *memory) calls() (claims, settles int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.claims, len(m.settles)
}

// sent is one try as a receiver sees it.
type sent struct {
	at      time.Time
	request webhook.Request
}

// network is a Sender whose receivers are functions, by host.
type network struct {
	mu        sync.Mutex
	receivers map[string]func(ctx context.Context, r webhook.Request) webhook.Result
	tries     []sent
	underWay  map[string]int // by host
	most      map[string]int
}

func newNetwork() *network {
	return &network{
		receivers: map[string]func(context.Context, webhook.Request) webhook.Result{},
		underWay:  map[string]int{}, most: map[string]int{},
	}
}

func (n *network) Send(ctx context.Context, r webhook.Request) webhook.Result {
	start := time.Now()
	host := hostOf(r.URL)
	n.mu.Lock()
	n.tries = append(n.tries, sent{at: start, request: r})
	n.underWay[host]++
	n.most[host] = max(n.most[host], n.underWay[host])
	receive := n.receivers[host]
	n.mu.Unlock()
	result := webhook.Result{Status: 200}
	if receive != nil {
		result = receive(ctx, r)
	}
	result.Duration = time.Since(start)
	n.mu.Lock()
	n.underWay[host]--
	n.mu.Unlock()
	return result
}

// to gives the tries to deliver an id.
func (n *network) to(id string) []sent {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(n.tries), func(s sent) bool { return s.request.ID != id })
}

func (n *network) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.tries)
}

// hangs is a receiver that never answers.
func hangs(ctx context.Context, _ webhook.Request) webhook.Result {
	select {
	case <-ctx.Done():
		return webhook.Result{Err: ctx.Err()}
	case <-time.After(webhook.TryTimeout):
		return webhook.Result{Err: errors.New("no answer in time")}
	}
}

// takes is a receiver that answers 200 after a while.
func takes(d time.Duration) func(context.Context, webhook.Request) webhook.Result {
	return func(ctx context.Context, _ webhook.Request) webhook.Result {
		select {
		case <-ctx.Done():
			return webhook.Result{Err: ctx.Err()}
		case <-time.After(d):
			return webhook.Result{Status: 200}
		}
	}
}

func answers(status int) func(context.Context, webhook.Request) webhook.Result {
	return func(context.Context, webhook.Request) webhook.Result { return webhook.Result{Status: status} }
}

// deliveries makes n of them, each to its own occurrence, host and id.
func deliveries(prefix string, n int, change func(i int, d *Delivery)) []Delivery {
	out := make([]Delivery, n)
	for i := range out {
		name := fmt.Sprintf("%s%d", prefix, i)
		out[i] = Delivery{
			ID: name, Agent: "scout", Occurrence: name, Boot: "b", URL: "http://" + name + ":80/",
			Body: []byte(`{"type":"stop"}`), Deadline: time.Now().Add(5 * time.Minute),
		}
		if change != nil {
			change(i, &out[i])
		}
	}
	return out
}

func mustNew(t testing.TB, cfg Config) *Dispatcher {
	t.Helper()
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Rand == nil {
		cfg.Rand = func() float64 { return 0.5 }
	}
	d, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// drive does what the loop of the service does: it calls RunOnce whenever it is
// due or Ready, until done says so or the time is over.
func drive(t *testing.T, d *Dispatcher, limit time.Duration, done func() bool) {
	t.Helper()
	over := time.After(limit)
	for {
		next, err := d.RunOnce(t.Context())
		if err != nil {
			next = time.Now().Add(time.Second)
		}
		if done != nil && done() {
			return
		}
		wait := time.Second // something new may have been committed
		if !next.IsZero() {
			wait = min(wait, max(0, time.Until(next)))
		}
		select {
		case <-over:
			if done != nil && !done() {
				t.Errorf("after %s it is still not done", limit)
			}
			return
		case <-d.Ready():
		case <-time.After(wait):
		}
	}
}

// drain ends the dispatcher, as every test must before its bubble ends.
func drain(t *testing.T, d *Dispatcher) {
	t.Helper()
	if err := d.Drain(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
}

func kinds(outcomes []Outcome) []Kind {
	var out []Kind
	for _, o := range outcomes {
		out = append(out, o.Kind)
	}
	return out
}
