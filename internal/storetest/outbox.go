package storetest

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/dispatch"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// Render is what a store under test must make the bodies of callbacks with.
func Render(in engine.PendingInstruction) ([]byte, error) {
	return json.Marshal(map[string]any{"id": in.ID, "agent": in.AgentID, "deadline": in.DeadlineWall})
}

func outboxProofs() []proof {
	return []proof{
		{"rule 7.6: a delivery says what is sent, where, and until when", deliveryComplete},
		{"rule 7.2: what is not pending, or has no address, is not handed out", notHandedOut},
		{"promise 4: a lease that ends without a word is handed out again", leaseEnds},
		{"promise 6: a lease that was lost settles nothing", leaseLost},
		{"rule 7.6: delivered is delivered", delivered},
		{"rule 7.6: a try that failed is made again, and counted", retried},
		{"no try, no count", postponed},
		{"rule 7.6: what is given up, or whose address is gone, is offered no more", givenUp},
		{"rule 7.6: a new address is tried anew", newAddress},
		{"rule 8.1: what is urgent goes first", urgentFirst},
		{"rule 4.19: what is paused waits", pausedWaits},
		{"settling again what was settled changes nothing", settledTwice},
		{"a dispatcher knows when something is due", nextDelivery},
		{"promise 6: many dispatchers are handed everything once", dispatchersRace},
		{"rule 2.10: leases and tries stand still in a silence", outboxStandsStill},
	}
}

const (
	lease   = time.Minute
	address = "https://example.org/o1"
)

// outbox is the store as the dispatcher sees it.
func (s *suite) outbox() dispatch.Outbox {
	s.t.Helper()
	box, ok := s.store.(dispatch.Outbox)
	if !ok {
		s.t.Fatalf("a %T is no dispatch.Outbox", s.store)
	}
	return box
}

// claim takes deliveries and checks which.
func (s *suite) claim(limit int, want ...string) []dispatch.Delivery {
	s.t.Helper()
	claimed, err := s.outbox().Claim(s.ctx, limit, lease)
	s.must(err)
	ids := []string{}
	for _, d := range claimed {
		ids = append(ids, d.ID)
	}
	s.same("claimed", append([]string{}, want...), ids)
	if len(ids) != len(want) {
		s.t.FailNow()
	}
	return claimed
}

func (s *suite) settle(d dispatch.Delivery, o dispatch.Outcome) {
	s.t.Helper()
	s.must(s.outbox().Settle(s.ctx, []dispatch.Settled{{Delivery: d, Outcome: o}}))
}

// reachable is an occurrence with a callback address.
func (s *suite) reachable(id string) discovery.Occurrence {
	o := s.working(id, "b1")
	o.CallbackURL, o.CallbackSecret = "https://example.org/"+id, "whsec_"+id
	return o
}

// toDeliver makes one instruction that is due.
func (s *suite) toDeliver() rollout.Instruction {
	s.t.Helper()
	s.hear(agent, s.reachable("o1"))
	in := s.instruction("in_1", "o1", "b1", "ro_1")
	s.instruct(in)
	return in
}

func deliveryComplete(s *suite) {
	s.beat()
	s.clock.Advance(time.Hour) // so that service and wall time differ
	s.beat()
	in := s.toDeliver()
	s.clock.Advance(time.Second)
	d := s.claim(10, "in_1")[0]
	var body []byte
	deadline := time.Time{}
	s.view(func(tx engine.ReadTx) error {
		pending, err := tx.Pending(agent, "o1", "b1")
		s.must(err)
		deadline = tx.Clock().Wall(in.Deadline)
		body, err = Render(pending[0])
		return err
	})
	s.same("body", json.RawMessage(body), json.RawMessage(d.Body))
	want := dispatch.Delivery{
		ID: "in_1", Agent: agent, Occurrence: "o1", Boot: "b1", URL: address, Secret: "whsec_o1",
		Body: d.Body, Attempt: 1, Fence: d.Fence, ClaimedAt: s.clock.Now(), Deadline: deadline,
	}
	s.same("delivery", want, d)
}

