package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/cirisai/orchestrator/internal/audit"
	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

func roundTripProofs() []proof {
	var proofs []proof
	for pattern := range boolPatterns {
		proofs = append(proofs, proof{fmt.Sprintf("promise 7: every field comes back, pattern %d", pattern), func(s *suite) {
			s.stored(s.writeAll(pattern))
		}})
	}
	return append(proofs,
		proof{"promise 7: every field that may change changes", everyFieldChanges},
		proof{"what is empty stays empty", emptyStaysEmpty},
		proof{"what is removed is gone", removedIsGone},
		proof{"rule 11.2: settings are stored whole, and the former ones returned", settingsStored},
		proof{"rule 10.7: an answer is kept whole", answerStored},
	)
}

func everyFieldChanges(s *suite) {
	w := s.writeAll(0)
	for pattern := range boolPatterns {
		w = s.changeAll(w, pattern)
		s.stored(w)
	}
}

// written is what a test has given to the store.
type written struct {
	state        rollout.State
	occurrences  []discovery.Occurrence
	instructions []rollout.Instruction
	events       []rollout.Event
}

// clone copies it so that nothing is shared.
func (w written) clone() written {
	return written{deepCopy(w.state), deepCopy(w.occurrences), deepCopy(w.instructions), deepCopy(w.events)}
}

// writeAll stores an agent in which every field is set.
func (s *suite) writeAll(pattern int) written {
	s.t.Helper()
	f := s.made
	f.pattern = pattern
	w := written{state: filled[rollout.State](f)}
	w.state.AgentID = agent
	for i, id := range []string{"o1", "o2", "o3", "o4"} {
		o := filled[discovery.Occurrence](f)
		o.ID, o.Boot = id, fmt.Sprintf("boot-%d", i)
		w.occurrences = append(w.occurrences, o)
	}
	s.nameRollouts(&w.state)
	w.state.Notes = map[string]rollout.Note{"o1": filled[rollout.Note](f), "o2": filled[rollout.Note](f)}
	w.state.Loose = map[string]rollout.LooseStop{"o2": filled[rollout.LooseStop](f), "o3": filled[rollout.LooseStop](f)}
	w.state.Incidents = map[string]rollout.Incident{}
	for i := range 3 {
		incident := filled[rollout.Incident](f)
		incident.ID, incident.Type = fmt.Sprintf("inc_%d", i), rollout.IncidentStraggler
		incident.ResolvedAt, incident.ResolvedBy = time.Time{}, "" // nobody did yet
		w.state.Incidents[keyOf(incident)] = incident
	}
	for i := range 2 {
		in := filled[rollout.Instruction](f)
		in.ID, in.OccurrenceID, in.Boot, in.RolloutID = fmt.Sprintf("in_%d", i), "o1", "boot-0", w.state.Rollouts[0].ID
		w.instructions = append(w.instructions, in)
	}
	for range 3 {
		e := filled[rollout.Event](f)
		e.Data["number"], e.Data["yes"], e.Data["deep"] = 42, true, map[string]any{"list": []any{"é", 1.5, nil}}
		w.events = append(w.events, e)
	}
	s.write(w)
	return w
}

// nameRollouts makes the filled rollouts such as may be unfinished together.
// The older one has the higher id, as happens when the clocks of two replicas
// differ: it is the first all the same (S13).
func (s *suite) nameRollouts(state *rollout.State) {
	for i := range state.Rollouts {
		r := &state.Rollouts[i]
		r.ID, r.AgentID = fmt.Sprintf("ro_%d", 9-i), agent
		r.Kind = []rollout.Kind{rollout.Shutdown, rollout.Wakeup}[i]
		for j := range r.Waves {
			for k := range r.Waves[j].Members {
				r.Waves[j].Members[k].OccurrenceID = fmt.Sprintf("o%d", 1+2*j+k)
			}
		}
	}
}

// keyOf is how a state names an incident.
func keyOf(i rollout.Incident) string {
	return fmt.Sprintf("%s/%s/%d/%s", i.Type, i.RolloutID, i.Wave, i.OccurrenceID)
}

// write stores it in one transaction.
func (s *suite) write(w written) {
	s.t.Helper()
	s.update(agent, func(tx engine.Tx) error { return w.write(tx, rollout.Effects{}) })
}

func (w written) write(tx engine.Tx, eff rollout.Effects) error {
	before, fleet, err := tx.Agent(agent)
	if err != nil {
		return err
	}
	eff.Instruct, eff.Events = w.instructions, w.events
	for _, key := range sortedKeys(w.state.Incidents) {
		if _, known := before.Incidents[key]; !known {
			eff.Opened = append(eff.Opened, w.state.Incidents[key])
		} else if i := w.state.Incidents[key]; !i.ResolvedAt.IsZero() {
			eff.Resolved = append(eff.Resolved, i)
		}
	}
	return errors.Join(tx.SaveOccurrences(fleet, w.occurrences), tx.SaveProfile(w.state.Profile), tx.Commit(before, w.state, eff))
}

// changeAll gives all that may change another value. Instructions, events and
// the opening of incidents never change.
func (s *suite) changeAll(w written, pattern int) written {
	s.t.Helper()
	next := s.changed(w, pattern)
	s.write(next)
	next.instructions, next.events = w.instructions, w.events
	return next
}

