package demo

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/client"
)

func TestOptions(t *testing.T) {
	for _, c := range []struct {
		options Options
		want    string
	}{
		{Options{Occurrences: 9, Speed: 60}, ""},
		{Options{Occurrences: 1, Speed: 0.5}, ""},
		{Options{Occurrences: 500, Speed: 1000, Fail: general}, ""},
		{Options{Occurrences: 0, Speed: 60}, "--occurrences is 0"},
		{Options{Occurrences: 501, Speed: 60}, "--occurrences is 501"},
		{Options{Occurrences: 9, Speed: 0}, "--speed is 0"},
		{Options{Occurrences: 9, Speed: -1}, "--speed is -1"},
		{Options{Occurrences: 9, Speed: math.NaN()}, "--speed is NaN"},
		{Options{Occurrences: 9, Speed: math.Inf(1)}, "--speed is +Inf"},
		{Options{Occurrences: 9, Speed: 60, Fail: "explorers"}, `--fail is "explorers"`},
		{Options{Occurrences: 9, Speed: 60, Fail: explorer, Reject: true}, "exclude one another"},
		{Options{Occurrences: 1, Speed: 60, Fail: earlyAdopter}, "needs more occurrences"},
		{Options{Occurrences: 2, Speed: 60, Fail: general}, "needs more occurrences"},
	} {
		err := c.options.Check()
		if c.want == "" {
			if err != nil {
				t.Errorf("%+v: %v", c.options, err)
			}
			continue
		}
		if !errors.Is(err, ErrOptions) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v: %v, want %q", c.options, err, c.want)
		}
	}
}

// The plan is the specification's (rule 4.21) for nine, and rule 3.2's for any other number.
func TestPlan(t *testing.T) {
	for n, want := range map[int][]int{1: {1, 0, 0}, 2: {1, 1, 0}, 3: {1, 1, 1}, 7: {1, 2, 4}, 9: {1, 3, 5}, 20: {1, 6, 13}, 100: {1, 30, 69}} {
		var got []int
		for _, w := range (Options{Occurrences: n, Speed: 60}).plan() {
			got = append(got, w.size)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d: %v, want %v", n, got, want)
		}
	}
}

// However fast, the service is given time enough for a busy machine; however slow, it has its own defaults.
func TestSettings(t *testing.T) {
	fast := Options{Occurrences: 9, Speed: 1000}.settings()
	if fast.HeartbeatInterval < 250*time.Millisecond || fast.LivenessTimeout < 2*time.Second || fast.ClaimLease < 5*time.Second {
		t.Errorf("fast: %+v", fast)
	}
	want := Settings{10 * time.Second, 30 * time.Second, 10 * time.Minute, 5 * time.Minute, 10 * time.Minute, 5 * time.Minute}
	if got := (Options{Occurrences: 9, Speed: 1}).settings(); got != want {
		t.Errorf("slow: %+v", got)
	}
	for _, fail := range []string{"", explorer, earlyAdopter, general} {
		o := Options{Occurrences: 9, Speed: 60, Fail: fail}
		for _, w := range o.shutdownPlan() {
			if enough := w.timeout >= o.real(w.stops)+5*time.Second; enough == (w.group == fail) {
				t.Errorf("fail %q: %s has %s for what takes %s", fail, w.group, w.timeout, o.real(w.stops))
			}
		}
	}
}

func TestClockOf(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "T+0:00", 59500 * time.Millisecond: "T+1:00", 5 * time.Minute: "T+5:00", -3 * time.Second: "T-0:03", time.Hour: "T+60:00"} {
		if got := clockOf(d); got != want {
			t.Errorf("%s: %s, want %s", d, got, want)
		}
	}
}

var began = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func at(virtualSeconds float64) *time.Time {
	t := began.Add(time.Duration(virtualSeconds / 60 * float64(time.Second)))
	return &t
}

func words(s string) *string { return &s }

// early is a shutdown of nine in which the explorer has stopped; late one in which all have.
func early() client.Rollout {
	r := rollout()
	r.Waves[0].State, r.Waves[0].StartedAt, r.Waves[0].GateOpenedAt = client.WaveStatePassed, at(0), at(30)
	r.Waves[0].Members = members(client.MemberStateReached, 0, 30, 1)
	r.Waves[1].WaitingFor = words("its delay of 500ms to end at 2026-01-02T03:04:06Z")
	r.UpdatedAt = *at(30)
	return r
}

