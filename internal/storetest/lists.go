package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

func listProofs() []proof {
	return []proof{
		{"rule 10.1: agents are listed by id, in the order of bytes", agentsListed},
		{"rule 10.1: an agent in a list shows who is there", agentSummary},
		{"rule 10.1: rollouts are listed newest first, and filtered", rolloutsListed},
		{"rule 10.1: a walk over agents shows what was there once", walkAgents},
		{"rule 10.1: a walk over rollouts shows what was there once", walkRollouts},
		{"rule 10.1: a walk over incidents shows what was there once", walkIncidents},
		{"rule 10.1: a walk over events shows what was there once", walkEvents},
		{"a View is one snapshot", viewIsASnapshot},
		{"metrics count what is there", counted},
	}
}

// agents lists ids.
func (s *suite) agents(after string, limit int) []string {
	s.t.Helper()
	ids := []string{}
	s.view(func(tx engine.ReadTx) error {
		found, err := tx.Agents(after, limit)
		for _, a := range found {
			ids = append(ids, a.AgentID)
		}
		return err
	})
	return ids
}

func agentsListed(s *suite) {
	want := []string{"0", "9", "A.b", "A_b", "B", "a", "a-b", "a.b", "aB", "b"}
	for i := len(want) - 1; i >= 0; i-- {
		s.update(want[i], nothing)
	}
	s.same("all", want, s.agents("", 100))
	s.same("two", want[:2], s.agents("", 2))
	s.same("after B", want[5:8], s.agents("B", 3))
	s.same("after one that is not there", want[4:], s.agents("Aa", 100))
	s.same("after the last", []string{}, s.agents("b", 100))
}

func agentSummary(s *suite) {
	now := s.now()
	heard := func(id string, ago time.Duration, change func(o *discovery.Occurrence)) discovery.Occurrence {
		o := s.working(id, "b1")
		o.LastSign = now.Add(-ago)
		change(&o)
		return o
	}
	asIs := func(*discovery.Occurrence) {}
	s.hear(agent,
		heard("live", 30*time.Second, asIs),
		heard("alone", 0, func(o *discovery.Occurrence) { o.Coordinated = false }),
		heard("asleep", 0, func(o *discovery.Occurrence) { o.State = discovery.Wakeup }),
		heard("stale", 30*time.Second+time.Microsecond, asIs),
		heard("gone", 11*time.Minute, asIs),
		heard("left", 0, func(o *discovery.Occurrence) { o.Left = true }),
		heard("stopped", 0, func(o *discovery.Occurrence) { o.State = discovery.Stopped }),
		heard("unreachable", 0, func(o *discovery.Occurrence) { o.CallbackGone = true }))
	s.commit(agent, func(state *rollout.State, _ *rollout.Effects) {
		state.Hold = &rollout.Hold{Since: now, By: "operator:eve", Reason: "fire", RolloutID: "ro_2"}
		done := simple("ro_3", rollout.Shutdown, now)
		done.Status, done.FinishedAt = rollout.Failed, now
		state.Rollouts = []rollout.Rollout{simple("ro_1", rollout.Wakeup, now), simple("ro_2", rollout.Emergency, now), done}
	})
	s.update(agent, func(tx engine.Tx) error { return tx.SaveProfile(rollout.Profile{Expected: 9}) })
	s.update("scout2", nothing)
	s.view(func(tx engine.ReadTx) error {
		found, err := tx.Agents("", 10)
		s.must(err)
		want := []engine.AgentSummary{{
			AgentID: agent, Profile: rollout.Profile{Expected: 9}, Occurrences: 8, Live: 3, Discovered: 4, Awake: 2,
			Hold: &rollout.Hold{Since: now, By: "operator:eve", Reason: "fire", RolloutID: "ro_2"}, Unfinished: []string{"ro_1", "ro_2"},
		}, {AgentID: "scout2"}}
		s.same("agents", want, found)
		return nil
	})
}

// rollouts lists ids.
func (s *suite) rollouts(f engine.RolloutFilter) []string {
	s.t.Helper()
	ids := []string{}
	s.view(func(tx engine.ReadTx) error {
		found, err := tx.Rollouts(f)
		for _, r := range found {
			ids = append(ids, r.ID)
		}
		return err
	})
	return ids
}

