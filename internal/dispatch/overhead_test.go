package dispatch

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/webhook"
)

const testSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func newClient(t testing.TB) (*webhook.Client, ed25519.PublicKey) {
	t.Helper()
	policy, err := webhook.NewPolicy(true, "")
	if err != nil {
		t.Fatal(err)
	}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	httpClient := webhook.NewHTTPClient(webhook.HTTPOptions{Policy: policy})
	t.Cleanup(httpClient.CloseIdleConnections)
	c, err := webhook.NewClient(webhook.ClientConfig{HTTP: httpClient, Key: private, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return c, public
}

// Rules 7.1 and 7.6 from end to end: a real receiver verifies what a real client
// has sent, with either key, and finds the body whole.
func TestARealReceiverVerifiesWhatIsSent(t *testing.T) {
	t.Parallel()
	client, public := newClient(t)
	byKey, err := webhook.NewVerifier(webhook.FormatPublicKey(public))
	if err != nil {
		t.Fatal(err)
	}
	bySecret, err := webhook.NewVerifier(testSecret)
	if err != nil {
		t.Fatal(err)
	}
	var taken sync.Map
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		for _, v := range []*webhook.Verifier{byKey, bySecret} {
			m, err := v.Verify(r.Header, body, time.Now(), time.Minute)
			if err != nil {
				t.Error(err)
			}
			taken.Store(m.ID, string(body))
		}
		if strings.HasSuffix(r.URL.Path, "/7") {
			w.WriteHeader(http.StatusGone)
		}
	}))
	t.Cleanup(receiver.Close)
	m := newMemory(deliveries("x", 300, func(i int, d *Delivery) {
		d.URL, d.Secret = fmt.Sprintf("%s/%d", receiver.URL, i), testSecret
	})...)
	d := mustNew(t, Config{Outbox: m, Sender: client, Rand: rand.Float64})
	drive(t, d, time.Minute, func() bool { return m.settledAll() })
	drain(t, d)
	for i := range 300 {
		id, want := fmt.Sprintf("x%d", i), Delivered
		if i == 7 {
			want = Gone
		}
		if got := m.history(id); len(got) != 1 || got[0].Kind != want {
			t.Errorf("%s: %+v", id, got)
		}
		if body, ok := taken.Load(id); !ok || !strings.HasPrefix(fmt.Sprint(body), `{"type":"stop","attempt":1,"server_time":"`) {
			t.Errorf("%s: %v", id, body)
		}
	}
}

func (m *memory) settledAll() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.rows {
		if !r.done {
			return false
		}
	}
	return true
}

// database is an outbox that costs what one costs: calls that take as long as a
// synced transaction, one at a time, and some work for each row.
type database struct {
	mu      sync.Mutex
	waiting []Delivery
	settled int
	calls   int
	commit  time.Duration
	perRow  time.Duration
	all     chan struct{}
	total   int
}

func (b *database) transaction(rows int) {
	b.calls++
	for until := time.Now().Add(time.Duration(rows) * b.perRow); time.Now().Before(until); {
		continue // the work of the database, which needs the processor as well
	}
	if b.commit > 0 {
		<-time.After(b.commit)
	}
}

func (b *database) Claim(_ context.Context, limit int, _ time.Duration) ([]Delivery, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := min(limit, len(b.waiting))
	out := b.waiting[:n]
	b.waiting = b.waiting[n:]
	b.transaction(n)
	return out, nil
}

func (b *database) Settle(_ context.Context, settled []Settled) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.transaction(len(settled))
	if b.settled += len(settled); b.settled == b.total {
		close(b.all)
	}
	return nil
}

func (b *database) Next(context.Context) (time.Duration, bool, error) { return 0, false, nil }

const callbacks = 1000

func benchReceiver(b *testing.B) string {
	var n atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		n.Add(1)
	}))
	b.Cleanup(s.Close)
	return s.URL
}

var benchBody = []byte(`{"instruction_id":"01JH","type":"stop","message":"` + strings.Repeat("x", 600) + `"}`)

// BenchmarkBareLoop is what the overhead of BenchmarkDispatcher is measured
// against: the same number of posts, as many at once, and nothing else.
func BenchmarkBareLoop(b *testing.B) {
	url := benchReceiver(b)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: DefaultPerHost}}
	defer client.CloseIdleConnections()
	for b.Loop() {
		var next atomic.Int64
		var workers sync.WaitGroup
		for range DefaultPerHost {
			workers.Go(func() {
				for next.Add(1) <= callbacks {
					resp, err := client.Post(url, "application/json", bytes.NewReader(benchBody))
					if err != nil {
						b.Error(err)
						return
					}
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
			})
		}
		workers.Wait()
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/callbacks, "us/callback")
}

// BenchmarkDispatcher is a thousand signed and recorded callbacks, with a
// database that takes no time and with one that syncs to a disk.
func BenchmarkDispatcher(b *testing.B) {
	for _, c := range []struct {
		name           string
		commit, perRow time.Duration
	}{{"free", 0, 0}, {"synced", 2 * time.Millisecond, 8 * time.Microsecond}} {
		b.Run(c.name, func(b *testing.B) { benchDispatcher(b, c.commit, c.perRow) })
	}
}

func benchDispatcher(b *testing.B, commit, perRow time.Duration) {
	url := benchReceiver(b)
	client, _ := newClient(b)
	all := deliveries("x", callbacks, func(_ int, d *Delivery) {
		d.URL, d.Secret, d.Body = url, testSecret, benchBody
	})
	var calls int
	for b.Loop() {
		db := &database{waiting: all, commit: commit, perRow: perRow, all: make(chan struct{}), total: callbacks}
		d := mustNew(b, Config{Outbox: db, Sender: client, Rand: rand.Float64})
		for done := false; !done; {
			if _, err := d.RunOnce(b.Context()); err != nil {
				b.Fatal(err)
			}
			select {
			case <-d.Ready():
			case <-db.all:
				done = true
			}
		}
		calls += db.calls
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/callbacks, "us/callback")
	b.ReportMetric(float64(calls)/float64(b.N), "transactions")
}
