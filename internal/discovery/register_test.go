package discovery_test

import (
	"testing"

	"github.com/cirisai/orchestrator/internal/discovery"
)

// TestRegisterReplacesFields is rule 2.2: registering is idempotent, replaces
// all fields, and keeps the callback secret when none is given.
func TestRegisterReplacesFields(t *testing.T) {
	secret := "whsec_1"
	full := discovery.Registration{
		Boot: "b1", CallbackURL: "https://a.example/1", CallbackSecret: &secret, Version: "1.4.8", Pin: "explorer",
		Coordinated: true, Labels: map[string]string{"zone": "a"},
	}
	o, isNew, err := discovery.Register(nil, "o1", full, false, timing, epoch)
	if err != nil || !isNew {
		t.Fatalf("first registration: new boot %v, %v", isNew, err)
	}
	if o.ID != "o1" || o.Boot != "b1" || o.CallbackURL != full.CallbackURL || o.CallbackSecret != secret || o.Version != "1.4.8" ||
		o.Pin != "explorer" || !o.Coordinated || o.Labels["zone"] != "a" || !o.RegisteredAt.Equal(epoch) {
		t.Errorf("registered as %+v", o)
	}
	bare := discovery.Registration{Boot: "b1"}
	again, isNew, err := discovery.Register(&o, "o1", bare, false, timing, at(5))
	if err != nil || isNew {
		t.Fatalf("second registration: new boot %v, %v", isNew, err)
	}
	if again.CallbackURL != "" || again.Version != "" || again.Pin != "" || again.Coordinated || again.Labels != nil {
		t.Errorf("a field survived: %+v", again)
	}
	if again.CallbackSecret != secret {
		t.Errorf("the secret is %q, want it kept", again.CallbackSecret)
	}
	if !again.RegisteredAt.Equal(epoch) {
		t.Errorf("registered at %v, want the first time", again.RegisteredAt)
	}
	none := ""
	again, _, _ = discovery.Register(&again, "o1", discovery.Registration{Boot: "b1", CallbackSecret: &none}, false, timing, at(6))
	if again.CallbackSecret != "" {
		t.Error("a secret that was given as empty was kept")
	}
}

// TestHeartbeatRegistersTheUnknown is rule 2.2: a heartbeat from an unknown
// occurrence registers it, without a callback.
func TestHeartbeatRegistersTheUnknown(t *testing.T) {
	o, taken := beat(t, nil, discovery.Heartbeat{Boot: "b7", Sequence: 4, State: discovery.Play, Version: "2"}, epoch)
	if !taken.Accepted || taken.Sequence != 4 {
		t.Errorf("taken %+v", taken)
	}
	if o.ID != "o1" || o.Boot != "b7" || o.State != discovery.Play || o.Version != "2" || o.CallbackURL != "" || !o.Coordinated ||
		!o.RegisteredAt.Equal(epoch) || !o.BootHeard.Equal(epoch) || o.Sequence != 4 {
		t.Errorf("registered as %+v", o)
	}
	if got := o.Liveness(timing, epoch); got != discovery.Live {
		t.Errorf("it is %s", got)
	}
}

// TestNewBootIsAHeartbeat is rule 2.3: registering with a new boot is its
// heartbeat "starting" with sequence 0; with the present boot it is none.
func TestNewBootIsAHeartbeat(t *testing.T) {
	o := working(t)
	o.Critical, o.High, o.Detail = 2, 3, "busy"
	same, isNew, _ := discovery.Register(&o, "o1", discovery.Registration{Boot: "b1", Coordinated: true}, false, timing, at(20))
	if isNew || same.State != discovery.Work || same.Sequence != 1 || !same.LastSign.Equal(epoch) {
		t.Errorf("the same boot registered and became %+v", same)
	}
	next, isNew, _ := discovery.Register(&o, "o1", discovery.Registration{Boot: "b2", Coordinated: true}, false, timing, at(20))
	if !isNew || next.Boot != "b2" || next.State != discovery.Starting || next.Sequence != 0 || !next.StateSince.Equal(at(20)) ||
		!next.BootHeard.Equal(at(20)) || !next.LastSign.Equal(at(20)) {
		t.Errorf("the new boot became %+v", next)
	}
	if next.Critical != 0 || next.High != 0 || next.Detail != "" {
		t.Errorf("the new boot inherits what the old one reported: %+v", next)
	}
	// Sequences count from 1 in each boot.
	after, taken := beat(t, &next, discovery.Heartbeat{Boot: "b2", Sequence: 1, State: discovery.Wakeup}, at(21))
	if !taken.Accepted || after.State != discovery.Wakeup {
		t.Errorf("the new boot's first heartbeat: %+v", taken)
	}
}

