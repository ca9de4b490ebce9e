package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"
)

// quick are settings under which a rollout takes seconds.
var quick = []string{
	"ORCHESTRATOR_HEARTBEAT_INTERVAL=500ms", "ORCHESTRATOR_LIVENESS_TIMEOUT=6s", "ORCHESTRATOR_DISCOVERY_WINDOW=5m",
	"ORCHESTRATOR_CLAIM_LEASE=10s", "ORCHESTRATOR_DECISION_TIMEOUT=60s",
}

// quickPlan is the FSD's plan with short delays.
func quickPlan(delay, timeout string) map[string]any {
	return map[string]any{"waves": []map[string]any{
		{"group": "explorer", "count": 1, "timeout": timeout, "min_healthy": "100%"},
		{"group": "early_adopter", "percent": 30, "delay": delay, "timeout": timeout, "min_healthy": "100%"},
		{"group": "general", "rest": true, "delay": delay, "timeout": timeout, "min_healthy": "100%"},
	}}
}

// settle gives an agent short plans, and starts and wakes its fleet.
func settle(t *testing.T, p *process, agent string, n int, takes time.Duration, timeout string) *fleet {
	t.Helper()
	p.retry(t, http.MethodPut, "/v1/agents/"+agent, map[string]any{"plans": map[string]any{
		"wakeup": quickPlan("200ms", timeout), "shutdown": quickPlan("500ms", timeout),
	}}, nil)
	f := newFleet(t, p, agent, takes)
	f.start(n)
	return f
}

// newest waits for an agent's newest rollout of a kind.
func newest(t *testing.T, p *process, agent, kind string) string {
	t.Helper()
	var list struct {
		Rollouts []rolloutView `json:"rollouts"`
	}
	eventually(t, "a "+kind+" of "+agent, func() error {
		p.retry(t, http.MethodGet, "/v1/rollouts?agent_id="+agent+"&kind="+kind, nil, &list)
		if len(list.Rollouts) == 0 {
			return fmt.Errorf("there is none")
		}
		return nil
	})
	return list.Rollouts[0].RolloutID
}

// TestKillNineInTheMiddle kills the server at random moments while ten fleets are
// woken and shut down: every rollout ends as it should, and every instruction is
// obeyed once (promises 4, 7 and 9; rules 2.10, 7.3 and 7.5).
func TestKillNineInTheMiddle(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, url string) {
		const kills, fleets, each = 10, 5, 6
		p := newProcess(t, url, quick...)
		var killer sync.WaitGroup
		killer.Go(func() {
			for range kills {
				pause(time.Duration(300+rand.IntN(1200)) * time.Millisecond)
				p.kill()
				if err := p.start(); err != nil {
					t.Error(err)
				}
			}
		})
		t.Run("fleets", func(t *testing.T) {
			for i := range fleets {
				agent := fmt.Sprintf("agent-%d", i)
				t.Run(agent, func(t *testing.T) {
					t.Parallel()
					wakeAndStop(t, p, agent, each)
				})
			}
		})
		killer.Wait()
	})
}

func wakeAndStop(t *testing.T, p *process, agent string, n int) {
	f := settle(t, p, agent, n, 300*time.Millisecond, "60s")
	if r := p.ends(t, newest(t, p, agent, "wakeup")); r.State != "succeeded" {
		t.Errorf("%s: the wakeup: %s", agent, r)
		return
	}
	p.retryOnce(t, agent)
	if r := p.ends(t, newest(t, p, agent, "shutdown")); r.State != "succeeded" {
		t.Fatalf("%s: the shutdown: %s", agent, r)
	}
	f.finished.Wait()
	if twice := f.twice(); len(twice) > 0 {
		t.Errorf("%s: obeyed more than once: %v", agent, twice)
	}
	if got := f.awake(); got != n {
		t.Errorf("%s: %d of %d were woken", agent, got, n)
	}
}

// retryOnce requests a shutdown, however often the server dies under it: a 409 says
// that an earlier try has had its effect.
func (p *process) retryOnce(t *testing.T, agent string) {
	t.Helper()
	eventually(t, "a shutdown of "+agent, func() error {
		status, raw, err := p.try(http.MethodPost, "/v1/agents/"+agent+"/shutdowns", map[string]any{"reason": "upgrade"})
		if err == nil && status != http.StatusCreated && status != http.StatusConflict {
			err = fmt.Errorf("%d %s", status, raw)
		}
		return err
	})
}

