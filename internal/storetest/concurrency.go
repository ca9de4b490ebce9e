package storetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

func concurrencyProofs() []proof {
	return []proof{
		{"promise 6: twenty Updates of one agent come one after the other", updatesRace},
		{"promise 6: an agent that many make at once is made once", creationsRace},
		{"rule 9.1: events of many writers are gapless", writersRace},
		{"rule 2.8: heartbeats in passing are not lost to transactions", touchesRace},
		{"rule 2.8: a heartbeat that meets a transaction is not lost to it", touchMeetsUpdate},
		{"a reader waits for no writer and sees nothing that is not committed", readerMeetsWriter},
		{"who waits for an agent stops waiting with his context", waiterGivesUp},
		{"a transaction whose function panics leaves nothing behind", panicLeavesNothing},
	}
}

const (
	racers = 20
	laps   = 5
)

// race runs racers at once, each for some laps, and ends the test with their
// errors.
func (s *suite) race(run func(racer, lap int) error) {
	s.t.Helper()
	var done sync.WaitGroup
	errs := make([]error, racers)
	for racer := range racers {
		done.Go(func() {
			for lap := range laps {
				if err := run(racer, lap); err != nil {
					errs[racer] = fmt.Errorf("racer %d, lap %d: %w", racer, lap, err)
					return
				}
			}
		})
	}
	done.Wait()
	s.must(errors.Join(errs...))
}

// count adds one to a number of the agent's, the way that loses counts unless
// transactions come one after the other.
func count(tx engine.Tx, agentID string) error {
	state, _, err := tx.Agent(agentID)
	if err != nil {
		return err
	}
	state.Profile.Expected++
	return tx.SaveProfile(state.Profile)
}

func updatesRace(s *suite) {
	s.race(func(int, int) error {
		return s.store.Update(s.ctx, agent, true, func(tx engine.Tx) error { return count(tx, agent) })
	})
	if got := s.state(agent).Profile.Expected; got != racers*laps {
		s.t.Errorf("counted %d, want %d", got, racers*laps)
	}
}

func creationsRace(s *suite) {
	s.race(func(_, lap int) error {
		id := fmt.Sprintf("agent-%d", lap)
		return s.store.Update(s.ctx, id, true, func(tx engine.Tx) error { return count(tx, id) })
	})
	if got := s.agents("", 100); len(got) != laps {
		s.t.Errorf("there are %v, want %d agents", got, laps)
	}
	for lap := range laps {
		if got := s.state(fmt.Sprintf("agent-%d", lap)).Profile.Expected; got != racers {
			s.t.Errorf("agent %d counted %d, want %d", lap, got, racers)
		}
	}
}

func writersRace(s *suite) {
	s.race(func(racer, lap int) error {
		return s.store.Update(s.ctx, agent, true, func(tx engine.Tx) error {
			return saying(tx, agent, "", fmt.Sprintf("r%d.%d", racer, lap), "and")
		})
	})
	s.view(func(tx engine.ReadTx) error {
		s.chainHolds(tx, agent)
		head, err := tx.EventHead(agent)
		s.must(err)
		if head.Seq != 2*racers*laps {
			s.t.Errorf("%d events, want %d", head.Seq, 2*racers*laps)
		}
		return nil
	})
}

// touchesRace: while some transactions write other things of an occurrence that
// they have read before, its heartbeats are taken in passing. What was taken
// stays taken. One that meets a transaction may be sent through the door.
func touchesRace(s *suite) {
	s.hear(agent, s.working("o1", "b1"))
	const beats = 100
	labels := func(n int) error {
		return s.store.Update(s.ctx, agent, false, func(tx engine.Tx) error {
			_, fleet, err := tx.Agent(agent)
			if err != nil {
				return err
			}
			o := *fleet.Get("o1")
			o.Labels = map[string]string{"n": fmt.Sprint(n)}
			return tx.SaveOccurrences(fleet, []discovery.Occurrence{o})
		})
	}
	var done sync.WaitGroup
	var wrote, touchedErr error
	last, lastAt := int64(0), time.Time{}
	done.Go(func() {
		for n := range beats / 2 {
			wrote = errors.Join(wrote, labels(n))
		}
	})
	done.Go(func() {
		for n := range beats {
			s.clock.Advance(time.Millisecond)
			b := engine.Touch{AgentID: agent, OccurrenceID: "o1", Boot: "b1", Sequence: int64(n + 2), State: discovery.Work}
			touched, err := s.store.Touch(s.ctx, []engine.Touch{b})
			touchedErr = errors.Join(touchedErr, err)
			if err == nil && touched[0].Taken {
				last, lastAt = b.Sequence, touched[0].Wall
			}
		}
	})
	done.Wait()
	s.must(errors.Join(wrote, touchedErr))
	if last == 0 {
		s.t.Fatal("no heartbeat was taken at all")
	}
	o := s.occurrence(agent, "o1")
	if o.Sequence != last || !o.LastSign.Equal(lastAt) || o.Labels["n"] != fmt.Sprint(beats/2-1) {
		s.t.Errorf("sequence %d at %v, labels %v; want %d at %v, and the last label", o.Sequence, o.LastSign, o.Labels, last, lastAt)
	}
}

