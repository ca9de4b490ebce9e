package storetest

import (
	"fmt"
	"time"

	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

func instructionProofs() []proof {
	return []proof{
		{"rule 7.2: pending, and each reason for not being pending", notPending},
		{"rule 7.2: pending are shown oldest first", pendingOrder},
		{"rule 7.3: an acknowledgement is kept, once", acknowledged},
		{"rule 7.2: reaching acknowledges what the same step has made", acknowledgedAtOnce},
		{"rule 7.4: what is acknowledged in a step is not withdrawn by it", acknowledgedThenWithdrawn},
		{"rule 7.2: a withdrawal does not reach what is made with it", withdrawnThenMade},
		{"rule 4.19: while paused nothing is pending, and the deadlines move", suspended},
		{"rule 4.19: what a step makes before it pauses is suspended too", suspendedAtOnce},
		{"rule 4.19: an acknowledgement is taken while paused, a withdrawal too", suspendedMoves},
		{"an id is given to one instruction only", oneInstructionPerID},
		{"rule 7.4: every form of withdrawal covers what it covers", everyWithdrawal},
	}
}

func notPending(s *suite) {
	s.hear(agent, s.working("o1", "b1"))
	short := s.instruction("in_short", "o1", "b1", "ro_1")
	short.Deadline = short.IssuedAt.Add(time.Second)
	s.instruct(
		s.instruction("in_ok", "o1", "b1", "ro_1"), s.instruction("in_ack", "o1", "b1", "ro_1"),
		s.instruction("in_gone", "o1", "b1", "ro_1"), s.instruction("in_paused", "o1", "b1", "ro_paused"),
		s.instruction("in_boot", "o1", "b0", "ro_1"), s.instruction("in_other", "o2", "b1", "ro_1"), short)
	s.commit(agent, func(_ *rollout.State, eff *rollout.Effects) {
		eff.Acknowledge = []string{"in_ack"}
		eff.Withdraw = []rollout.Withdrawal{{InstructionID: "in_gone"}}
		eff.Suspend = []string{"ro_paused"}
	})
	s.clock.Advance(time.Second - time.Microsecond)
	s.same("before the deadline", []string{"in_ok", "in_short"}, s.pendingIDs("o1", "b1"))
	s.clock.Advance(time.Microsecond)
	s.same("at the deadline", []string{"in_ok"}, s.pendingIDs("o1", "b1"))
	s.view(func(tx engine.ReadTx) error {
		counts, err := tx.Counts()
		s.must(err)
		if counts.Pending != 3 { // in_ok, in_boot, in_other
			s.t.Errorf("%d instructions are counted as pending, want 3", counts.Pending)
		}
		return nil
	})
}

func pendingOrder(s *suite) {
	for i, id := range []string{"in_c", "in_a", "in_d", "in_b"} {
		in := s.instruction(id, "o1", "b1", "ro_1")
		if i == 3 { // made last, issued first
			in.IssuedAt = in.IssuedAt.Add(-time.Minute)
		}
		s.instruct(in)
		s.clock.Advance(time.Microsecond)
	}
	s.same("by age", []string{"in_b", "in_c", "in_a", "in_d"}, s.pendingIDs("o1", "b1"))
	s.instruct(s.instruction("in_z", "o1", "b1", "ro_1"), s.instruction("in_y", "o1", "b1", "ro_1"))
	s.same("of the same age by id", []string{"in_b", "in_c", "in_a", "in_d", "in_y", "in_z"}, s.pendingIDs("o1", "b1"))
}

func acknowledged(s *suite) {
	s.instruct(s.instruction("in_1", "o1", "b1", "ro_1"), s.instruction("in_2", "o1", "b1", "ro_1"))
	acknowledge := func(ids ...string) {
		s.t.Helper()
		s.commit(agent, func(_ *rollout.State, eff *rollout.Effects) { eff.Acknowledge = ids })
	}
	at := s.clock.Advance(time.Second)
	acknowledge("in_1")
	s.clock.Advance(time.Second)
	acknowledge("in_1", "in_none") // again; and one that was never kept
	if got := s.issued("in_1").AcknowledgedAt; !got.Equal(at) {
		s.t.Errorf("acknowledged at %v, want the first time, %v", got, at)
	}
	if got := s.issued("in_2").AcknowledgedAt; !got.IsZero() {
		s.t.Errorf("another instruction is acknowledged at %v", got)
	}
}

func acknowledgedAtOnce(s *suite) {
	s.commit(agent, func(_ *rollout.State, eff *rollout.Effects) {
		eff.Instruct = []rollout.Instruction{s.instruction("in_1", "o1", "b1", "ro_1"), s.instruction("in_2", "o1", "b1", "ro_1")}
		eff.Acknowledge = []string{"in_1"}
	})
	if s.issued("in_1").AcknowledgedAt.IsZero() {
		s.t.Error("in_1 is not acknowledged")
	}
	s.same("pending", []string{"in_2"}, s.pendingIDs("o1", "b1"))
}

func acknowledgedThenWithdrawn(s *suite) {
	s.instruct(s.instruction("in_1", "o1", "b1", "ro_1"), s.instruction("in_2", "o1", "b1", "ro_1"))
	s.commit(agent, func(_ *rollout.State, eff *rollout.Effects) {
		eff.Acknowledge = []string{"in_1"}
		eff.Withdraw = []rollout.Withdrawal{{RolloutID: "ro_1"}}
	})
	if got := s.issued("in_1"); got.AcknowledgedAt.IsZero() || !got.WithdrawnAt.IsZero() {
		s.t.Errorf("want it acknowledged and not withdrawn, got %v and %v", got.AcknowledgedAt, got.WithdrawnAt)
	}
	if got := s.issued("in_2"); got.WithdrawnAt.IsZero() {
		s.t.Error("in_2 is not withdrawn")
	}
}

func withdrawnThenMade(s *suite) {
	s.instruct(s.instruction("in_1", "o1", "b1", "ro_1"))
	s.commit(agent, func(_ *rollout.State, eff *rollout.Effects) {
		eff.Withdraw = []rollout.Withdrawal{{RolloutID: "ro_1", OccurrenceID: "o1"}}
		eff.Instruct = []rollout.Instruction{s.instruction("in_2", "o1", "b1", "ro_1")}
	})
	s.same("pending", []string{"in_2"}, s.pendingIDs("o1", "b1"))
}

func suspended(s *suite) {
	first, other := s.instruction("in_1", "o1", "b1", "ro_1"), s.instruction("in_2", "o1", "b1", "ro_2")
	s.instruct(first, other)
	s.commit(agent, func(_ *rollout.State, eff *rollout.Effects) { eff.Suspend = []string{"ro_1"} })
	s.same("while paused", []string{"in_2"}, s.pendingIDs("o1", "b1"))
	s.clock.Advance(time.Hour) // longer than either has
	s.same("after the deadlines", []string{}, s.pendingIDs("o1", "b1"))
	s.commit(agent, func(_ *rollout.State, eff *rollout.Effects) {
		eff.Resume = []rollout.Extension{{RolloutID: "ro_1", By: time.Hour}}
	})
	s.same("resumed", []string{"in_1"}, s.pendingIDs("o1", "b1"))
	if got, want := s.issued("in_1").Deadline, first.Deadline.Add(time.Hour); !got.Equal(want) {
		s.t.Errorf("the deadline is %v, want %v", got, want)
	}
	if got := s.issued("in_2").Deadline; !got.Equal(other.Deadline) {
		s.t.Errorf("the deadline of another rollout moved to %v", got)
	}
	s.clock.Advance(5 * time.Minute)
	s.same("at the new deadline", []string{}, s.pendingIDs("o1", "b1"))
}

func suspendedAtOnce(s *suite) {
	s.commit(agent, func(_ *rollout.State, eff *rollout.Effects) {
		eff.Instruct = []rollout.Instruction{s.instruction("in_1", "o1", "b1", "ro_1")}
		eff.Suspend = []string{"ro_1"}
	})
	s.same("while paused", []string{}, s.pendingIDs("o1", "b1"))
	s.commit(agent, func(_ *rollout.State, eff *rollout.Effects) {
		eff.Resume = []rollout.Extension{{RolloutID: "ro_1", By: time.Minute}}
		eff.Instruct = []rollout.Instruction{s.instruction("in_2", "o2", "b1", "ro_1")}
	})
	s.same("resumed", []string{"in_1"}, s.pendingIDs("o1", "b1"))
	s.same("made as it resumed", []string{"in_2"}, s.pendingIDs("o2", "b1"))
	if in := s.issued("in_2"); in.Deadline.Sub(in.IssuedAt) != 5*time.Minute {
		s.t.Errorf("a deadline that was given on resume moved to %v", in.Deadline)
	}
}

func suspendedMoves(s *suite) {
	s.instruct(s.instruction("in_1", "o1", "b1", "ro_1"), s.instruction("in_2", "o1", "b1", "ro_1"), s.instruction("in_3", "o1", "b1", "ro_1"))
	s.commit(agent, func(_ *rollout.State, eff *rollout.Effects) { eff.Suspend = []string{"ro_1"} })
	s.commit(agent, func(_ *rollout.State, eff *rollout.Effects) {
		eff.Acknowledge = []string{"in_1"}
		eff.Withdraw = []rollout.Withdrawal{{InstructionID: "in_2"}}
	})
	if s.issued("in_1").AcknowledgedAt.IsZero() || s.issued("in_2").WithdrawnAt.IsZero() {
		s.t.Error("the acknowledgement or the withdrawal was not taken")
	}
	s.commit(agent, func(_ *rollout.State, eff *rollout.Effects) { eff.Resume = []rollout.Extension{{RolloutID: "ro_1"}} })
	s.same("resumed", []string{"in_3"}, s.pendingIDs("o1", "b1"))
}

// oneInstructionPerID: two replicas that make the same instruction collide on
// its id; whoever comes second has changed nothing.
func oneInstructionPerID(s *suite) {
	first := s.instruction("in_1", "o1", "b1", "ro_1")
	s.instruct(first)
	again := s.instruction("in_1", "o2", "b2", "ro_2")
	err := s.store.Update(s.ctx, agent, true, func(tx engine.Tx) error {
		return commit(tx, agent, func(state *rollout.State, eff *rollout.Effects) {
			state.Complete = true
			eff.Instruct = []rollout.Instruction{again}
		})
	})
	if err == nil {
		s.t.Error("the same id was taken twice")
	}
	s.same("instruction", first, s.issued("in_1").Instruction)
	if s.state(agent).Complete {
		s.t.Error("the second transaction has left a trace")
	}
}

// withdrawals are all forms of taking back; prefix begins the instructions' ids.
func withdrawals(prefix string) []rollout.Withdrawal {
	var all []rollout.Withdrawal
	for _, rolloutID := range []string{"", "ro_1"} {
		for _, outside := range []bool{false, true} {
			for _, x := range []rollout.Withdrawal{{}, {OccurrenceID: "o1"}, {OccurrenceID: "o1", KeepBoot: "b2"}, {InstructionID: prefix + "ro_1~o1~b1~0"}} {
				x.RolloutID, x.OutsideWaves = rolloutID, outside
				all = append(all, x)
			}
		}
	}
	return append(all, rollout.Withdrawal{KeepBoot: "b1", RolloutID: "ro_2"}, rollout.Withdrawal{InstructionID: "none"})
}

// combinations are instructions of every rollout, occurrence, boot and wave.
func (s *suite) combinations(prefix string) []rollout.Instruction {
	var all []rollout.Instruction
	for _, rolloutID := range []string{"ro_1", "ro_2"} {
		for _, occurrence := range []string{"o1", "o2"} {
			for _, boot := range []string{"b1", "b2"} {
				for wave := range 2 {
					in := s.instruction(fmt.Sprintf("%s%s~%s~%s~%d", prefix, rolloutID, occurrence, boot, wave), occurrence, boot, rolloutID)
					in.Wave = wave
					all = append(all, in)
				}
			}
		}
	}
	return all
}

// everyWithdrawal compares each with its oracle, Withdrawal.Covers. Each has an
// agent of its own, with every combination.
func everyWithdrawal(s *suite) {
	agentOf := func(i int) string { return fmt.Sprintf("agent-%d", i) }
	withdraw := func(i int) rollout.Withdrawal { return withdrawals(agentOf(i))[i] }
	n := len(withdrawals(""))
	made := make([][]rollout.Instruction, n)
	for i := range n {
		made[i] = s.combinations(agentOf(i))
		s.commit(agentOf(i), func(_ *rollout.State, eff *rollout.Effects) { eff.Instruct = made[i] })
	}
	at := s.clock.Advance(time.Second)
	for range 2 { // what was taken back stays taken back since the first time
		for i := range n {
			s.commit(agentOf(i), func(_ *rollout.State, eff *rollout.Effects) { eff.Withdraw = []rollout.Withdrawal{withdraw(i)} })
		}
		s.clock.Advance(time.Second)
	}
	s.view(func(tx engine.ReadTx) error {
		for i := range n {
			for _, in := range made[i] {
				issued, err := tx.Instruction(agentOf(i), in.ID)
				s.must(err)
				switch x, got := withdraw(i), issued.WithdrawnAt; {
				case x.Covers(in) && !got.Equal(at):
					s.t.Errorf("%+v: %s is withdrawn at %v, want %v", x, in.ID, got, at)
				case !x.Covers(in) && !got.IsZero():
					s.t.Errorf("%+v withdraws %s", x, in.ID)
				}
			}
		}
		return nil
	})
}
