package storetest

import (
	"fmt"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

func answerProofs() []proof {
	proofs := []proof{
		{"rule 10.7: an answer is kept for 24 h, and then its key is free", answerExpires},
		{"rule 10.7: an answer is kept with its effect or not at all", answerWithItsEffect},
		{"rule 10.7: a key is known whichever agent's door it comes through", answerOfAnyDoor},
	}
	for _, v := range []rollout.Verdict{rollout.Accept, rollout.Reject, rollout.Defer} {
		for _, kind := range []rollout.Kind{rollout.Shutdown, rollout.Wakeup} {
			proofs = append(proofs, proof{fmt.Sprintf("section 14: the verdict %q on a %s is stored", v, kind), func(s *suite) { verdictStored(s, kind, v) }})
		}
	}
	return proofs
}

// recall finds the status of a kept answer; 0 for none.
func (s *suite) recall(agentID, key string) (status int) {
	s.t.Helper()
	s.update(agentID, func(tx engine.Tx) error {
		kept, err := tx.Recall(key)
		if kept != nil {
			status = kept.Status
		}
		return err
	})
	return status
}

func answerExpires(s *suite) {
	keep := func(status int) {
		s.t.Helper()
		s.update(agent, func(tx engine.Tx) error {
			return tx.Keep("key", engine.KeptAnswer{BodyHash: "h", Status: status, Body: []byte("{}")})
		})
	}
	keep(200)
	s.clock.Advance(24*time.Hour - time.Second)
	if got := s.recall(agent, "key"); got != 200 {
		s.t.Errorf("after almost 24 h: recalled %d", got)
	}
	s.clock.Advance(2 * time.Second)
	if got := s.recall(agent, "key"); got != 0 {
		s.t.Errorf("after 24 h: recalled %d", got)
	}
	keep(201)
	if got := s.recall(agent, "key"); got != 201 {
		s.t.Errorf("kept again: recalled %d", got)
	}
}

func answerWithItsEffect(s *suite) {
	err := s.store.Update(s.ctx, agent, true, func(tx engine.Tx) error {
		s.must(tx.Keep("key", engine.KeptAnswer{Status: 200}))
		return errOnPurpose
	})
	if err == nil {
		s.t.Fatal("no error")
	}
	if got := s.recall(agent, "key"); got != 0 {
		s.t.Errorf("a transaction that failed has kept the answer %d", got)
	}
}

func answerOfAnyDoor(s *suite) {
	s.update(agent, func(tx engine.Tx) error { return tx.Keep("key", engine.KeptAnswer{Status: 202}) })
	if got := s.recall("other", "key"); got != 202 {
		s.t.Errorf("through another agent's door: recalled %d", got)
	}
}

// step takes a command through the core, as the engine does.
func (s *suite) step(c rollout.Command) (answer rollout.Answer) {
	s.t.Helper()
	s.update(agent, func(tx engine.Tx) error {
		before, fleet, err := tx.Agent(agent)
		s.must(err)
		set, err := tx.Settings()
		s.must(err)
		in := rollout.Input{Command: c, Fleet: fleet, Settings: set, Silence: tx.Clock().Offset(), Entropy: [16]byte{1}}
		after, eff, err := rollout.Step(before, in, tx.Now())
		s.must(err)
		answer = eff.Answer
		return tx.Commit(before, after, eff)
	})
	return answer
}

// verdictStored: a verdict that a store would not take was once counted as
// silence. What is answered is what is in the store.
func verdictStored(s *suite, kind rollout.Kind, v rollout.Verdict) {
	s.hear(agent, s.working("o1", "b1"), s.working("o2", "b1"), discovery.Occurrence{
		ID: "o3", Coordinated: true, Boot: "b1", BootHeard: s.now(), State: discovery.Wakeup, LastSign: s.now(),
	})
	asked := s.step(rollout.Request{
		ULID: "01", Kind: kind, Reason: "because", Actor: "operator:eve",
		Consent: rollout.ConsentRequired, OnTimeout: rollout.TimeoutFails,
	})
	s.clock.Advance(time.Second)
	state := s.state(agent)
	claimed := state.Find(asked.RolloutID).Claim
	if claimed == nil || claimed.OccurrenceID != "o1" || s.issued(claimed.InstructionID).Claim.Token != claimed.Token {
		s.t.Fatalf("o1 was not asked to deliberate: %+v", claimed)
	}
	verdict := rollout.GiveVerdict{RolloutID: asked.RolloutID, OccurrenceID: "o1", Token: claimed.Token, Verdict: v, Reasoning: "“why”", Actor: "occurrence:o1"}
	if v == rollout.Defer {
		verdict.UntilWall = s.clock.Now().Add(time.Hour)
	}
	at := s.clock.Advance(time.Second)
	s.step(verdict)

	var got rollout.Rollout
	s.view(func(tx engine.ReadTx) (err error) {
		got, err = tx.Rollout(asked.RolloutID)
		return err
	})
	if got.Decision == nil {
		s.t.Fatal("the verdict is not there")
	}
	s.same("decision", rollout.Decision{
		Verdict: v, OccurrenceID: "o1", Boot: "b1", Actor: "occurrence:o1", Reasoning: "“why”",
		Token: claimed.Token, Number: 1, DecidedAt: at,
	}, *got.Decision)
	want := map[rollout.Verdict]rollout.Status{rollout.Accept: rollout.Rolling, rollout.Reject: rollout.Rejected, rollout.Defer: rollout.Deferred}
	if got.Status != want[v] {
		s.t.Errorf("the rollout is %s, want %s", got.Status, want[v])
	}
	if !got.DeferredTillWall.Equal(verdict.UntilWall) {
		s.t.Errorf("deferred until %v, want %v", got.DeferredTillWall, verdict.UntilWall)
	}
	if in := s.issued(claimed.InstructionID); in.WithdrawnAt.IsZero() {
		s.t.Error("the deliberate is not withdrawn")
	}
	s.kept(got)
	s.view(func(tx engine.ReadTx) error {
		s.chainHolds(tx, agent)
		return nil
	})
}
