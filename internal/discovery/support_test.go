package discovery_test

import (
	"errors"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
)

// epoch is the service time at which every scenario begins.
var epoch = time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)

// at is an instant so many seconds after the epoch.
func at(seconds float64) time.Time { return epoch.Add(time.Duration(seconds * float64(time.Second))) }

var timing = discovery.Timing{HeartbeatInterval: 10 * time.Second, LivenessTimeout: 30 * time.Second, DiscoveryWindow: 10 * time.Minute}

// registered is an occurrence whose boot b1 registered at the epoch.
func registered(t *testing.T) discovery.Occurrence {
	t.Helper()
	o, _, err := discovery.Register(nil, "o1", discovery.Registration{Boot: "b1", Coordinated: true}, false, timing, epoch)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// beat takes a heartbeat that must not be refused.
func beat(t *testing.T, o *discovery.Occurrence, h discovery.Heartbeat, now time.Time) (discovery.Occurrence, discovery.Taken) {
	t.Helper()
	next, taken, refusal := discovery.Accept(o, "o1", h, false, timing, now)
	if refusal != nil {
		t.Fatalf("heartbeat %+v: %v", h, refusal)
	}
	return next, taken
}

// working is an occurrence that reported work with sequence 1 at the epoch.
func working(t *testing.T) discovery.Occurrence {
	t.Helper()
	o := registered(t)
	o, _ = beat(t, &o, discovery.Heartbeat{Boot: "b1", Sequence: 1, State: discovery.Work}, epoch)
	return o
}

// code is the code of a refusal, or empty where there is none.
func code(refusal *discovery.Refusal) discovery.Code {
	var r *discovery.Refusal
	if refusal == nil || !errors.As(error(refusal), &r) {
		return ""
	}
	return r.Code
}