// touchMeetsUpdate: a transaction has read an occurrence and will write it when
// a heartbeat comes. The heartbeat may wait or be sent through the door, or it may
// be taken at once: then it stays taken.
func touchMeetsUpdate(s *suite) {
	o, b := s.touchable()
	s.clock.Advance(time.Second)
	type answer struct {
		touched []engine.Touched
		err     error
	}
	answered := make(chan answer, 1)
	first := true
	s.update(agent, func(tx engine.Tx) error {
		_, fleet, err := tx.Agent(agent)
		if err != nil {
			return err
		}
		if first { // the transaction may be run again, the heartbeat comes once
			first = false
			go func() {
				touched, err := s.store.Touch(s.ctx, []engine.Touch{b})
				answered <- answer{touched, err}
			}()
			for range 1000 {
				runtime.Gosched()
			}
		}
		changed := *fleet.Get("o1")
		changed.Labels = map[string]string{"written": "yes"}
		return tx.SaveOccurrences(fleet, []discovery.Occurrence{changed})
	})
	a := <-answered
	s.must(a.err)
	o.Labels = map[string]string{"written": "yes"}
	if a.touched[0].Taken {
		o.Sequence, o.LastSign = b.Sequence, s.now()
	}
	s.same("occurrence", o, s.occurrence(agent, "o1"))
}

func readerMeetsWriter(s *suite) {
	s.hear(agent, s.working("o1", "b1"))
	before := s.state(agent)
	s.update(agent, func(tx engine.Tx) error {
		if err := everything(s, tx); err != nil {
			return err
		}
		s.same("state while a transaction runs", before, s.state(agent))
		if got := s.occurrence(agent, "o1").Boot; got != "b1" {
			s.t.Errorf("boot %s while a transaction runs", got)
		}
		return nil
	})
	s.traceless(false)
}

func waiterGivesUp(s *suite) {
	s.update(agent, nothing)
	s.update(agent, func(engine.Tx) error { // may be run again: each run has a waiter of its own
		ctx, cancel := context.WithCancel(s.ctx)
		defer cancel()
		waiter := &waiting{Context: ctx, begun: make(chan struct{})}
		given := make(chan error, 1)
		go func() { given <- s.store.Update(waiter, agent, false, nothing) }()
		select {
		case <-waiter.begun:
		case err := <-given:
			s.t.Errorf("a second transaction did not wait: %v", err)
			return nil
		}
		cancel()
		if err := <-given; !errors.Is(err, context.Canceled) {
			s.t.Errorf("want context.Canceled, got %v", err)
		}
		return nil
	})
	s.update(agent, nothing)
}

// waiting is a context that tells when somebody begins to wait for its end.
type waiting struct {
	context.Context
	once  sync.Once
	begun chan struct{}
}

// Done implements context.Context.
func (w *waiting) Done() <-chan struct{} {
	w.once.Do(func() { close(w.begun) })
	return w.Context.Done()
}

func panicLeavesNothing(s *suite) {
	s.hear(agent, s.working("o1", "b1"))
	func() {
		defer func() {
			if recover() == nil {
				s.t.Error("the panic was swallowed")
			}
		}()
		_ = s.store.Update(s.ctx, agent, false, func(tx engine.Tx) error {
			if err := everything(s, tx); err != nil {
				return err
			}
			panic("on purpose")
		})
	}()
	s.traceless(true)
	s.commit(agent, func(state *rollout.State, _ *rollout.Effects) { state.Complete = true })
}