func late() client.Rollout {
	r := early()
	r.State, r.FinishedAt, r.UpdatedAt = client.RolloutStateSucceeded, at(300), *at(300)
	for i, w := range []struct{ told, stopped float64 }{{0, 30}, {60, 120}, {180, 300}} {
		v := &r.Waves[i]
		v.State, v.StartedAt, v.GateOpenedAt, v.WaitingFor = client.WaveStatePassed, at(w.told), at(w.stopped), nil
		for j := range v.Members {
			v.Members[j] = members(client.MemberStateReached, w.told, w.stopped, 1)[0]
			v.Members[j].OccurrenceID = rollout().Waves[i].Members[j].OccurrenceID
		}
	}
	return r
}

func rollout() client.Rollout {
	return client.Rollout{
		Kind: client.RolloutKindShutdown, State: client.RolloutStateRolling, UpdatedAt: began, Decision: &client.Decision{DecidedAt: began},
		Waves: []client.Wave{
			{Index: 1, Group: explorer, State: client.WaveStateRunning, Delay: "0s", StartedAt: at(0), Members: members(client.MemberStateInstructed, 0, -1, 1)},
			{Index: 2, Group: earlyAdopter, State: client.WaveStateDelayed, Delay: "500ms", Members: members(client.MemberStatePending, -1, -1, 2, 3, 4)},
			{Index: 3, Group: general, State: client.WaveStatePending, Delay: "1s", Members: members(client.MemberStatePending, -1, -1, 5, 6, 7, 8, 9)},
		},
	}
}

func members(state client.MemberState, told, reached float64, numbers ...int) []client.Member {
	var all []client.Member
	for _, n := range numbers {
		m := client.Member{OccurrenceID: Options{Occurrences: 9}.occurrenceID(n), State: state}
		if told >= 0 {
			m.InstructedAt = at(told)
		}
		if reached >= 0 {
			m.ReachedAt = at(reached)
		}
		all = append(all, m)
	}
	return all
}

// Rule 4.21: the timeline sets what was beside what is specified, and leaves open what was not.
func TestTimeline(t *testing.T) {
	o := Options{Occurrences: 9, Speed: 60}
	got := strings.Join(timeline(late(), o.virtual), "\n")
	for _, c := range []string{"0:00", "0:30", "1:00", "2:00", "3:00", "5:00"} {
		if strings.Count(got, "T+"+c) != 2 {
			t.Errorf("T+%s is not there twice:\n%s", c, got)
		}
	}
	if lines := timeline(early(), o.virtual); !strings.HasSuffix(lines[2], "T+0:30") || !strings.HasSuffix(lines[3], "-") {
		t.Errorf("unfinished:\n%s", strings.Join(lines, "\n"))
	}
}

// What has changed is told in order of time, with the times that the service gives and in virtual durations.
func TestChanges(t *testing.T) {
	o := Options{Occurrences: 9, Speed: 60}
	said := func(before, after client.Rollout) []string {
		var all []string
		for _, c := range o.changes(before, after) {
			all = append(all, clockOf(o.virtual(c.at.Sub(began)))+" "+c.text)
		}
		return all
	}
	if got, want := said(rollout(), early()), []string{
		"T+0:30 wave 1 explorer has passed: enough of it are where they should be",
		"T+0:30 wave 1 explorer: occurrence-1 stopped",
	}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if got, want := said(client.Rollout{}, early()), "T+0:30 wave 2 early_adopter waits for its delay of 30s"; got[len(got)-1] != want {
		t.Errorf("got %q", got)
	}
	got := said(early(), late())
	if !slices.Contains(got, "T+2:00 wave 2 early_adopter: occurrence-2, occurrence-3, occurrence-4 stopped") || got[len(got)-1] != "T+5:00 shutdown succeeded" {
		t.Errorf("got %q", got)
	}
	if got := said(late(), late()); len(got) != 0 {
		t.Errorf("nothing has changed, but %q", got)
	}
	if got := said(client.Rollout{}, client.Rollout{Kind: client.RolloutKindShutdown, State: client.RolloutStateRejected, UpdatedAt: *at(1)}); !slices.Equal(got, []string{"T+0:01 shutdown rejected"}) {
		t.Errorf("decided before the first look: %q", got)
	}
	failed := late()
	failed.Waves[1].State, failed.Waves[1].FinishedAt = client.WaveStateFailed, at(200)
	failed.Waves[2].State, failed.Waves[2].Members = client.WaveStateCancelled, members(client.MemberStateCancelled, -1, -1, 5, 6)
	if got := said(early(), failed); !slices.Contains(got, "T+3:20 wave 2 early_adopter HAS FAILED") ||
		!slices.Contains(got, "T+5:00 wave 3 general: occurrence-5, occurrence-6 never told") {
		t.Errorf("got %q", got)
	}
}

