package rollout_test

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// watch looks at every step of a stage and checks what must be true of each:
// that Step is a pure function of what it is given, and the invariants that the
// promises of section 13 come down to. It keeps its own books where it can, so
// that it does not believe the state that it checks.
type watch struct {
	s     *stage
	in    rollout.Input
	given string // the state that this step was given, written out
	fleet []discovery.Occurrence
	steps int
	// deep also replays each step and splits the time that follows it.
	deep bool

	trails    map[string]*trail
	standing  string    // the wakeup that stands, by the watch's own books
	stoodFrom time.Time // when it ended
	proceeded map[string]map[string]bool
	affirmed  map[string]map[string]bool
	incidents map[string]bool // ids ever given
}

// scene is a stage on which every step is watched.
func scene(t testing.TB) *stage {
	s := newStage(t)
	watched(s)
	return s
}

func watched(s *stage) *watch {
	w := &watch{
		s: s, trails: map[string]*trail{}, proceeded: map[string]map[string]bool{}, affirmed: map[string]map[string]bool{},
		incidents: map[string]bool{},
	}
	s.before, s.after = w.before, w.after
	return w
}

func (w *watch) fatalf(format string, args ...any) {
	w.s.t.Helper()
	w.s.t.Fatalf("at "+clock(w.s.now)+", after "+commandName(w.in.Command)+": "+format, args...)
}

func commandName(c rollout.Command) string {
	if c == nil {
		return "nothing"
	}
	return reflect.TypeOf(c).Name()
}

func (w *watch) before(given rollout.State, in rollout.Input) {
	w.in, w.fleet = in, slices.Clone(in.Fleet.All())
	if w.deep {
		w.given = written(given)
	}
}

func (w *watch) after(before, next rollout.State, eff rollout.Effects) {
	w.s.t.Helper()
	w.steps++
	w.pure(before, next, eff)
	w.still(next)
	if w.steps%3 == 0 {
		w.touches(next)
	}
	if w.deep && w.steps%5 == 0 {
		w.splits(next)
	}
	w.directive(before, eff)
	w.follow(next, eff)
	w.commits(before, next, eff)
	w.concurrency(before, next, eff)
	w.finals(before, next)
	w.holds(before, next, eff)
	w.unfinished(next)
	w.books(before, next, eff)
}

