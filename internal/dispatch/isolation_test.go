package dispatch

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cirisai/orchestrator/internal/webhook"
)

// deliveredBy is how long after start the last of the deliveries whose id begins
// so was sent for the first time.
func deliveredBy(n *network, prefix string, count int, start time.Time) time.Duration {
	var last time.Duration
	for i := range count {
		tries := n.to(fmt.Sprintf("%s%d", prefix, i))
		if len(tries) == 0 {
			return time.Duration(1<<63 - 1)
		}
		last = max(last, tries[0].at.Sub(start))
	}
	return last
}

// RunOnce waits for no receiver.
func TestRunOnceWaitsForNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, n := newMemory(deliveries("hang", 10, nil)...), newNetwork()
		for i := range 10 {
			n.receivers[fmt.Sprintf("http://hang%d:80", i)] = hangs
		}
		d := mustNew(t, Config{Outbox: m, Sender: n})
		start := time.Now()
		if _, err := d.RunOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if took := time.Since(start); took != 0 {
			t.Errorf("RunOnce took %s", took)
		}
		if load := d.Load(); load.UnderWay != 10 || load.Slow != 0 || load.Waiting != 0 {
			t.Errorf("%+v", load)
		}
		<-time.After(time.Second)
		if load := d.Load(); load.UnderWay != 10 || load.Slow != 10 {
			t.Errorf("after a second: %+v", load)
		}
		drain(t, d)
	})
}

// Rule 7.6, L3: one slow receiver delays no other, nor do a thousand.
func TestSlowReceiversDelayNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const hanging, healthy = 1000, 700
		m, n := newMemory(deliveries("hang", hanging, nil)...), newNetwork()
		m.put(deliveries("ok", healthy, nil)...)
		for i := range hanging {
			n.receivers[fmt.Sprintf("http://hang%d:80", i)] = hangs
		}
		d := mustNew(t, Config{Outbox: m, Sender: n})
		start := time.Now()
		drive(t, d, time.Minute, func() bool { return m.all("ok", Delivered) })
		if took := deliveredBy(n, "ok", healthy, start); took > 2*time.Second {
			t.Errorf("the last healthy receiver was reached after %s", took)
		}
		drain(t, d)
	})
}

// One host behind which everything hangs, say a gateway, gets a bounded number of
// connections, and what waits for it stands in nobody's way.
func TestAHangingHostDelaysNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const behind, healthy = 5000, 100
		gateway := func(i int, d *Delivery) { d.URL = fmt.Sprintf("http://gateway:80/%d", i) }
		m, n := newMemory(deliveries("hang", behind, gateway)...), newNetwork()
		m.put(deliveries("ok", healthy, nil)...)
		n.receivers["http://gateway:80"] = hangs
		d := mustNew(t, Config{Outbox: m, Sender: n})
		start := time.Now()
		drive(t, d, time.Minute, func() bool { return m.all("ok", Delivered) })
		if took := deliveredBy(n, "ok", healthy, start); took > time.Second {
			t.Errorf("the last healthy receiver was reached after %s", took)
		}
		more := deliveries("later", 10, nil)
		m.put(more...)
		start = time.Now()
		drive(t, d, time.Minute, func() bool { return m.all("later", Delivered) })
		if took := deliveredBy(n, "later", 10, start); took > time.Second {
			t.Errorf("while the gateway hangs, a healthy receiver was reached after %s", took)
		}
		drive(t, d, 30*time.Second, nil)
		drain(t, d)
		if n.most["http://gateway:80"] != DefaultPerHost {
			t.Errorf("%d connections to the gateway at once, want %d", n.most["http://gateway:80"], DefaultPerHost)
		}
		if tries := n.count(); tries > healthy+10+DefaultPerHost*6 {
			t.Errorf("%d tries in half a minute", tries)
		}
	})
}

