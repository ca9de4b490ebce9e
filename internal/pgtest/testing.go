package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
)

// Available reports whether PostgreSQL is there to be tested with. Where it is not and [Variable] requires it, the
// test fails at once.
func Available(tb testing.TB) bool {
	tb.Helper()
	_, err := locate(installations, exec.LookPath)
	return available(tb, err)
}

func available(tb testing.TB, located error) bool {
	tb.Helper()
	wanted, err := modeFromEnvironment()
	if err != nil {
		tb.Fatal(err)
	}
	switch {
	case wanted == modeOff:
		return false
	case located == nil:
		return true
	case wanted == modeRequire || !errors.Is(located, ErrUnavailable):
		tb.Fatalf("%v (%s=%q); make test installs it", located, Variable, string(wanted))
	}
	return false
}

// Start starts a server for one test and stops it when the test ends. It returns nil where [Available] is false, and
// fails the test where the server does not start.
func Start(tb testing.TB, opts ...Option) *Server {
	tb.Helper()
	if !Available(tb) {
		return nil
	}
	server, err := StartServer(tb.Context(), opts...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := server.Stop(); err != nil {
			tb.Error(err)
		}
	})
	return server
}

// NewDatabase makes an empty database for one test and returns its URL. It is dropped when the test ends, with
// whatever connections it still has, if the server is running then.
func (s *Server) NewDatabase(tb testing.TB) string {
	tb.Helper()
	name, err := s.CreateDatabase(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		// The test's own context has ended by now.
		if err := s.DropDatabase(context.WithoutCancel(tb.Context()), name); err != nil && !errors.Is(err, ErrStopped) {
			tb.Error(err)
		}
	})
	return s.URL(name)
}

// shared is the server of the test binary that runs, which has one TestMain and so at most one of these.
var shared struct {
	sync.Mutex
	main   bool // Main runs and will stop the server
	server *Server
	err    error
}

// Main is a package's TestMain: it runs the tests and then stops the server that [Shared] has started, if any. The
// test binary exits with the tests' result, or with 1 when the server cannot be stopped.
func Main(m *testing.M) {
	shared.Lock()
	shared.main = true
	shared.Unlock()
	m.Run()
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil {
		return
	}
	if err := shared.server.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Shared returns the package's server, started by the first test that asks. It returns nil where [Available] is
// false. The package's TestMain must be [Main]. Tests share the server, so none may stop it.
func Shared(tb testing.TB) *Server {
	tb.Helper()
	if !Available(tb) {
		return nil
	}
	shared.Lock()
	defer shared.Unlock()
	if !shared.main {
		tb.Fatal("pgtest: Shared needs a TestMain that calls pgtest.Main")
	}
	if shared.server == nil && shared.err == nil {
		shared.server, shared.err = StartServer(context.WithoutCancel(tb.Context()))
	}
	if shared.err != nil {
		tb.Fatal(shared.err)
	}
	return shared.server
}
