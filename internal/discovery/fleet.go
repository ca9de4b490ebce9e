package discovery

import (
	"slices"
	"strings"
	"time"
)

// Reserved is the id that the shared task carries in place of an occurrence;
// no agent and no occurrence may have it (rule 2.1).
const Reserved = "__shared__"

// Fleet is all the occurrences of one agent, in the order of rule 3.1. Its zero
// value is an agent without occurrences. A Fleet is never changed: With makes
// another.
type Fleet struct {
	Timing      Timing
	occurrences []Occurrence
	index       map[string]int
}

// NewFleet puts the occurrences in order. It keeps the slice.
func NewFleet(timing Timing, occurrences []Occurrence) Fleet {
	if !slices.IsSortedFunc(occurrences, compare) {
		slices.SortFunc(occurrences, compare)
	}
	f := Fleet{Timing: timing, occurrences: occurrences, index: make(map[string]int, len(occurrences))}
	for i := range occurrences {
		f.index[occurrences[i].ID] = i
	}
	return f
}

// compare orders default first, the others by id in byte order (rule 3.1).
func compare(a, b Occurrence) int { return CompareIDs(a.ID, b.ID) }

// CompareIDs orders occurrence ids: default first, the others in byte order
// (rule 3.1).
func CompareIDs(a, b string) int {
	const first = "default"
	switch {
	case a == b:
		return 0
	case a == first:
		return -1
	case b == first:
		return 1
	}
	return strings.Compare(a, b)
}

// All returns the occurrences in order. The caller must not change them.
func (f Fleet) All() []Occurrence { return f.occurrences }

// Len is the number of occurrences ever heard and still kept.
func (f Fleet) Len() int { return len(f.occurrences) }

// Get finds an occurrence; nil when it was never heard. The caller must not
// change it.
func (f Fleet) Get(id string) *Occurrence {
	i, ok := f.index[id]
	if !ok {
		return nil
	}
	return &f.occurrences[i]
}

// With returns the fleet in which the given occurrences take the place of
// their former selves, or are added.
func (f Fleet) With(changed ...Occurrence) Fleet {
	if len(changed) == 0 {
		return f
	}
	occurrences := slices.Clone(f.occurrences)
	added := false
	for _, o := range changed {
		if i, ok := f.index[o.ID]; ok {
			occurrences[i] = o
			continue
		}
		// The same new occurrence may be given twice: the later one counts.
		if i := slices.IndexFunc(occurrences[len(f.occurrences):], func(x Occurrence) bool { return x.ID == o.ID }); i >= 0 {
			occurrences[len(f.occurrences)+i] = o
			continue
		}
		occurrences, added = append(occurrences, o), true
	}
	if added {
		return NewFleet(f.Timing, occurrences)
	}
	return Fleet{Timing: f.Timing, occurrences: occurrences, index: f.index}
}

// Liveness derives the liveness of an occurrence; one never heard is gone.
func (f Fleet) Liveness(id string, now time.Time) Liveness {
	o := f.Get(id)
	if o == nil {
		return Gone
	}
	return o.Liveness(f.Timing, now)
}

// Live lists the live coordinated occurrences in order.
func (f Fleet) Live(now time.Time) []*Occurrence {
	return f.pick(now, func(o *Occurrence, l Liveness) bool { return o.Coordinated && l == Live })
}

// Stale lists the stale coordinated occurrences in order.
func (f Fleet) Stale(now time.Time) []*Occurrence {
	return f.pick(now, func(o *Occurrence, l Liveness) bool { return o.Coordinated && l == Stale })
}

// Discovered lists who is live or stale in order, coordinated or not (rule 2.9).
func (f Fleet) Discovered(now time.Time) []*Occurrence {
	return f.pick(now, func(_ *Occurrence, l Liveness) bool { return l != Gone })
}

func (f Fleet) pick(now time.Time, want func(*Occurrence, Liveness) bool) []*Occurrence {
	var found []*Occurrence
	for i := range f.occurrences {
		if o := &f.occurrences[i]; want(o, o.Liveness(f.Timing, now)) {
			found = append(found, o)
		}
	}
	return found
}