func notHandedOut(s *suite) {
	silent, replaced := s.working("o2", "b1"), s.reachable("o3")
	s.hear(agent, s.reachable("o1"), silent, replaced)
	short := s.instruction("in_short", "o1", "b1", "ro_1")
	short.Deadline = short.IssuedAt.Add(time.Second)
	s.instruct(s.instruction("in_ok", "o1", "b1", "ro_1"), s.instruction("in_ack", "o1", "b1", "ro_1"), s.instruction("in_taken", "o1", "b1", "ro_1"),
		s.instruction("in_paused", "o1", "b1", "ro_2"), s.instruction("in_silent", "o2", "b1", "ro_1"), s.instruction("in_replaced", "o3", "b1", "ro_1"),
		s.instruction("in_nobody", "o9", "b1", "ro_1"), s.instruction("in_boot", "o1", "b0", "ro_1"), short)
	s.commit(agent, func(_ *rollout.State, eff *rollout.Effects) {
		eff.Acknowledge, eff.Withdraw, eff.Suspend = []string{"in_ack"}, []rollout.Withdrawal{{InstructionID: "in_taken"}}, []string{"ro_2"}
	})
	again := s.reachable("o3")
	again.Boot = "b2"
	s.hear(agent, again)
	s.clock.Advance(time.Second)
	s.claim(10, "in_ok")
	s.clock.Advance(time.Hour)
	s.claim(10)
}

func delivered(s *suite) {
	s.toDeliver()
	d := s.claim(10, "in_1")[0]
	for range 2 {
		s.settle(d, dispatch.Outcome{Kind: dispatch.Delivered, Status: 204, Duration: time.Second})
	}
	s.clock.Advance(2 * lease)
	s.hear(agent, s.reachable("o2"), s.reachable("o3"))
	s.instruct(s.instruction("in_2", "o2", "b1", "ro_1"))
	s.instruct(s.instruction("in_3", "o3", "b1", "ro_1"))
	s.claim(1, "in_2") // what was delivered takes nobody's place
	s.claim(10, "in_3")
	s.same("the other two ways stay open", []string{"in_1"}, s.pendingIDs("o1", "b1"))
}

func retried(s *suite) {
	s.toDeliver()
	for try := 1; try <= 3; try++ {
		d := s.claim(10, "in_1")[0]
		if d.Attempt != try {
			s.t.Errorf("attempt %d, want %d", d.Attempt, try)
		}
		s.settle(d, dispatch.Outcome{Kind: dispatch.Retry, Status: 503, Detail: "answered 503", RetryIn: 10 * time.Second})
		s.clock.Advance(10*time.Second - time.Microsecond)
		s.claim(10)
		s.clock.Advance(time.Microsecond)
	}
	s.view(func(tx engine.ReadTx) error {
		pending, err := tx.Pending(agent, "o1", "b1")
		s.must(err)
		if pending[0].Attempts != 3 {
			s.t.Errorf("%d tries are shown, want 3", pending[0].Attempts)
		}
		return nil
	})
}

func givenUp(s *suite) {
	for i, kind := range []dispatch.Kind{dispatch.Gone, dispatch.GaveUp} {
		id := fmt.Sprintf("o%d", i+5)
		s.hear(agent, s.reachable(id))
		s.instruct(s.instruction("in_"+id, id, "b1", "ro_1"))
		s.settle(s.claim(10, "in_"+id)[0], dispatch.Outcome{Kind: kind, Detail: "no"})
		s.clock.Advance(lease)
		s.claim(10)
		s.same("the other two ways stay open", []string{"in_" + id}, s.pendingIDs(id, "b1"))
		if s.occurrence(agent, id).CallbackGone {
			s.t.Error("that an address is gone is taken through the agent's door, not here")
		}
	}
}

func newAddress(s *suite) {
	s.toDeliver()
	s.settle(s.claim(10, "in_1")[0], dispatch.Outcome{Kind: dispatch.Gone})
	o := s.reachable("o1")
	o.Sequence = 2
	s.hear(agent, o) // a heartbeat changes nothing of that
	s.claim(10)
	o.CallbackURL = "https://example.org/new"
	s.hear(agent, o)
	if d := s.claim(10, "in_1")[0]; d.URL != o.CallbackURL {
		s.t.Errorf("sent to %s", d.URL)
	}
	o.CallbackURL = ""
	s.hear(agent, o)
	s.clock.Advance(lease)
	s.claim(10)
	o.CallbackURL = "https://example.org/newer"
	s.hear(agent, o)
	s.settle(s.claim(10, "in_1")[0], dispatch.Outcome{Kind: dispatch.Delivered})
	o.CallbackURL = address
	s.hear(agent, o)
	s.claim(10) // what was delivered is not sent anew
}

