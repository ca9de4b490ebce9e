package storetest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

func pruneProofs() []proof {
	return []proof{
		{"rule 9.3: what is final, gone or resolved goes after the retention", pruneOld},
		{"rule 9.3: nothing goes before", pruneNothingYoung},
		{"rule 9.3: nothing unfinished, no verdict that stands, no hold is ever purged", pruneKeeps},
		{"rule 2.9: who is not gone stays, however short the retention", pruneNobodyStale},
		{"rule 9.3: events stay for ever", pruneNoEvents},
		{"rule 9.3: small batches come to an end", pruneInBatches},
		{"rule 2.5: who was purged and comes back is new", pruneAndReturn},
	}
}

const retention = time.Hour

// prune deletes batch after batch and says how much that was.
func (s *suite) prune(limit int) (total int) {
	s.t.Helper()
	for range 1000 {
		n, err := s.store.Prune(s.ctx, retention, limit)
		s.must(err)
		total += n
		if n < limit {
			return total
		}
	}
	s.t.Fatal("pruning does not end")
	return total
}

// expect checks which rollouts, incidents, instructions and occurrences of the
// agent are there; names begin with ro_, inc_, in_ or o_.
func (s *suite) expect(there bool, names ...string) {
	s.t.Helper()
	for _, name := range names {
		err := s.store.View(s.ctx, func(tx engine.ReadTx) (err error) {
			switch prefix, _, _ := strings.Cut(name, "_"); prefix {
			case "ro":
				_, err = tx.Rollout(name)
			case "inc":
				_, err = tx.Incident(name)
			case "in":
				_, err = tx.Instruction(agent, name)
			default:
				_, err = tx.Occurrence(agent, name)
			}
			return err
		})
		if err != nil && !errors.Is(err, engine.ErrNotFound) {
			s.t.Fatal(err)
		}
		if (err == nil) != there {
			s.t.Errorf("%s: there is %v, want %v", name, err == nil, there)
		}
	}
}

func ended(r rollout.Rollout, status rollout.Status, at time.Time) rollout.Rollout {
	r.Status, r.FinishedAt = status, at
	return r
}

// history is an agent with something of every kind, all of one instant, that is
// over.
func (s *suite) history() {
	s.t.Helper()
	now := s.now()
	left := s.working("o_left", "b1")
	left.Left = true
	s.hear(agent, s.working("o_gone", "b1"), left)
	s.commit(agent, func(state *rollout.State, eff *rollout.Effects) {
		state.Rollouts = []rollout.Rollout{ended(simple("ro_old", rollout.Shutdown, now, []string{"o_gone"}, []string{"o_left"}), rollout.Partial, now)}
		state.Notes["o_gone"] = rollout.Note{Boot: "b1"}
		old := s.incident("inc_old", "o_gone")
		eff.Opened = []rollout.Incident{old}
		old.ResolvedAt, old.ResolvedBy = now, "operator:eve"
		eff.Resolved = []rollout.Incident{old}
		loose := s.instruction("in_loose", "o_gone", "b1", "ro_unknown")
		loose.Wave = 0
		eff.Instruct = []rollout.Instruction{s.instruction("in_old", "o_gone", "b1", "ro_old"), loose}
		eff.Events = []rollout.Event{{Type: "test.past", At: now, RolloutID: "ro_old"}}
	})
}

func pruneOld(s *suite) {
	s.history()
	old := s.place("inc_old")
	s.clock.Advance(2 * retention)
	if n := s.prune(100); n == 0 {
		s.t.Error("nothing is said to be deleted")
	}
	s.expect(false, "ro_old", "inc_old", "in_old", "in_loose", "o_gone", "o_left")
	s.same("rollouts", []string{}, s.rollouts(engine.RolloutFilter{AgentID: agent, Limit: 9}))
	s.same("incidents", []string{}, s.incidents(engine.IncidentFilter{Limit: 9}))
	s.open(agent, s.incident("inc_new", "o_gone"))
	s.same("incidents below a place that was purged", []string{}, s.incidents(engine.IncidentFilter{Before: old, Limit: 9}))
	later := engine.IncidentPlace{OpenedAt: s.now().Add(time.Second), ID: "inc_purged"}
	s.same("incidents below one that is not there", []string{"inc_new"}, s.incidents(engine.IncidentFilter{Before: &later, Limit: 9}))
	if n := s.prune(100); n != 0 {
		s.t.Errorf("another %d were deleted", n)
	}
	s.must(s.store.Update(s.ctx, agent, false, nothing)) // the agent is still there
}

func pruneNothingYoung(s *suite) {
	s.history()
	s.clock.Advance(retention - time.Minute)
	if n := s.prune(100); n != 0 {
		s.t.Errorf("%d were deleted before the retention was over", n)
	}
	s.expect(true, "ro_old", "inc_old", "in_old", "in_loose", "o_gone", "o_left")
}

