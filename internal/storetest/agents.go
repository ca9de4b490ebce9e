package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

func agentProofs() []proof {
	return []proof{
		{"an unknown agent is not found, and is made on demand", unknownAgent},
		{"a query that fails is an error: what is not there is not found", nothingThere},
		{"rule 10.6: a transaction that fails changes nothing", failureChangesNothing},
		{"rule 10.6: what a transaction that fails has changed is as it was", failureLeavesAll},
		{"a new agent whose transaction fails is not made", failureMakesNothing},
		{"a transaction sees what it has written", readsItsWrites},
		{"what is read may be changed by its reader", copiesAtTheBoundary},
		{"what is written may be changed by its writer", copiesOfWhatWasGiven},
		{"errors of the context pass through", contextErrors},
		{"a store that can be used says so", canBeUsed},
	}
}

func nothing(engine.Tx) error { return nil }

func unknownAgent(s *suite) {
	err := s.store.Update(s.ctx, agent, false, func(engine.Tx) error {
		s.t.Error("an unknown agent was handed out")
		return nil
	})
	if !errors.Is(err, engine.ErrNotFound) {
		s.t.Errorf("Update of an unknown agent: want ErrNotFound, got %v", err)
	}
	err = s.store.View(s.ctx, func(tx engine.ReadTx) error {
		_, _, err := tx.Agent(agent)
		return err
	})
	if !errors.Is(err, engine.ErrNotFound) {
		s.t.Errorf("Agent of an unknown agent: want ErrNotFound, got %v", err)
	}

	s.must(s.store.Update(s.ctx, agent, true, nothing))
	state, fleet := s.agent(agent)
	if state.AgentID != agent || len(state.Rollouts) != 0 || !state.SteppedAt.IsZero() || !state.WakeAt.IsZero() || fleet.Len() != 0 {
		s.t.Errorf("a new agent is empty; got %+v with %d occurrences", state, fleet.Len())
	}
	if fleet.Timing != rollout.DefaultSettings().Timing() {
		s.t.Errorf("the fleet is judged by the stored settings, got %+v", fleet.Timing)
	}
	s.must(s.store.Update(s.ctx, agent, false, nothing))
}

func nothingThere(s *suite) {
	s.update(agent, nothing)
	for name, read := range map[string]func(tx engine.ReadTx) error{
		"Rollout":     func(tx engine.ReadTx) error { _, err := tx.Rollout("ro_none"); return err },
		"AgentOf":     func(tx engine.ReadTx) error { _, err := tx.AgentOf("ro_none"); return err },
		"Occurrence":  func(tx engine.ReadTx) error { _, err := tx.Occurrence(agent, "o1"); return err },
		"of no agent": func(tx engine.ReadTx) error { _, err := tx.Occurrence("nobody", "o1"); return err },
		"Incident":    func(tx engine.ReadTx) error { _, err := tx.Incident("inc_none"); return err },
		"Instruction": func(tx engine.ReadTx) error { _, err := tx.Instruction(agent, "none"); return err },
	} {
		if err := s.store.View(s.ctx, read); !errors.Is(err, engine.ErrNotFound) {
			s.t.Errorf("%s: want ErrNotFound, got %v", name, err)
		}
	}
	s.view(func(tx engine.ReadTx) error {
		pending, err := tx.Pending(agent, "o1", "b1")
		s.must(err)
		former, err := tx.FormerBoot(agent, "o1", "b1")
		s.must(err)
		head, err := tx.EventHead(agent)
		s.must(err)
		events, err := tx.Events(engine.EventFilter{AgentID: agent, Limit: 10})
		s.must(err)
		rollouts, err := tx.Rollouts(engine.RolloutFilter{AgentID: agent, Limit: 10})
		s.must(err)
		incidents, err := tx.Incidents(engine.IncidentFilter{AgentID: agent, Limit: 10})
		s.must(err)
		if len(pending)+len(events)+len(rollouts)+len(incidents) != 0 || former || head.Seq != 0 {
			s.t.Errorf("a new agent has nothing: %v %v %v %v %v %v", pending, former, head, events, rollouts, incidents)
		}
		return nil
	})
}

var errOnPurpose = errors.New("on purpose")