// The backlog of a hanging host goes back to the outbox at a bounded rate: the
// database is not kept busy by what cannot be sent.
func TestAHangingHostDoesNotSpin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gateway := func(i int, d *Delivery) { d.URL = fmt.Sprintf("http://gateway:80/%d", i) }
		m, n := newMemory(deliveries("hang", 3000, gateway)...), newNetwork()
		n.receivers["http://gateway:80"] = hangs
		d := mustNew(t, Config{Outbox: m, Sender: n})
		drive(t, d, 30*time.Second, nil)
		claims, settles := m.calls()
		drain(t, d)
		if claims > 600 || settles > 600 {
			t.Errorf("%d claims and %d settlements in half a minute", claims, settles)
		}
	})
}

// A slow host that does answer is served at its own pace.
func TestASlowHostIsServedAtItsPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const behind = 500
		gateway := func(i int, d *Delivery) { d.URL = fmt.Sprintf("http://gateway:80/%d", i) }
		m, n := newMemory(deliveries("slow", behind, gateway)...), newNetwork()
		n.receivers["http://gateway:80"] = takes(600 * time.Millisecond)
		d := mustNew(t, Config{Outbox: m, Sender: n})
		start := time.Now()
		drive(t, d, 2*time.Minute, func() bool { return m.all("slow", Delivered) })
		drain(t, d)
		// 64 at a time, 0.6 s each: 4.8 s at the least.
		if took := m.settled().Sub(start); took > 15*time.Second {
			t.Errorf("it took %s", took)
		}
		if n.count() != behind {
			t.Errorf("%d tries for %d deliveries", n.count(), behind)
		}
	})
}

// A gateway that answers quickly is served as fast as it answers, although its
// connections are bounded.
func TestAFastHostIsNotPostponed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const behind = 2000
		gateway := func(i int, d *Delivery) { d.URL = fmt.Sprintf("http://gateway:80/%d", i) }
		m, n := newMemory(deliveries("fast", behind, gateway)...), newNetwork()
		m.latency = 2 * time.Millisecond
		n.receivers["http://gateway:80"] = takes(5 * time.Millisecond)
		d := mustNew(t, Config{Outbox: m, Sender: n})
		start := time.Now()
		drive(t, d, time.Minute, func() bool { return m.all("fast", Delivered) })
		took := m.settled().Sub(start)
		drain(t, d)
		// 2000 by 64 at a time, 5 ms each: 157 ms at the least.
		if took > 300*time.Millisecond {
			t.Errorf("it took %s", took)
		}
		for i := range behind {
			if got := m.byID[fmt.Sprintf("fast%d", i)].history; len(got) != 1 {
				t.Fatalf("fast%d: %+v", i, got)
			}
		}
	})
}

// Rule 8.1: what is urgent is not held up by a host whose ordinary connections
// all hang.
func TestUrgentDeliveriesPassAHangingQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gateway := func(i int, d *Delivery) { d.URL = fmt.Sprintf("http://gateway:80/%d", i) }
		m, n := newMemory(deliveries("hang", 500, gateway)...), newNetwork()
		n.receivers["http://gateway:80"] = hangs
		d := mustNew(t, Config{Outbox: m, Sender: n})
		drive(t, d, 3*time.Second, nil)
		m.put(deliveries("stop", 50, func(i int, d *Delivery) { gateway(i, d); d.Urgent = true })...)
		start := time.Now()
		drive(t, d, time.Second, nil)
		if took := deliveredBy(n, "stop", 50, start); took > 0 {
			t.Errorf("the last urgent delivery was sent after %s", took)
		}
		drain(t, d)
	})
}

// S6 and S15: what has waited in the dispatcher may have been withdrawn, or its
// rollout paused, since it was claimed. After a second it is not sent but asked
// for again.
func TestNothingStaleIsSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		same := func(_ int, d *Delivery) { d.Occurrence, d.URL = "one", "http://one:80/" }
		m, n := newMemory(deliveries("x", 2, same)...), newNetwork()
		n.receivers["http://one:80"] = takes(3 * time.Second)
		d := mustNew(t, Config{Outbox: m, Sender: n})
		if _, err := d.RunOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		m.mu.Lock()
		m.rows[1].gone = true // withdrawn while it waits for the first one
		m.mu.Unlock()
		drive(t, d, time.Minute, nil)
		drain(t, d)
		if len(n.to("x1")) != 0 {
			t.Error("a withdrawn delivery was sent")
		}
		if got := m.byID["x1"].history; len(got) != 1 || got[0].Kind != Postponed {
			t.Errorf("%+v", got)
		}
	})
}

