package discovery_test

import (
	"slices"
	"testing"

	"github.com/cirisai/orchestrator/internal/discovery"
)

func names(list []*discovery.Occurrence) []string {
	var out []string
	for _, o := range list {
		out = append(out, o.ID)
	}
	return out
}

// TestOrder is rule 3.1: default first if present, the others by id in byte
// order.
func TestOrder(t *testing.T) {
	var list []discovery.Occurrence
	for _, id := range []string{"o2", "zeta", "default", "o10", "A", "a", "o1", "B"} {
		list = append(list, discovery.Occurrence{ID: id})
	}
	f := discovery.NewFleet(timing, list)
	var got []string
	for _, o := range f.All() {
		got = append(got, o.ID)
	}
	if want := []string{"default", "A", "B", "a", "o1", "o10", "o2", "zeta"}; !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
	for _, c := range []struct {
		a, b string
		want int
	}{{"default", "default", 0}, {"default", "A", -1}, {"A", "default", 1}, {"a", "b", -1}, {"b", "a", 1}, {"x", "x", 0}} {
		if got := discovery.CompareIDs(c.a, c.b); got != c.want {
			t.Errorf("CompareIDs(%q, %q) = %d", c.a, c.b, got)
		}
	}
}

// TestFleetLists is rules 2.9 and 2.12: who is live, stale and discovered; an
// uncoordinated occurrence is discovered and counts as nothing else.
func TestFleetLists(t *testing.T) {
	old := discovery.Occurrence{ID: "old", LastSign: epoch}
	live := discovery.Occurrence{ID: "live", LastSign: epoch, Coordinated: true}
	stale := discovery.Occurrence{ID: "stale", LastSign: at(-60), Coordinated: true}
	oldStale := discovery.Occurrence{ID: "oldstale", LastSign: at(-60)}
	gone := discovery.Occurrence{ID: "gone", LastSign: at(-6000), Coordinated: true}
	f := discovery.NewFleet(timing, []discovery.Occurrence{gone, live, old, oldStale, stale})
	if got := names(f.Live(epoch)); !slices.Equal(got, []string{"live"}) {
		t.Errorf("live: %v", got)
	}
	if got := names(f.Stale(epoch)); !slices.Equal(got, []string{"stale"}) {
		t.Errorf("stale: %v", got)
	}
	if got := names(f.Discovered(epoch)); !slices.Equal(got, []string{"live", "old", "oldstale", "stale"}) {
		t.Errorf("discovered: %v", got)
	}
	for id, want := range map[string]discovery.Liveness{
		"live": discovery.Live, "old": discovery.Live, "stale": discovery.Stale,
		"gone": discovery.Gone, "never": discovery.Gone,
	} {
		if got := f.Liveness(id, epoch); got != want {
			t.Errorf("%s is %s", id, got)
		}
	}
	if f.Len() != 5 || f.Get("never") != nil || f.Get("live").ID != "live" {
		t.Errorf("%d occurrences, never heard: %v", f.Len(), f.Get("never"))
	}
}

// TestWith: a fleet is never changed; With makes another, in order.
func TestWith(t *testing.T) {
	f := discovery.NewFleet(timing, []discovery.Occurrence{{ID: "b"}, {ID: "d"}})
	if g := f.With(); g.Len() != 2 {
		t.Errorf("nothing added makes %d", g.Len())
	}
	g := f.With(discovery.Occurrence{ID: "b", Version: "2"})
	if g.Get("b").Version != "2" || f.Get("b").Version != "" || g.Len() != 2 {
		t.Errorf("b is %q in the new fleet and %q in the old", g.Get("b").Version, f.Get("b").Version)
	}
	g = g.With(discovery.Occurrence{ID: "c"}, discovery.Occurrence{ID: "default"}, discovery.Occurrence{ID: "c", Version: "3"}, discovery.Occurrence{ID: "d", Version: "4"})
	var got []string
	for _, o := range g.All() {
		got = append(got, o.ID+o.Version)
	}
	if want := []string{"default", "b2", "c3", "d4"}; !slices.Equal(got, want) {
		t.Errorf("the fleet is %v, want %v", got, want)
	}
	if f.Len() != 2 || f.Get("c") != nil {
		t.Error("the old fleet changed")
	}
	var none discovery.Fleet
	if none.Get("x") != nil || none.With(discovery.Occurrence{ID: "x"}).Get("x") == nil {
		t.Error("the zero fleet is not an agent without occurrences")
	}
}

// TestReserved is rule 2.1: the id that no agent and no occurrence may have.
func TestReserved(t *testing.T) {
	if discovery.Reserved != "__shared__" {
		t.Errorf("reserved is %q", discovery.Reserved)
	}
}
