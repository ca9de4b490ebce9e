package rollout_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// crew makes occurrences by id; "id/group" pins one.
func crew(list ...string) []*discovery.Occurrence {
	var out []*discovery.Occurrence
	for _, entry := range list {
		id, pin, _ := strings.Cut(entry, "/")
		out = append(out, &discovery.Occurrence{ID: id, Pin: pin, Coordinated: true})
	}
	return out
}

// groups writes who is in which wave, and how many places a wave has.
func groups(waves []rollout.Wave) string {
	var out []string
	for _, v := range waves {
		var who []string
		for _, m := range v.Members {
			who = append(who, m.OccurrenceID)
		}
		line := fmt.Sprintf("%s(%d): %s", v.Name, v.Places, strings.Join(who, " "))
		if v.Status == rollout.WaveSkipped {
			line = v.Name + " skipped"
		}
		out = append(out, strings.TrimSpace(line))
	}
	return strings.Join(out, ", ")
}

// TestDefaultSizes is rule 3.2, the whole table, and every n up to 500 against
// the formula: explorer 1, early adopters max(1, floor(0.30 n)) and never more
// than remain, general the rest.
func TestDefaultSizes(t *testing.T) {
	table := map[int][3]int{
		1: {1, 0, 0}, 2: {1, 1, 0}, 3: {1, 1, 1}, 4: {1, 1, 2}, 5: {1, 1, 3}, 6: {1, 1, 4}, 7: {1, 2, 4},
		9: {1, 2, 6}, 10: {1, 3, 6}, 20: {1, 6, 13}, 100: {1, 30, 69},
	}
	for n := 1; n <= 500; n++ {
		early := min(max(1, n*30/100), n-1)
		want := [3]int{1, early, n - 1 - early}
		if listed, is := table[n]; is && listed != want {
			t.Fatalf("the table and the formula differ for %d", n)
		}
		live := crew(ids(n)...)
		waves := rollout.Assign(rollout.DefaultPlan(), rollout.Roster{Live: live, Places: n})
		next := 0
		for i, v := range waves {
			if len(v.Members) != want[i] || v.Places != want[i] {
				t.Errorf("n=%d: wave %s has %d members in %d places, want %d", n, v.Name, len(v.Members), v.Places, want[i])
			}
			if empty := want[i] == 0; empty != (v.Status == rollout.WaveSkipped) {
				t.Errorf("n=%d: wave %s is %s (rule 3.6)", n, v.Name, v.Status)
			}
			for _, m := range v.Members {
				if m.OccurrenceID != live[next].ID || m.Status != rollout.MemberPending {
					t.Errorf("n=%d: place %d is taken by %s, %s", n, next, m.OccurrenceID, m.Status)
				}
				next++
			}
		}
	}
}

// assignCase is a roster, and who is put where.
type assignCase struct {
	name   string
	roster rollout.Roster
	want   string
}

func orderCases() []assignCase {
	return []assignCase{
		{"3.1: in order", rollout.Roster{Live: crew("default", "a", "b", "c"), Places: 4}, "explorer(1): default, early_adopter(1): a, general(2): b c"},
		{
			"3.1: the decider speaks first and goes first",
			rollout.Roster{Live: crew("a", "b", "c"), Decider: "c", Places: 3},
			"explorer(1): c, early_adopter(1): a, general(1): b",
		},
		{
			"3.1: a decider that is not live moves nobody",
			rollout.Roster{Live: crew("a", "b", "c"), Stale: crew("d"), Decider: "d", Places: 3},
			"explorer(1): a, early_adopter(1): b, general(1): c d",
		},
		{
			"3.1: stale ones do not count for n and go to the end of the last wave",
			rollout.Roster{Live: crew("b", "c", "d"), Stale: crew("a", "e"), Places: 3},
			"explorer(1): b, early_adopter(1): c, general(1): d a e",
		},
		{
			"3.1: of the last wave that has a place",
			rollout.Roster{Live: crew("b", "c"), Stale: crew("a"), Places: 2},
			"explorer(1): b, early_adopter(1): c a, general skipped",
		},
		{
			"3.1: the only wave that has one",
			rollout.Roster{Live: crew("b"), Stale: crew("a"), Places: 1},
			"explorer(1): b a, early_adopter skipped, general skipped",
		},
		{
			"3.1: nobody live leaves the stale ones to wave 1",
			rollout.Roster{Stale: crew("a", "b")},
			"explorer(0): a b, early_adopter skipped, general skipped",
		},
		{"3.6: nobody at all", rollout.Roster{}, "explorer skipped, early_adopter skipped, general skipped"},
	}
}