// everything changes all that a transaction can change.
func everything(s *suite, tx engine.Tx) error {
	s.t.Helper()
	_, fleet, err := tx.Agent(agent)
	if err != nil {
		return err
	}
	o := s.working("o1", "b2")
	o.Sequence, o.State = 7, discovery.Dream
	if err := tx.SaveOccurrences(fleet, []discovery.Occurrence{o, s.working("o2", "b9")}); err != nil {
		return err
	}
	if err := tx.SaveProfile(rollout.Profile{Expected: 3}); err != nil {
		return err
	}
	if err := tx.Keep("key", engine.KeptAnswer{BodyHash: "hash", Status: 200, Body: []byte("{}")}); err != nil {
		return err
	}
	return commit(tx, agent, func(state *rollout.State, eff *rollout.Effects) {
		state.Complete, state.WakeAt = true, tx.Now()
		state.Rollouts = append(state.Rollouts, rollout.Rollout{
			ID: "ro_1", AgentID: agent, Kind: rollout.Shutdown, Status: rollout.Rolling,
			CreatedAt: tx.Now(), Waves: []rollout.Wave{{Members: []rollout.Member{{OccurrenceID: "o1", Status: rollout.MemberPending}}}},
		})
		state.Notes["o1"] = rollout.Note{Boot: "b2", Watched: true}
		incident := rollout.Incident{ID: "inc_1", Type: rollout.IncidentStraggler, OccurrenceID: "o1", OpenedAt: tx.Now()}
		state.Incidents["straggler//0/o1"] = incident
		eff.Opened = append(eff.Opened, incident)
		eff.Instruct = append(eff.Instruct, rollout.Instruction{
			ID: "in_1", Type: rollout.Stop, OccurrenceID: "o1", Boot: "b2",
			RolloutID: "ro_1", IssuedAt: tx.Now(), Deadline: tx.Now().Add(time.Minute),
		})
		eff.Events = append(eff.Events, rollout.Event{Type: "test.done", At: tx.Now()})
	})
}

func failureChangesNothing(s *suite) {
	s.hear(agent, s.working("o1", "b1"))
	before, fleetBefore := s.agent(agent)

	err := s.store.Update(s.ctx, agent, true, func(tx engine.Tx) error {
		if err := everything(s, tx); err != nil {
			return err
		}
		return errOnPurpose
	})
	if !errors.Is(err, errOnPurpose) {
		s.t.Fatalf("the error of a transaction is its function's; got %v", err)
	}
	after, fleetAfter := s.agent(agent)
	s.same("state", before, after)
	s.same("fleet", fleetBefore.All(), fleetAfter.All())
	s.traceless(true)

	s.update(agent, func(tx engine.Tx) error {
		if err := everything(s, tx); err != nil {
			return err
		}
		return nil
	})
	s.traceless(false)
}

// traceless tells whether what everything wrote is there: none of it, or all.
func (s *suite) traceless(want bool) {
	s.t.Helper()
	expect := func(what string, gone bool) {
		s.t.Helper()
		if gone != want {
			s.t.Errorf("%s: gone is %v, want %v", what, gone, want)
		}
	}
	missing := func(err error) bool {
		s.t.Helper()
		if err != nil && !errors.Is(err, engine.ErrNotFound) {
			s.t.Fatal(err)
		}
		return err != nil
	}
	s.update(agent, func(tx engine.Tx) error {
		_, err := tx.Rollout("ro_1")
		expect("rollout", missing(err))
		_, err = tx.Incident("inc_1")
		expect("incident", missing(err))
		_, err = tx.Instruction(agent, "in_1")
		expect("instruction", missing(err))
		former, err := tx.FormerBoot(agent, "o1", "b1")
		expect("former boot", !former && !missing(err))
		head, err := tx.EventHead(agent)
		expect("event", head.Seq == 0 && !missing(err))
		kept, err := tx.Recall("key")
		expect("answer", kept == nil && !missing(err))
		return nil
	})
}

// failureLeavesAll: a transaction that changes everything that there is, and
// fails.
func failureLeavesAll(s *suite) {
	w := s.writeAll(0)
	want := w.clone()
	next := s.changed(w, 1)
	err := s.store.Update(s.ctx, agent, false, func(tx engine.Tx) error {
		return errors.Join(s.changeRows(tx, next), errOnPurpose)
	})
	if !errors.Is(err, errOnPurpose) {
		s.t.Fatal(err)
	}
	s.stored(want)
}

