package storetest

import (
	"fmt"
	"sync"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/dispatch"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

func leaseEnds(s *suite) {
	s.toDeliver()
	first := s.claim(10, "in_1")[0]
	s.claim(10)
	s.clock.Advance(lease - time.Microsecond)
	s.claim(10)
	s.clock.Advance(time.Microsecond)
	second := s.claim(10, "in_1")[0]
	if second.Fence <= first.Fence || second.Attempt != 1 {
		s.t.Errorf("fence %d after %d, attempt %d", second.Fence, first.Fence, second.Attempt)
	}
	s.claim(10)
}

func leaseLost(s *suite) {
	s.toDeliver()
	lost := s.claim(10, "in_1")[0]
	s.clock.Advance(lease)
	present := s.claim(10, "in_1")[0]
	for _, kind := range []dispatch.Kind{dispatch.Delivered, dispatch.Retry, dispatch.Gone, dispatch.GaveUp, dispatch.Postponed} {
		s.settle(lost, dispatch.Outcome{Kind: kind})
	}
	s.claim(10) // the present lease still holds
	s.clock.Advance(lease)
	next := s.claim(10, "in_1")[0]
	if next.Attempt != 1 || next.Fence <= present.Fence {
		s.t.Errorf("attempt %d, fence %d after %d", next.Attempt, next.Fence, present.Fence)
	}
	nobody := next
	nobody.ID, nobody.Agent = "in_none", "nobody"
	s.settle(nobody, dispatch.Outcome{Kind: dispatch.Delivered})
	nobody.Agent = agent
	s.settle(nobody, dispatch.Outcome{Kind: dispatch.Delivered})
}

func postponed(s *suite) {
	s.toDeliver()
	d := s.claim(10, "in_1")[0]
	s.settle(d, dispatch.Outcome{Kind: dispatch.Postponed, RetryIn: time.Second})
	s.claim(10)
	s.clock.Advance(time.Second)
	if again := s.claim(10, "in_1")[0]; again.Attempt != 1 {
		s.t.Errorf("attempt %d, want 1", again.Attempt)
	}
}

func dispatchersRace(s *suite) {
	const each = 3
	s.race(func(racer, lap int) error {
		if lap > 0 {
			return nil
		}
		id := fmt.Sprintf("agent-%d", racer)
		return s.store.Update(s.ctx, id, true, func(tx engine.Tx) error {
			_, fleet, err := tx.Agent(id)
			if err != nil {
				return err
			}
			o := discovery.Occurrence{ID: "o1", Boot: "b1", State: discovery.Work, LastSign: tx.Now(), CallbackURL: address}
			if err := tx.SaveOccurrences(fleet, []discovery.Occurrence{o}); err != nil {
				return err
			}
			return commit(tx, id, func(_ *rollout.State, eff *rollout.Effects) {
				for n := range each {
					eff.Instruct = append(eff.Instruct, rollout.Instruction{
						ID: fmt.Sprintf("%s~%d", id, n), Type: rollout.Stop, OccurrenceID: "o1",
						Boot: "b1", RolloutID: id, IssuedAt: tx.Now(), Deadline: tx.Now().Add(time.Hour),
					})
				}
			})
		})
	})
	box := s.outbox()
	var mu sync.Mutex
	handed := map[string]int{}
	take := func() (int, error) {
		claimed, err := box.Claim(s.ctx, 2, lease)
		mu.Lock()
		defer mu.Unlock()
		for _, d := range claimed {
			handed[d.ID]++
		}
		return len(claimed), err
	}
	s.race(func(int, int) error {
		_, err := take()
		return err
	})
	for { // what the racers have left to each other
		n, err := take()
		s.must(err)
		if n == 0 {
			break
		}
	}
	if len(handed) != racers*each {
		s.t.Errorf("%d deliveries were handed out, want %d", len(handed), racers*each)
	}
	for _, id := range sortedKeys(handed) {
		if handed[id] != 1 {
			s.t.Errorf("%s was handed out %d times", id, handed[id])
		}
	}
}

func outboxStandsStill(s *suite) {
	s.beat()
	s.toDeliver()
	s.claim(10, "in_1")
	s.clock.Advance(-time.Hour)
	s.beat()
	s.claim(10)
	s.pass(lease)
	d := s.claim(10, "in_1")[0]
	s.settle(d, dispatch.Outcome{Kind: dispatch.Retry, RetryIn: time.Second})
	s.clock.Advance(-time.Hour)
	s.beat()
	s.pass(time.Second)
	s.claim(10, "in_1")
}