// The words for waiting keep the condition and drop moments that would mislead.
func TestWaitsFor(t *testing.T) {
	o := Options{Occurrences: 9, Speed: 60}
	for given, want := range map[string]string{
		"its delay of 500ms to end at 2026-01-02T03:04:06Z":                                                                     "its delay of 30s",
		"1 of 3 members to be stopped (min_healthy 1): 0 are, 0 failed; since 2026-01-02T03:04:06Z, until 2026-01-02T03:04:11Z": "1 of 3 members to be stopped (min_healthy 1): 0 are, 0 failed",
		"the verdict of occurrence occurrence-1, which holds the claim since 2026-01-02T03:04:06Z, by 2026-01-02T03:04:16Z":     "the verdict of occurrence occurrence-1, which holds the claim",
		"an operator to retry, promote or abort; halted since 2026-01-02T03:04:06Z":                                             "an operator to retry, promote or abort; halted",
		"one of its members to be live; since 2026-01-02T03:04:06Z, until 2026-01-02T03:04:11Z":                                 "one of its members to be live",
		"wave 2 (early_adopter) to be settled":                                                                                  "wave 2 (early_adopter) to be settled",
	} {
		if got := o.waitsFor(client.Wave{Delay: "500ms", WaitingFor: &given}); got != want {
			t.Errorf("%q becomes %q", given, got)
		}
	}
}

func TestFrame(t *testing.T) {
	o := Options{Occurrences: 9, Speed: 60}
	got := strings.Join(o.frame(early(), "T+0:42"), "\n")
	want := `  T+0:42   shutdown rolling

  wave 1  explorer       passed    #
          occurrence-1   stopped

  wave 2  early_adopter  delayed   ...
          occurrence-2   not told yet
          occurrence-3   not told yet
          occurrence-4   not told yet
          waits for its delay of 30s

  wave 3  general        pending   .....
          occurrence-5   not told yet
          occurrence-6   not told yet
          occurrence-7   not told yet
          occurrence-8   not told yet
          occurrence-9   not told yet`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	large := early()
	for range 70 {
		large.Waves[2].Members = append(large.Waves[2].Members, members(client.MemberStateFailed, 0, -1, 5)...)
	}
	got = strings.Join(o.frame(large, ""), "\n")
	if !strings.Contains(got, "5 not told yet, 70 did not stop in time") || !strings.Contains(got, ".....xx") || strings.Count(got, "x") > 60 {
		t.Errorf("large:\n%s", got)
	}
}

// On a terminal a frame replaces the one before; what is said stays.
func TestScreen(t *testing.T) {
	var b strings.Builder
	s := &screen{out: &b, terminal: true}
	s.heading("First")
	s.draw([]string{"one", "two"})
	s.draw([]string{"three"})
	s.say("done")
	s.draw([]string{"four"})
	got := b.String()
	if strings.Count(got, "\x1b[2F") != 1 || strings.Count(got, "F") != 2 /* and that of First */ || !strings.Contains(got, "1. First") {
		t.Errorf("got %q", got)
	}
	b.Reset()
	plain := &screen{out: &b}
	plain.heading("First")
	plain.say("%d %%", 5)
	if got := b.String(); got != "\n== 1. First ==\n\n5 %\n" {
		t.Errorf("got %q", got)
	}
}

// Every state of a member has words and a mark (rule 4.11).
func TestEveryStateHasWords(t *testing.T) {
	seen := map[byte]bool{}
	for _, s := range []client.MemberState{
		client.MemberStatePending, client.MemberStateInstructed, client.MemberStateAcknowledged, client.MemberStateReached,
		client.MemberStateFailed, client.MemberStateLost, client.MemberStateSkipped, client.MemberStateCancelled,
	} {
		for _, kind := range []client.RolloutKind{client.RolloutKindWakeup, client.RolloutKindShutdown} {
			if got := stateOf(kind, client.Member{State: s}); got == string(s) {
				t.Errorf("%s has no words in a %s", s, kind)
			}
		}
		seen[mark(s)] = true
	}
	if seen['?'] || len(seen) != 6 {
		t.Errorf("marks %v", seen)
	}
}

func TestNames(t *testing.T) {
	if got := names([]string{"b", "a"}); got != "a, b" {
		t.Errorf("got %q", got)
	}
	if got := names([]string{"7", "1", "2", "3", "4", "5", "6"}); got != "1 to 7 (7)" {
		t.Errorf("got %q", got)
	}
	if got := (Options{Occurrences: 100}).occurrenceID(7); got != "occurrence-007" {
		t.Errorf("got %q", got)
	}
}
