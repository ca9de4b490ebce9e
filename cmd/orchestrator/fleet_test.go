package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/client"
)

// fleet is a number of real occurrence clients of one agent.
type fleet struct {
	t       *testing.T
	agent   string
	baseURL string
	takes   time.Duration // to wake up, and to stop
	restart bool          // a supervisor restarts each process at once
	ctx     context.Context

	mu       sync.Mutex
	wakes    map[string]int // by occurrence
	obeyed   map[string]int // instructions, by boot and id
	decided  int
	running  int
	finished sync.WaitGroup
}

func newFleet(t *testing.T, p *process, agent string, takes time.Duration) *fleet {
	ctx, cancel := context.WithCancel(context.Background())
	f := &fleet{t: t, agent: agent, baseURL: p.url(), takes: takes, ctx: ctx, wakes: map[string]int{}, obeyed: map[string]int{}}
	t.Cleanup(func() {
		cancel()
		f.finished.Wait()
	})
	return f
}

// start starts n occurrences; every other one has a callback receiver.
func (f *fleet) start(n int) {
	for i := range n {
		id := fmt.Sprintf("o%02d", i)
		f.finished.Go(func() { f.supervise(id, i%2 == 0) })
	}
}

// supervise runs the processes of an occurrence, one after the other.
func (f *fleet) supervise(id string, callback bool) {
	for f.ctx.Err() == nil {
		cfg := client.Config{BaseURL: f.baseURL, AgentID: f.agent, OccurrenceID: id, LeaveTimeout: -1, PollWait: 2 * time.Second}
		if callback {
			cfg.Callback.Listen = "127.0.0.1:0"
		}
		h := &agent{fleet: f, id: id}
		cfg.Handler = h
		p, err := client.NewProcess(cfg)
		if err != nil {
			f.t.Error(err)
			return
		}
		h.boot = p.BootID()
		f.count(&f.running, 1)
		err = p.Run(f.ctx)
		f.count(&f.running, -1)
		if err != nil && f.ctx.Err() == nil && !errors.Is(err, client.ErrReplaced) {
			f.t.Errorf("%s: %v", id, err)
			return
		}
		if !f.restart {
			return
		}
	}
}

func (f *fleet) count(n *int, by int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	*n += by
}

// awake is how many have been woken so far.
func (f *fleet) awake() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, w := range f.wakes {
		n += w
	}
	return n
}

// told is how many instructions were obeyed so far.
func (f *fleet) told() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.obeyed)
}

// toldAgain waits until so many instructions were obeyed.
func (f *fleet) toldAgain(t *testing.T, n int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d instructions are obeyed", n), func() error {
		if got := f.told(); got < n {
			return fmt.Errorf("%d", got)
		}
		return nil
	})
}

// twice lists instructions that were obeyed more than once by one boot (S8).
func (f *fleet) twice() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var found []string
	for id, n := range f.obeyed {
		if n > 1 {
			found = append(found, fmt.Sprintf("%s: %d times", id, n))
		}
	}
	return found
}

// agent is an agent's process that accepts, wakes and stops.
type agent struct {
	fleet *fleet
	id    string
	boot  string
}

// Deliberate accepts.
func (a *agent) Deliberate(context.Context, client.Deliberation) (client.Judgement, error) {
	a.fleet.count(&a.fleet.decided, 1)
	return client.Judgement{Verdict: client.VerdictAccept, Reasoning: "it is time"}, nil
}

// Wake wakes after a while.
func (a *agent) Wake(ctx context.Context, o client.Order) error {
	a.obey(o)
	a.fleet.mu.Lock()
	a.fleet.wakes[a.id]++
	a.fleet.mu.Unlock()
	return a.take(ctx)
}

// Stop stops after a while.
func (a *agent) Stop(ctx context.Context, o client.Order) error {
	a.obey(o)
	return a.take(ctx)
}

func (a *agent) take(ctx context.Context) error {
	select {
	case <-time.After(a.fleet.takes):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (a *agent) obey(o client.Order) {
	if o.Instruction == nil {
		return
	}
	a.fleet.mu.Lock()
	defer a.fleet.mu.Unlock()
	a.fleet.obeyed[a.boot+"/"+o.Instruction.InstructionID]++
}
