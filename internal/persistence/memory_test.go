package persistence_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/persistence"
	"github.com/cirisai/orchestrator/internal/rollout"
	"github.com/cirisai/orchestrator/internal/storetest"
)

// Promise 9: what a store remembers of an agent is what it would read. After
// every change, by itself or by another replica, a store that remembers and one
// that has just been opened show the same.
func TestWhatIsRememberedIsWhatIsThere(t *testing.T) {
	const changes = 150
	databases(t, func(t *testing.T, url string) {
		clock := storetest.NewClock()
		replicas := []*persistence.Store{open(t, url, clock.Now), open(t, url, clock.Now)}
		w := &walk{rnd: rand.New(rand.NewPCG(1, 2)), clock: clock}
		for n := range changes {
			s := replicas[w.rnd.IntN(2)]
			clock.Advance(time.Duration(1+w.rnd.IntN(1000)) * time.Millisecond)
			if err := w.change(t, s, n); err != nil {
				t.Fatalf("change %d: %v", n, err)
			}
			fresh, err := persistence.Open(t.Context(), url, persistence.Options{Clock: clock.Now})
			if err != nil {
				t.Fatal(err)
			}
			want := shown(t, fresh)
			if err := fresh.Close(); err != nil {
				t.Fatal(err)
			}
			for i, s := range replicas {
				if got := shown(t, s); !reflect.DeepEqual(got, want) {
					t.Fatalf("after change %d replica %d shows %s", n, i, differing(got, want))
				}
			}
		}
	})
}

type agentShown struct {
	State       rollout.State
	Occurrences []discovery.Occurrence
}

