package engine_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/memstore"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// rig is an engine on a store in memory, with a clock that stands until it is
// moved.
type rig struct {
	*engine.Engine
	t     *testing.T
	store *memstore.Store
	mu    sync.Mutex
	wall  time.Time
	ulids int
	seqs  map[string]int64
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, wall: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), seqs: map[string]int64{}}
	r.store = memstore.New(r.now)
	r.Engine = engine.New(r.store, engine.Options{NewULID: r.ulid, Entropy: func() (b [16]byte) { return b }})
	if err := r.Start(t.Context(), rollout.DefaultSettings()); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) now() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.wall
}

func (r *rig) ulid() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ulids++
	return fmt.Sprintf("%026d", r.ulids)
}

// pass lets time pass while the service serves.
func (r *rig) pass(d time.Duration) {
	r.t.Helper()
	for d > 0 {
		step := min(d, 5*time.Second)
		r.mu.Lock()
		r.wall = r.wall.Add(step)
		r.mu.Unlock()
		d -= step
		if err := r.Beat(r.t.Context()); err != nil {
			r.t.Fatal(err)
		}
		if _, err := r.RunOnce(r.t.Context()); err != nil {
			r.t.Fatal(err)
		}
	}
}

// beat sends the next heartbeat of an occurrence.
func (r *rig) beat(occurrence string, state discovery.State) engine.HeartbeatAnswer {
	r.t.Helper()
	r.mu.Lock()
	r.seqs[occurrence]++
	seq := r.seqs[occurrence]
	r.mu.Unlock()
	a, err := r.Heartbeat(r.t.Context(), "scout", occurrence, discovery.Heartbeat{Boot: "boot-" + occurrence, Sequence: seq, State: state})
	if err != nil {
		r.t.Fatalf("heartbeat of %s: %v", occurrence, err)
	}
	return a
}

func code(err error) discovery.Code {
	var refusal *discovery.Refusal
	if errors.As(err, &refusal) {
		return refusal.Code
	}
	return ""
}

// TestTwentyAskAtOnce: one is told to decide (rule 5.2, promise 1).
func TestTwentyAskAtOnce(t *testing.T) {
	r := newRig(t)
	for i := range 20 {
		r.beat(fmt.Sprintf("o%d", i), discovery.Wakeup)
	}
	var mu sync.Mutex
	got := map[rollout.Directive]int{}
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			id := fmt.Sprintf("o%d", i)
			a, err := r.Ask(t.Context(), "scout", id, "boot-"+id)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			got[a.Directive]++
			mu.Unlock()
		})
	}
	wg.Wait()
	if got[rollout.Decide] != 1 || got[rollout.Wait] != 19 {
		t.Errorf("directives: %v", got)
	}
}

// TestHeartbeatsInGroups: many at once are each taken once and in order, those
// that say nothing new in passing (rules 2.4 and 2.8).
func TestHeartbeatsInGroups(t *testing.T) {
	r := newRig(t)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			id := fmt.Sprintf("o%d", i)
			for j := range 20 {
				state := discovery.Work
				if j%5 == 0 {
					state = discovery.Play
				}
				if a := r.beat(id, state); !a.Accepted || a.Sequence != int64(j+1) {
					t.Errorf("%s, heartbeat %d: %+v", id, j+1, a)
				}
			}
		})
	}
	wg.Wait()
	views, err := r.Occurrences(t.Context(), "scout")
	if err != nil || len(views) != 50 {
		t.Fatalf("%d occurrences, %v", len(views), err)
	}
	for _, v := range views {
		if v.Sequence != 20 || v.State != discovery.Work || v.Liveness != discovery.Live {
			t.Errorf("%s: sequence %d, %s, %s", v.ID, v.Sequence, v.State, v.Liveness)
		}
	}
}

