package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/cirisai/orchestrator"
	"github.com/cirisai/orchestrator/api"
	"github.com/cirisai/orchestrator/internal/dashboard"
	"github.com/cirisai/orchestrator/internal/dispatch"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/metrics"
	"github.com/cirisai/orchestrator/internal/persistence"
	"github.com/cirisai/orchestrator/internal/rollout"
	"github.com/cirisai/orchestrator/internal/webhook"
)

// server is the whole service, wired.
type server struct {
	set        settings
	log        *slog.Logger
	store      *persistence.Store
	engine     *engine.Engine
	dispatcher *dispatch.Dispatcher
	listener   net.Listener
	handler    http.Handler
	due        kick // something was committed that may be due sooner
	outbox     kick // something was committed that may be delivered
	failures   kick // a delivery has failed
}

// newServer opens the database, migrates it, and wires everything. Nothing is
// served yet, but the address is taken.
func newServer(ctx context.Context, set settings, log *slog.Logger) (_ *server, err error) {
	s := &server{set: set, log: log, due: newKick(), outbox: newKick(), failures: newKick()}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close(ctx))
		}
	}()
	if s.store, err = persistence.Open(ctx, set.databaseURL, persistence.Options{Logger: log, Render: api.InstructionBody, HandOver: dispatch.DefaultLease}); err != nil {
		return s, badSetting{"ORCHESTRATOR_DATABASE_URL", s.databaseName(), "a database URL (" + err.Error() + ")"}
	}
	if _, err = s.store.Migrate(ctx); err != nil {
		return s, badSetting{"ORCHESTRATOR_DATABASE_URL", s.databaseName(), "a database that can be used (" + strings.ReplaceAll(err.Error(), "\n", "; ") + ")"}
	}
	gauges := func(ctx context.Context) (engine.Counts, error) { return s.engine.Counts(ctx) }
	observed := metrics.New(gauges)
	s.engine = engine.New(s.store, engine.Options{Logger: log, Observer: observers{observed, s}})
	if err = s.engine.Start(ctx, set.decide); err != nil {
		return s, err
	}
	client, err := webhook.NewClient(webhook.ClientConfig{HTTP: webhook.NewHTTPClient(webhook.HTTPOptions{Policy: set.callbacks}), Now: time.Now})
	if err != nil {
		return s, err
	}
	s.dispatcher, err = dispatch.New(dispatch.Config{Outbox: noticing{s.store, s.failures}, Sender: client, Now: time.Now, Rand: rand.Float64, Observer: observed})
	if err != nil {
		return s, err
	}
	page, numbers := addressed(dashboard.New(s.engine)), addressed(observed.Handler())
	s.handler = api.NewHandler(api.NewOperations(s.engine, set.callbacks, time.Now), api.Options{ //nolint:contextcheck // every request brings its own
		Throttle: newThrottle(set.rateLimit).wait, Observer: answered{observed}, Logger: log, Now: time.Now,
		Document: orchestrator.OpenAPI, Metrics: numbers,
		Pages: func(r chi.Router) {
			r.Method(http.MethodGet, "/", page)
			r.Method(http.MethodGet, "/static/*", page)
		},
	})
	if s.listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", set.listen); err != nil {
		return s, badSetting{"ORCHESTRATOR_LISTEN", set.listen, "an address that can be listened on (" + err.Error() + ")"}
	}
	return s, nil
}

// addressed serves only requests that are addressed to the loopback by name, as the
// API does while there is no authentication: a browser that was led here through
// another name sees nothing.
func addressed(next http.Handler) http.Handler {
	admit := api.NoAuth()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := admit(r); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *server) address() string { return s.listener.Addr().String() }

// databaseName is the database's URL without what is secret in it.
func (s *server) databaseName() string { return persistence.Redacted(s.set.databaseURL) }

// close gives back what was taken, in reverse.
func (s *server) close(ctx context.Context) error {
	var errs []error
	if s.dispatcher != nil {
		errs = append(errs, s.dispatcher.Drain(ctx))
	}
	if s.store != nil {
		errs = append(errs, s.store.Release(ctx), s.store.Close())
	}
	return errors.Join(errs...)
}

// pruneEvery is how often what the retention has passed is deleted.
const pruneEvery = time.Hour

