package sim_test

import (
	"flag"
	"testing"

	"github.com/cirisai/orchestrator/internal/sim"
)

var (
	seeds = flag.Int("seeds", 60, "how many seeds to run")
	first = flag.Uint64("seed", 1, "the first seed")
)

// TestSim runs seeds. A failing one is replayed with -seed=N -seeds=1.
func TestSim(t *testing.T) {
	reach := map[string]int{}
	for i := range *seeds {
		seed := *first + uint64(i)
		report, err := sim.Run(t.Context(), seed, sim.Options{Moves: 150, Faults: true})
		if err != nil {
			t.Errorf("seed %d: %v\nreplay: go test ./internal/sim -run TestSim -seed=%d -seeds=1", seed, err, seed)
			continue
		}
		for what, n := range report.Reach {
			reach[what] += n
		}
	}
	t.Logf("reached: %v", reach)
	if *seeds < 50 {
		return
	}
	for _, what := range []string{
		"fault before", "fault after", "outage", "emergency", "restart", "late heartbeat", "verdict accept", "verdict reject",
		"verdict defer", "order pause", "order resume", "order promote", "order retry", "order abort", "told decide", "told proceed", "told wait",
		"instruction.wake", "instruction.stop", "ended succeeded", "ended partial", "ended failed", "ended rejected", "ended aborted", "ended superseded",
	} {
		if reach[what] == 0 {
			t.Errorf("M2: %q was never reached", what)
		}
	}
}

// TestSeedReplays is M1: the same seed gives the same log.
func TestSeedReplays(t *testing.T) {
	for seed := range uint64(5) {
		var hashes [2]string
		for i := range hashes {
			report, err := sim.Run(t.Context(), seed, sim.Options{Moves: 150, Faults: true})
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			hashes[i] = report.Hash
		}
		if hashes[0] != hashes[1] {
			t.Errorf("seed %d gave two logs: %s and %s", seed, hashes[0], hashes[1])
		}
	}
}