func pinCases() []assignCase {
	return []assignCase{
		{
			"3.4: live pinned ones fill their wave first",
			rollout.Roster{Live: crew("a", "b/general", "c/explorer", "d"), Places: 4},
			"explorer(1): c, early_adopter(1): a, general(2): b d",
		},
		{
			"3.4: beyond its size they count as unpinned",
			rollout.Roster{Live: crew("a/explorer", "b/explorer", "c"), Places: 3},
			"explorer(1): a, early_adopter(1): b, general(1): c",
		},
		{
			"3.4: the decider outranks them",
			rollout.Roster{Live: crew("a/explorer", "b", "c"), Decider: "b", Places: 3},
			"explorer(1): b, early_adopter(1): a, general(1): c",
		},
		{
			"3.4: the decider's own pin counts for nothing",
			rollout.Roster{Live: crew("a", "b/general", "c"), Decider: "b", Places: 3},
			"explorer(1): b, early_adopter(1): a, general(1): c",
		},
		{
			"3.4: a pin to a group that the plan lacks is none",
			rollout.Roster{Live: crew("a/pioneer", "b", "c"), Places: 3},
			"explorer(1): a, early_adopter(1): b, general(1): c",
		},
		{
			"3.4: a pin of a stale one is none",
			rollout.Roster{Live: crew("b", "c", "d"), Stale: crew("a/explorer"), Places: 3},
			"explorer(1): b, early_adopter(1): c, general(1): d a",
		},
		{
			"3.5: places without an occurrence stay open",
			rollout.Roster{Live: crew("a", "b", "c"), Places: 9},
			"explorer(1): a, early_adopter(2): b c, general(6):",
		},
		{
			"3.5: stale ones take no open place",
			rollout.Roster{Live: crew("a"), Stale: crew("z"), Places: 5},
			"explorer(1): a, early_adopter(1):, general(3): z",
		},
	}
}