// TestIdentityConflict: three answers boot_replaced within a minute open an
// incident, although each of them is a refusal (rule 2.5).
func TestIdentityConflict(t *testing.T) {
	r := newRig(t)
	for _, boot := range []string{"old", "new"} {
		if _, _, err := r.Register(t.Context(), "scout", "o1", discovery.Registration{Boot: boot, Coordinated: true}); err != nil {
			t.Fatal(err)
		}
	}
	calls := []func() error{
		func() error {
			_, err := r.Heartbeat(t.Context(), "scout", "o1", discovery.Heartbeat{Boot: "old", Sequence: 1, State: discovery.Work})
			return err
		},
		func() error { _, _, err := r.Poll(t.Context(), "scout", "o1", "old", 0); return err },
		func() error { _, err := r.Ask(t.Context(), "scout", "o1", "old"); return err },
	}
	for i, call := range calls {
		if found, err := r.Incidents(t.Context(), engine.IncidentFilter{AgentID: "scout", Limit: 10}); err != nil || len(found) != 0 {
			t.Fatalf("before call %d: %d incidents, %v", i, len(found), err)
		}
		if got := code(call()); got != discovery.CodeBootReplaced {
			t.Errorf("call %d: %q", i, got)
		}
	}
	found, err := r.Incidents(t.Context(), engine.IncidentFilter{AgentID: "scout", Limit: 10})
	if err != nil || len(found) != 1 || found[0].Type != rollout.IncidentIdentityConflict {
		t.Errorf("incidents: %+v, %v", found, err)
	}
}

// TestEmergencyForAll: every agent is stopped and held, those that appear later
// too, until all are released; a release of one outranks the hold given before
// it (rules 8.1 and 8.4).
func TestEmergencyForAll(t *testing.T) {
	r := newRig(t)
	r.beat("o1", discovery.Work)
	started, err := r.Emergency(t.Context(), "", "fire", "operator:local", nil)
	if err != nil || len(started) != 1 || started[0].AgentID != "scout" {
		t.Fatalf("started %v, %v", started, err)
	}
	if _, err := r.Heartbeat(t.Context(), "later", "x", discovery.Heartbeat{Boot: "b", Sequence: 1, State: discovery.Starting}); err != nil {
		t.Fatal(err)
	}
	for _, agent := range []string{"scout", "later"} {
		if v, err := r.Agent(t.Context(), agent); err != nil || v.Hold == nil {
			t.Errorf("agent %s is not held: %v", agent, err)
		}
	}
	if a, err := r.Ask(t.Context(), "scout", "o1", "boot-o1"); err != nil || a.Directive != rollout.Wait || a.Reason != "held" {
		t.Errorf("asking while held: %+v, %v", a.Answer, err)
	}
	if v, err := r.Release(t.Context(), "later", "all clear", "operator:local", nil); err != nil || v.Hold != nil {
		t.Errorf("release of one: %+v, %v", v.Hold, err)
	}
	if _, err := r.RunOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if v, _ := r.Agent(t.Context(), "later"); v.Hold != nil {
		t.Error("the hold of all came back after the release of one")
	}
	released, err := r.ReleaseAll(t.Context(), "all clear", "operator:local", nil)
	if err != nil || len(released) != 1 || released[0] != "scout" {
		t.Errorf("released %v, %v", released, err)
	}
	if _, err := r.Heartbeat(t.Context(), "last", "x", discovery.Heartbeat{Boot: "b", Sequence: 1, State: discovery.Starting}); err != nil {
		t.Fatal(err)
	}
	if v, _ := r.Agent(t.Context(), "last"); v.Hold != nil {
		t.Error("an agent that appeared after the release is held")
	}
}

