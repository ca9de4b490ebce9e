package pgtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
)

// ErrStopped says that the server is not running, or was stopped for good.
var ErrStopped = errors.New("pgtest: the server is stopped")

// Server is one private PostgreSQL. Its methods may be called from any goroutine. While it is not running, between
// [Server.Kill] and [Server.Restart], its databases keep what was committed and connections are refused.
type Server struct {
	place     place
	arguments []string

	mu      sync.Mutex
	run     *process // nil while not running
	admin   *sql.DB  // open while running
	made    int      // databases made so far; names are never used twice
	stopped bool     // for good; its directory is gone
}

// Option changes how a server runs.
type Option func(*options)

type options struct {
	fsync    bool
	settings []string
}

// WithFsync makes commits durable, as in production: for tests that crash things and for benchmarks.
func WithFsync() Option { return func(o *options) { o.fsync = true } }

// WithSetting gives one of PostgreSQL's configuration settings, such as ("max_connections", "500").
func WithSetting(name, value string) Option {
	return func(o *options) { o.settings = append(o.settings, name+"="+value) }
}

// StartServer starts a server in a new directory and returns when it takes connections; ctx bounds the start alone.
// The error is ErrUnavailable where PostgreSQL is not installed. The caller owes a [Server.Stop].
func StartServer(ctx context.Context, opts ...Option) (*Server, error) {
	programs, err := locate(installations, exec.LookPath)
	if err != nil {
		return nil, err
	}
	var o options
	for _, option := range opts {
		option(&o)
	}
	home, err := newPlace(programs)
	if err != nil {
		return nil, err
	}
	s := &Server{place: home, arguments: o.arguments(home)}
	if err := home.initialise(ctx, o.fsync); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	if err := s.Restart(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// arguments is the server's command line. What is asked for comes last and so wins.
func (o options) arguments(home place) []string {
	settings := []string{
		"listen_addresses=",
		"unix_socket_directories=" + home.dir,
		"max_connections=200",
		"log_checkpoints=off",
	}
	if !o.fsync {
		// Not synchronous_commit: without it the commits before a Kill would be lost.
		settings = append(settings, "fsync=off", "full_page_writes=off")
	}
	arguments := []string{"-D", home.data()}
	for _, setting := range append(settings, o.settings...) {
		arguments = append(arguments, "-c", setting)
	}
	return arguments
}

// Restart brings the server up again, after an orderly shutdown where it is running, and returns when it takes
// connections; ctx bounds the start alone. The databases and their URLs stay. The error is ErrStopped after Stop.
func (s *Server) Restart(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return ErrStopped
	}
	s.halt(syscall.SIGINT)
	run, err := startProcess(ctx, s.place, s.arguments)
	if err != nil {
		return err
	}
	admin, err := sql.Open("postgres", s.URL("postgres"))
	if err != nil {
		run.end(syscall.SIGQUIT)
		return fmt.Errorf("pgtest: %w", err)
	}
	s.run, s.admin = run, admin
	return nil
}

// Kill ends the server the way a crash does, without a word to its clients and without a checkpoint, and returns
// when it is gone. What was committed is there after Restart. A server that is not running is left as it is.
func (s *Server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.halt(syscall.SIGQUIT)
}

// Stop ends the server for good and removes all that it stored. A second Stop does nothing.
func (s *Server) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return nil
	}
	s.stopped = true
	s.halt(syscall.SIGQUIT)
	if err := os.RemoveAll(s.place.dir); err != nil {
		return fmt.Errorf("pgtest: %w", err)
	}
	return nil
}

// halt ends the present run, if there is one. The caller holds mu.
func (s *Server) halt(signal syscall.Signal) {
	if s.run == nil {
		return
	}
	// Closing connections to a server that has died by itself complains, and there is nothing to be done about it.
	_ = s.admin.Close()
	s.run.end(signal)
	s.run, s.admin = nil, nil
}