// changed makes what changeAll writes.
func (s *suite) changed(w written, pattern int) written {
	f := s.made
	f.pattern = pattern
	next := written{state: filled[rollout.State](f)}
	next.state.AgentID = agent
	for i := range w.occurrences {
		o := filled[discovery.Occurrence](f)
		o.ID, o.Boot = w.occurrences[i].ID, w.occurrences[i].Boot
		next.occurrences = append(next.occurrences, o)
	}
	s.nameRollouts(&next.state)
	next.state.Notes = map[string]rollout.Note{"o1": filled[rollout.Note](f), "o2": filled[rollout.Note](f)}
	next.state.Loose = map[string]rollout.LooseStop{"o2": filled[rollout.LooseStop](f), "o3": filled[rollout.LooseStop](f)}
	next.state.Incidents = map[string]rollout.Incident{}
	for _, key := range sortedKeys(w.state.Incidents) {
		i, resolved := w.state.Incidents[key], filled[rollout.Incident](f)
		if len(next.state.Incidents) > 0 { // one stays open
			i.ResolvedAt, i.ResolvedBy = resolved.ResolvedAt, resolved.ResolvedBy
		}
		next.state.Incidents[key] = i
	}
	return next
}

// stored checks that all that was written is there, by every way of reading.
func (s *suite) stored(w written) {
	s.t.Helper()
	s.view(func(tx engine.ReadTx) error {
		s.storedIn(tx, w)
		return nil
	})
}

// storedIn is stored, as one transaction sees it.
func (s *suite) storedIn(tx engine.ReadTx, w written) {
	s.t.Helper()
	state, fleet, err := tx.Agent(agent)
	s.must(err)
	s.same("state", w.state, state)
	s.same("fleet", w.occurrences, fleet.All())
	for _, o := range w.occurrences {
		got, err := tx.Occurrence(agent, o.ID)
		s.must(err)
		s.same("occurrence", o, got)
	}
	for _, r := range w.state.Rollouts {
		got, err := tx.Rollout(r.ID)
		s.must(err)
		s.same("rollout", r, got)
		owner, err := tx.AgentOf(r.ID)
		s.must(err)
		s.same("agent of the rollout", agent, owner)
	}
	for key, i := range w.state.Incidents {
		got, err := tx.Incident(i.ID)
		s.must(err)
		s.same("incident "+key, engine.KeptIncident{Incident: i, AgentID: agent, OpenedWall: i.OpenedAt, ResolvedWall: i.ResolvedAt}, got)
	}
	s.storedInstructions(tx, w)
	s.storedEvents(tx, w)
	listed, err := tx.Agents("", 10)
	s.must(err)
	if len(listed) != 1 || listed[0].AgentID != agent {
		s.t.Fatalf("the agent is not listed: %+v", listed)
	}
	s.same("listed profile", w.state.Profile, listed[0].Profile)
	s.same("listed hold", w.state.Hold, listed[0].Hold)
}

func (s *suite) storedInstructions(tx engine.ReadTx, w written) {
	s.t.Helper()
	pending, err := tx.Pending(agent, "o1", "boot-0")
	s.must(err)
	if len(pending) != len(w.instructions) {
		s.t.Fatalf("%d instructions are pending, want %d", len(pending), len(w.instructions))
	}
	for i, in := range w.instructions {
		issued, err := tx.Instruction(agent, in.ID)
		s.must(err)
		s.same("instruction", rollout.Issued{Instruction: in}, issued)
		s.same("pending instruction", engine.PendingInstruction{
			Instruction: in, AgentID: agent,
			IssuedWall: in.IssuedAt, DeadlineWall: in.Deadline, ClaimWall: in.Claim.ExpiresAt,
		}, pending[i])
	}
}

func (s *suite) storedEvents(tx engine.ReadTx, w written) {
	s.t.Helper()
	events, err := tx.Events(engine.EventFilter{AgentID: agent, Limit: 100})
	s.must(err)
	if len(events) != len(w.events) {
		s.t.Fatalf("%d events are there, want %d", len(events), len(w.events))
	}
	for i, e := range w.events {
		data, err := json.Marshal(e.Data)
		s.must(err)
		s.same("event", audit.Event{
			Seq: int64(i + 1), At: e.At, Type: e.Type, AgentID: agent, RolloutID: e.RolloutID, Wave: e.Wave,
			OccurrenceID: e.OccurrenceID, Actor: e.Actor, Data: data, PrevHash: events[i].PrevHash, Hash: events[i].Hash,
		}, events[i])
	}
	s.chainHolds(tx, agent)
}

// chainHolds checks an agent's whole trail, and that its head is its end.
func (s *suite) chainHolds(tx engine.ReadTx, agentID string) {
	s.t.Helper()
	events, err := tx.Events(engine.EventFilter{AgentID: agentID, Limit: 100_000})
	s.must(err)
	verified, err := audit.Verify(audit.Head{}, events)
	if err != nil {
		s.t.Errorf("rule 9.1: %v", err)
	}
	head, err := tx.EventHead(agentID)
	s.must(err)
	if head.Seq != verified.Seq || head.Seq > 0 && head.Hash != verified.Hash {
		s.t.Errorf("rule 9.1: the trail ends with %+v, its head is %+v", verified, head)
	}
}
