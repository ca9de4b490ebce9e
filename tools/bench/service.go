package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/cirisai/orchestrator/api"
	"github.com/cirisai/orchestrator/internal/dispatch"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/persistence"
	"github.com/cirisai/orchestrator/internal/pgtest"
	"github.com/cirisai/orchestrator/internal/rollout"
	"github.com/cirisai/orchestrator/internal/webhook"
)

// database is a store that is measured.
type database struct {
	name  string
	store *persistence.Store
}

// openDatabases opens an empty SQLite database, and a private PostgreSQL server
// that writes through to the disk as in production.
func openDatabases(ctx context.Context) (databases []database, stop func(), err error) {
	var closers []func()
	stop = func() {
		for i := len(closers) - 1; i >= 0; i-- {
			closers[i]()
		}
	}
	defer func() {
		if err != nil {
			stop()
		}
	}()
	dir, err := os.MkdirTemp("", "orchestrator-bench-")
	if err != nil {
		return nil, stop, err
	}
	closers = append(closers, func() { _ = os.RemoveAll(dir) })
	urls := []struct{ name, url string }{{"SQLite", "sqlite:" + filepath.Join(dir, "bench.db")}}
	server, err := pgtest.StartServer(ctx, pgtest.WithFsync())
	switch {
	case errors.Is(err, pgtest.ErrUnavailable):
		fmt.Fprintln(os.Stderr, "bench: PostgreSQL is not installed; SQLite alone is measured")
	case err != nil:
		return nil, stop, err
	default:
		closers = append(closers, func() { _ = server.Stop() })
		name, err := server.CreateDatabase(ctx)
		if err != nil {
			return nil, stop, err
		}
		urls = append(urls, struct{ name, url string }{"PostgreSQL", server.URL(name)})
	}
	for _, u := range urls {
		store, err := persistence.Open(ctx, u.url, persistence.Options{Render: api.InstructionBody, HandOver: dispatch.DefaultLease})
		if err != nil {
			return nil, stop, err
		}
		closers = append(closers, func() { _ = store.Close() })
		if _, err := store.Migrate(ctx); err != nil {
			return nil, stop, err
		}
		databases = append(databases, database{u.name, store})
	}
	return databases, stop, nil
}

// service is the real service on loopback.
type service struct {
	engine *engine.Engine
	url    string
	stop   func()
}

func (d database) serve(ctx context.Context) (*service, error) {
	e := engine.New(d.store, engine.Options{})
	if err := e.Start(ctx, rollout.DefaultSettings()); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		for ctx.Err() == nil {
			_ = e.Beat(ctx)
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
		}
	}()
	policy, err := webhook.NewPolicy(true, "")
	if err != nil {
		cancel()
		return nil, err
	}
	url, stop, err := listen(ctx, api.NewHandler(api.NewOperations(e, policy, time.Now), api.Options{Now: time.Now})) //nolint:contextcheck // every request has its own
	return &service{engine: e, url: url, stop: func() { stop(); cancel() }}, err
}

// listen serves a handler on loopback.
func listen(ctx context.Context, h http.Handler) (url string, stop func(), err error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = srv.Serve(l) }()
	return "http://" + l.Addr().String(), func() { _ = srv.Close() }, nil
}