// The same without a RunOnce in between: the end of one try must not start what
// has waited too long for it.
func TestNothingStaleIsSentWhenATryEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		same := func(_ int, d *Delivery) { d.Occurrence, d.URL = "one", "http://one:80/" }
		m, n := newMemory(deliveries("x", 2, same)...), newNetwork()
		n.receivers["http://one:80"] = takes(holdFor)
		d := mustNew(t, Config{Outbox: m, Sender: n})
		if _, err := d.RunOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		<-time.After(2 * holdFor)
		synctest.Wait()
		drain(t, d)
		if got := m.byID["x1"].history; len(n.to("x1")) != 0 || len(got) != 1 || got[0].Kind != Postponed || got[0].RetryIn == 0 {
			t.Errorf("sent %d times, %+v", len(n.to("x1")), got)
		}
	})
}

// RunOnce asks to be called when something that waits here has to be looked at.
func TestNextLooksAfterWhatWaits(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cfg  Config
		want []time.Duration
	}{
		// Both places are taken: in half a second they count as slow, and it is
		// sent.
		"for a place": {Config{InFlight: 2, Hold: 1}, []time.Duration{slowAfter, DefaultLease}},
		// Its lane is taken: after a second it goes back.
		"for its lane": {Config{}, []time.Duration{slowAfter, holdFor}},
	} {
		synctest.Test(t, func(t *testing.T) {
			m, n := newMemory(deliveries("x", 3, func(i int, d *Delivery) {
				if name == "for its lane" {
					d.Occurrence, d.URL = "one", "http://one:80/"
				}
			})...), newNetwork()
			for _, host := range []string{"x0", "x1", "x2", "one"} {
				n.receivers["http://"+host+":80"] = hangs
			}
			c.cfg.Outbox, c.cfg.Sender = m, n
			d := mustNew(t, c.cfg)
			start := time.Now()
			for _, want := range c.want {
				next, err := d.RunOnce(t.Context())
				if err != nil || next.Sub(start) != want {
					t.Errorf("%s: next in %s, want %s; %v", name, next.Sub(start), want, err)
				}
				<-time.After(slowAfter)
			}
			drain(t, d)
		})
	}
}

// The ceiling bounds everything that runs.
func TestTheCeiling(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, n := newMemory(deliveries("hang", 100, nil)...), newNetwork()
		var most int
		for i := range 100 {
			n.receivers[fmt.Sprintf("http://hang%d:80", i)] = hangs
		}
		d := mustNew(t, Config{Outbox: m, Sender: n, InFlight: 10, Ceiling: 30, Hold: 10})
		for range 60 {
			drive(t, d, time.Second, nil)
			most = max(most, d.Load().UnderWay)
		}
		drain(t, d)
		if most != 30 {
			t.Errorf("%d at once, want 30", most)
		}
		if took := deliveredBy(n, "hang", 100, time.Now().Add(-time.Hour)); took > 2*time.Hour {
			t.Error("somebody was never tried")
		}
	})
}

// A thousand callbacks are claimed and settled in a few transactions.
func TestClaimsAndSettlementsAreBatched(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, n := newMemory(deliveries("x", 1000, nil)...), newNetwork()
		m.latency = 3 * time.Millisecond
		for i := range 1000 {
			n.receivers[fmt.Sprintf("http://x%d:80", i)] = takes(time.Duration(i%10) * time.Millisecond)
		}
		d := mustNew(t, Config{Outbox: m, Sender: n})
		start := time.Now()
		drive(t, d, time.Minute, func() bool { return m.all("x", Delivered) })
		took := m.settled().Sub(start)
		drain(t, d)
		if m.claims > 8 {
			t.Errorf("%d claims", m.claims)
		}
		if len(m.settles) > 20 {
			t.Errorf("%d settlements: %v", len(m.settles), m.settles)
		}
		if took > 200*time.Millisecond {
			t.Errorf("it took %s", took)
		}
	})
}

var _ Sender = (*webhook.Client)(nil)
