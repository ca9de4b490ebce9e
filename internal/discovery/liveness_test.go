package discovery_test

import (
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
)

// TestStates is rule 2.7: the reported states, and which of them are awake
// (section 1).
func TestStates(t *testing.T) {
	awake := map[discovery.State]bool{discovery.Work: true, discovery.Play: true, discovery.Solitude: true, discovery.Dream: true}
	want := []discovery.State{"starting", "wakeup", "work", "play", "solitude", "dream", "shutdown", "stopped", "error"}
	got := discovery.States()
	if len(got) != len(want) {
		t.Fatalf("states: %v", got)
	}
	for i, s := range got {
		if s != want[i] || !s.Valid() || s.Awake() != awake[s] {
			t.Errorf("state %q: valid %v, awake %v", s, s.Valid(), s.Awake())
		}
	}
	if discovery.State("sleeping").Valid() || discovery.State("").Valid() {
		t.Error("a state of no list is valid")
	}
}

// TestLiveness is rule 2.9: live within the liveness timeout, stale within the
// discovery window, else gone.
func TestLiveness(t *testing.T) {
	o := working(t)
	for _, c := range []struct {
		seconds float64
		want    discovery.Liveness
		silent  bool
	}{
		{0, discovery.Live, false},
		{30, discovery.Live, false},
		{30.000001, discovery.Stale, true},
		{600, discovery.Stale, true},
		{600.000001, discovery.Gone, true},
	} {
		if got := o.Liveness(timing, at(c.seconds)); got != c.want {
			t.Errorf("after %v s it is %s, want %s", c.seconds, got, c.want)
		}
		if got := o.Silent(timing, at(c.seconds)); got != c.silent {
			t.Errorf("after %v s silent is %v", c.seconds, got)
		}
	}
	// A window shorter than the timeout makes nobody gone who is live.
	short := discovery.Timing{LivenessTimeout: 30 * time.Second, DiscoveryWindow: 10 * time.Second}
	if got := o.Liveness(short, at(20)); got != discovery.Live {
		t.Errorf("with a short window it is %s", got)
	}
	if got := o.Liveness(short, at(31)); got != discovery.Gone {
		t.Errorf("with a short window and silent it is %s", got)
	}
	var never discovery.Occurrence
	if got := never.Liveness(timing, epoch); got != discovery.Gone {
		t.Errorf("one without a sign of life is %s", got)
	}
}

// TestCallbackGone is rule 2.9: an occurrence whose present callback address
// answered 410 is gone until its next heartbeat; another address ends it too.
func TestCallbackGone(t *testing.T) {
	secret := "whsec_1"
	reg := discovery.Registration{Boot: "b1", CallbackURL: "https://a.example/1", CallbackSecret: &secret}
	o, _, _ := discovery.Register(nil, "o1", reg, false, timing, epoch)
	o.CallbackGone = true
	if o.Liveness(timing, at(1)) != discovery.Gone || o.Silent(timing, at(1)) {
		t.Errorf("after 410 it is %s, silent %v", o.Liveness(timing, at(1)), o.Silent(timing, at(1)))
	}
	if same, _, _ := discovery.Register(&o, "o1", reg, false, timing, at(2)); same.Liveness(timing, at(2)) != discovery.Gone {
		t.Error("registering the same address revives it")
	}
	reg.CallbackURL = "https://a.example/2"
	if moved, _, _ := discovery.Register(&o, "o1", reg, false, timing, at(2)); moved.Liveness(timing, at(2)) != discovery.Live {
		t.Error("it was the other address that answered 410")
	}
	heard, _ := beat(t, &o, discovery.Heartbeat{Boot: "b1", Sequence: 1, State: discovery.Work}, at(3))
	if heard.Liveness(timing, at(3)) != discovery.Live {
		t.Error("its heartbeat does not revive it")
	}
	reg.CallbackURL, reg.Boot = o.CallbackURL, "b2"
	if booted, _, _ := discovery.Register(&o, "o1", reg, false, timing, at(3)); booted.Liveness(timing, at(3)) != discovery.Live {
		t.Error("a new boot, which is a heartbeat, does not revive it")
	}
}

// TestTransit: since when an occurrence has been in wakeup or shutdown counts
// across boots, until it is awake, and begins anew after a long silence (9.2,
// occurrence_stuck).
func TestTransit(t *testing.T) {
	o := registered(t)
	step := func(seconds float64, s discovery.State) {
		t.Helper()
		o, _ = beat(t, &o, discovery.Heartbeat{Boot: o.Boot, Sequence: o.Sequence + 1, State: s}, at(seconds))
	}
	step(1, discovery.Wakeup)
	step(5, discovery.Error)
	step(9, discovery.Wakeup)
	if !o.TransitSince.Equal(at(1)) {
		t.Errorf("in transit since %v", o.TransitSince)
	}
	o, _, _ = discovery.Register(&o, "o1", discovery.Registration{Boot: "b2"}, false, timing, at(20))
	step(21, discovery.Shutdown)
	if !o.TransitSince.Equal(at(1)) {
		t.Errorf("after a restart in transit since %v", o.TransitSince)
	}
	step(30, discovery.Play)
	if !o.TransitSince.IsZero() {
		t.Errorf("awake, and in transit since %v", o.TransitSince)
	}
	step(40, discovery.Wakeup)
	o, _, _ = discovery.Register(&o, "o1", discovery.Registration{Boot: "b3"}, false, timing, at(40+600))
	if !o.TransitSince.IsZero() {
		t.Errorf("back after a discovery window, and in transit since %v", o.TransitSince)
	}
}