// TestAssign is rules 3.1, 3.4, 3.5 and 3.6: order, decider, pins, stale ones and
// open places, with the default plan.
func TestAssign(t *testing.T) {
	for _, c := range append(orderCases(), pinCases()...) {
		if got := groups(rollout.Assign(rollout.DefaultPlan(), c.roster)); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

// TestAssignConfigured is rule 3.3: any number of waves, each sized by count,
// percent (of all members, floor, at least 1) or rest; whom no wave has room
// for joins the last one.
func TestAssignConfigured(t *testing.T) {
	for _, c := range []struct {
		name string
		plan []rollout.Group
		n    int
		want string
	}{
		{"counts", []rollout.Group{groupOf("a", sized(2)), groupOf("b", sized(1)), groupOf("c", remaining())}, 4, "a(2): o1 o2, b(1): o3, c(1): o4"},
		{"too few for the counts", []rollout.Group{groupOf("a", sized(2)), groupOf("b", sized(5)), groupOf("c", remaining())}, 4, "a(2): o1 o2, b(2): o3 o4, c skipped"},
		{"percent of all, floored", []rollout.Group{groupOf("a", share(50)), groupOf("b", share(50)), groupOf("c", share(50))}, 5, "a(2): o1 o2, b(2): o3 o4, c(1): o5"},
		{"percent is at least one", []rollout.Group{groupOf("a", share(1)), groupOf("b", share(1)), groupOf("c", remaining())}, 3, "a(1): o1, b(1): o2, c(1): o3"},
		{"never more than remain", []rollout.Group{groupOf("a", share(100)), groupOf("b", share(1)), groupOf("c", sized(1))}, 2, "a(2): o1 o2, b skipped, c skipped"},
		{"nobody is left out of a count", []rollout.Group{groupOf("a", sized(1)), groupOf("b", sized(1))}, 4, "a(1): o1, b(3): o2 o3 o4"},
		{"nor of a percentage", []rollout.Group{groupOf("a", share(20)), groupOf("b", share(20))}, 5, "a(1): o1, b(4): o2 o3 o4 o5"},
		{"one wave", []rollout.Group{groupOf("a", sized(1))}, 3, "a(3): o1 o2 o3"},
		{"rest alone", []rollout.Group{groupOf("a", remaining())}, 3, "a(3): o1 o2 o3"},
	} {
		if got := groups(rollout.Assign(c.plan, rollout.Roster{Live: crew(ids(c.n)...), Places: c.n})); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

// TestAssignIsPure is rule 3.7: assignment is a pure function of its inputs.
func TestAssignIsPure(t *testing.T) {
	roster := rollout.Roster{Live: crew("a/general", "b", "c"), Stale: crew("d"), Decider: "c", Places: 5}
	plan := rollout.DefaultPlan()
	first := rollout.Assign(plan, roster)
	first[0].Members[0].Status = rollout.MemberFailed
	second, third := rollout.Assign(plan, roster), rollout.Assign(plan, roster)
	if !reflect.DeepEqual(second, third) {
		t.Error("the same inputs give two assignments")
	}
	if second[0].Members[0].Status != rollout.MemberPending || !reflect.DeepEqual(plan, rollout.DefaultPlan()) {
		t.Error("one assignment shows in another, or in the plan")
	}
}

// TestWakeupIsSizedByExpected is rules 3.5 and 2.13: a wakeup is sized by the
// larger of live and expected, a shutdown by who is live; with none declared the
// count comes from discovery.
func TestWakeupIsSizedByExpected(t *testing.T) {
	for _, c := range []struct {
		expected int
		kind     rollout.Kind
		want     int
	}{
		{0, rollout.Wakeup, 4},
		{9, rollout.Wakeup, 9},
		{2, rollout.Wakeup, 4},
		{0, rollout.Shutdown, 4},
		{9, rollout.Shutdown, 4},
		{2, rollout.Shutdown, 4},
	} {
		s := newStage(t)
		s.state.Profile.Expected = c.expected
		s.fleetOf(discovery.Wakeup, ids(4)...)
		s.boot("old", uncoordinated) // rule 2.12: never counted
		f := s.state.Profile.Forecast(c.kind, rollout.DefaultPlan(), s.fleet, "", s.now)
		if f.Members != c.want {
			t.Errorf("expected %d: a %s has %d places, want %d", c.expected, c.kind, f.Members, c.want)
		}
	}
}

// TestMembersAreTakenAtTheStart is rule 3.7: the plan is fixed by the request,
// members are taken when wave 1 starts.
func TestMembersAreTakenAtTheStart(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, ids(3)...)
	id := s.request(rollout.Shutdown)
	s.state.Profile.Plans = map[rollout.Kind][]rollout.Group{rollout.Shutdown: {groupOf("only", remaining())}}
	if n := len(s.wave(id, 1).Members); n != 0 {
		t.Errorf("%d members are taken before wave 1 starts", n)
	}
	s.fleetOf(discovery.Work, "o4", "o5")
	s.leave("o2")
	s.decide(id, rollout.Accept)
	s.want(id, "1 explorer running: o1=instructed", "2 early_adopter pending: o3=pending", "3 general pending: o4=pending o5=pending")
}
