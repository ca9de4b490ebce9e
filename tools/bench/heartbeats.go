package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-playground/validator/v10"

	"github.com/cirisai/orchestrator/api"
	"github.com/cirisai/orchestrator/internal/wire"
)

// bare is the least that a heartbeat could cost over HTTP: chi, the strict
// decoder, validation, an answer of the same shape; nothing is stored.
func bare() http.Handler {
	r := chi.NewRouter()
	v := validator.New(validator.WithRequiredStructEnabled())
	for _, tag := range []string{"id", "boot", "opaque", "printable", "enum", "whsec"} {
		if err := v.RegisterValidation(tag, func(validator.FieldLevel) bool { return true }); err != nil {
			panic(err)
		}
	}
	r.Post("/v1/agents/{agent_id}/occurrences/{occurrence_id}/heartbeats", func(w http.ResponseWriter, req *http.Request) {
		var report api.HeartbeatReport
		raw, err := wire.ReadBody(req)
		if err == nil {
			err = wire.Decode(raw, &report)
		}
		if err == nil {
			err = v.Struct(report)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnprocessableEntity)
			return
		}
		_ = wire.WriteJSON(w, http.StatusOK, api.HeartbeatAnswer{
			Accepted: true, Sequence: report.Sequence, ServerTime: wire.Time(time.Now()),
			HeartbeatInterval: wire.Duration(10 * time.Second), LivenessTimeout: wire.Duration(30 * time.Second),
		})
	})
	return r
}

// load sends heartbeats over many connections, each an occurrence of its own.
type load struct {
	client *http.Client
	sent   []int64 // sequences, by connection
	agent  string
}

func newLoad(connections int, agent string) *load {
	return &load{client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}, sent: make([]int64, connections), agent: agent}
}

// run sends for a while and returns heartbeats a second. With changing every
// heartbeat reports another state than the one before.
func (l *load) run(ctx context.Context, url string, d time.Duration, changing bool) (float64, error) {
	var count atomic.Int64
	var failed atomic.Pointer[error]
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	began := time.Now()
	var wg sync.WaitGroup
	for c := range l.sent {
		wg.Go(func() {
			to := fmt.Sprintf("%s/v1/agents/%s/occurrences/o%d/heartbeats", url, l.agent, c)
			for ctx.Err() == nil {
				l.sent[c]++
				state := "work"
				if changing && l.sent[c]%2 == 0 {
					state = "play"
				}
				body := fmt.Sprintf(`{"boot_id":"boot-%d","sequence":%d,"state":%q,"version":"1.4.8","incidents":{"critical":0,"high":0}}`, c, l.sent[c], state)
				if err := l.post(to, body); err != nil {
					failed.Store(&err)
					cancel()
					return
				}
				count.Add(1)
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return float64(count.Load()) / time.Since(began).Seconds(), nil
}

func (l *load) post(url, body string) error {
	resp, err := l.client.Post(url, "application/json", bytes.NewReader([]byte(body))) //nolint:noctx // a heartbeat that has begun is finished and counted
	if err != nil {
		return err
	}
	answer, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, answer)
	}
	return err
}

// benchHeartbeats alternates between the bare handler and each database.
func benchHeartbeats(ctx context.Context, c config, databases []database) error {
	bareURL, stop, err := listen(ctx, bare())
	if err != nil {
		return err
	}
	defer stop()
	services := make([]*service, len(databases))
	for i, d := range databases {
		if services[i], err = d.serve(ctx); err != nil {
			return err
		}
		defer services[i].stop()
	}
	for _, kind := range []struct {
		name     string
		changing bool
		floor    string
	}{{"unchanged", false, ">= 0.6"}, {"state-changing", true, ">= 0.35"}} {
		base := newLoad(c.connections, "bench")
		loads := make([]*load, len(databases))
		ratios, rates := make([][]float64, len(databases)), make([][]float64, len(databases))
		var bareRates []float64
		for i := range databases {
			loads[i] = newLoad(c.connections, "bench-"+kind.name)
			if _, err := loads[i].run(ctx, services[i].url, c.each/4, kind.changing); err != nil { // registers, and warms up
				return err
			}
		}
		for range c.rounds {
			rate, err := base.run(ctx, bareURL, c.each, kind.changing)
			if err != nil {
				return err
			}
			bareRates = append(bareRates, rate)
			for i := range databases {
				got, err := loads[i].run(ctx, services[i].url, c.each, kind.changing)
				if err != nil {
					return fmt.Errorf("%s: %w", databases[i].name, err)
				}
				rates[i], ratios[i] = append(rates[i], got), append(ratios[i], got/rate)
			}
		}
		row("heartbeat, "+kind.name+", bare handler", fmt.Sprintf("%.0f/s", median(bareRates)), "1", "")
		for i, d := range databases {
			row("heartbeat, "+kind.name+", "+d.name, fmt.Sprintf("%.0f/s", median(rates[i])), fmt.Sprintf("%.2f", median(ratios[i])), kind.floor)
		}
	}
	return nil
}