// TestAwayLongerThanEveryTimeout: the server is away in the middle of a shutdown
// for longer than every timeout there is, and nothing fails because of it (rule
// 2.10).
func TestAwayLongerThanEveryTimeout(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, url string) {
		p := newProcess(t, url, "ORCHESTRATOR_HEARTBEAT_INTERVAL=300ms", "ORCHESTRATOR_LIVENESS_TIMEOUT=3s", "ORCHESTRATOR_DISCOVERY_WINDOW=4s",
			"ORCHESTRATOR_CLAIM_LEASE=4s", "ORCHESTRATOR_DECISION_TIMEOUT=5s")
		f := settle(t, p, "scout", 6, 1500*time.Millisecond, "5s")
		if r := p.ends(t, newest(t, p, "scout", "wakeup")); r.State != "succeeded" {
			t.Fatalf("the wakeup: %s", r)
		}
		p.retryOnce(t, "scout")
		id := newest(t, p, "scout", "shutdown")
		eventually(t, "a wave runs", func() error {
			var r rolloutView
			p.call(t, http.MethodGet, "/v1/rollouts/"+id, nil, &r)
			if r.State != "rolling" {
				return fmt.Errorf("it is %s", r)
			}
			return nil
		})
		p.kill()
		pause(9 * time.Second)
		if err := p.start(); err != nil {
			t.Fatal(err)
		}
		if r := p.ends(t, id); r.State != "succeeded" {
			t.Fatalf("the shutdown: %s", r)
		}
		f.finished.Wait()
		var list struct {
			Incidents []map[string]any `json:"incidents"`
		}
		p.call(t, http.MethodGet, "/v1/incidents", nil, &list)
		for _, i := range list.Incidents {
			t.Errorf("incident: %v", i)
		}
	})
}

// TestTwentyAskFiftyTimes: twenty occurrences ask to wake up at the same moment,
// fifty times over, and one is told to decide each time (promise 1, rule 5.2).
func TestTwentyAskFiftyTimes(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, url string) {
		p := newProcess(t, url)
		for round := range 50 {
			path := fmt.Sprintf("/v1/agents/agent-%d", round)
			const n = 20
			answers := make(chan string, n)
			var ready, all sync.WaitGroup
			ready.Add(n)
			for i := range n {
				all.Go(func() { answers <- registerAndAsk(p, path, fmt.Sprintf("o%d", i), &ready) })
			}
			all.Wait()
			close(answers)
			got := map[string]int{}
			for a := range answers {
				got[a]++
			}
			if got["decide"] != 1 || got["wait"] != n-1 {
				t.Fatalf("round %d: %v", round, got)
			}
		}
	})
}

// registerAndAsk registers an occurrence, waits until all are ready, asks, and
// returns the directive, or what went wrong.
func registerAndAsk(p *process, path, id string, ready *sync.WaitGroup) string {
	status, raw, err := p.try(http.MethodPut, path+"/occurrences/"+id, map[string]any{"boot_id": "b-" + id})
	ready.Done()
	ready.Wait()
	if err == nil && status == http.StatusCreated {
		_, raw, err = p.try(http.MethodPost, path+"/wakeups", map[string]any{"occurrence_id": id, "boot_id": "b-" + id})
	}
	var a struct {
		Directive string `json:"directive"`
	}
	if err == nil {
		err = json.Unmarshal(raw, &a)
	}
	if err != nil || a.Directive == "" {
		return fmt.Sprintf("%d %v %s", status, err, raw)
	}
	return a.Directive
}

// TestEmergencyUnderASupervisor: twenty occurrences whose supervisor restarts each
// at once are stopped; none wakes until they are released, across a restart of
// the server (rules 8.1 and 8.4, promise 10).
func TestEmergencyUnderASupervisor(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, url string) {
		const n = 20
		p := newProcess(t, url, quick...)
		p.call(t, http.MethodPut, "/v1/agents/scout", map[string]any{"plans": map[string]any{"wakeup": quickPlan("100ms", "60s")}}, nil)
		f := newFleet(t, p, "scout", 50*time.Millisecond)
		f.restart = true
		f.start(n)
		if r := p.ends(t, newest(t, p, "scout", "wakeup")); r.State != "succeeded" {
			t.Fatalf("the wakeup: %s", r)
		}
		var stopped struct {
			RolloutID string `json:"rollout_id"`
		}
		p.call(t, http.MethodPost, "/v1/emergency/shutdown", map[string]any{"reason": "fire", "confirm": true}, &stopped)
		// As long as the supervisor is at it, somebody always runs again, and the
		// rollout goes on (rule 8.2); but each has been stopped once.
		eventually(t, "all have been stopped", func() error {
			r, err := p.rollout(stopped.RolloutID)
			for _, w := range r.Waves {
				for _, m := range w.Members {
					if m.ReachedAt == nil {
						err = errors.Join(err, fmt.Errorf("%s is %s", m.OccurrenceID, m.State))
					}
				}
			}
			return err
		})
		woken := f.awake()
		told := f.told()
		f.toldAgain(t, told+2*n)
		p.kill()
		if err := p.start(); err != nil {
			t.Fatal(err)
		}
		f.toldAgain(t, told+4*n)
		if got := f.awake(); got != woken {
			t.Errorf("%d woke although they are held", got-woken)
		}
		var incidents struct {
			Incidents []struct {
				Type string `json:"type"`
			} `json:"incidents"`
		}
		p.call(t, http.MethodGet, "/v1/incidents?agent_id=scout", nil, &incidents)
		if len(incidents.Incidents) == 0 || incidents.Incidents[0].Type != "restarted_while_held" {
			t.Errorf("incidents: %v", incidents.Incidents)
		}
		p.call(t, http.MethodPost, "/v1/emergency/release", map[string]any{"reason": "all clear"}, nil)
		eventually(t, "all are awake again", func() error {
			if got := f.awake() - woken; got < n {
				return fmt.Errorf("%d of %d", got, n)
			}
			return nil
		})
	})
}
