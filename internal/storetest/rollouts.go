package storetest

import (
	"fmt"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

func rolloutProofs() []proof {
	return []proof{
		{"rule 9.3: only unfinished rollouts are loaded with their agent", onlyUnfinishedLoaded},
		{"rule 2.11: rollouts are loaded by age, whatever their ids", loadedByAge},
		{"rule 4.1: a rollout that ends makes room for the next of its kind", nextOfItsKind},
		{"rule 4.15: members join, move between waves and leave", membersMove},
		{"rule 3.1: the order of members is kept", membersOrdered},
		{"rule 4.11: one member changes and the others stay", oneMemberChanges},
		{"rule 4.16: waves go when nothing was carried out", wavesGo},
		{"rule 6.5: a finished rollout can be named in a command again", finishedIsRewritten},
		{"promise 6: what one agent commits is not another's", agentsApart},
	}
}

// simple is a rollout with waves of the given members.
func simple(id string, kind rollout.Kind, created time.Time, waves ...[]string) rollout.Rollout {
	r := rollout.Rollout{
		ID: id, AgentID: agent, Kind: kind, Status: rollout.Rolling, CreatedAt: created, UpdatedAt: created,
		Version: 1, Task: rollout.Task{ID: "task_" + id, Status: rollout.TaskCompleted},
	}
	for i, ids := range waves {
		v := rollout.Wave{Group: rollout.Defaults(fmt.Sprintf("g%d", i+1)), Status: rollout.WaveRunning, StartedAt: created}
		for _, o := range ids {
			v.Members = append(v.Members, rollout.Member{OccurrenceID: o, Status: rollout.MemberInstructed, Detail: "of " + o})
		}
		r.Waves = append(r.Waves, v)
	}
	return r
}

// membersOf writes who is in which wave.
func membersOf(r rollout.Rollout) string {
	var all [][]string
	for i := range r.Waves {
		ids := []string{}
		for _, m := range r.Waves[i].Members {
			ids = append(ids, m.OccurrenceID)
		}
		all = append(all, ids)
	}
	return fmt.Sprint(all)
}

// kept checks that a rollout reads as it was written, loaded with its agent and
// by itself.
func (s *suite) kept(want rollout.Rollout) {
	s.t.Helper()
	s.view(func(tx engine.ReadTx) error {
		got, err := tx.Rollout(want.ID)
		s.must(err)
		s.same("rollout", want, got)
		return nil
	})
	state := s.state(want.AgentID)
	switch loaded := state.Find(want.ID); {
	case want.Status.Final() && loaded != nil:
		s.t.Errorf("the finished rollout %s was loaded with its agent", want.ID)
	case !want.Status.Final() && loaded == nil:
		s.t.Errorf("the unfinished rollout %s was not loaded with its agent", want.ID)
	case loaded != nil:
		s.same("loaded rollout", want, *loaded)
	}
}

// replace commits rollouts in the place of those that the agent has.
func (s *suite) replace(rollouts ...rollout.Rollout) {
	s.t.Helper()
	s.commit(agent, func(state *rollout.State, _ *rollout.Effects) { state.Rollouts = deepCopy(rollouts) })
}

func onlyUnfinishedLoaded(s *suite) {
	now := s.now()
	statuses := []rollout.Status{rollout.Succeeded, rollout.Partial, rollout.Rejected, rollout.Failed, rollout.Aborted, rollout.Superseded}
	for i, status := range statuses {
		r := simple(fmt.Sprintf("ro_%d", i), rollout.Shutdown, now, []string{"o1"}, []string{"o2", "o3"})
		s.replace(r)
		s.kept(r)
		r.Status, r.FinishedAt, r.Waves[1].Members[0].Status = status, now, rollout.MemberLost
		s.replace(r)
		s.kept(r)
	}
	for i, status := range []rollout.Status{rollout.Deciding, rollout.Deferred, rollout.Rolling, rollout.Paused, rollout.Halted} {
		r := simple("ro_9", rollout.Shutdown, now, []string{"o1"})
		r.Status, r.Version = status, int64(i)
		s.replace(r)
		s.kept(r)
	}
	s.view(func(tx engine.ReadTx) error {
		listed, err := tx.Agents("", 10)
		s.must(err)
		s.same("unfinished", []string{"ro_9"}, listed[0].Unfinished)
		return nil
	})
}

func loadedByAge(s *suite) {
	now := s.now()
	s.replace(simple("ro_9", rollout.Shutdown, now), simple("ro_1", rollout.Wakeup, now.Add(time.Second)),
		simple("ro_5", rollout.Emergency, now.Add(2*time.Second)))
	s.ids(s.state(agent).Rollouts, "ro_9", "ro_1", "ro_5")
}

// ids checks which rollouts a list has.
func (s *suite) ids(rollouts []rollout.Rollout, want ...string) {
	s.t.Helper()
	got := []string{}
	for i := range rollouts {
		got = append(got, rollouts[i].ID)
	}
	s.same("ids", want, got)
}

func nextOfItsKind(s *suite) {
	now := s.now()
	first := simple("ro_1", rollout.Wakeup, now, []string{"o1"})
	s.replace(first)
	ended := deepCopy(first)
	ended.Status, ended.FinishedAt = rollout.Superseded, now
	next := simple("ro_2", rollout.Wakeup, now, []string{"o1"})
	s.replace(ended, next) // in one step, as supersession does
	s.kept(ended)
	s.kept(next)
}

func membersMove(s *suite) {
	now := s.now()
	r := simple("ro_1", rollout.Shutdown, now, []string{"o1"}, []string{"o2", "o3"}, []string{"o4"})
	s.replace(r)
	move := func(from, to, place int) {
		s.t.Helper()
		source, target := &r.Waves[from], &r.Waves[to]
		m := source.Members[place]
		source.Members = append(source.Members[:place:place], source.Members[place+1:]...)
		target.Members = append([]rollout.Member{m}, target.Members...)
		s.replace(r)
		s.kept(r)
	}
	move(1, 0, 0)
	move(2, 1, 0)
	if got := membersOf(r); got != "[[o2 o1] [o4 o3] []]" {
		s.t.Fatalf("the test moved wrongly: %s", got)
	}
	// o1 and o3 leave, o5 joins, and o4 goes to the end, all at once.
	r.Waves[0].Members = r.Waves[0].Members[:1]
	r.Waves[2].Members = []rollout.Member{{OccurrenceID: "o5", Status: rollout.MemberPending}, r.Waves[1].Members[0]}
	r.Waves[1].Members = nil
	s.replace(r)
	s.kept(r)
	// All change places.
	r.Waves[0].Members, r.Waves[1].Members, r.Waves[2].Members = r.Waves[2].Members, r.Waves[0].Members, nil
	s.replace(r)
	s.kept(r)
	if got := membersOf(r); got != "[[o5 o4] [o2] []]" {
		s.t.Fatalf("the test moved wrongly: %s", got)
	}
}

func membersOrdered(s *suite) {
	now := s.now()
	r := simple("ro_1", rollout.Shutdown, now, []string{"z", "default", "a", "B", "10", "9"})
	s.replace(r)
	s.kept(r)
	members := r.Waves[0].Members
	for i, j := 0, len(members)-1; i < j; i, j = i+1, j-1 {
		members[i], members[j] = members[j], members[i]
	}
	s.replace(r)
	s.kept(r)
	r.Waves[0].Members = append([]rollout.Member{{OccurrenceID: "first", Status: rollout.MemberPending}}, members...)
	s.replace(r)
	s.kept(r)
}

func oneMemberChanges(s *suite) {
	now := s.now()
	r := simple("ro_1", rollout.Shutdown, now, []string{"o1", "o2", "o3"}, []string{"o4"})
	s.replace(r)
	for _, status := range []rollout.MemberStatus{
		rollout.MemberAcknowledged, rollout.MemberReached, rollout.MemberFailed, rollout.MemberLost,
		rollout.MemberSkipped, rollout.MemberCancelled, rollout.MemberPending,
	} {
		r.Waves[0].Members[1].Status = status
		s.replace(r)
		s.kept(r)
	}
	r.Waves[1].Status = rollout.WavePassed // a wave changes and its members do not
	s.replace(r)
	s.kept(r)
}

func wavesGo(s *suite) {
	now := s.now()
	r := simple("ro_1", rollout.Shutdown, now, []string{"o1"}, []string{"o2"})
	s.replace(r)
	r.Waves, r.Status, r.FinishedAt = nil, rollout.Rejected, now
	s.replace(r)
	s.kept(r)
}

// finishedIsRewritten: a command may name a rollout that has ended; it is then
// among those that are committed.
func finishedIsRewritten(s *suite) {
	now := s.now()
	r := simple("ro_1", rollout.Shutdown, now, []string{"o1"}, []string{"o2"})
	r.Status, r.FinishedAt = rollout.Partial, now
	s.replace(r)
	s.commit(agent, func(state *rollout.State, _ *rollout.Effects) { state.Rollouts = nil })
	s.kept(r)
	s.update(agent, func(tx engine.Tx) error {
		before, _, err := tx.Agent(agent)
		s.must(err)
		named, err := tx.Rollout("ro_1")
		s.must(err)
		before.Rollouts = append(before.Rollouts, named)
		after := deepCopy(before)
		after.Rollouts[0].UpdatedAt = now.Add(time.Second)
		r.UpdatedAt = now.Add(time.Second)
		return tx.Commit(before, after, rollout.Effects{})
	})
	s.kept(r)
}

func agentsApart(s *suite) {
	w := s.writeAll(0)
	other := "scout2"
	s.hear(other, s.working("o1", "boot-x"))
	s.commit(other, func(state *rollout.State, eff *rollout.Effects) {
		r := simple("ro_other", rollout.Shutdown, s.clock.Now(), []string{"o1"})
		r.AgentID = other
		state.Rollouts = append(state.Rollouts, r)
		state.Notes["o1"] = rollout.Note{Boot: "boot-x"}
		incident := rollout.Incident{ID: "inc_other", Type: rollout.IncidentStraggler, OccurrenceID: "o1"}
		state.Incidents[keyOf(incident)] = incident
		eff.Opened = append(eff.Opened, incident)
		eff.Withdraw = append(eff.Withdraw, rollout.Withdrawal{OccurrenceID: "o1"})
		eff.Acknowledge = append(eff.Acknowledge, "in_0")
		eff.Suspend = append(eff.Suspend, w.state.Rollouts[0].ID)
		eff.Events = append(eff.Events, rollout.Event{Type: "test.other", At: s.clock.Now()})
	})
	s.hear(other, discovery.Occurrence{ID: "o1", Boot: "boot-y", State: discovery.Work})

	state, fleet := s.agent(agent)
	s.same("state", w.state, state)
	s.same("fleet", w.occurrences, fleet.All())
	s.view(func(tx engine.ReadTx) error {
		s.storedEvents(tx, w)
		s.storedInstructions(tx, w)
		s.chainHolds(tx, other)
		return nil
	})
}
