package storetest

import (
	"maps"
	"slices"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// emptyStaysEmpty: what was not set is read as not set, not as something empty.
func emptyStaysEmpty(s *suite) {
	now := s.now()
	w := written{
		state: rollout.State{AgentID: agent, Notes: map[string]rollout.Note{}, Incidents: map[string]rollout.Incident{}, Rollouts: []rollout.Rollout{
			{ID: "ro_1", AgentID: agent, Kind: rollout.Shutdown, Status: rollout.Deciding, CreatedAt: now, Waves: []rollout.Wave{
				{Status: rollout.WavePending}, {Status: rollout.WavePending, Members: []rollout.Member{{OccurrenceID: "o1", Status: rollout.MemberPending}}},
			}},
		}},
		occurrences: []discovery.Occurrence{{ID: "o1", State: discovery.Starting}},
	}
	incident := rollout.Incident{ID: "inc_1", Type: rollout.IncidentBelowExpected, OpenedAt: now}
	w.state.Incidents[keyOf(incident)] = incident
	s.write(w)
	s.stored(w)

	in := rollout.Instruction{ID: "in_1", Type: rollout.Stop, OccurrenceID: "o1", IssuedAt: now, Deadline: now.Add(time.Minute)}
	s.commit(agent, func(_ *rollout.State, eff *rollout.Effects) {
		eff.Instruct = []rollout.Instruction{in}
		eff.Events = []rollout.Event{{Type: "test.empty", At: now}}
	})
	s.view(func(tx engine.ReadTx) error {
		pending, err := tx.Pending(agent, "o1", "")
		s.must(err)
		if len(pending) != 1 {
			s.t.Fatalf("pending: %+v", pending)
		}
		s.same("pending", engine.PendingInstruction{Instruction: in, AgentID: agent, IssuedWall: now, DeadlineWall: in.Deadline}, pending[0])
		events, err := tx.Events(engine.EventFilter{AgentID: agent, Limit: 10})
		s.must(err)
		if e := events[0]; string(e.Data) != "{}" || e.Actor != "system:orchestrator" || e.RolloutID != "" || e.Wave != 0 || e.OccurrenceID != "" {
			s.t.Errorf("an event of nothing but a type reads %+v", e)
		}
		s.chainHolds(tx, agent)
		return nil
	})
}

// removedIsGone: a state that has lost something has lost it in the store too.
func removedIsGone(s *suite) {
	w := s.writeAll(0)
	bare := w.clone()
	st := &bare.state
	st.Hold, st.Standing, st.LastStop, st.Complete, st.HoldSeen = nil, nil, nil, false, 0
	st.WakeAt = time.Time{}
	delete(st.Notes, "o1")
	delete(st.Loose, "o2")
	for i := range st.Rollouts {
		r := &st.Rollouts[i]
		r.Claim, r.Decision, r.Round = nil, nil, nil
		r.PausedAt, r.DecideBy = time.Time{}, time.Time{}
		for j := range r.Waves {
			for k := range r.Waves[j].Members {
				m := &r.Waves[j].Members[k]
				*m = rollout.Member{OccurrenceID: m.OccurrenceID, Status: rollout.MemberPending}
			}
		}
	}
	st.Rollouts[1].Waves = st.Rollouts[1].Waves[:1]
	st.Profile = rollout.Profile{}
	for i := range bare.occurrences {
		o := &bare.occurrences[i]
		*o = discovery.Occurrence{ID: o.ID, Boot: o.Boot, State: discovery.Work, LastSign: o.LastSign}
	}
	s.write(written{state: bare.state, occurrences: bare.occurrences})
	s.stored(bare)
}

func settingsStored(s *suite) {
	for pattern := range boolPatterns {
		s.made.pattern = pattern
		want := filled[rollout.Settings](s.made)
		_, err := s.store.SaveSettings(s.ctx, want)
		s.must(err)
		s.view(func(tx engine.ReadTx) error {
			got, err := tx.Settings()
			s.must(err)
			s.same("settings", want, got)
			return nil
		})
		s.update(agent, func(tx engine.Tx) error {
			got, err := tx.Settings()
			s.must(err)
			s.same("settings in an Update", want, got)
			_, fleet, err := tx.Agent(agent)
			s.must(err)
			s.same("timing of the fleet", want.Timing(), fleet.Timing)
			return nil
		})
		before, err := s.store.SaveSettings(s.ctx, rollout.DefaultSettings())
		s.must(err)
		s.same("former settings", want, before)
	}
	first, err := s.fresh(s.t, s.clock).SaveSettings(s.ctx, rollout.DefaultSettings())
	s.must(err)
	s.same("former settings where there were none", rollout.Settings{}, first)
}

func answerStored(s *suite) {
	want := filled[engine.KeptAnswer](s.made)
	want.Body = []byte("{\"a\": \"\u2603\"}\n\x00\xff")
	s.update(agent, func(tx engine.Tx) error { return tx.Keep("POST /x by operator:é", want) })
	s.update(agent, func(tx engine.Tx) error {
		got, err := tx.Recall("POST /x by operator:é")
		s.must(err)
		if got == nil {
			s.t.Fatal("the answer is not kept")
		}
		s.same("answer", want, *got)
		other, err := tx.Recall("POST /y by operator:é")
		s.must(err)
		if other != nil {
			s.t.Errorf("another key recalls %+v", other)
		}
		return nil
	})
}
