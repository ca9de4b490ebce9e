package storetest

import (
	"fmt"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

func bootProofs() []proof {
	return []proof{
		{"rule 2.5: at least the last 100 boots are remembered", hundredBoots},
		{"rule 2.5: the present boot is not a former one, nor is another occurrence's", presentIsNotFormer},
		{"rule 7.2: a new boot withdraws what was for the former", newBootWithdraws},
		{"rule 7.2: what is made with the new boot is for the new boot", newBootKeepsItsOwn},
		{"rule 3.1: a fleet is loaded in its order, by bytes", fleetOrder},
		{"rule 2.2: registering again replaces every field", fieldsReplaced},
	}
}

// formers tells which of the boots of an occurrence are remembered as replaced.
func (s *suite) former(occurrence, boot string) (former bool) {
	s.t.Helper()
	s.view(func(tx engine.ReadTx) (err error) {
		former, err = tx.FormerBoot(agent, occurrence, boot)
		return err
	})
	return former
}

func hundredBoots(s *suite) {
	const boots = 130
	for i := range boots {
		s.hear(agent, s.working("o1", fmt.Sprintf("b%d", i)))
	}
	for i := boots - 2; i > boots-2-100; i-- {
		if !s.former("o1", fmt.Sprintf("b%d", i)) {
			s.t.Fatalf("boot %d of %d is forgotten", i, boots)
		}
	}
	if s.former("o1", fmt.Sprintf("b%d", boots-1)) {
		s.t.Error("the present boot counts as replaced")
	}
}

func presentIsNotFormer(s *suite) {
	s.hear(agent, s.working("o1", "b1"), s.working("o2", "c1"))
	o := s.working("o1", "b1")
	o.Sequence = 2
	s.hear(agent, o) // the same boot again
	s.hear("other", s.working("o1", "x1"))
	s.hear("other", s.working("o1", "x2"))
	s.hear(agent, s.working("o1", "b2"), s.working("o2", "c1"))
	for _, c := range []struct {
		occurrence, boot string
		want             bool
	}{{"o1", "b1", true}, {"o1", "b2", false}, {"o1", "c1", false}, {"o2", "c1", false}, {"o2", "b1", false}, {"o1", "x1", false}, {"o3", "b1", false}, {"o1", "", false}} {
		if got := s.former(c.occurrence, c.boot); got != c.want {
			s.t.Errorf("boot %q of %s: former is %v, want %v", c.boot, c.occurrence, got, c.want)
		}
	}
}

// instruction makes one that is pending for five minutes.
func (s *suite) instruction(id, occurrence, boot, rolloutID string) rollout.Instruction {
	now := s.now()
	return rollout.Instruction{
		ID: id, Type: rollout.Stop, OccurrenceID: occurrence, Boot: boot, RolloutID: rolloutID,
		Wave: 1, Group: "g1", IssuedAt: now, Deadline: now.Add(5 * time.Minute), Reason: "test",
	}
}

// instruct commits instructions.
func (s *suite) instruct(all ...rollout.Instruction) {
	s.t.Helper()
	s.commit(agent, func(_ *rollout.State, eff *rollout.Effects) { eff.Instruct = all })
}

// issued reads an instruction.
func (s *suite) issued(id string) (issued rollout.Issued) {
	s.t.Helper()
	s.view(func(tx engine.ReadTx) (err error) {
		issued, err = tx.Instruction(agent, id)
		return err
	})
	return issued
}

// pendingIDs lists what a boot has to carry out.
func (s *suite) pendingIDs(occurrence, boot string) []string {
	s.t.Helper()
	ids := []string{}
	s.view(func(tx engine.ReadTx) error {
		pending, err := tx.Pending(agent, occurrence, boot)
		for _, p := range pending {
			ids = append(ids, p.ID)
		}
		return err
	})
	return ids
}

func newBootWithdraws(s *suite) {
	s.hear(agent, s.working("o1", "b1"), s.working("o2", "c1"))
	s.instruct(s.instruction("in_1", "o1", "b1", "ro_1"), s.instruction("in_2", "o1", "b1", "ro_2"),
		s.instruction("in_3", "o2", "c1", "ro_1"), s.instruction("in_4", "o1", "b1", "ro_1"))
	s.commit(agent, func(_ *rollout.State, eff *rollout.Effects) { eff.Acknowledge = []string{"in_4"} })
	s.same("pending before", []string{"in_1", "in_2"}, s.pendingIDs("o1", "b1"))

	o := s.working("o1", "b1")
	o.Sequence, o.State = 5, discovery.Shutdown
	s.hear(agent, o)
	s.same("a heartbeat withdraws nothing", []string{"in_1", "in_2"}, s.pendingIDs("o1", "b1"))

	s.clock.Advance(time.Second)
	s.hear(agent, s.working("o1", "b2"))
	s.same("pending for the former boot", []string{}, s.pendingIDs("o1", "b1"))
	s.same("pending for the new boot", []string{}, s.pendingIDs("o1", "b2"))
	s.same("pending for another occurrence", []string{"in_3"}, s.pendingIDs("o2", "c1"))
	for id, withdrawn := range map[string]bool{"in_1": true, "in_2": true, "in_3": false, "in_4": false} {
		if got := s.issued(id).WithdrawnAt; got.IsZero() == withdrawn || withdrawn && !got.Equal(s.now()) {
			s.t.Errorf("%s: withdrawn at %v, want %v", id, got, withdrawn)
		}
	}
}

func newBootKeepsItsOwn(s *suite) {
	s.hear(agent, s.working("o1", "b1"))
	s.instruct(s.instruction("in_1", "o1", "b1", "ro_1"))
	s.update(agent, func(tx engine.Tx) error {
		_, fleet, err := tx.Agent(agent)
		s.must(err)
		o := *fleet.Get("o1")
		o.Boot = "b2"
		if err := tx.SaveOccurrences(fleet, []discovery.Occurrence{o}); err != nil {
			return err
		}
		in := s.instruction("in_2", "o1", "b2", "ro_1")
		return commit(tx, agent, func(_ *rollout.State, eff *rollout.Effects) { eff.Instruct = []rollout.Instruction{in} })
	})
	s.same("pending for the former boot", []string{}, s.pendingIDs("o1", "b1"))
	s.same("pending for the new boot", []string{"in_2"}, s.pendingIDs("o1", "b2"))
	o := s.working("o1", "b2")
	o.Sequence = 9
	s.hear(agent, o)
	s.same("pending after a heartbeat", []string{"in_2"}, s.pendingIDs("o1", "b2"))
}

func fleetOrder(s *suite) {
	want := []string{"default", "10", "9", "A.b", "A_b", "B", "a", "a-b", "a.b", "aB", "b"}
	for i := len(want) - 1; i >= 0; i-- {
		s.hear(agent, s.working(want[i], "boot"))
	}
	var got []string
	for _, o := range s.fleet(agent).All() {
		got = append(got, o.ID)
	}
	s.same("order", want, got)
}

func fieldsReplaced(s *suite) {
	o := filled[discovery.Occurrence](s.made)
	o.ID, o.Boot = "o1", "b1"
	s.hear(agent, o)
	bare := discovery.Occurrence{ID: "o1", Boot: "b1", State: discovery.Starting, LastSign: o.LastSign}
	s.hear(agent, bare)
	s.same("occurrence", bare, s.occurrence(agent, "o1"))
}
