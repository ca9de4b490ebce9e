package dispatch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cirisai/orchestrator/internal/webhook"
)

// Promise 13.4: what was tried and could not be recorded is recorded later, and
// nothing new is sent meanwhile.
func TestSettlementsSurviveADatabaseThatGoesAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, n := newMemory(deliveries("x", 5, nil)...), newNetwork()
		d := mustNew(t, Config{Outbox: m, Sender: n})
		m.failSet = 1 << 30
		if _, err := d.RunOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		<-time.After(settlePace)
		synctest.Wait()
		select {
		case <-d.Ready():
		default:
			t.Error("Ready does not say that something is unsettled")
		}
		claims, _ := m.calls()
		m.put(deliveries("y", 5, nil)...)
		for range 3 {
			if _, err := d.RunOnce(t.Context()); !errors.Is(err, errAway) {
				t.Errorf("%v", err)
			}
		}
		if after, _ := m.calls(); after != claims || n.count() != 5 {
			t.Errorf("%d claims, %d tries while the database was away", after-claims, n.count())
		}
		if load := d.Load(); load.Unsettled != 5 {
			t.Errorf("%+v", load)
		}
		m.mu.Lock()
		m.failSet = 0
		m.mu.Unlock()
		drive(t, d, time.Second, func() bool { return m.all("", Delivered) })
		drain(t, d)
		if n.count() != 10 || m.stale != 0 {
			t.Errorf("%d tries, %d stale", n.count(), m.stale)
		}
	})
}

// RELIABILITY's nastiest fault: a settlement that took effect and was reported as
// an error. Recording it again changes nothing.
func TestASettlementReportedAsAnErrorIsHarmless(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, n := newMemory(deliveries("x", 5, nil)...), newNetwork()
		n.receivers["http://x3:80"] = answers(500)
		m.failAfter = 1
		d := mustNew(t, Config{Outbox: m, Sender: n})
		drive(t, d, 500*time.Millisecond, nil)
		drain(t, d)
		for i, want := range []Kind{Delivered, Delivered, Delivered, Retry, Delivered} {
			id := m.rows[i].delivery.ID
			if got := kinds(m.history(id)); len(got) != 1 || got[0] != want {
				t.Errorf("%s: %v, want one %s", id, got, want)
			}
		}
		if n.count() != 5 {
			t.Errorf("%d tries", n.count())
		}
	})
}

func TestAFailedClaimIsReportedAndTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, n := newMemory(deliveries("x", 5, nil)...), newNetwork()
		m.failClaim = 1
		d := mustNew(t, Config{Outbox: m, Sender: n})
		if _, err := d.RunOnce(t.Context()); !errors.Is(err, errAway) {
			t.Errorf("%v", err)
		}
		drive(t, d, time.Second, func() bool { return m.all("x", Delivered) })
		drain(t, d)
	})
}

type noNext struct{ *memory }

func (noNext) Next(context.Context) (time.Duration, bool, error) { return 0, false, errAway }

func TestAFailedNextIsReported(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := mustNew(t, Config{Outbox: noNext{newMemory()}, Sender: newNetwork()})
		if _, err := d.RunOnce(t.Context()); !errors.Is(err, errAway) {
			t.Errorf("%v", err)
		}
		drain(t, d)
	})
}

// With nothing to do there is no time to come back at.
func TestAnEmptyOutboxHasNoNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := mustNew(t, Config{Outbox: newMemory(), Sender: newNetwork()})
		if next, err := d.RunOnce(t.Context()); err != nil || !next.IsZero() {
			t.Errorf("%s, %v", next, err)
		}
		drain(t, d)
	})
}

// A shutdown waits for the tries under way and records them; what waits goes
// back, to be sent by another replica at once.
func TestDrainFinishesWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		same := func(_ int, d *Delivery) { d.Occurrence, d.URL = "one", "http://one:80/" }
		m, n := newMemory(deliveries("x", 3, same)...), newNetwork()
		n.receivers["http://one:80"] = takes(2 * time.Second)
		d := mustNew(t, Config{Outbox: m, Sender: n})
		if _, err := d.RunOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		drain(t, d)
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("it took %s", took)
		}
		if got := m.byID["x0"].history; len(got) != 1 || got[0].Kind != Delivered {
			t.Errorf("under way: %+v", got)
		}
		for _, id := range []string{"x1", "x2"} {
			got := m.byID[id].history
			if len(got) != 1 || got[0].Kind != Postponed || got[0].RetryIn != 0 || len(n.to(id)) != 0 {
				t.Errorf("waiting: %s %+v", id, got)
			}
		}
		if _, err := d.RunOnce(t.Context()); !errors.Is(err, ErrDrained) {
			t.Errorf("RunOnce after Drain: %v", err)
		}
		drain(t, d) // a second one has nothing to wait for
	})
}

// It waits as well for what is being recorded, however long that takes, so that
// the database is not closed under it.
func TestDrainWaitsForTheDatabase(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, n := newMemory(deliveries("x", 1, nil)...), newNetwork()
		m.latency = holdFor / 2
		d := mustNew(t, Config{Outbox: m, Sender: n})
		if _, err := d.RunOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // it is being recorded
		drain(t, d)
		if !m.all("x", Delivered) {
			t.Error("it did not wait for the settlement")
		}
	})
}

