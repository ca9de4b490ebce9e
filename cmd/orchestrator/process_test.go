package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/pgtest"
)

// asServer makes this test binary the orchestrator, so that tests can start and
// kill the real process without building it once more.
const asServer = "ORCHESTRATOR_TEST_AS_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(asServer) != "" {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	pgtest.Main(m)
}

// eachDatabase runs a test on SQLite, and on PostgreSQL where it is installed.
func eachDatabase(t *testing.T, test func(t *testing.T, databaseURL string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, "sqlite:"+filepath.Join(t.TempDir(), "orchestrator.db"))
	})
	if server := pgtest.Shared(t); server != nil {
		t.Run("postgres", func(t *testing.T) {
			t.Parallel()
			test(t, server.NewDatabase(t))
		})
	}
}

// process is an orchestrator in a process of its own, which keeps its address
// over restarts.
type process struct {
	env     []string
	address string
	mu      sync.Mutex
	cmd     *exec.Cmd
	exited  chan struct{} // closed when cmd has ended
	log     *syncBuffer
}

// newProcess starts an orchestrator. env has entries like NAME=value.
func newProcess(t *testing.T, databaseURL string, env ...string) *process {
	t.Helper()
	p := &process{address: freeAddress(t), log: &syncBuffer{}}
	p.env = append(os.Environ(), asServer+"=1", "ORCHESTRATOR_DATABASE_URL="+databaseURL, "ORCHESTRATOR_LISTEN="+p.address,
		"ORCHESTRATOR_RATE_LIMIT=0", "ORCHESTRATOR_LOG_LEVEL=warn")
	p.env = append(p.env, env...)
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("the orchestrator's log:\n%s", p.log.String())
		}
	})
	return p
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// start starts the process and returns when it is ready. One that ends before,
// because its database does not answer, is started again, as a supervisor does.
func (p *process) start() error {
	if err := p.launch(); err != nil {
		return err
	}
	return waitFor(func() error {
		select {
		case <-p.exited:
			if err := p.launch(); err != nil {
				return err
			}
		default:
		}
		status, _, err := p.try(http.MethodGet, "/readyz", nil)
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("readyz: %d", status)
		}
		return err
	})
}

func (p *process) launch() error {
	cmd := exec.Command(os.Args[0], "serve")
	cmd.Env, cmd.Stdout, cmd.Stderr = p.env, p.log, p.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(exited)
	}()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cmd, p.exited = cmd, exited
	return nil
}

// kill is kill -9.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	<-p.exited
	p.cmd = nil
}

func (p *process) url() string { return "http://" + p.address }

// try makes one call.
func (p *process) try(method, path string, body any) (int, []byte, error) {
	var in io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		in = bytes.NewReader(raw)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, p.url()+path, in)
	if err != nil {
		return 0, nil, err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	out, err := io.ReadAll(resp.Body)
	return resp.StatusCode, out, err
}

// call makes a call that must succeed, and reads its answer into out.
func (p *process) call(t *testing.T, method, path string, body, out any) {
	t.Helper()
	status, raw, err := p.try(method, path, body)
	if err != nil || status/100 != 2 {
		t.Fatalf("%s %s: %d %v %s", method, path, status, err, raw)
	}
	if out != nil {
		if err := json.Unmarshal(raw, out); err != nil {
			t.Fatalf("%s %s: %v in %s", method, path, err, raw)
		}
	}
}

// retry makes a call over and over until it is answered with a 2xx, since the
// process may be dead.
func (p *process) retry(t *testing.T, method, path string, body, out any) {
	t.Helper()
	eventually(t, method+" "+path, func() error {
		status, raw, err := p.try(method, path, body)
		if err == nil && status/100 != 2 {
			err = fmt.Errorf("%d %s", status, raw)
		}
		if err == nil && out != nil {
			err = json.Unmarshal(raw, out)
		}
		return err
	})
}

// patience is how long anything may take on a machine whose disk stands still for
// minutes now and then.
const patience = 5 * time.Minute

// eventually asks over and over until there is no error.
func eventually(t *testing.T, what string, ask func() error) {
	t.Helper()
	if err := waitFor(ask); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func waitFor(ask func() error) error {
	deadline := time.Now().Add(patience)
	for {
		err := ask()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		pause(20 * time.Millisecond)
	}
}

// pause waits for other processes, which send no signal when they have moved.
func pause(d time.Duration) {
	<-time.After(d)
}

// syncBuffer is a buffer that several may write to.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write appends.
func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// rolloutView is what these tests read of a rollout.
type rolloutView struct {
	RolloutID string `json:"rollout_id"`
	State     string `json:"state"`
	Waves     []struct {
		Group   string `json:"group"`
		State   string `json:"state"`
		Members []struct {
			OccurrenceID string `json:"occurrence_id"`
			State        string `json:"state"`
			Detail       string `json:"detail"`

			ReachedAt *time.Time `json:"reached_at"`
		} `json:"members"`
	} `json:"waves"`
}

func (r rolloutView) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", r.RolloutID, r.State)
	for _, w := range r.Waves {
		fmt.Fprintf(&b, "\n  %s %s:", w.Group, w.State)
		for _, m := range w.Members {
			fmt.Fprintf(&b, " %s=%s", m.OccurrenceID, m.State)
		}
	}
	return b.String()
}

// rollout reads a rollout.
func (p *process) rollout(id string) (r rolloutView, err error) {
	status, raw, err := p.try(http.MethodGet, "/v1/rollouts/"+id, nil)
	switch {
	case err != nil:
		return r, err
	case status != http.StatusOK:
		return r, fmt.Errorf("%d %s", status, raw)
	}
	return r, json.Unmarshal(raw, &r)
}

// ends waits until a rollout has come to a final state.
func (p *process) ends(t *testing.T, id string) rolloutView {
	t.Helper()
	var r rolloutView
	eventually(t, "rollout "+id+" ends", func() (err error) {
		if r, err = p.rollout(id); err != nil {
			return err
		}
		switch r.State {
		case "succeeded", "partial", "failed", "rejected", "aborted", "superseded":
			return nil
		}
		return fmt.Errorf("it is %s", r)
	})
	return r
}