// start starts the loops; they end with ctx.
func (s *server) start(ctx context.Context) *sync.WaitGroup {
	var loops sync.WaitGroup
	loops.Go(func() { s.loop(ctx, "the service clock", nil, s.beat) })
	loops.Go(func() { s.loop(ctx, "what is due", s.due, s.engine.RunOnce) })
	loops.Go(func() { s.loop(ctx, "deliveries", s.outbox, s.deliver) })
	loops.Go(func() { s.loop(ctx, "the reports of failed deliveries", s.failures, s.report) })
	loops.Go(func() { s.loop(ctx, "retention", nil, s.prune) })
	loops.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-s.dispatcher.Ready():
				s.outbox.now()
			}
		}
	})
	return &loops
}

// loop calls once over and over: when it says that it has something to do
// again, and when it is kicked. An error is logged and the work goes on.
func (s *server) loop(ctx context.Context, what string, kicked kick, once func(context.Context) (time.Duration, error)) {
	const afterError = time.Second
	for ctx.Err() == nil {
		wait, err := once(ctx)
		if err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "cannot do "+what+" now; trying again", "error", err)
			wait = max(wait, afterError)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-kicked:
		}
		timer.Stop()
	}
}

func (s *server) beat(ctx context.Context) (time.Duration, error) {
	return persistence.BeatEvery(s.engine.Settings()), s.engine.Beat(ctx)
}

func (s *server) prune(ctx context.Context) (time.Duration, error) {
	n, err := s.engine.Prune(ctx, s.set.retention)
	if n > 0 {
		s.log.InfoContext(ctx, "deleted what the retention has passed", "rows", n)
	}
	return pruneEvery, err
}

func (s *server) deliver(ctx context.Context) (time.Duration, error) {
	next, err := s.dispatcher.RunOnce(ctx)
	if next.IsZero() {
		return time.Second, err
	}
	return min(max(time.Until(next), 0), time.Second), err
}

// kick wakes a loop; several kicks before it looks are one.
type kick chan struct{}

func newKick() kick { return make(kick, 1) }

func (k kick) now() {
	select {
	case k <- struct{}{}:
	default:
	}
}

// observers tells the metrics and the loops of every committed step.
type observers struct {
	*metrics.Metrics
	s *server
}

// Stepped is called after every commit of this replica.
func (o observers) Stepped(agentID string, before, after rollout.State, eff rollout.Effects) {
	o.Metrics.Stepped(agentID, before, after, eff)
	if !after.WakeAt.Equal(before.WakeAt) && !after.WakeAt.IsZero() {
		o.s.due.now()
	}
	if len(eff.Instruct) > 0 || len(eff.Resume) > 0 {
		o.s.outbox.now()
	}
}

// answered tells the metrics of every answer.
type answered struct{ *metrics.Metrics }

// Answered is called after every answer.
func (a answered) Answered(operation, method string, status int, took time.Duration) {
	a.HTTPObserved(operation, method, status, took)
}

// noticing is the outbox as the dispatcher sees it: what went wrong is taken to
// the rollouts soon.
type noticing struct {
	*persistence.Store
	failures kick
}

// Settle records the outcomes.
func (n noticing) Settle(ctx context.Context, settled []dispatch.Settled) error {
	err := n.Store.Settle(ctx, settled)
	for _, s := range settled {
		if s.Outcome.Kind != dispatch.Delivered && s.Outcome.Kind != dispatch.Postponed {
			n.failures.now()
			break
		}
	}
	return err
}

// report takes deliveries that failed through the engine's door, where the core
// draws its conclusions (rules 7.6 and 8.2). The store lists them until it is told
// that they were reported, so a crash between the two repeats a report and loses
// none.
func (s *server) report(ctx context.Context) (time.Duration, error) {
	const batch, again = 100, time.Second
	failures, err := s.store.Failures(ctx, batch)
	if err != nil || len(failures) == 0 {
		return again, err
	}
	reported := make([]persistence.Failure, 0, len(failures))
	var errs []error
	for _, f := range failures {
		var err error
		if f.GoneURL != "" {
			err = s.engine.CallbackGone(ctx, f.AgentID, f.OccurrenceID, f.GoneURL)
		}
		if err == nil {
			err = s.engine.Undeliverable(ctx, f.AgentID, f.Unreachable)
		}
		if err != nil && !errors.Is(err, engine.ErrNotFound) {
			errs = append(errs, fmt.Errorf("instruction %s: %w", f.InstructionID, err))
			continue
		}
		reported = append(reported, f)
	}
	if err := errors.Join(append(errs, s.store.Reported(ctx, reported))...); err != nil {
		return again, err
	}
	return 0, nil // there may be more
}