func rolloutsListed(s *suite) {
	now := s.now()
	var mine []rollout.Rollout
	for i, kind := range []rollout.Kind{rollout.Shutdown, rollout.Wakeup, rollout.Shutdown, rollout.Emergency} {
		r := simple(fmt.Sprintf("ro_%d", 2*i), kind, now.Add(-time.Duration(i)*time.Hour), []string{"o1", "o2"}, []string{"o3"})
		r.Status = []rollout.Status{rollout.Failed, rollout.Paused, rollout.Halted, rollout.Partial}[i]
		mine = append(mine, r)
	}
	s.replace(mine...)
	s.commit("other", func(state *rollout.State, _ *rollout.Effects) {
		r := simple("ro_3", rollout.Shutdown, now)
		r.AgentID = "other"
		state.Rollouts = append(state.Rollouts, r)
	})
	for _, c := range []struct {
		filter engine.RolloutFilter
		want   []string
	}{
		{engine.RolloutFilter{Limit: 10}, []string{"ro_6", "ro_4", "ro_3", "ro_2", "ro_0"}},
		{engine.RolloutFilter{Limit: 2}, []string{"ro_6", "ro_4"}},
		{engine.RolloutFilter{Before: "ro_4", Limit: 2}, []string{"ro_3", "ro_2"}},
		{engine.RolloutFilter{Before: "ro_5", Limit: 2}, []string{"ro_4", "ro_3"}},
		{engine.RolloutFilter{Before: "ro_0", Limit: 2}, []string{}},
		{engine.RolloutFilter{AgentID: agent, Limit: 10}, []string{"ro_6", "ro_4", "ro_2", "ro_0"}},
		{engine.RolloutFilter{AgentID: "other", Limit: 10}, []string{"ro_3"}},
		{engine.RolloutFilter{AgentID: "nobody", Limit: 10}, []string{}},
		{engine.RolloutFilter{Kind: rollout.Shutdown, Limit: 10}, []string{"ro_4", "ro_3", "ro_0"}},
		{engine.RolloutFilter{States: []rollout.Status{rollout.Paused, rollout.Partial}, Limit: 10}, []string{"ro_6", "ro_2"}},
		{engine.RolloutFilter{AgentID: agent, Kind: rollout.Shutdown, States: []rollout.Status{rollout.Failed, rollout.Rolling}, Before: "ro_4", Limit: 1}, []string{"ro_0"}},
	} {
		s.same(fmt.Sprintf("rollouts %+v", c.filter), c.want, s.rollouts(c.filter))
	}
	s.view(func(tx engine.ReadTx) error {
		found, err := tx.Rollouts(engine.RolloutFilter{AgentID: agent, Limit: 10})
		s.must(err)
		slices.Reverse(found)
		s.same("rollouts with their members", mine, found)
		return nil
	})
}

// walk reads page after page. Between the pages others insert; what was there
// at the first page must be shown exactly once.
func (s *suite) walk(was []string, page func(after string) []string, insert func(n int)) {
	s.t.Helper()
	shown := map[string]int{}
	after := ""
	for n := 0; ; n++ {
		ids := page(after)
		if len(ids) == 0 {
			break
		}
		for _, id := range ids {
			shown[id]++
		}
		after = ids[len(ids)-1]
		insert(n)
		if n > 100 {
			s.t.Fatal("the walk does not end")
		}
	}
	for _, id := range was {
		if shown[id] != 1 {
			s.t.Errorf("%s was shown %d times", id, shown[id])
		}
	}
	for _, id := range sortedKeys(shown) {
		if shown[id] > 1 {
			s.t.Errorf("%s was shown %d times", id, shown[id])
		}
	}
}

func walkAgents(s *suite) {
	var was []string
	for i := range 7 {
		id := fmt.Sprintf("a%d", 2*i)
		s.update(id, nothing)
		was = append(was, id)
	}
	s.walk(was, func(after string) []string { return s.agents(after, 2) }, func(n int) {
		if n < 10 {
			s.update(fmt.Sprintf("a%d", 2*n+1), nothing)
			s.update(fmt.Sprintf("Z%d", n), nothing)
		}
	})
}

