package api_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/cirisai/orchestrator"
	"github.com/cirisai/orchestrator/api"
	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/memstore"
	"github.com/cirisai/orchestrator/internal/metrics"
	"github.com/cirisai/orchestrator/internal/rollout"
	"github.com/cirisai/orchestrator/internal/storetest"
	"github.com/cirisai/orchestrator/internal/webhook"
)

// house is the service without its loops: the handler over the engine over a store,
// with a clock that moves when it is told to. It judges every answer.
type house struct {
	t       *testing.T
	clock   *storetest.Clock // nil where time is that of a bubble
	store   engine.Store
	engine  *engine.Engine
	handler http.Handler
	judge   *judge
	set     rollout.Settings
	ids     *atomic.Int64
	living  map[[2]string]*living
}

// living is an occurrence that gives a sign of life whenever time passes.
type living struct {
	boot     string
	sequence int64
	state    discovery.State
}

// dawn is when houses begin: what openapi.yaml shows as ahead is ahead.
var dawn = time.Date(2026, time.January, 2, 3, 3, 5, 0, time.UTC)

func newHouse(t *testing.T, open opener) *house {
	t.Helper()
	clock := storetest.NewClock()
	clock.Advance(dawn.Sub(clock.Now()))
	h := &house{t: t, clock: clock, store: open(t, clock.Now), judge: newJudge(t), set: rollout.DefaultSettings(), ids: new(atomic.Int64), living: map[[2]string]*living{}}
	h.restart()
	return h
}

// replica is another house over the same store.
func (h *house) replica() *house {
	h.t.Helper()
	other := *h
	other.restart()
	return &other
}

// bubble runs a test on a house in virtual time, in which its loops run too. Fault,
// unless it is nil, is asked what is wrong with the store.
func bubble(t *testing.T, fault func(op string) memstore.FaultKind, test func(t *testing.T, h *house)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New(time.Now)
		store.Fault = fault
		h := &house{t: t, store: store, judge: newJudge(t), set: rollout.DefaultSettings(), ids: new(atomic.Int64), living: map[[2]string]*living{}}
		h.restart()
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			h.run(ctx)
		}()
		test(t, h)
		stop()
		<-done
	})
}

// run beats and does what is due, every second until ctx ends.
func (h *house) run(ctx context.Context) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		if err := h.engine.Beat(ctx); err != nil && ctx.Err() == nil {
			h.t.Errorf("beat: %v", err)
		}
		if _, err := h.engine.RunOnce(ctx); err != nil && ctx.Err() == nil {
			h.t.Errorf("work: %v", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// restart begins anew on the same store, as another replica would.
func (h *house) restart() {
	h.t.Helper()
	newULID := func() string { return fmt.Sprintf("01KE%022d", h.ids.Add(1)) }
	h.engine = engine.New(h.store, engine.Options{NewULID: newULID})
	if err := h.engine.Start(h.t.Context(), h.set); err != nil {
		h.t.Fatal(err)
	}
	h.handler = serve(h.t, h.engine)
}

// serve is the handler of a service, with all that can be served around it. Each of
// the changes may change how.
func serve(t *testing.T, service *engine.Engine, changes ...func(o *api.Options)) http.Handler {
	t.Helper()
	callbacks, err := webhook.NewPolicy(false, "")
	if err != nil {
		t.Fatal(err)
	}
	options := api.Options{
		Authenticate: authenticate, Throttle: throttle, Document: orchestrator.OpenAPI, Metrics: metrics.New(service.Counts).Handler(),
	}
	for _, change := range changes {
		change(&options)
	}
	return api.NewHandler(api.NewOperations(service, callbacks, time.Now), options)
}

// send sends a request and judges the answer. Headers are NAME: VALUE; without
// another one the sender is root, who may everything, and a body is JSON.
func (h *house) send(method, target, body string, headers ...string) *httptest.ResponseRecorder {
	h.t.Helper()
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, request(h.t.Context(), method, target, body, headers...))
	h.judge.look(h.t, request(h.t.Context(), method, target, body, headers...), w)
	return w
}

func request(ctx context.Context, method, target, body string, headers ...string) *http.Request {
	r := httptest.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer root")
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		if value == "" {
			r.Header.Del(name)
			continue
		}
		r.Header.Set(name, value)
	}
	return r
}

// want sends a request that is to be answered with a status.
func (h *house) want(status int, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	h.t.Helper()
	w := h.send(method, target, body, headers...)
	if w.Code != status {
		h.t.Fatalf("%s %s %s: %d %s, want %d", method, target, body, w.Code, w.Body, status)
	}
	return w
}

// got is what an answer says.
func got[T any](h *house, w *httptest.ResponseRecorder) T {
	h.t.Helper()
	var answer T
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		h.t.Fatalf("%s: %v", w.Body, err)
	}
	return answer
}

// get reads something that is there.
func get[T any](h *house, target string, headers ...string) T {
	h.t.Helper()
	return got[T](h, h.want(http.StatusOK, http.MethodGet, target, "", headers...))
}

// post posts something that is answered with a status.
func post[T any](h *house, status int, target, body string, headers ...string) T {
	h.t.Helper()
	return got[T](h, h.want(status, http.MethodPost, target, body, headers...))
}

// pass lets time pass: the living give signs of life, and what is due is done.
func (h *house) pass(d time.Duration) {
	h.t.Helper()
	const step = 5 * time.Second
	for d > 0 {
		h.clock.Advance(min(d, step))
		d -= step
		if err := h.engine.Beat(h.t.Context()); err != nil {
			h.t.Fatal(err)
		}
		for id, l := range h.living {
			h.heartbeat(id[0], id[1], l)
		}
		h.work()
	}
}

// work does what is due.
func (h *house) work() {
	h.t.Helper()
	if _, err := h.engine.RunOnce(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) heartbeat(agent, occurrence string, l *living) {
	h.t.Helper()
	l.sequence++
	_, err := h.engine.Heartbeat(h.t.Context(), agent, occurrence, discovery.Heartbeat{Boot: l.boot, Sequence: l.sequence, State: l.state})
	if err != nil {
		h.t.Fatalf("heartbeat of %s of %s: %v", occurrence, agent, err)
	}
}
