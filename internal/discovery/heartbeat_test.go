package discovery_test

import (
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
)

// TestOldHeartbeatChangesNothing is rule 2.4: a heartbeat that is not newer
// than the last one taken from its boot is not accepted, is told the last
// sequence, changes nothing and revives nobody. Gaps are fine.
func TestOldHeartbeatChangesNothing(t *testing.T) {
	o := working(t)
	o, taken := beat(t, &o, discovery.Heartbeat{Boot: "b1", Sequence: 7, State: discovery.Work}, at(1))
	if !taken.Accepted || taken.Sequence != 7 {
		t.Fatalf("a gap: %+v", taken)
	}
	for _, sequence := range []int64{1, 6, 7} {
		h := discovery.Heartbeat{Boot: "b1", Sequence: sequence, State: discovery.Error, Critical: 9, Version: "x", Detail: "old"}
		next, taken := beat(t, &o, h, at(100))
		if taken.Accepted || taken.Sequence != 7 {
			t.Errorf("sequence %d: %+v", sequence, taken)
		}
		if next.State != discovery.Work || next.Critical != 0 || next.Version != "" || next.Detail != "" || next.Sequence != 7 {
			t.Errorf("sequence %d changed something: %+v", sequence, next)
		}
		if next.Liveness(timing, at(100)) != discovery.Stale {
			t.Errorf("sequence %d revived it", sequence)
		}
	}
}

// TestHeartbeatIsTaken: an accepted heartbeat replaces what the last one said;
// the version only where it says one.
func TestHeartbeatIsTaken(t *testing.T) {
	o := working(t)
	o, _ = beat(t, &o, discovery.Heartbeat{Boot: "b1", Sequence: 2, State: discovery.Dream, Version: "2", Critical: 1, High: 2, Detail: "d"}, at(3))
	if o.State != discovery.Dream || o.Version != "2" || o.Critical != 1 || o.High != 2 || o.Detail != "d" || !o.StateSince.Equal(at(3)) {
		t.Errorf("taken as %+v", o)
	}
	o, _ = beat(t, &o, discovery.Heartbeat{Boot: "b1", Sequence: 3, State: discovery.Dream}, at(9))
	if o.Version != "2" || o.Critical != 0 || o.High != 0 || o.Detail != "" || !o.StateSince.Equal(at(3)) || !o.LastSign.Equal(at(9)) {
		t.Errorf("the next was taken as %+v", o)
	}
}

// TestStoppedIsTheLastWord is rule 2.6: the repeated "stopped" is 200 and not
// accepted; whatever else that boot sends is boot_stopped.
func TestStoppedIsTheLastWord(t *testing.T) {
	o := working(t)
	stop := discovery.Heartbeat{Boot: "b1", Sequence: 2, State: discovery.Stopped}
	o, taken := beat(t, &o, stop, at(5))
	if !taken.Accepted || o.State != discovery.Stopped || o.Liveness(timing, at(5)) != discovery.Gone {
		t.Fatalf("stopped: %+v, %s", taken, o.Liveness(timing, at(5)))
	}
	for _, sequence := range []int64{2, 3} {
		stop.Sequence = sequence
		next, taken := beat(t, &o, stop, at(6))
		if taken.Accepted || taken.Sequence != 2 || next.Sequence != 2 {
			t.Errorf("repeated with sequence %d: %+v", sequence, taken)
		}
	}
	got, _, refusal := discovery.Accept(&o, "o1", discovery.Heartbeat{Boot: "b1", Sequence: 4, State: discovery.Work}, false, timing, at(7))
	if code(refusal) != discovery.CodeBootStopped || got.State != discovery.Stopped {
		t.Errorf("work after stopped: %v, %s", refusal, got.State)
	}
	if _, _, refusal := discovery.Register(&o, "o1", discovery.Registration{Boot: "b1"}, false, timing, at(7)); code(refusal) != discovery.CodeBootStopped {
		t.Errorf("it registers: %v", refusal)
	}
	if got := code(discovery.Speaker{Boot: "b1"}.Check(&o)); got != discovery.CodeBootStopped {
		t.Errorf("it asks: %s", got)
	}
	// A new boot of the stopped occurrence goes on.
	next, isNew, refusal := discovery.Register(&o, "o1", discovery.Registration{Boot: "b2"}, false, timing, at(8))
	if refusal != nil || !isNew || next.Liveness(timing, at(8)) != discovery.Live {
		t.Errorf("its next boot: %v, %s", refusal, next.Liveness(timing, at(8)))
	}
}

// TestLeave is rule 2.6: DELETE is a clean leave and says the same as stopped;
// without a boot it means the present one; a second one changes nothing.
func TestLeave(t *testing.T) {
	for _, boot := range []string{"b1", ""} {
		o := working(t)
		o, refusal := discovery.Leave(&o, boot, false, at(5))
		if refusal != nil || !o.Left || o.State != discovery.Stopped || !o.StateSince.Equal(at(5)) || o.Liveness(timing, at(5)) != discovery.Gone {
			t.Fatalf("leave of boot %q: %v, %+v", boot, refusal, o)
		}
		again, refusal := discovery.Leave(&o, boot, false, at(9))
		if refusal != nil || !again.StateSince.Equal(at(5)) {
			t.Errorf("a second leave: %v, stopped since %v", refusal, again.StateSince)
		}
		if _, _, refusal := discovery.Accept(&o, "o1", discovery.Heartbeat{Boot: "b1", Sequence: 9, State: discovery.Work}, false, timing, at(9)); code(refusal) != discovery.CodeBootStopped {
			t.Errorf("work after leaving: %v", refusal)
		}
		if _, taken := beat(t, &o, discovery.Heartbeat{Boot: "b1", Sequence: 9, State: discovery.Stopped}, at(9)); taken.Accepted {
			t.Error("stopped after leaving was accepted")
		}
	}
	// Who has said stopped may still leave.
	o := working(t)
	o, _ = beat(t, &o, discovery.Heartbeat{Boot: "b1", Sequence: 2, State: discovery.Stopped}, at(5))
	if o, refusal := discovery.Leave(&o, "", false, at(6)); refusal != nil || !o.Left || !o.StateSince.Equal(at(5)) {
		t.Errorf("leave after stopped: %v, %+v", refusal, o)
	}
}

