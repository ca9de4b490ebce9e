package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// largeFleet is a fleet of n occurrences at work.
func largeFleet(n int, now time.Time) discovery.Fleet {
	all := make([]discovery.Occurrence, n)
	for i := range all {
		id := fmt.Sprintf("o%05d", i)
		all[i] = discovery.Occurrence{
			ID: id, Coordinated: true, Boot: "boot-" + id, BootHeard: now.Add(-time.Hour), RegisteredAt: now.Add(-time.Hour),
			Sequence: 7, State: discovery.Work, StateSince: now.Add(-time.Hour), LastSign: now,
		}
	}
	return discovery.NewFleet(rollout.DefaultSettings().Timing(), all)
}

// benchSteps times one Step over a shutdown with that many members in flight.
func benchSteps(_ context.Context, c config, _ []database) error {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	fleet, set := largeFleet(c.members, now), rollout.DefaultSettings()
	group := rollout.Defaults("all")
	group.Size = rollout.Size{Kind: rollout.SizeRest}
	state := rollout.State{AgentID: "bench"}
	var err error
	begin := time.Now()
	state, _, err = rollout.Step(state, rollout.Input{Fleet: fleet, Settings: set, Command: rollout.Request{
		ULID: "01", Kind: rollout.Shutdown,
		Reason: "bench", Actor: "operator:bench", Consent: rollout.ConsentInstant, Groups: []rollout.Group{group},
	}}, now)
	if err != nil {
		return err
	}
	first := time.Since(begin)
	var took []float64
	for i := range max(c.rounds*4, 20) {
		now = now.Add(time.Millisecond)
		o := fleet.All()[i]
		o.State, o.Sequence, o.StateSince = discovery.Shutdown, o.Sequence+1, now
		fleet = fleet.With(o)
		began := time.Now()
		if state, _, err = rollout.Step(state, rollout.Input{Fleet: fleet, Settings: set}, now); err != nil {
			return err
		}
		took = append(took, time.Since(began).Seconds())
	}
	row(fmt.Sprintf("one Step, %d members in flight", c.members), fmt.Sprintf("%.1f ms", 1000*median(took)), "", "")
	row(fmt.Sprintf("the Step that tells %d members", c.members), fmt.Sprintf("%.1f ms", 1000*first.Seconds()), "", "")
	return nil
}

// benchReads times GET /v1/rollouts/{id}.
func benchReads(ctx context.Context, c config, databases []database) error {
	for _, d := range databases {
		s, err := d.serve(ctx)
		if err != nil {
			return err
		}
		defer s.stop()
		for _, n := range []int{10, c.members} {
			agent := fmt.Sprintf("reads-%d", n)
			if err := register(ctx, s, agent, "", "", n); err != nil {
				return err
			}
			v, err := s.engine.Request(ctx, agent, rollout.Request{Kind: rollout.Shutdown, Reason: "bench", Actor: "operator:bench", Consent: rollout.ConsentInstant}, nil)
			if err != nil {
				return err
			}
			var took []float64
			for range 20 {
				began := time.Now()
				if err := get(ctx, s.url+"/v1/rollouts/"+v.ID); err != nil {
					return err
				}
				took = append(took, time.Since(began).Seconds())
			}
			row(fmt.Sprintf("GET a rollout of %d members, %s", n, d.name), fmt.Sprintf("%.1f ms", 1000*median(took)), "", "")
		}
	}
	return nil
}

func get(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	return err
}
