package discovery_test

import (
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
)

// TestClockWithoutSilence is rule 2.10: while the service was never silent the
// two times are the same, and the zero time stays zero.
func TestClockWithoutSilence(t *testing.T) {
	var c discovery.Clock
	if !c.Wall(at(5)).Equal(at(5)) || !c.Service(at(5)).Equal(at(5)) || c.Offset() != 0 {
		t.Error("without a silence the times differ")
	}
	c.Silences = []discovery.Silence{{From: epoch, Offset: time.Hour}}
	if !c.Wall(time.Time{}).IsZero() || !c.Service(time.Time{}).IsZero() {
		t.Error("the zero time moved")
	}
}

// TestClockAcrossSilences is rule 2.10: time in which no replica could take
// heartbeats counts for nothing. Two silences: from wall 100 s to 160 s, and
// from wall 200 s to 230 s.
func TestClockAcrossSilences(t *testing.T) {
	c := discovery.Clock{Silences: []discovery.Silence{
		{From: at(100), Offset: 60 * time.Second},
		{From: at(140), Offset: 90 * time.Second},
	}}
	for _, p := range []struct{ wall, service, back float64 }{
		{0, 0, 0},
		{99.9, 99.9, 99.9},
		{130, 100, 160}, // inside a silence: when it began, which ends where the silence ends
		{160, 100, 160},
		{199, 139, 199},
		{200, 140, 230},
		{215, 140, 230},
		{230, 140, 230},
		{300, 210, 300},
	} {
		service := c.Service(at(p.wall))
		if !service.Equal(at(p.service)) {
			t.Errorf("wall %v is service %v, want %v", p.wall, service.Sub(epoch), p.service)
		}
		if back := c.Wall(service); !back.Equal(at(p.back)) {
			t.Errorf("wall %v comes back as %v, want %v", p.wall, back.Sub(epoch), p.back)
		}
	}
	if c.Offset() != 90*time.Second {
		t.Errorf("the offset is %v", c.Offset())
	}
}

// TestClockLeapBack is rule 2.10: a leap of the database's clock is a silence,
// either way. Here it leaps back by an hour at 100 s.
func TestClockLeapBack(t *testing.T) {
	c := discovery.Clock{Silences: []discovery.Silence{{From: at(100), Offset: -time.Hour}}}
	if got := c.Wall(at(160)); !got.Equal(at(160).Add(-time.Hour)) {
		t.Errorf("a minute later the wall shows %v", got)
	}
	if got := c.Service(at(160).Add(-time.Hour)); !got.Equal(at(160)) {
		t.Errorf("what the wall shows a minute later is service %v", got.Sub(epoch))
	}
	if got := c.Service(at(50).Add(-time.Hour)); !got.Equal(at(50).Add(-time.Hour)) {
		t.Errorf("what lay before everything is service %v", got.Sub(epoch))
	}
}

// TestSilenceIsNobodys is rule 2.10: who was live when the service fell silent
// is live when it is back, however long that took, and who was stale stays so
// until heard. Presence sees service time only.
func TestSilenceIsNobodys(t *testing.T) {
	o := working(t)
	clock := discovery.Clock{Silences: []discovery.Silence{{From: at(20), Offset: 24 * time.Hour}}}
	dayLater := clock.Service(at(20).Add(24 * time.Hour))
	if got := o.Liveness(timing, dayLater); got != discovery.Live {
		t.Errorf("live before the outage, %s after it", got)
	}
	clock.Silences[0].From = at(31)
	dayLater = clock.Service(at(31).Add(24 * time.Hour))
	if got := o.Liveness(timing, dayLater); got != discovery.Stale {
		t.Errorf("stale before the outage, %s after it", got)
	}
	// The age of an echo does not count the outage either.
	h := discovery.Heartbeat{Boot: "b1", Sequence: 2, State: discovery.Work, Echo: clock.Service(at(10))}
	if next, _ := beat(t, &o, h, dayLater); next.Liveness(timing, dayLater) != discovery.Live {
		t.Error("an echo from before the outage is held to be old")
	}
}