// TestEcho is rule 2.8: with an echo older than the liveness timeout a heartbeat
// is taken but is no sign of life; an echo ahead of now counts as now.
func TestEcho(t *testing.T) {
	for _, c := range []struct {
		name  string
		echo  time.Time
		alive bool
	}{
		{"none", time.Time{}, true},
		{"fresh", at(95), true},
		{"as old as the timeout", at(70), true},
		{"older", at(69.999), false},
		{"ahead of now", at(500), true},
	} {
		o := working(t)
		o.CallbackGone = true
		next, taken := beat(t, &o, discovery.Heartbeat{Boot: "b1", Sequence: 2, State: discovery.Play, Echo: c.echo}, at(100))
		if !taken.Accepted || next.State != discovery.Play || next.Sequence != 2 {
			t.Errorf("%s: not taken: %+v", c.name, taken)
		}
		want, wantSign := discovery.Gone, epoch
		if c.alive {
			want, wantSign = discovery.Live, at(100)
		}
		if got := next.Liveness(timing, at(100)); got != want || !next.LastSign.Equal(wantSign) {
			t.Errorf("%s: it is %s, last sign %v", c.name, got, next.LastSign)
		}
	}
	// An unknown occurrence is registered by a heartbeat held up on the way, and
	// not revived.
	o, _ := beat(t, nil, discovery.Heartbeat{Boot: "b1", Sequence: 1, State: discovery.Work, Echo: epoch}, at(100))
	if got := o.Liveness(timing, at(100)); got != discovery.Gone {
		t.Errorf("it is %s", got)
	}
	// "stopped" with an old echo is a clean stop all the same.
	w := working(t)
	if w, _ = beat(t, &w, discovery.Heartbeat{Boot: "b1", Sequence: 2, State: discovery.Stopped, Echo: epoch}, at(100)); !w.HasStopped() {
		t.Error("a late stopped was not taken")
	}
}

// TestLivenessNeverMovesBack is rule 2.8: signs of life count from receipt, and
// one that is taken later with an earlier time moves nothing back.
func TestLivenessNeverMovesBack(t *testing.T) {
	o := working(t)
	o, _ = beat(t, &o, discovery.Heartbeat{Boot: "b1", Sequence: 2, State: discovery.Work}, at(50))
	o, _ = beat(t, &o, discovery.Heartbeat{Boot: "b1", Sequence: 3, State: discovery.Work}, at(40))
	if !o.LastSign.Equal(at(50)) {
		t.Errorf("the last sign is %v", o.LastSign)
	}
	if o = discovery.Asked(o, at(45)); !o.LastSign.Equal(at(50)) {
		t.Errorf("asking moved it back to %v", o.LastSign)
	}
}

// TestAskingIsASignOfLife is rule 2.8.
func TestAskingIsASignOfLife(t *testing.T) {
	o := discovery.Asked(working(t), at(100))
	if o.Liveness(timing, at(100)) != discovery.Live || o.Sequence != 1 || o.State != discovery.Work {
		t.Errorf("after asking: %+v", o)
	}
}

// TestUnchanged: only a heartbeat that says nothing new may be taken in passing,
// and never one of who is not live (rules 2.4, 2.8 and 2.9).
func TestUnchanged(t *testing.T) {
	base := working(t)
	base.Version = "1"
	same := discovery.Heartbeat{Boot: "b1", Sequence: 2, State: discovery.Work}
	if !discovery.Unchanged(&base, same, timing, at(30)) {
		t.Fatal("the same again is news")
	}
	for name, change := range map[string]func(*discovery.Heartbeat){
		"another boot":     func(h *discovery.Heartbeat) { h.Boot = "b2" },
		"an old sequence":  func(h *discovery.Heartbeat) { h.Sequence = 1 },
		"another state":    func(h *discovery.Heartbeat) { h.State = discovery.Play },
		"critical":         func(h *discovery.Heartbeat) { h.Critical = 1 },
		"high":             func(h *discovery.Heartbeat) { h.High = 1 },
		"a detail":         func(h *discovery.Heartbeat) { h.Detail = "x" },
		"another version":  func(h *discovery.Heartbeat) { h.Version = "2" },
		"held up too long": func(h *discovery.Heartbeat) { h.Echo = at(-10) },
	} {
		h := same
		change(&h)
		if discovery.Unchanged(&base, h, timing, at(30)) {
			t.Errorf("%s is no news", name)
		}
	}
	withVersion := same
	withVersion.Version = "1"
	if !discovery.Unchanged(&base, withVersion, timing, at(30)) {
		t.Error("the same version is news")
	}
	if discovery.Unchanged(&base, same, timing, at(30.000001)) {
		t.Error("the return of one that was stale is no news")
	}
	if discovery.Unchanged(nil, same, timing, epoch) {
		t.Error("an unknown occurrence is no news")
	}
	stopped := base
	stopped.State = discovery.Stopped
	stop := discovery.Heartbeat{Boot: "b1", Sequence: 2, State: discovery.Stopped}
	if discovery.Unchanged(&stopped, stop, timing, at(1)) {
		t.Error("stopped is no news")
	}
}
