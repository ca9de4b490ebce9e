package persistence

import (
	"net"
	"runtime"
	"sync"
	"testing"

	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/pgtest"
)

// One agent for which more transactions wait than there are connections keeps
// neither other agents nor the service clock waiting.
func TestABusyAgentTakesNoConnections(t *testing.T) {
	server := pgtest.Shared(t)
	if server == nil {
		return // SQLite has one connection that writes
	}
	s := openForTest(t, server.NewDatabase(t))
	nothing := func(engine.Tx) error { return nil }
	const waiting = 3 * maxConnections
	var waiters sync.WaitGroup
	err := s.Update(t.Context(), "busy", true, func(engine.Tx) error {
		for range waiting {
			waiters.Go(func() {
				if err := s.Update(t.Context(), "busy", false, nothing); err != nil {
					t.Error(err)
				}
			})
		}
		for s.queue.users("busy") <= waiting {
			runtime.Gosched()
		}
		if n := s.write.db.Stats().InUse; n != 1 {
			t.Errorf("%d connections are in use", n)
		}
		if err := s.Update(t.Context(), "other", true, nothing); err != nil {
			return err
		}
		return s.Beat(t.Context())
	})
	if err != nil {
		t.Error(err)
	}
	waiters.Wait()
	if n := len(s.queue.lines); n != 0 {
		t.Errorf("%d queues are left", n)
	}
}

// users is how many have the turn or wait for it.
func (q *queue) users(agentID string) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	if l := q.lines[agentID]; l != nil {
		return l.users
	}
	return 0
}

// A server that vanishes is noticed by its sockets, whose options the system must
// take.
func TestDial(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	for name, dial := range map[string]func() (net.Conn, error){
		"DialContext": func() (net.Conn, error) { return newDialer().DialContext(t.Context(), "tcp", listener.Addr().String()) },
		"DialTimeout": func() (net.Conn, error) { return newDialer().DialTimeout("tcp", listener.Addr().String(), unanswered) },
	} {
		c, err := dial()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}
