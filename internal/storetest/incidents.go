package storetest

import (
	"fmt"
	"time"

	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

func incidentProofs() []proof {
	return []proof{
		{"9.2: an incident opens, and is resolved when its cause has gone", incidentComesAndGoes},
		{"9.2: one that an operator resolved is remembered until its cause has gone", incidentRemembered},
		{"9.2: an incident that came and went in one step is listed", incidentInPassing},
		{"9.2: the same thing may happen again", incidentAgain},
		{"rule 10.1: incidents are listed newest first, by agent, and open or not", incidentsListed},
	}
}

// incident makes one about an occurrence, opened now.
func (s *suite) incident(id, occurrence string) rollout.Incident {
	return rollout.Incident{
		ID: id, Type: rollout.IncidentStraggler, RolloutID: "ro_1", Wave: 2, OccurrenceID: occurrence, Boot: "b1",
		Detail: "still running", OpenedAt: s.now(),
	}
}

// open commits that incidents were opened.
func (s *suite) open(agentID string, opened ...rollout.Incident) {
	s.t.Helper()
	s.commit(agentID, func(state *rollout.State, eff *rollout.Effects) {
		for _, i := range opened {
			state.Incidents[keyOf(i)] = i
			eff.Opened = append(eff.Opened, i)
		}
	})
}

// resolve commits that an incident was resolved; forget: its cause has gone.
func (s *suite) resolve(i rollout.Incident, by string, forget bool) rollout.Incident {
	s.t.Helper()
	i.ResolvedAt, i.ResolvedBy = s.now(), by
	s.commit(agent, func(state *rollout.State, eff *rollout.Effects) {
		eff.Resolved = append(eff.Resolved, i)
		if forget {
			delete(state.Incidents, keyOf(i))
		} else {
			state.Incidents[keyOf(i)] = i
		}
	})
	return i
}

// keptAs checks how an incident reads, and whether its agent remembers it.
func (s *suite) keptAs(want rollout.Incident, remembered bool) {
	s.t.Helper()
	s.view(func(tx engine.ReadTx) error {
		got, err := tx.Incident(want.ID)
		s.must(err)
		s.same("incident", want, got.Incident)
		listed, err := tx.Incidents(engine.IncidentFilter{AgentID: agent, Limit: 100})
		s.must(err)
		for _, i := range listed {
			if i.ID == want.ID {
				s.same("listed incident", got, i)
				return nil
			}
		}
		s.t.Errorf("incident %s is not listed", want.ID)
		return nil
	})
	got, known := s.state(agent).Incidents[keyOf(want)]
	switch {
	case known != remembered:
		s.t.Errorf("incident %s: remembered is %v, want %v", want.ID, known, remembered)
	case known:
		s.same("remembered incident", want, got)
	}
}

func incidentComesAndGoes(s *suite) {
	i := s.incident("inc_1", "o1")
	s.open(agent, i)
	s.keptAs(i, true)
	s.clock.Advance(time.Second)
	i = s.resolve(i, "system:cause_gone", true)
	s.keptAs(i, false)
}

func incidentRemembered(s *suite) {
	i := s.incident("inc_1", "o1")
	s.open(agent, i)
	i = s.resolve(i, "operator:eve", false)
	s.keptAs(i, true)
	s.clock.Advance(time.Second)
	s.commit(agent, func(state *rollout.State, _ *rollout.Effects) { delete(state.Incidents, keyOf(i)) })
	s.keptAs(i, false) // who resolved it, and when, stays
}

func incidentInPassing(s *suite) {
	i := s.incident("inc_1", "o1")
	over := i
	over.ResolvedAt, over.ResolvedBy = i.OpenedAt.Add(time.Second), "system:cause_gone"
	s.commit(agent, func(_ *rollout.State, eff *rollout.Effects) {
		eff.Opened = []rollout.Incident{i}
		eff.Resolved = []rollout.Incident{over}
	})
	s.keptAs(over, false)
}

func incidentAgain(s *suite) {
	first := s.incident("inc_2", "o1")
	s.open(agent, first)
	first = s.resolve(first, "system:cause_gone", true)
	s.clock.Advance(time.Second)
	second := s.incident("inc_1", "o1")
	s.open(agent, second)
	s.keptAs(second, true)
	if got := s.incidents(engine.IncidentFilter{AgentID: agent, Limit: 9}); len(got) != 2 {
		s.t.Errorf("want both listed, got %v", got)
	}
	s.view(func(tx engine.ReadTx) error {
		got, err := tx.Incident(first.ID)
		s.must(err)
		s.same("the first incident", first, got.Incident)
		return nil
	})
}

// incidents lists ids.
func (s *suite) incidents(f engine.IncidentFilter) []string {
	s.t.Helper()
	ids := []string{}
	s.view(func(tx engine.ReadTx) error {
		found, err := tx.Incidents(f)
		for _, i := range found {
			ids = append(ids, i.ID)
		}
		return err
	})
	return ids
}

// place is where an incident stands; nil for no id.
func (s *suite) place(id string) (at *engine.IncidentPlace) {
	s.t.Helper()
	if id == "" {
		return nil
	}
	s.view(func(tx engine.ReadTx) error {
		i, err := tx.Incident(id)
		place := i.Place()
		at = &place
		return err
	})
	return at
}

func incidentsListed(s *suite) {
	// The ids say nothing about the age.
	for n, id := range []string{"inc_c", "inc_a", "inc_d", "inc_b"} {
		agentID := agent
		if n == 2 {
			agentID = "other"
		}
		s.open(agentID, s.incident(id, fmt.Sprintf("o%d", n)))
		s.clock.Advance(time.Second)
	}
	closed := s.incident("inc_e", "o9")
	s.open(agent, closed)
	s.resolve(closed, "operator:eve", true)
	yes, no := true, false
	for _, c := range []struct {
		filter engine.IncidentFilter
		want   []string
	}{
		{engine.IncidentFilter{Limit: 10}, []string{"inc_e", "inc_b", "inc_d", "inc_a", "inc_c"}},
		{engine.IncidentFilter{Limit: 2}, []string{"inc_e", "inc_b"}},
		{engine.IncidentFilter{Before: s.place("inc_b"), Limit: 2}, []string{"inc_d", "inc_a"}},
		{engine.IncidentFilter{Before: s.place("inc_c"), Limit: 2}, []string{}},
		{engine.IncidentFilter{AgentID: agent, Limit: 10}, []string{"inc_e", "inc_b", "inc_a", "inc_c"}},
		{engine.IncidentFilter{AgentID: agent, Before: s.place("inc_b"), Limit: 10}, []string{"inc_a", "inc_c"}},
		{engine.IncidentFilter{AgentID: "other", Limit: 10}, []string{"inc_d"}},
		{engine.IncidentFilter{AgentID: "nobody", Limit: 10}, []string{}},
		{engine.IncidentFilter{Open: &yes, Limit: 10}, []string{"inc_b", "inc_d", "inc_a", "inc_c"}},
		{engine.IncidentFilter{Open: &no, Limit: 10}, []string{"inc_e"}},
		{engine.IncidentFilter{AgentID: agent, Open: &yes, Before: s.place("inc_b"), Limit: 1}, []string{"inc_a"}},
	} {
		s.same(fmt.Sprintf("incidents %+v", c.filter), c.want, s.incidents(c.filter))
	}
	s.view(func(tx engine.ReadTx) error {
		counts, err := tx.Counts()
		s.must(err)
		if got := counts.OpenIncidents[rollout.IncidentStraggler]; got != 4 {
			s.t.Errorf("%d incidents are counted as open, want 4", got)
		}
		return nil
	})
}
