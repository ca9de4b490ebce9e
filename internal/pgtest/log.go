package pgtest

import (
	"bytes"
	"strings"
	"sync"
)

// keptLines is how much of a server's log an error shows.
const keptLines = 30

// readyMark is what the server logs when it takes connections; its messages are in English because LC_ALL is C.
const readyMark = "database system is ready to accept connections"

// serverLog receives what the server writes. It keeps the last lines, for errors, and notices readiness, so that
// nobody has to ask for it again and again.
type serverLog struct {
	ready chan struct{} // closed at readyMark

	mu      sync.Mutex
	lines   []string
	partial []byte
	isReady bool
}

func newServerLog() *serverLog { return &serverLog{ready: make(chan struct{})} }

// Write takes any cut of the stream; it never fails.
func (l *serverLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.partial = append(l.partial, p...)
	for {
		line, rest, complete := bytes.Cut(l.partial, []byte("\n"))
		if !complete {
			return len(p), nil
		}
		l.take(string(line))
		l.partial = rest
	}
}

func (l *serverLog) take(line string) {
	if len(l.lines) == keptLines {
		l.lines = append(l.lines[:0], l.lines[1:]...)
	}
	l.lines = append(l.lines, line)
	if !l.isReady && strings.Contains(line, readyMark) {
		l.isReady = true
		close(l.ready)
	}
}

// String returns the last lines, those that have no end yet included.
func (l *serverLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(append(append([]string{}, l.lines...), string(l.partial)), "\n")
}
