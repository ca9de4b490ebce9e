package rollout

import (
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
)

// Forecast is what a plan would do if it were carried out now.
type Forecast struct {
	Waves   []Wave
	Members int           // places in all
	Delays  time.Duration // of the waves that are not skipped
	// AtMost is the sum of every delay, timeout and stable_for, without
	// restarts; a wave of more than max_concurrent members has its timeout
	// once for each batch.
	AtMost time.Duration
}

// Forecast assigns the plan to the fleet as it is now. The decider, if any, is
// who would go first.
func (p Profile) Forecast(kind Kind, groups []Group, fleet discovery.Fleet, decider string, now time.Time) Forecast {
	f := Forecast{Waves: Assign(groups, p.roster(kind, fleet, decider, now))}
	for i := range f.Waves {
		v := &f.Waves[i]
		if v.Status == WaveSkipped {
			continue
		}
		n := max(v.Places, len(v.Members))
		f.Members += n
		batches := 1
		if v.MaxConcurrent.Set && n > 0 {
			at := max(1, v.MaxConcurrent.Up(n))
			batches = (n + at - 1) / at
		}
		f.Delays += v.Delay
		f.AtMost += v.Delay + time.Duration(batches)*v.Timeout + v.StableFor
	}
	return f
}

// PlanFor gives the groups that a request of this kind would get now (rules 3.3
// and 4.24).
func (p Profile) PlanFor(kind Kind, set Settings) []Group { return p.plan(kind, nil, set) }

// GroupNow tells in which group an occurrence would be if a shutdown were asked
// for now; empty for one that would be in none (10.3).
func (f Forecast) GroupNow() map[string]string {
	groups := map[string]string{}
	for i := range f.Waves {
		for j := range f.Waves[i].Members {
			groups[f.Waves[i].Members[j].OccurrenceID] = f.Waves[i].Name
		}
	}
	return groups
}
