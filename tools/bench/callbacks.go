package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/dispatch"
	"github.com/cirisai/orchestrator/internal/rollout"
	"github.com/cirisai/orchestrator/internal/webhook"
)

// receiver takes callbacks and counts them.
type receiver struct{ got atomic.Int64 }

// ServeHTTP reads the body and says yes.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	_, _ = io.Copy(io.Discard, req.Body)
	r.got.Add(1)
	w.WriteHeader(http.StatusNoContent)
}

// parallel is how many requests the bare loop keeps under way: as many as the
// dispatcher does to one host.
const parallel = 64

// benchCallbacks alternates between the bare loop and the dispatcher, which
// signs, records every try and settles every delivery.
func benchCallbacks(ctx context.Context, c config, databases []database) error {
	r := &receiver{}
	url, stop, err := listen(ctx, r)
	if err != nil {
		return err
	}
	defer stop()
	var bareTook []float64
	took, ratios := make([][]float64, len(databases)), make([][]float64, len(databases))
	secret := "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	for round := range c.rounds {
		base, err := bareLoop(ctx, url, c.callbacks)
		if err != nil {
			return err
		}
		bareTook = append(bareTook, base.Seconds())
		for i, d := range databases {
			got, err := dispatchAll(ctx, d, url, secret, c.callbacks, fmt.Sprintf("callbacks-%d", round))
			if err != nil {
				return fmt.Errorf("%s: %w", d.name, err)
			}
			took[i], ratios[i] = append(took[i], got.Seconds()), append(ratios[i], got.Seconds()/base.Seconds())
		}
	}
	row(fmt.Sprintf("%d callbacks, bare loop", c.callbacks), fmt.Sprintf("%.0f ms", 1000*median(bareTook)), "1", "")
	for i, d := range databases {
		row(fmt.Sprintf("%d callbacks, signed and recorded, %s", c.callbacks, d.name), fmt.Sprintf("%.0f ms", 1000*median(took[i])), fmt.Sprintf("%.2f", median(ratios[i])), "<= 1.6")
	}
	return nil
}

// bareLoop posts as many bodies of the same size, and does nothing else.
func bareLoop(ctx context.Context, url string, n int) (time.Duration, error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: parallel}}
	defer client.CloseIdleConnections()
	body := bytes.Repeat([]byte("x"), 450)
	var next atomic.Int64
	var failed atomic.Pointer[error]
	runtime.GC()
	began := time.Now()
	var wg sync.WaitGroup
	for range parallel {
		wg.Go(func() {
			for next.Add(1) <= int64(n) {
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
				if err != nil {
					failed.Store(&err)
					return
				}
				resp, err := client.Do(req)
				if err != nil {
					failed.Store(&err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return time.Since(began), nil
}

// dispatchAll commits a shutdown of a fleet of n, and times its delivery: from
// the first claim until every outcome is recorded.
func dispatchAll(ctx context.Context, d database, url, secret string, n int, agent string) (time.Duration, error) {
	s, err := d.serve(ctx)
	if err != nil {
		return 0, err
	}
	defer s.stop()
	if err := register(ctx, s, agent, url, secret, n); err != nil {
		return 0, err
	}
	group := rollout.Defaults("all")
	group.Size = rollout.Size{Kind: rollout.SizeRest}
	if _, err := s.engine.Request(ctx, agent, rollout.Request{
		Kind: rollout.Shutdown, Reason: "bench", Actor: "operator:bench",
		Consent: rollout.ConsentInstant, Groups: []rollout.Group{group},
	}, nil); err != nil {
		return 0, err
	}
	policy, err := webhook.NewPolicy(true, "")
	if err != nil {
		return 0, err
	}
	client, err := webhook.NewClient(webhook.ClientConfig{HTTP: webhook.NewHTTPClient(webhook.HTTPOptions{Policy: policy}), Now: time.Now})
	if err != nil {
		return 0, err
	}
	counting := &settled{Store: d, all: make(chan struct{}), want: int64(n)}
	dispatcher, err := dispatch.New(dispatch.Config{Outbox: counting, Sender: client, Now: time.Now, Rand: rand.Float64})
	if err != nil {
		return 0, err
	}
	runtime.GC() // what was made before is not collected on this account
	began := time.Now()
	for {
		if _, err := dispatcher.RunOnce(ctx); err != nil {
			return 0, err
		}
		select {
		case <-counting.all:
			took := time.Since(began)
			return took, dispatcher.Drain(ctx)
		case <-dispatcher.Ready():
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// register registers a fleet at work, in a few transactions.
func register(ctx context.Context, s *service, agent, url, secret string, n int) error {
	var wg sync.WaitGroup
	var failed atomic.Pointer[error]
	next := atomic.Int64{}
	for range 16 {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				id := fmt.Sprintf("o%05d", i)
				_, _, err := s.engine.Register(ctx, agent, id, discovery.Registration{Boot: "boot-" + id, CallbackURL: url, CallbackSecret: &secret, Coordinated: true})
				if err != nil {
					failed.Store(&err)
					return
				}
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// settled is an outbox that tells when everything has been recorded.
type settled struct {
	Store database
	got   atomic.Int64
	want  int64
	all   chan struct{}
}

// Claim claims.
func (s *settled) Claim(ctx context.Context, limit int, lease time.Duration) ([]dispatch.Delivery, error) {
	return s.Store.store.Claim(ctx, limit, lease)
}

// Settle records, and counts what was delivered.
func (s *settled) Settle(ctx context.Context, outcomes []dispatch.Settled) error {
	if err := s.Store.store.Settle(ctx, outcomes); err != nil {
		return err
	}
	for _, o := range outcomes {
		if o.Outcome.Kind == dispatch.Delivered && s.got.Add(1) == s.want {
			close(s.all)
		}
	}
	return nil
}

// Next says when something is due.
func (s *settled) Next(ctx context.Context) (time.Duration, bool, error) {
	return s.Store.store.Next(ctx)
}