func urgentFirst(s *suite) {
	s.hear(agent, s.reachable("o1"), s.reachable("o2"))
	s.hear("other", s.reachable("o1"))
	s.instruct(s.instruction("in_b", "o1", "b1", "ro_1"), s.instruction("in_a", "o2", "b1", "ro_1"))
	s.clock.Advance(time.Second)
	urgent := s.instruction("in_z", "o1", "b1", "ro_2")
	urgent.Force = true
	s.commit("other", func(_ *rollout.State, eff *rollout.Effects) { eff.Instruct = []rollout.Instruction{urgent} })
	if d := s.claim(1, "in_z")[0]; !d.Urgent || d.Agent != "other" {
		s.t.Errorf("want it urgent, of the other agent: %+v", d)
	}
	more := s.instruction("in_y", "o2", "b1", "ro_2")
	more.Force = true
	s.instruct(more)
	s.clock.Advance(2 * time.Second) // so that none is handed over by itself
	two, err := s.outbox().Claim(s.ctx, 2, lease)
	s.must(err)
	if len(two) != 2 || two[0].ID != "in_y" {
		s.t.Fatalf("of two the urgent one goes first: %+v", two)
	}
	rest, err := s.outbox().Claim(s.ctx, 10, lease)
	s.must(err)
	rest = append(rest, two[1])
	if len(rest) != 2 || rest[0].Urgent || rest[1].Urgent || rest[0].ID == rest[1].ID {
		s.t.Errorf("the rest is %+v", rest)
	}
}

func pausedWaits(s *suite) {
	in := s.toDeliver()
	s.commit(agent, func(_ *rollout.State, eff *rollout.Effects) { eff.Suspend = []string{"ro_1"} })
	s.claim(10)
	s.clock.Advance(time.Hour)
	s.claim(10)
	s.commit(agent, func(_ *rollout.State, eff *rollout.Effects) {
		eff.Resume = []rollout.Extension{{RolloutID: "ro_1", By: time.Hour}}
	})
	if d := s.claim(10, "in_1")[0]; !d.Deadline.Equal(in.Deadline.Add(time.Hour)) {
		s.t.Errorf("the deadline is %v", d.Deadline)
	}
}

func settledTwice(s *suite) {
	s.toDeliver()
	d := s.claim(10, "in_1")[0]
	for range 3 {
		s.settle(d, dispatch.Outcome{Kind: dispatch.Retry, RetryIn: time.Second})
	}
	s.clock.Advance(time.Second)
	again := s.claim(10, "in_1")[0]
	if again.Attempt != 2 || again.Fence <= d.Fence {
		s.t.Errorf("attempt %d, want 2; fence %d after %d", again.Attempt, again.Fence, d.Fence)
	}
	s.settle(d, dispatch.Outcome{Kind: dispatch.Delivered})
	s.clock.Advance(lease)
	s.claim(10, "in_1")
}

func nextDelivery(s *suite) {
	expect := func(what string, want time.Duration, found bool) {
		s.t.Helper()
		wait, got, err := s.outbox().Next(s.ctx)
		s.must(err)
		if got != found || found && wait != want {
			s.t.Errorf("%s: next in %v (%v), want %v (%v)", what, wait, got, want, found)
		}
	}
	expect("nothing", 0, false)
	s.hear(agent, s.working("o2", "b1"))
	s.instruct(s.instruction("in_2", "o2", "b1", "ro_1"))
	expect("nothing that has an address", 0, false)
	s.toDeliver()
	expect("something due", 0, true)
	d := s.claim(10, "in_1")[0]
	expect("a lease", lease, true)
	s.settle(d, dispatch.Outcome{Kind: dispatch.Retry, RetryIn: 7 * time.Second})
	expect("another try", 7*time.Second, true)
	s.clock.Advance(8 * time.Second)
	expect("overdue", 0, true)
	s.settle(s.claim(10, "in_1")[0], dispatch.Outcome{Kind: dispatch.Delivered})
	expect("delivered", 0, false)
}
