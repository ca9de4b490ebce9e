package api_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/cirisai/orchestrator/api"
)

// line is the client's end of a stream: what came over it so far.
type line struct {
	header http.Header
	done   chan struct{} // closed when the stream has ended
	hangUp context.CancelFunc

	mu     sync.Mutex
	status int
	text   bytes.Buffer
}

func (l *line) Header() http.Header { return l.header }

func (l *line) WriteHeader(status int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status = status
}

func (l *line) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// Flush is what a stream must be able to do.
func (l *line) Flush() {}

// begun is the status with which it began, or zero.
func (l *line) begun() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.status
}

// take is what came since it was last called.
func (l *line) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := l.text.String()
	l.text.Reset()
	return text
}

// open opens a stream.
func (h *house) open(target string, headers ...string) *line {
	ctx, hangUp := context.WithCancel(h.t.Context())
	l := &line{header: http.Header{}, done: make(chan struct{}), hangUp: hangUp}
	go func() {
		defer close(l.done)
		h.handler.ServeHTTP(l, request(ctx, "GET", target, "", append([]string{"Accept: text/event-stream"}, headers...)...))
	}()
	return l
}

// close ends a stream from the client's side, and waits until the service has seen it.
func (l *line) close() {
	l.hangUp()
	<-l.done
}

// sent is one event of a stream.
type sent struct {
	id    int64
	event api.Event
}

// readEvents reads what came over a stream: events, each as rule 10.8 has it, and
// comments, which it counts.
func readEvents(t *testing.T, text string) (events []sent, comments int) {
	t.Helper()
	for block := range strings.SplitSeq(strings.TrimSuffix(text, "\n\n"), "\n\n") {
		if strings.HasPrefix(block, ":") {
			comments++
			continue
		}
		if block == "" {
			continue
		}
		e, err := readEvent(block)
		if err != nil {
			t.Errorf("%q: %v", block, err)
		}
		events = append(events, e)
	}
	return events, comments
}

func readEvent(block string) (e sent, err error) {
	lines := strings.Split(block, "\n")
	if len(lines) != 3 {
		return e, errors.New("three lines are wanted")
	}
	id, hasID := strings.CutPrefix(lines[0], "id: ")
	kind, hasEvent := strings.CutPrefix(lines[1], "event: ")
	data, hasData := strings.CutPrefix(lines[2], "data: ")
	if !hasID || !hasEvent || !hasData {
		return e, errors.New("id, event and data are wanted")
	}
	if e.id, err = strconv.ParseInt(id, 10, 64); err != nil {
		return e, err
	}
	if err := json.Unmarshal([]byte(data), &e.event, json.RejectUnknownMembers(true)); err != nil {
		return e, err
	}
	if e.event.Seq != e.id || e.event.Type != kind {
		return e, errors.New("id and event are not those of data")
	}
	return e, nil
}

// pipes is a listener whose connections are pipes, so that a real server and a real
// client can meet in a bubble.
type pipes struct {
	connections chan net.Conn
	closed      chan struct{}
	once        sync.Once
}

func newPipes() *pipes { return &pipes{connections: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.connections:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.IPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// dial connects a client.
func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.connections <- server:
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// listen serves the house over pipes. Base is the context of all requests; a short
// time for writing is what a careful server has.
func (h *house) listen(base context.Context) *http.Client {
	p := newPipes()
	server := &http.Server{Handler: h.handler, BaseContext: func(net.Listener) context.Context { return base }, WriteTimeout: 5 * time.Second}
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := server.Serve(p); !errors.Is(err, http.ErrServerClosed) {
			h.t.Errorf("serve: %v", err)
		}
	}()
	transport := &http.Transport{DialContext: p.dial}
	h.t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := server.Close(); err != nil {
			h.t.Errorf("close: %v", err)
		}
		<-served
	})
	return &http.Client{Transport: transport}
}