func walkRollouts(s *suite) {
	now := s.now()
	var was []string
	finished := func(id string) {
		r := simple(id, rollout.Shutdown, now)
		r.Status, r.FinishedAt = rollout.Failed, now
		s.replace(r)
	}
	for i := range 7 {
		id := fmt.Sprintf("ro_%02d", 10+2*i)
		finished(id)
		was = append(was, id)
	}
	s.walk(was, func(before string) []string {
		return s.rollouts(engine.RolloutFilter{AgentID: agent, Before: before, Limit: 2})
	}, func(n int) {
		finished(fmt.Sprintf("ro_%02d", 50+n))
		finished(fmt.Sprintf("ro_%02d", 21+2*n))
	})
}

func walkIncidents(s *suite) {
	var was []string
	for i := range 7 {
		id := fmt.Sprintf("inc_%d", (i*5)%7)
		s.open(agent, s.incident(id, id))
		was = append(was, id)
		if i%3 != 0 { // some are of one instant
			s.clock.Advance(time.Second)
		}
	}
	s.walk(was, func(before string) []string {
		return s.incidents(engine.IncidentFilter{Before: s.place(before), Limit: 2})
	}, func(n int) {
		s.clock.Advance(time.Second)
		id := fmt.Sprintf("inc_new%d", n)
		s.open(agent, s.incident(id, id))
	})
}

func walkEvents(s *suite) {
	for i := range 7 {
		s.say(agent, "", fmt.Sprint(i))
	}
	after, n := int64(0), 0
	for page := s.events(engine.EventFilter{AgentID: agent, Limit: 2}); len(page) > 0; page = s.events(engine.EventFilter{AgentID: agent, After: after, Limit: 2}) {
		for _, e := range page {
			after++
			if e != fmt.Sprintf("%d %s", after, s.typeOf(after)) {
				s.t.Errorf("event %d reads %q", after, e)
			}
		}
		if n++; n < 4 {
			s.say(agent, "", fmt.Sprint(6+n))
		}
	}
	if after != 10 {
		s.t.Errorf("%d events were shown, want 10", after)
	}
}

// typeOf is the type that walkEvents gives its events.
func (s *suite) typeOf(seq int64) string { return fmt.Sprint(seq - 1) }

// viewIsASnapshot: what is committed while a reader reads is not seen by it.
func viewIsASnapshot(s *suite) {
	w := s.writeAll(0)
	want := w.clone()
	next := s.changed(w, 1)
	s.view(func(tx engine.ReadTx) error {
		s.storedIn(tx, want)
		s.update(agent, func(tx engine.Tx) error { return s.changeRows(tx, next) })
		s.say(agent, "", "later")
		s.update("other", nothing)
		s.storedIn(tx, want)
		if former, err := tx.FormerBoot(agent, "o1", "boot-0"); err != nil || former {
			s.t.Errorf("the reader sees a boot that was replaced after it began: %v %v", former, err)
		}
		return nil
	})
	if !s.former("o1", "boot-0") {
		s.t.Error("the next reader does not see it")
	}
}

func counted(s *suite) {
	now := s.now()
	stale, gone := s.working("o2", "b1"), s.working("o3", "b1")
	stale.LastSign, gone.Left = now.Add(-time.Minute), true
	s.hear(agent, s.working("o1", "b1"), stale, gone)
	s.hear("other", s.working("o1", "b1"))
	failed := simple("ro_2", rollout.Shutdown, now)
	failed.Status = rollout.Failed
	s.replace(simple("ro_1", rollout.Shutdown, now), failed)
	s.instruct(s.instruction("in_1", "o1", "b1", "ro_1"))
	s.open(agent, s.incident("inc_1", "o1"))
	want := engine.Counts{
		Agents:      2,
		Occurrences: map[discovery.Liveness]int{discovery.Live: 2, discovery.Stale: 1, discovery.Gone: 1},
		Rollouts:    make(map[rollout.Kind]map[rollout.Status]int), OpenIncidents: make(map[rollout.IncidentType]int), Pending: 1,
	}
	want.Rollouts[rollout.Shutdown] = make(map[rollout.Status]int)
	want.Rollouts[rollout.Shutdown][rollout.Rolling], want.Rollouts[rollout.Shutdown][rollout.Failed] = 1, 1
	want.OpenIncidents[rollout.IncidentStraggler] = 1
	s.view(func(tx engine.ReadTx) error {
		got, err := tx.Counts()
		s.must(err)
		s.same("counts", want, got)
		return nil
	})
}
