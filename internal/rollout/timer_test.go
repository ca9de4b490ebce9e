package rollout_test

import (
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// timerRow is a row of the table of rule 4.20: a scenario that runs by itself, and
// the event at its end.
type timerRow struct {
	name  string
	begin func(s *stage) string
	event string
	wave  int
	at    time.Duration // undisturbed
	paused,
	outage time.Duration // how much later it comes when the pause or outage lies before it
}

const (
	disturbedAt = 45 * time.Second
	disturbance = 1000 * time.Second
)

func timerRows() []timerRow {
	one := func(s *stage, kind discovery.State, list ...string) {
		s.fleetOf(kind, list...)
		s.idle(list...)
	}
	return []timerRow{
		{"delay", func(s *stage) string {
			one(s, discovery.Work, "o1", "o2")
			id := s.shut(groupOf("a", sized(1)), groupOf("b", remaining(), delayed(time.Minute)))
			s.report("o1", discovery.Stopped)
			return id
		}, "wave.started", 2, time.Minute, disturbance, 0},
		{"delay of wave 1", func(s *stage) string {
			one(s, discovery.Work, "o1")
			return s.shut(groupOf("a", remaining(), delayed(time.Minute)))
		}, "wave.started", 1, time.Minute, disturbance, 0},
		{"deadline of a member", func(s *stage) string {
			one(s, discovery.Work, "o1", "o2")
			return s.shut(groupOf("a", remaining(), within(time.Minute)))
		}, "member.failed", 1, time.Minute, disturbance, 0},
		{"the last deadline and stable_for", func(s *stage) string {
			one(s, discovery.Wakeup, "o1")
			id := s.wakeUp(groupOf("a", remaining(), within(time.Minute), stable(20*time.Second)))
			s.silent("o1")
			return id
		}, "wave.failed", 1, 80 * time.Second, disturbance, 0},
		{"stable_for", func(s *stage) string {
			one(s, discovery.Wakeup, "o1")
			id := s.wakeUp(groupOf("a", remaining(), stable(time.Minute)))
			s.report("o1", discovery.Work)
			return id
		}, "wave.passed", 1, time.Minute, disturbance, 0},
		{"grace of an error", func(s *stage) string {
			one(s, discovery.Wakeup, "o1")
			id := s.wakeUp(groupOf("a", remaining()))
			s.keepAlive(30 * time.Second)
			s.report("o1", discovery.Error)
			return id
		}, "member.failed", 1, time.Minute, disturbance, 0},
		{"grace of a stop", func(s *stage) string {
			one(s, discovery.Wakeup, "o1")
			id := s.wakeUp(groupOf("a", remaining()))
			s.keepAlive(30 * time.Second)
			s.report("o1", discovery.Stopped)
			return id
		}, "member.failed", 1, time.Minute, disturbance, 0},
		{"wait of 4.5 for wave 1", func(s *stage) string {
			one(s, discovery.Work, "o1")
			id := s.shut(groupOf("a", remaining(), delayed(40*time.Second), within(20*time.Second)))
			s.silent("o1")
			return id
		}, "wave.skipped", 1, time.Minute, disturbance, 0},
		{"wait of 4.5 for a later wave", func(s *stage) string {
			one(s, discovery.Work, "o1", "o2")
			id := s.shut(groupOf("a", sized(1)), groupOf("b", remaining(), delayed(40*time.Second), within(20*time.Second)))
			s.report("o1", discovery.Stopped)
			s.silent("o2")
			return id
		}, "wave.skipped", 2, time.Minute, disturbance, 0},
		{"wait of 4.10", func(s *stage) string {
			one(s, discovery.Wakeup, "o1", "o2")
			id := s.wakeUp(groupOf("a", sized(1), within(30*time.Second)), groupOf("b", remaining(), delayed(40*time.Second)))
			s.report("o1", discovery.Work)
			s.report("o1", discovery.Error)
			return id
		}, "wave.failed", 1, 70 * time.Second, disturbance, 0},
		{"not_before", func(s *stage) string {
			one(s, discovery.Work, "o1")
			return s.request(rollout.Shutdown, instant, func(c *rollout.Request) { c.NotBeforeWall = epoch.Add(2000 * time.Second) })
		}, "wave.started", 1, 2000 * time.Second, 0, -disturbance},
	}
}

// TestTimers is the table of rule 4.20, what concerns waves and members: what each
// timer does in a pause, and in an outage (rule 2.10), in which service time
// stands still.
func TestTimers(t *testing.T) {
	for _, row := range timerRows() {
		for name, c := range map[string]struct {
			disturb func(s *stage, id string)
			later   time.Duration
		}{
			"undisturbed": {func(*stage, string) {}, 0},
			"paused": {func(s *stage, id string) {
				ok(s.t, s.order(id, rollout.Pause, 0))
				s.keepAlive(disturbance)
				ok(s.t, s.order(id, rollout.Resume, 0))
			}, row.paused},
			"outage": {func(s *stage, _ string) { s.outage(disturbance) }, row.outage},
		} {
			s := newStage(t)
			id := row.begin(s)
			s.keepAlive(disturbedAt - s.now.Sub(epoch))
			c.disturb(s, id)
			s.keepAlive(3 * disturbance)
			if got, want := s.at(row.event, row.wave), clock(epoch.Add(row.at+c.later)); got != want {
				t.Errorf("%s, %s: %s at %s, want %s", row.name, name, row.event, got, want)
			}
		}
	}
}

// TestDecisionTimers is the table of rule 4.20, what concerns the decision: claim
// and decision timeout stand in an outage; until and the deferral limit run on,
// and are due at its end at once.
func TestDecisionTimers(t *testing.T) {
	for _, outage := range []time.Duration{0, 23 * time.Hour} {
		s := newStage(t)
		s.fleetOf(discovery.Work, "o1", "o2")
		id := s.request(rollout.Shutdown)
		s.acknowledge("o1")
		s.keepAlive(100 * time.Second)
		s.outage(outage)
		mustBe(t, "the holder", s.holder(id), "o1")
		s.keepAlive(200 * time.Second)
		s.wantAt("claim.ended", 0, "5:00")
		mustBe(t, "the holder", s.holder(id), "o2")
		s.keepAlive(10 * time.Minute)
		s.wantAt("rollout.failed", 0, "10:00")

		s = newStage(t)
		s.fleetOf(discovery.Work, "o1")
		id = s.request(rollout.Shutdown)
		ok(t, s.postpone(id, epoch.Add(24*time.Hour)))
		s.keepAlive(time.Hour - time.Second)
		s.outage(outage)
		s.wantState(id, rollout.Deferred)
		s.keepAlive(24*time.Hour - outage)
		s.wantAt("rollout.failed", 0, clock(epoch.Add(24*time.Hour-outage))) // until is cut to the limit
	}
	s := newStage(t)
	s.fleetOf(discovery.Work, "o1")
	id := s.request(rollout.Shutdown)
	ok(t, s.postpone(id, epoch.Add(2*time.Hour)))
	s.keepAlive(time.Minute)
	s.outage(3 * time.Hour)
	s.wantState(id, rollout.Deciding)
	s.wantAt("rollout.failed", 0, "never")
	s.keepAlive(10 * time.Minute) // each entry into deciding has the timeout anew
	s.wantAt("rollout.failed", 0, "11:00")
}

// TestWhatIsDueIsDoneFirst is rule 2.11: before an input is taken, what was due
// before it is done, in order of due time; one long step comes to the state that
// many short ones come to.
func TestWhatIsDueIsDoneFirst(t *testing.T) {
	play := func(short bool) *stage {
		s := newStage(t)
		s.fleetOf(discovery.Work, ids(3)...)
		s.silent(ids(3)...)
		s.shut(groupOf("a", sized(1), within(time.Minute), onFailure(rollout.GoOn)), groupOf("b", sized(1), delayed(20*time.Second), within(time.Minute), onFailure(rollout.GoOn)),
			groupOf("c", remaining(), delayed(time.Hour)))
		if short {
			for range 7200 {
				s.quiet(time.Second)
			}
		} else {
			s.now = s.now.Add(2 * time.Hour)
		}
		s.must(nil)
		return s
	}
	long, short := play(false), play(true)
	if len(long.log) != len(short.log) {
		t.Fatalf("%d events in one step, %d in many", len(long.log), len(short.log))
	}
	for i := range long.log {
		a, b := long.log[i], short.log[i]
		if a.Type != b.Type || !a.At.Equal(b.At) || a.Wave != b.Wave || a.OccurrenceID != b.OccurrenceID {
			t.Errorf("event %d is %s at %s, and %s at %s", i, a.Type, clock(a.At), b.Type, clock(b.At))
		}
	}
	long.wantAt("wave.skipped", 2, "2:20")
}