func shown(t *testing.T, s *persistence.Store) (a agentShown) {
	t.Helper()
	if err := s.View(t.Context(), func(tx engine.ReadTx) error {
		state, fleet, err := tx.Agent("scout")
		a = agentShown{state, fleet.All()}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return a
}

// differing says where two agents first differ.
func differing(got, want agentShown) string {
	a, b := fmt.Sprintf("%#v", got), fmt.Sprintf("%#v", want)
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	around := func(s string) string { return s[max(0, i-200):min(len(s), i+100)] }
	return fmt.Sprintf("\n%s\nand the database has\n%s", around(a), around(b))
}

// walk changes an agent at random.
type walk struct {
	rnd   *rand.Rand
	clock *storetest.Clock
	ids   []string
}

func (w *walk) some() string { return w.ids[w.rnd.IntN(len(w.ids))] }

func (w *walk) change(t *testing.T, s *persistence.Store, n int) error {
	t.Helper()
	if n == 0 {
		w.ids = []string{"default", "o1", "o2", "o3", "B", "a-b"}
	}
	if n > 0 && w.rnd.IntN(4) == 0 { // in passing
		o := shown(t, s).Occurrences[0]
		_, err := s.Touch(t.Context(), []engine.Touch{{AgentID: "scout", OccurrenceID: o.ID, Boot: o.Boot, Sequence: o.Sequence + 1, State: o.State, Detail: o.Detail}})
		return err
	}
	return s.Update(t.Context(), "scout", true, func(tx engine.Tx) error {
		before, fleet, err := tx.Agent("scout")
		if err != nil {
			return err
		}
		if w.rnd.IntN(5) == 0 {
			if err := tx.SaveProfile(rollout.Profile{Expected: n}); err != nil {
				return err
			}
		}
		heard := w.hear(fleet, tx.Now())
		if n == 0 {
			heard = nil
			for _, id := range w.ids {
				heard = append(heard, w.occurrence(id, tx.Now()))
			}
		}
		if err := tx.SaveOccurrences(fleet, heard); err != nil {
			return err
		}
		for range w.rnd.IntN(3) {
			after, eff := w.step(before, tx.Now(), n)
			if err := tx.Commit(before, after, eff); err != nil {
				return err
			}
			before = after
		}
		return nil
	})
}

// odd is an instant that no column keeps to the nanosecond.
func (w *walk) odd(now time.Time) time.Time { return now.Add(time.Duration(w.rnd.IntN(5000))) }

func (w *walk) occurrence(id string, now time.Time) discovery.Occurrence {
	return discovery.Occurrence{
		ID: id, Boot: fmt.Sprint("boot-", w.rnd.IntN(3)), Sequence: int64(w.rnd.IntN(3)), State: discovery.Work, StateSince: w.odd(now),
		LastSign: now, Labels: map[string]string{"n": fmt.Sprint(w.rnd.IntN(9))}, Conflicts: []time.Time{w.odd(now)}, Detail: fmt.Sprint(w.rnd.IntN(3)),
	}
}

func (w *walk) hear(fleet discovery.Fleet, now time.Time) (heard []discovery.Occurrence) {
	for range w.rnd.IntN(3) {
		o := w.occurrence(w.some(), now)
		if w.rnd.IntN(2) == 0 {
			o.Labels, o.Conflicts = map[string]string{}, []time.Time{}
		}
		if w.rnd.IntN(10) == 0 {
			o.ID = fmt.Sprintf("new-%d", w.rnd.IntN(100))
		}
		heard = append(heard, o)
	}
	return heard
}

// step makes another state as the core would, leaving the one before alone.
func (w *walk) step(before rollout.State, now time.Time, n int) (rollout.State, rollout.Effects) {
	after := before
	after.SteppedAt, after.Complete = now, w.rnd.IntN(2) == 0
	after.Notes, after.Loose, after.Incidents = maps.Clone(before.Notes), maps.Clone(before.Loose), maps.Clone(before.Incidents)
	var eff rollout.Effects
	switch id := w.some(); w.rnd.IntN(4) {
	case 0:
		after.Notes[id] = rollout.Note{Boot: "boot-1", Watched: true, WaitUntil: w.odd(now)}
		after.Loose[id] = rollout.LooseStop{RolloutID: "ro", Deadline: w.odd(now), Told: n}
		incident := rollout.Incident{ID: fmt.Sprintf("inc-%d-%d", n, w.rnd.IntN(1000)), Type: rollout.IncidentStraggler, OccurrenceID: id, OpenedAt: w.odd(now)}
		after.Incidents["straggler//0/"+id] = incident
		eff.Opened = append(eff.Opened, incident)
	case 1:
		delete(after.Notes, id)
		delete(after.Loose, id)
		if i, known := after.Incidents["straggler//0/"+id]; known {
			delete(after.Incidents, "straggler//0/"+id)
			i.ResolvedAt = now
			eff.Resolved = append(eff.Resolved, i)
		}
	case 2:
		if i, known := after.Incidents["straggler//0/"+id]; known { // resolved by an operator, its cause persists
			i.ResolvedAt, i.ResolvedBy = now, "operator:local"
			after.Incidents["straggler//0/"+id] = i
			eff.Resolved = append(eff.Resolved, i)
		}
	}
	after.Rollouts = w.roll(before.Rollouts, now, n)
	return after, eff
}

func (w *walk) roll(before []rollout.Rollout, now time.Time, n int) []rollout.Rollout {
	var after []rollout.Rollout
	for _, r := range before {
		r.Waves = slices.Clone(r.Waves)
		for i := range r.Waves {
			r.Waves[i].Members = slices.Clone(r.Waves[i].Members)
		}
		after = append(after, r)
	}
	unfinished := 0
	for i := range after {
		r := &after[i]
		if r.Status.Final() {
			continue
		}
		unfinished++
		w.rearrange(r, now)
		if w.rnd.IntN(6) == 0 {
			r.Status, r.FinishedAt = rollout.Succeeded, now
			unfinished--
		}
	}
	if unfinished > 0 {
		return after
	}
	r := rollout.Rollout{
		ID: fmt.Sprintf("ro-%d-%d", n, w.rnd.IntN(1_000_000)), AgentID: "scout", Kind: rollout.Shutdown, Status: rollout.Rolling,
		CreatedAt: now, Waves: []rollout.Wave{{}, {Status: rollout.WaveRunning}},
	}
	for _, id := range w.ids[:4] {
		r.Waves[0].Members = append(r.Waves[0].Members, rollout.Member{OccurrenceID: id, Status: rollout.MemberPending})
	}
	return append(after, r)
}

// rearrange moves, adds, changes and removes members.
func (w *walk) rearrange(r *rollout.Rollout, now time.Time) {
	for range w.rnd.IntN(3) {
		id, wave := w.some(), &r.Waves[w.rnd.IntN(2)]
		for i := range r.Waves {
			r.Waves[i].Members = slices.DeleteFunc(r.Waves[i].Members, func(m rollout.Member) bool { return m.OccurrenceID == id })
		}
		if w.rnd.IntN(3) > 0 {
			at := w.rnd.IntN(len(wave.Members) + 1)
			wave.Members = slices.Insert(wave.Members, at, rollout.Member{OccurrenceID: id, Status: rollout.MemberInstructed, Deadline: w.odd(now)})
		}
	}
	for i := range r.Waves {
		for j := range r.Waves[i].Members {
			if w.rnd.IntN(3) == 0 {
				r.Waves[i].Members[j].Tries++
			}
		}
	}
}