// TestReplacedBoot is rule 2.5: the boot first heard later replaces the earlier
// one, and whatever a replaced boot sends is boot_replaced; a boot that was
// never heard is unknown_boot.
func TestReplacedBoot(t *testing.T) {
	o := working(t)
	o, _, _ = discovery.Register(&o, "o1", discovery.Registration{Boot: "b2"}, false, timing, at(5))
	for name, former := range map[discovery.Code]bool{discovery.CodeBootReplaced: true, discovery.CodeUnknownBoot: false} {
		boot := "b1"
		if !former {
			boot = "b9"
		}
		for _, state := range []discovery.State{discovery.Work, discovery.Stopped} {
			got, taken, refusal := discovery.Accept(&o, "o1", discovery.Heartbeat{Boot: boot, Sequence: 99, State: state}, former, timing, at(6))
			if code(refusal) != name || taken.Accepted || got.Boot != "b2" || got.State != discovery.Starting || !got.LastSign.Equal(at(5)) {
				t.Errorf("heartbeat %s of boot %s: %v, %+v", state, boot, refusal, got)
			}
		}
		if got, refusal := discovery.Leave(&o, boot, former, at(6)); code(refusal) != name || got.Left {
			t.Errorf("leave of boot %s: %v", boot, refusal)
		}
		if got := code(discovery.Speaker{Boot: boot, Former: former}.Check(&o)); got != name {
			t.Errorf("boot %s: %s", boot, got)
		}
	}
	if got, isNew, refusal := discovery.Register(&o, "o1", discovery.Registration{Boot: "b1"}, true, timing, at(6)); code(refusal) != discovery.CodeBootReplaced || isNew || got.Boot != "b2" {
		t.Errorf("a replaced boot registered: %v, boot %s", refusal, got.Boot)
	}
	if refusal := (discovery.Speaker{Boot: "b2"}).Check(&o); refusal != nil {
		t.Errorf("the present boot is refused: %v", refusal)
	}
}

// TestUnknownOccurrence is rule 6.1: who asks must be known.
func TestUnknownOccurrence(t *testing.T) {
	if got := code(discovery.Speaker{Boot: "b1"}.Check(nil)); got != discovery.CodeNotFound {
		t.Errorf("an occurrence that was never heard: %s", got)
	}
	if _, refusal := discovery.Leave(nil, "b1", false, epoch); code(refusal) != discovery.CodeNotFound {
		t.Errorf("it leaves: %v", refusal)
	}
}

// TestIdentityConflict is rule 2.5: three boot_replaced answers within a minute,
// to whichever boots, are a conflict; three that are further apart are none.
func TestIdentityConflict(t *testing.T) {
	for _, c := range []struct {
		name string
		at   []float64
		want bool
	}{
		{"two", []float64{0, 1}, false},
		{"three at once", []float64{0, 0, 0}, true},
		{"three within a minute", []float64{0, 30, 59.9}, true},
		{"three, the first a minute ago", []float64{0, 30, 60}, false},
		{"the last three of four", []float64{0, 50, 70, 90}, true},
		{"one every forty seconds", []float64{0, 40, 80, 120, 160}, false},
		{"four within a minute", []float64{0, 10, 20, 30}, true},
	} {
		o := registered(t)
		for _, seconds := range c.at {
			o = discovery.Refused(o, at(seconds))
		}
		if o.InConflict() != c.want {
			t.Errorf("%s: in conflict %v, answers kept %v", c.name, o.InConflict(), o.Conflicts)
		}
	}
}

// TestRefusalReads: a refusal is an error that carries its code.
func TestRefusalReads(t *testing.T) {
	err := discovery.Refuse(discovery.CodeUnknownBoot, "boot %q", "b1")
	if got := err.Error(); got != `unknown_boot: boot "b1"` {
		t.Errorf("it reads %q", got)
	}
}
