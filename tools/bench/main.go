// Command bench measures the service against the least that could be done in its
// place, in one run and alternating, so that the ratios hold on a noisy machine:
//
//   - heartbeats, unchanged and state-changing, on SQLite (synchronous=FULL) and
//     PostgreSQL, against a chi handler that decodes, validates and stores nothing;
//   - a thousand signed and recorded callbacks, against a bare net/http loop;
//   - one Step over 10,000 members, in milliseconds;
//   - GET /v1/rollouts/{id} with 10 and with 10,000 members.
//
// Run it with `make bench`. It prints a table and judges nothing: floors are
// printed beside the figures.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime/pprof"
	"slices"
	"time"
)

func main() { os.Exit(run()) }

// config is what is measured, and for how long.
type config struct {
	rounds      int
	each        time.Duration
	connections int
	callbacks   int
	members     int
	only        string
}

func run() int {
	var c config
	flag.IntVar(&c.rounds, "rounds", 5, "rounds; the median counts")
	flag.DurationVar(&c.each, "each", 2*time.Second, "how long each kind of heartbeat is sent in a round")
	flag.IntVar(&c.connections, "connections", 64, "connections that send heartbeats")
	flag.IntVar(&c.callbacks, "callbacks", 1000, "callbacks to deliver")
	flag.IntVar(&c.members, "members", 10_000, "members of the large rollout")
	only := flag.String("only", "", "heartbeats, callbacks, steps or reads; empty: all")
	profile := flag.String("cpuprofile", "", "write a CPU profile to this file")
	flag.Parse()
	c.only = *only
	if *profile != "" {
		f, err := os.Create(*profile)
		if err == nil {
			err = pprof.StartCPUProfile(f)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			return 1
		}
		defer pprof.StopCPUProfile()
	}
	ctx := context.Background()
	if err := bench(ctx, c); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

func bench(ctx context.Context, c config) (err error) {
	databases, stop, err := openDatabases(ctx)
	if err != nil {
		return err
	}
	defer stop()
	fmt.Printf("%d rounds, medians; %d connections; %d callbacks; %d members\n\n", c.rounds, c.connections, c.callbacks, c.members)
	fmt.Printf("| what | median | ratio | wanted |\n|---|---|---|---|\n")
	for _, m := range []struct {
		name    string
		measure func(context.Context, config, []database) error
	}{{"heartbeats", benchHeartbeats}, {"callbacks", benchCallbacks}, {"steps", benchSteps}, {"reads", benchReads}} {
		if c.only != "" && c.only != m.name {
			continue
		}
		if err := m.measure(ctx, c, databases); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return nil
}

func row(what, figure, ratio, wanted string) {
	fmt.Printf("| %s | %s | %s | %s |\n", what, figure, ratio, wanted)
}

func median(figures []float64) float64 {
	s := slices.Clone(figures)
	slices.Sort(s)
	return s[len(s)/2]
}
