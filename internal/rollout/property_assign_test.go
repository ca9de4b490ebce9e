package rollout_test

import (
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// drawRoster draws who is there: in the order of rule 3.1, some pinned, some
// stale, mostly with a decider, sometimes with more places than occurrences.
func drawRoster(t *rapid.T) rollout.Roster {
	var r rollout.Roster
	pins := []string{"", "", "", "g1", "g2", "g3", "nowhere"}
	for i := range evenly(t, "live", 40) {
		o := &discovery.Occurrence{ID: string(rune('A' + i)), Coordinated: true, Pin: pins[evenly(t, "pin", len(pins))]}
		r.Live = append(r.Live, o)
	}
	for i := range evenly(t, "stale", 5) {
		r.Stale = append(r.Stale, &discovery.Occurrence{ID: "stale" + string(rune('a'+i)), Coordinated: true, Pin: pins[evenly(t, "pin", len(pins))]})
	}
	if n := len(r.Live); n > 0 && evenly(t, "a decider", 4) > 0 {
		r.Decider = r.Live[evenly(t, "decider", n)].ID
	}
	r.Places = len(r.Live) + max(0, evenly(t, "open places", 20)-10)
	return r
}

// TestAssignProperties is section 3: Assign is a pure function (3.7) that leaves
// nobody out (3.3), lets the decider go first (3.1), fills places in order and
// skips exactly the waves without one (3.6).
func TestAssignProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		groups := (&model{T: t}).plan()
		if groups == nil {
			groups = rollout.DefaultPlan()
		}
		roster := drawRoster(t)
		waves := rollout.Assign(groups, roster)
		if again := rollout.Assign(slices.Clone(groups), roster); !reflect.DeepEqual(waves, again) {
			t.Fatalf("the same roster was assigned in two ways")
		}
		seen, order, places := map[string]int{}, []string{}, 0
		for k, v := range waves {
			places += v.Places
			for _, m := range v.Members {
				seen[m.OccurrenceID]++
				order = append(order, m.OccurrenceID)
			}
			if none := v.Places == 0 && len(v.Members) == 0; none != (v.Status == rollout.WaveSkipped) {
				t.Fatalf("3.6: wave %d has %d places and is %s", k+1, v.Places, v.Status)
			}
		}
		for _, o := range slices.Concat(roster.Live, roster.Stale) {
			if seen[o.ID] != 1 {
				t.Fatalf("3.3: %s has %d places", o.ID, seen[o.ID])
			}
		}
		if len(seen) != len(roster.Live)+len(roster.Stale) || places != roster.Places {
			t.Fatalf("3.5: %d occurrences, %d assigned; %d places, %d given", len(roster.Live)+len(roster.Stale), len(seen), roster.Places, places)
		}
		if roster.Decider != "" && order[0] != roster.Decider {
			t.Fatalf("3.1: %s goes before the decider %s", order[0], roster.Decider)
		}
		checkOrder(t, waves, roster)
	})
}

// checkOrder checks that the unpinned live ones go in order (3.1), that a pinned
// one is elsewhere only where its wave is full (3.4), and that the stale ones
// are at the end of one wave.
func checkOrder(t *rapid.T, waves []rollout.Wave, roster rollout.Roster) {
	in := map[string]int{}
	for k, v := range waves {
		for _, m := range v.Members {
			in[m.OccurrenceID] = k
		}
	}
	last := -1
	for _, o := range roster.Live {
		k, pinned := in[o.ID], slices.IndexFunc(waves, func(v rollout.Wave) bool { return v.Name == o.Pin })
		switch {
		case o.ID == roster.Decider:
			continue
		case pinned >= 0 && k == pinned:
			continue
		case pinned >= 0 && len(waves[pinned].Members) < waves[pinned].Places:
			t.Fatalf("3.4: %s is pinned to %s, which has room, and is in wave %d", o.ID, o.Pin, k+1)
		}
		if k < last {
			t.Fatalf("3.1: %s is in wave %d, who comes before it in wave %d", o.ID, k+1, last+1)
		}
		last = k
	}
	for k, v := range waves {
		stale := false
		for _, m := range v.Members {
			is := slices.ContainsFunc(roster.Stale, func(o *discovery.Occurrence) bool { return o.ID == m.OccurrenceID })
			if stale && !is {
				t.Fatalf("3.1: wave %d has a live member after a stale one", k+1)
			}
			stale = is
		}
		if stale && slices.ContainsFunc(waves[k+1:], func(later rollout.Wave) bool { return later.Places > 0 }) {
			t.Fatalf("3.1: the stale ones are in wave %d, which is not the last with a place", k+1)
		}
	}
}

// TestSizesOfTheDefaultPlan is rule 3.2 for every number of live members.
func TestSizesOfTheDefaultPlan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := 1 + evenly(t, "n", 1024)
		waves := rollout.Assign(rollout.DefaultPlan(), rollout.Roster{Places: n})
		early := min(max(1, 3*n/10), n-1)
		for k, want := range []int{1, early, n - 1 - early} {
			if waves[k].Places != want {
				t.Fatalf("%d members: wave %d has %d places, want %d", n, k+1, waves[k].Places, want)
			}
		}
	})
}