// TestOnce: a key has its effect once, gives the same answer again, refuses
// another body, and tells a twin that the first is still running (rule 10.7).
func TestOnce(t *testing.T) {
	r := newRig(t)
	r.beat("o1", discovery.Work)
	request := func(key, body string, hold func()) (*engine.Once, error) {
		once := &engine.Once{Key: key, Body: []byte(body), Render: func(any) (int, []byte, error) {
			if hold != nil {
				hold()
			}
			return 201, []byte(`{"answer":"first"}`), nil
		}}
		_, err := r.Request(t.Context(), "scout", rollout.Request{
			Kind: rollout.Shutdown, Reason: "r", Actor: "operator:local",
			Consent: rollout.ConsentRequired, OnTimeout: rollout.TimeoutFails,
		}, once)
		return once, err
	}
	if once, err := request("k", "{}", nil); err != nil || once.Replayed != nil {
		t.Fatalf("first: %+v, %v", once.Replayed, err)
	}
	once, err := request("k", "{}", nil)
	if err != nil || once.Replayed == nil || once.Replayed.Status != 201 || string(once.Replayed.Body) != `{"answer":"first"}` {
		t.Errorf("again: %+v, %v", once.Replayed, err)
	}
	if _, err := request("k", `{"reason":"other"}`, nil); code(err) != engine.CodeKeyReused {
		t.Errorf("another body: %v", err)
	}
	if _, err := request("k2", "{}", nil); code(err) != rollout.CodeInProgress {
		t.Errorf("another key: %v", err)
	}
	if _, err := r.Release(t.Context(), "scout", "r", "operator:local", nil); err != nil {
		t.Fatal(err)
	}
	entered, leave := make(chan struct{}), make(chan struct{})
	done := make(chan error)
	go func() {
		once := &engine.Once{Key: "slow", Body: []byte("{}"), Render: func(any) (int, []byte, error) {
			close(entered)
			<-leave
			return 200, []byte("{}"), nil
		}}
		_, err := r.Release(context.WithoutCancel(t.Context()), "scout", "r", "operator:local", once)
		done <- err
	}()
	<-entered
	_, err = r.Release(t.Context(), "scout", "r", "operator:local", &engine.Once{Key: "slow", Body: []byte("{}")})
	if code(err) != engine.CodeInProgress {
		t.Errorf("while the first runs: %v", err)
	}
	close(leave)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestPoll: who may not poll is told so; a long poll ends as soon as there is
// something to do (rules 7.5, 2.5, 2.6).
func TestPoll(t *testing.T) {
	r := newRig(t)
	r.beat("o1", discovery.Work)
	if _, _, err := r.Poll(t.Context(), "scout", "o9", "b", 0); code(err) != discovery.CodeNotFound {
		t.Errorf("an unknown occurrence: %v", err)
	}
	if _, _, err := r.Poll(t.Context(), "scout", "o1", "b", 0); code(err) != discovery.CodeUnknownBoot {
		t.Errorf("an unknown boot: %v", err)
	}
	if pending, _, err := r.Poll(t.Context(), "scout", "o1", "boot-o1", 0); err != nil || len(pending) != 0 {
		t.Errorf("nothing to do: %v, %v", pending, err)
	}
	type result struct {
		pending []engine.PendingInstruction
		err     error
	}
	polled := make(chan result)
	go func() {
		pending, _, err := r.Poll(t.Context(), "scout", "o1", "boot-o1", time.Minute)
		polled <- result{pending, err}
	}()
	if _, err := r.Request(t.Context(), "scout", rollout.Request{Kind: rollout.Shutdown, Reason: "r", Actor: "operator:local", Consent: rollout.ConsentInstant}, nil); err != nil {
		t.Fatal(err)
	}
	got := <-polled
	if got.err != nil || len(got.pending) != 1 || got.pending[0].Type != rollout.Stop || got.pending[0].AgentID != "scout" {
		t.Fatalf("%+v", got)
	}
	id := got.pending[0].ID
	for range 2 { // acknowledging twice is the same
		if _, err := r.Acknowledge(t.Context(), "scout", "o1", id, "boot-o1"); err != nil {
			t.Error(err)
		}
	}
	r.beat("o1", discovery.Stopped)
	if _, _, err := r.Poll(t.Context(), "scout", "o1", "boot-o1", 0); code(err) != discovery.CodeBootStopped {
		t.Errorf("after its last word: %v", err)
	}
	if _, err := r.Acknowledge(t.Context(), "scout", "o1", id, "boot-o1"); err != nil {
		t.Errorf("acknowledging after stopping: %v", err)
	}
	if err := r.Leave(t.Context(), "scout", "o1", ""); err != nil {
		t.Errorf("leaving after stopping: %v", err)
	}
}

// TestOutageIsNobodysSilence: while no replica serves, nothing is lost and
// nothing fails (rule 2.10).
func TestOutageIsNobodysSilence(t *testing.T) {
	r := newRig(t)
	r.beat("o1", discovery.Work)
	v, err := r.Request(t.Context(), "scout", rollout.Request{Kind: rollout.Shutdown, Reason: "r", Actor: "operator:local", Consent: rollout.ConsentInstant}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.pass(10 * time.Second)
	r.mu.Lock()
	r.wall = r.wall.Add(24 * time.Hour) // nobody beats
	r.mu.Unlock()
	r.pass(5 * time.Second)
	got, err := r.Rollout(t.Context(), v.ID)
	if err != nil || got.Status != rollout.Rolling {
		t.Fatalf("after the outage: %s, %v", got.Status, err)
	}
	if o, err := r.Occurrence(t.Context(), "scout", "o1"); err != nil || o.Liveness != discovery.Live {
		t.Errorf("o1 is %s, %v", o.Liveness, err)
	}
	r.beat("o1", discovery.Stopped)
	if got, _ := r.Rollout(t.Context(), v.ID); got.Status != rollout.Succeeded {
		t.Errorf("the shutdown: %s", got.Status)
	}
}