// changeRows changes each row of an agent that writeAll has written, and
// replaces a boot.
func (s *suite) changeRows(tx engine.Tx, next written) error {
	err := next.write(tx, rollout.Effects{
		Acknowledge: []string{"in_0"}, Withdraw: []rollout.Withdrawal{{InstructionID: "in_1"}}, Suspend: []string{next.state.Rollouts[0].ID},
	})
	_, fleet, loadErr := tx.Agent(agent)
	if err = errors.Join(err, loadErr); err != nil {
		return err
	}
	return tx.SaveOccurrences(fleet, []discovery.Occurrence{s.working("o1", "another boot")})
}

func failureMakesNothing(s *suite) {
	err := s.store.Update(s.ctx, agent, true, func(tx engine.Tx) error {
		if err := everything(s, tx); err != nil {
			return err
		}
		return errOnPurpose
	})
	if !errors.Is(err, errOnPurpose) {
		s.t.Fatalf("want the function's error, got %v", err)
	}
	if err := s.store.Update(s.ctx, agent, false, nothing); !errors.Is(err, engine.ErrNotFound) {
		s.t.Errorf("the agent was made: %v", err)
	}
}

func readsItsWrites(s *suite) {
	s.hear(agent, s.working("o1", "b1"))
	s.update(agent, func(tx engine.Tx) error {
		if err := everything(s, tx); err != nil {
			return err
		}
		state, fleet, err := tx.Agent(agent)
		s.must(err)
		if o := fleet.Get("o1"); o == nil || o.Boot != "b2" || o.Sequence != 7 || o.State != discovery.Dream || fleet.Len() != 2 {
			s.t.Errorf("the occurrences are not those saved: %+v", fleet.All())
		}
		if state.Profile.Expected != 3 || !state.Complete || len(state.Rollouts) != 1 || len(state.Incidents) != 1 || !state.Notes["o1"].Watched {
			s.t.Errorf("the state is not the one committed: %+v", state)
		}
		pending, err := tx.Pending(agent, "o1", "b2")
		s.must(err)
		if len(pending) != 1 || pending[0].ID != "in_1" {
			s.t.Errorf("the instruction is not pending: %+v", pending)
		}
		events, err := tx.Events(engine.EventFilter{AgentID: agent, Limit: 10})
		s.must(err)
		head, err := tx.EventHead(agent)
		s.must(err)
		if len(events) != 1 || head.Seq != 1 || head.Hash != events[0].Hash {
			s.t.Errorf("the event is not there: %+v, head %+v", events, head)
		}
		kept, err := tx.Recall("key")
		s.must(err)
		if kept == nil || kept.Status != 200 {
			s.t.Errorf("the answer is not there: %+v", kept)
		}
		former, err := tx.FormerBoot(agent, "o1", "b1")
		s.must(err)
		if !former {
			s.t.Error("the replaced boot is not remembered")
		}
		return nil
	})
}

func contextErrors(s *suite) {
	s.update(agent, nothing)
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	_, _, dueErr := s.store.Due(ctx, 1)
	_, touchErr := s.store.Touch(ctx, []engine.Touch{{AgentID: agent, OccurrenceID: "o1"}})
	for name, err := range map[string]error{
		"Update": s.store.Update(ctx, agent, true, nothing),
		"View":   s.store.View(ctx, func(engine.ReadTx) error { return nil }),
		"Due":    dueErr,
		"Touch":  touchErr,
		"Beat":   s.store.Beat(ctx),
		"Ping":   s.store.Ping(ctx),
	} {
		if !errors.Is(err, context.Canceled) {
			s.t.Errorf("%s: want context.Canceled, got %v", name, err)
		}
	}

	ctx, cancel = context.WithCancel(s.ctx)
	err := s.store.Update(ctx, agent, true, func(tx engine.Tx) error {
		if err := everything(s, tx); err != nil {
			return err
		}
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		s.t.Errorf("a transaction whose context ends before its commit: want context.Canceled, got %v", err)
	}
	s.traceless(true)
}

func canBeUsed(s *suite) { s.must(s.store.Ping(s.ctx)) }