// A settlement that hangs in the database does not keep others from being recorded.
func TestASlowSettlementHoldsUpNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, n := newMemory(deliveries("x", settleAtOnce+1, nil)...), newNetwork()
		for i := range settleAtOnce + 1 {
			n.receivers[fmt.Sprintf("http://x%d:80", i)] = takes(4*time.Second + time.Duration(i)*100*time.Millisecond)
		}
		m.latency = holdFor * 9 / 10
		d := mustNew(t, Config{Outbox: m, Sender: n})
		if _, err := d.RunOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		drain(t, d)
		if want := slices.Repeat([]int{1}, settleAtOnce+1); !slices.Equal(m.settles, want) {
			t.Errorf("settlements of %v, want %v: none waited for another, but the last one", m.settles, want)
		}
		if !m.all("x", Delivered) {
			t.Error("not all were recorded")
		}
	})
}

// A shutdown that is in a hurry breaks the tries off. They count for no attempt.
func TestDrainBreaksOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, n := newMemory(deliveries("x", 3, nil)...), newNetwork()
		n.receivers["http://x1:80"] = hangs
		r := recorder{tried: make(chan Outcome, 3)}
		d := mustNew(t, Config{Outbox: m, Sender: n, Observer: r})
		if _, err := d.RunOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if err := d.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("it took %s", took)
		}
		synctest.Wait()
		if first, second, third := <-r.tried, <-r.tried, <-r.tried; first.Kind != Delivered || second.Kind != Delivered || third.Kind != Postponed {
			t.Errorf("a try that was broken off counts: %+v", third)
		}
		if got := m.byID["x1"].history; len(got) != 0 {
			t.Errorf("%+v", got)
		}
		if load := d.Load(); load.UnderWay != 0 {
			t.Errorf("%+v", load)
		}
	})
}

// slowClaim is an outbox whose claims can be held up.
type slowClaim struct {
	*memory

	claimed, proceed chan struct{}
}

func (s slowClaim) Claim(ctx context.Context, limit int, lease time.Duration) ([]Delivery, error) {
	out, err := s.memory.Claim(ctx, limit, lease)
	s.claimed <- struct{}{}
	<-s.proceed
	return out, err
}

// What a RunOnce claims while the dispatcher is being drained goes back unsent.
func TestDrainDuringAClaim(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		s := slowClaim{newMemory(deliveries("x", 2, nil)...), make(chan struct{}), make(chan struct{})}
		d := mustNew(t, Config{Outbox: s, Sender: n})
		first := make(chan error)
		go func() { _, err := d.RunOnce(t.Context()); first <- err }()
		<-s.claimed
		d.mu.Lock()
		d.underWay++ // something that Drain has to wait for
		d.mu.Unlock()
		drained := make(chan error)
		go func() { drained <- d.Drain(t.Context()) }()
		synctest.Wait()
		s.proceed <- struct{}{}
		if err := <-first; err != nil {
			t.Error(err)
		}
		synctest.Wait()
		d.mu.Lock()
		d.underWay--
		d.checkQuiet()
		d.mu.Unlock()
		if err := <-drained; err != nil {
			t.Error(err)
		}
		if n.count() != 0 || !s.all("", Postponed) {
			t.Errorf("%d sent, %+v", n.count(), s.byID["x0"].history)
		}
	})
}

// What Drain itself cannot record it reports; the lease takes care of it.
func TestDrainReportsWhatItCannotRecord(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, n := newMemory(deliveries("x", 3, nil)...), newNetwork()
		m.failSet = 1 << 30
		d := mustNew(t, Config{Outbox: m, Sender: n})
		if _, err := d.RunOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := d.Drain(t.Context()); !errors.Is(err, errAway) {
			t.Errorf("%v", err)
		}
	})
}

// A receiver that answers after the deadline has not been told in time.
func TestAnAnswerAfterTheDeadlineIsNotAwaited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		soon := func(_ int, d *Delivery) { d.Deadline = time.Now().Add(2 * time.Second) }
		m, n := newMemory(deliveries("x", 1, soon)...), newNetwork()
		n.receivers["http://x0:80"] = takes(3 * time.Second)
		d := mustNew(t, Config{Outbox: m, Sender: n})
		start := time.Now()
		drive(t, d, 5*time.Second, nil)
		drain(t, d)
		got := m.history("x0")
		if len(got) != 1 || got[0].Kind != GaveUp || got[0].Duration != 2*time.Second {
			t.Errorf("%s after the start: %+v", time.Since(start), got)
		}
	})
}

// A delivery without a deadline is tried for ever.
func TestWithoutADeadlineItGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, n := newMemory(deliveries("x", 1, func(_ int, d *Delivery) { d.Deadline = time.Time{} })...), newNetwork()
		n.receivers["http://x0:80"] = answers(500)
		d := mustNew(t, Config{Outbox: m, Sender: n})
		drive(t, d, time.Hour, nil)
		drain(t, d)
		tries := n.to("x0")
		if last := tries[len(tries)-1].at.Sub(tries[0].at); last < time.Hour-webhook.BackoffMax {
			t.Errorf("%d tries, the last after %s", len(tries), last)
		}
	})
}