func pruneKeeps(s *suite) {
	s.history()
	now := s.now()
	s.hear(agent, s.working("o_member", "b1"))
	s.commit(agent, func(state *rollout.State, eff *rollout.Effects) {
		running := simple("ro_run", rollout.Shutdown, now, []string{"o_member"})
		running.Status = rollout.Paused
		state.Rollouts = []rollout.Rollout{
			running, ended(simple("ro_standing", rollout.Wakeup, now), rollout.Rejected, now),
			ended(simple("ro_hold", rollout.Emergency, now), rollout.Succeeded, now),
		}
		state.Standing = &rollout.Standing{RolloutID: "ro_standing", Status: rollout.Rejected, At: now}
		state.Hold = &rollout.Hold{Since: now, By: "operator:eve", Reason: "fire", RolloutID: "ro_hold"}
		eff.Instruct = []rollout.Instruction{s.instruction("in_run", "o_member", "b1", "ro_run"), s.instruction("in_acknowledged", "o_member", "b1", "ro_run")}
		eff.Acknowledge, eff.Suspend = []string{"in_acknowledged"}, []string{"ro_run"}
	})
	s.open(agent, s.incident("inc_open", "o_member"))
	remembered := s.incident("inc_remembered", "o_gone")
	s.open(agent, remembered)
	s.resolve(remembered, "operator:eve", false)
	s.update(agent, func(tx engine.Tx) error { return tx.SaveProfile(rollout.Profile{Expected: 9}) })

	s.clock.Advance(1000 * retention)
	now = s.now()
	live, stale := s.working("o_live", "b1"), s.working("o_stale", "b1")
	stale.LastSign = now.Add(-time.Minute)
	s.hear(agent, live, stale)
	s.commit(agent, func(state *rollout.State, _ *rollout.Effects) {
		state.Rollouts = append(state.Rollouts, ended(simple("ro_new", rollout.Wakeup, now.Add(-999*retention)), rollout.Failed, now))
	})
	before := s.state(agent)
	s.prune(100)
	s.expect(false, "ro_old", "inc_old", "in_old") // those who are gone may stay, too
	s.expect(true, "ro_run", "ro_standing", "ro_hold", "ro_new", "in_run", "in_acknowledged", "inc_open", "inc_remembered", "o_member", "o_live", "o_stale")
	after := s.state(agent)
	s.same("unfinished", before.Rollouts, after.Rollouts)
	s.same("standing verdict", before.Standing, after.Standing)
	s.same("hold", before.Hold, after.Hold)
	s.same("incidents remembered", before.Incidents, after.Incidents)
	s.same("profile", before.Profile, after.Profile)
}

func pruneNobodyStale(s *suite) {
	set := rollout.DefaultSettings()
	set.DiscoveryWindow = 3 * retention
	_, err := s.store.SaveSettings(s.ctx, set)
	s.must(err)
	s.hear(agent, s.working("o_stale", "b1"))
	s.clock.Advance(2 * retention)
	s.prune(100)
	s.expect(true, "o_stale")
	s.clock.Advance(2 * retention)
	s.prune(100)
	s.expect(false, "o_stale")
}

func pruneNoEvents(s *suite) {
	s.history()
	s.clock.Advance(1000 * retention)
	s.prune(100)
	s.same("events", []string{"1 test.past"}, s.events(engine.EventFilter{AgentID: agent, Limit: 9}))
	s.say(agent, "", "after")
	s.view(func(tx engine.ReadTx) error {
		s.chainHolds(tx, agent)
		return nil
	})
}

func pruneInBatches(s *suite) {
	now := s.now()
	var names []string
	for i := range 7 {
		o := s.working(fmt.Sprintf("o_%d", i), "b1")
		s.hear(agent, o)
		r := ended(simple(fmt.Sprintf("ro_%d", i), rollout.Shutdown, now, []string{o.ID}), rollout.Failed, now)
		s.replace(r)
		s.instruct(s.instruction("in_"+o.ID, o.ID, "b1", r.ID))
		names = append(names, o.ID, r.ID, "in_"+o.ID)
	}
	s.history()
	s.hear("other", s.working("o_gone", "b1"))
	s.clock.Advance(2 * retention)
	s.prune(3)
	s.expect(false, names...)
	s.expect(false, "ro_old", "inc_old", "in_old", "in_loose", "o_gone", "o_left")
	if n := s.fleet("other").Len(); n != 0 {
		s.t.Errorf("another agent keeps %d occurrences", n)
	}
}

func pruneAndReturn(s *suite) {
	s.hear(agent, s.working("o_gone", "b1"))
	s.hear(agent, s.working("o_gone", "b2"))
	s.clock.Advance(2 * retention)
	s.prune(100)
	s.expect(false, "o_gone")
	if s.former("o_gone", "b1") {
		s.t.Error("a boot of an occurrence that was purged is remembered")
	}
	o := s.working("o_gone", "b2")
	s.hear(agent, o)
	s.same("occurrence", o, s.occurrence(agent, "o_gone"))
	s.same("occurrences", []discovery.Occurrence{o}, s.fleet(agent).All())
}