// written writes a state out, members included.
func written(s rollout.State) string {
	members := make([][][]rollout.Member, len(s.Rollouts))
	for i, r := range s.Rollouts {
		for _, v := range r.Waves {
			members[i] = append(members[i], v.Members)
		}
	}
	raw, err := json.MarshalIndent(struct {
		State   rollout.State
		Members [][][]rollout.Member
	}{s, members}, "", " ")
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// pure: Step changes nothing that it was given, and gives the same again.
func (w *watch) pure(before, next rollout.State, eff rollout.Effects) {
	w.s.t.Helper()
	if !reflect.DeepEqual(w.fleet, w.in.Fleet.All()) {
		w.fatalf("the step changed the fleet that it was given")
	}
	if !w.deep {
		return
	}
	if now := written(before); now != w.given {
		w.fatalf("the step changed the state that it was given\n%s", difference(w.given, now))
	}
	again, effAgain, err := rollout.Step(before, w.in, w.s.now)
	if err != nil || !reflect.DeepEqual(again, next) {
		w.fatalf("the same step gave another state (%v)\n%s", err, difference(written(next), written(again)))
	}
	if !reflect.DeepEqual(eff, effAgain) {
		w.fatalf("the same step had other effects\n%+v\n%+v", eff, effAgain)
	}
}

// still: a second look at the same instant changes nothing, nor does any look
// before WakeAt.
func (w *watch) still(next rollout.State) {
	w.s.t.Helper()
	if !next.WakeAt.IsZero() && !next.WakeAt.After(w.s.now) {
		w.fatalf("WakeAt %s does not lie ahead", next.WakeAt)
	}
	w.unmoved(next, w.s.now)
	far := w.s.now.Add(100 * time.Hour)
	if !next.WakeAt.IsZero() {
		far = next.WakeAt.Add(-time.Microsecond)
	}
	if far.After(w.s.now) {
		w.unmoved(next, far)
	}
}

// unmoved: nothing is due up to and with this instant.
func (w *watch) unmoved(s rollout.State, at time.Time) {
	w.s.t.Helper()
	in := w.in
	in.Command = nil
	again, eff, err := rollout.Step(s, in, at)
	if err != nil {
		w.fatalf("a step without a command: %v", err)
	}
	s.SteppedAt = again.SteppedAt
	if !reflect.DeepEqual(s, again) {
		w.fatalf("a look at %s, before WakeAt, changed\n%s", clock(at), difference(written(s), written(again)))
	}
	if !reflect.DeepEqual(eff, rollout.Effects{}) {
		w.fatalf("a look at %s, before WakeAt, had effects: %+v", clock(at), eff)
	}
}

// touches: a heartbeat that says nothing new and comes from an occurrence that is
// not watched may be recorded in passing, without a step: a step with it moves
// nothing.
func (w *watch) touches(next rollout.State) {
	w.s.t.Helper()
	at := w.s.now.Add(time.Second)
	if !next.WakeAt.IsZero() && !next.WakeAt.After(at) {
		at = next.WakeAt.Add(-time.Microsecond)
	}
	in := w.in
	in.Command = nil
	for _, o := range w.fleet {
		if next.Notes[o.ID].Watched || o.Liveness(w.in.Fleet.Timing, at) != discovery.Live || !at.After(w.s.now) {
			continue
		}
		o.Sequence, o.LastSign = o.Sequence+1, at
		in.Fleet = w.in.Fleet.With(o)
		after, eff, err := rollout.Step(next, in, at)
		if err != nil || !reflect.DeepEqual(eff, rollout.Effects{}) {
			w.fatalf("%s is not watched, and its next heartbeat, which says nothing new, has effects (%v): %+v", o.ID, err, eff)
		}
		if !next.WakeAt.IsZero() && !after.WakeAt.IsZero() && after.WakeAt.Before(next.WakeAt) {
			w.fatalf("%s is not watched, and its next heartbeat makes something due earlier", o.ID)
		}
		before := next
		after.SteppedAt, after.WakeAt = before.SteppedAt, before.WakeAt
		if !reflect.DeepEqual(before, after) {
			w.fatalf("%s is not watched, and its next heartbeat, which says nothing new, changes\n%s", o.ID, difference(written(before), written(after)))
		}
	}
}

// splits: rule 2.11. However the passage of time is split, the state comes to
// be the same, and so does the trail.
func (w *watch) splits(next rollout.State) {
	w.s.t.Helper()
	spans := []time.Duration{time.Second, 31 * time.Second, 299 * time.Second, 20 * time.Minute, 25 * time.Hour}
	span := spans[w.steps/5%len(spans)]
	in := w.in
	in.Command = nil
	whole, effWhole, err := rollout.Step(next, in, w.s.now.Add(span))
	if err != nil {
		w.fatalf("a step without a command: %v", err)
	}
	parted, events := next, []rollout.Event(nil)
	for _, part := range []time.Duration{span / 7, span / 3, span / 2, span - time.Microsecond, span} {
		var eff rollout.Effects
		if parted, eff, err = rollout.Step(parted, in, w.s.now.Add(part)); err != nil {
			w.fatalf("a step without a command: %v", err)
		}
		events = append(events, eff.Events...)
	}
	if whole, parted = nameless(whole, effWhole.Events), nameless(parted, events); !reflect.DeepEqual(whole, parted) {
		w.fatalf("%s split gave another state\n%s", span, difference(written(whole), written(parted)))
	}
	if !reflect.DeepEqual(effWhole.Events, events) {
		w.fatalf("%s split gave another trail\n%+v\n%+v", span, effWhole.Events, events)
	}
}

// nameless takes the ids of incidents out of a state and of its events: they
// are drawn anew in each step.
func nameless(s rollout.State, events []rollout.Event) rollout.State {
	s.Incidents = maps.Clone(s.Incidents)
	for key, i := range s.Incidents {
		i.ID = ""
		s.Incidents[key] = i
	}
	for _, e := range events {
		delete(e.Data, "incident_id")
	}
	return s
}

// difference shows the lines in which two texts differ.
func difference(a, b string) string {
	one, other := strings.Split(a, "\n"), strings.Split(b, "\n")
	var out []byte
	for i := range max(len(one), len(other)) {
		left, right := lineOf(one, i), lineOf(other, i)
		if left != right {
			out = append(out, "- "+left+"\n+ "+right+"\n"...)
		}
		if len(out) > 2000 {
			break
		}
	}
	return string(out)
}

func lineOf(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return ""
}
