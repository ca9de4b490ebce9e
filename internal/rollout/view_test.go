package rollout_test

import (
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// lens is how the agent is looked at now.
func (s *stage) lens() rollout.Lens {
	clock := discovery.Clock{}
	if s.silence != 0 {
		clock.Silences = []discovery.Silence{{From: epoch, Offset: s.silence}}
	}
	return rollout.Lens{Profile: s.state.Profile, Fleet: s.fleet, Settings: s.settings, Clock: clock, Now: s.now}
}

// waiting says what each wave of a rollout waits for.
func (s *stage) waiting(id string) []string {
	s.t.Helper()
	l, r := s.lens(), s.rollout(id)
	waves := l.Waves(r)
	out := make([]string, len(waves))
	for i := range waves {
		out[i] = l.WaitingFor(r, waves, i)
	}
	return out
}

// wantWaiting compares what each wave waits for.
func (s *stage) wantWaiting(id string, want ...string) {
	s.t.Helper()
	got := s.waiting(id)
	if len(got) != len(want) {
		s.t.Fatalf("at %s: %d waves are shown, want %d", clock(s.now), len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			s.t.Errorf("at %s wave %d waits for\n%s\nwant\n%s", clock(s.now), i+1, got[i], want[i])
		}
	}
}

// wantNext compares when a rollout moves by itself.
func (s *stage) wantNext(id, want string) {
	s.t.Helper()
	at := "never"
	if t := s.lens().NextAction(s.rollout(id)); !t.IsZero() {
		at = clock(t)
	}
	if at != want {
		s.t.Errorf("at %s the next action is at %s, want %s", clock(s.now), at, want)
	}
}

// TestWaitingForAVerdict is 10.2: what an undecided rollout waits for.
func TestWaitingForAVerdict(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, "o1", "o2")
	id := s.request(rollout.Shutdown)
	s.wantWaiting(id, "the verdict of occurrence o1, which holds the claim since 2026-01-02T03:00:00Z, by 2026-01-02T03:10:00Z", "", "")
	ok(t, s.postpone(id, epoch.Add(time.Hour)))
	s.wantWaiting(id, "the deferral to end at 2026-01-02T04:00:00Z, or an operator to decide", "", "")
	s.silent("o1", "o2")
	s.quiet(time.Hour)
	s.amend("o1", func(o *discovery.Occurrence) { o.State, o.LastSign = discovery.Error, s.now })
	s.wantWaiting(id, "a candidate to be heard and to decide, by 2026-01-02T04:10:00Z", "", "")
	s.back("o2")
	ok(t, s.postpone(id, time.Time{}))
	s.wantWaiting(id, "an operator to decide, by 2026-01-03T03:00:00Z", "", "")
}

// TestForecastUntilWaveOne is rules 3.7 and 10.2: waves is a forecast until wave 1
// starts, and empty where nothing was carried out.
func TestForecastUntilWaveOne(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, ids(4)...)
	id := s.request(rollout.Shutdown, withPlan(groupOf("a", sized(1), delayed(time.Minute)), groupOf("b", remaining())))
	mustBe(t, "now", groups(s.lens().Waves(s.rollout(id))), "a(1): o1, b(3): o2 o3 o4")
	s.leave("o1")
	s.boot("o5")
	mustBe(t, "then", groups(s.lens().Waves(s.rollout(id))), "a(1): o2, b(3): o3 o4 o5")
	s.decide(id, rollout.Accept)
	waves := s.lens().Waves(s.rollout(id))
	if waves[0].Status != rollout.WaveDelayed || !waves[0].StartsAt.Equal(epoch.Add(time.Minute)) || len(waves[0].Members) != 1 {
		t.Errorf("while its delay runs wave 1 is shown as %+v", waves[0])
	}
	ok(t, s.order(id, rollout.Abort, 0))
	mustBe(t, "after the end", len(s.lens().Waves(s.rollout(id))), 0)

	id = s.shut(groupOf("a", remaining()))
	s.boot("o6")
	mustBe(t, "members are members", groups(s.lens().Waves(s.rollout(id))), "a(4): o2 o3 o4 o5 o6")
}

// TestWaitingToStart is 10.2: condition, value, limit, since when, for a wave that
// has not started.
func TestWaitingToStart(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, ids(3)...)
	s.idle(ids(3)...)
	id := s.request(rollout.Shutdown, instant, withPlan(groupOf("a", sized(1), delayed(time.Minute)), groupOf("b", remaining(), delayed(30*time.Second))),
		func(c *rollout.Request) { c.NotBeforeWall = epoch.Add(2 * time.Minute) })
	s.wantWaiting(id, "its delay of 1m0s to end at 2026-01-02T03:01:00Z", "the waves before it")
	s.keepAlive(time.Minute)
	s.wantWaiting(id, "not_before, at 2026-01-02T03:02:00Z", "the waves before it")
	s.silent(ids(3)...)
	s.quiet(time.Minute) // b has no place in the forecast: there are none but stale ones
	s.wantWaiting(id, "one of its members to be live; since 2026-01-02T03:02:00Z, until 2026-01-02T03:07:00Z", "")

	s = newStage(t)
	s.fleetOf(discovery.Work, ids(3)...)
	s.idle(ids(3)...)
	id = s.shut(groupOf("a", sized(1)), groupOf("b", remaining(), delayed(30*time.Second)))
	s.report("o1", discovery.Stopped)
	s.wantWaiting(id, "", "its delay of 30s to end at 2026-01-02T03:00:30Z")

	s = newStage(t)
	s.fleetOf(discovery.Work, ids(3)...)
	s.idle(ids(3)...)
	id = s.shut(groupOf("a", sized(1)), groupOf("b", remaining(), delayed(time.Minute)))
	s.report("o1", discovery.Stopped)
	s.silent("o2", "o3")
	s.quiet(2 * time.Minute)
	s.wantWaiting(id, "", "one of its members to be live; since 2026-01-02T03:01:00Z, until 2026-01-02T03:06:00Z")

	s, id = passedWakeup(t, needs(rollout.Percent(100)))
	s.report("o1", discovery.Error)
	s.keepAlive(time.Minute)
	s.wantWaiting(id, "", "min_healthy 100% of wave a to be healthy still: 1 are; since 2026-01-02T03:01:00Z, until 2026-01-02T03:02:40Z")
}

// TestWaitingForTheGate is 10.2 for a wave that runs, has passed, or has failed.
func TestWaitingForTheGate(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, ids(4)...)
	s.idle(ids(4)...)
	id := s.shut(groupOf("a", sized(3), needs(rollout.Percent(60)), stable(10*time.Second), atOnce(rollout.Count(2)), within(time.Minute)), groupOf("b", remaining()))
	s.wantWaiting(id, "2 of 3 members to be stopped for 10s (min_healthy 60%): 0 are, 0 failed; since 2026-01-02T03:00:00Z, 1 not told yet", "wave 1 (a) to be settled")
	s.report("o1", discovery.Stopped)
	s.keepAlive(30 * time.Second)
	s.wantWaiting(id, "2 of 3 members to be stopped for 10s (min_healthy 60%): 1 are, 0 failed; since 2026-01-02T03:00:00Z, until 2026-01-02T03:01:10Z", "wave 1 (a) to be settled")
	ok(t, s.order(id, rollout.Pause, 0))
	s.keepAlive(10 * time.Second)
	paused := "an operator to resume; paused since 2026-01-02T03:00:30Z"
	s.wantWaiting(id, paused, paused)
	ok(t, s.order(id, rollout.Resume, 0))
	s.outage(time.Hour) // people read wall time
	if got := s.waiting(id)[0]; got != "2 of 3 members to be stopped for 10s (min_healthy 60%): 1 are, 0 failed; since 2026-01-02T04:00:00Z, until 2026-01-02T04:01:20Z" {
		t.Errorf("after an outage it waits for %s", got)
	}
	s.keepAlive(40 * time.Second)
	s.wantState(id, rollout.Halted)
	if got := s.waiting(id)[0]; got != "an operator to retry, promote or abort; halted since 2026-01-02T04:01:10Z" {
		t.Errorf("halted it waits for %s", got)
	}
	s.boot("o3")
	ok(t, s.order(id, rollout.Promote, 1))
	if got := s.waiting(id)[0]; got != "1 members to come to their own end" {
		t.Errorf("failed and promoted it waits for %s", got)
	}

	s, id = passedWakeup(t)
	s.report("o1", discovery.Wakeup)
	s.wantWaiting(id, "1 members to come to their own end", "its delay of 1m0s to end at 2026-01-02T03:01:00Z")
	ok(t, s.order(id, rollout.Abort, 0))
	s.wantWaiting(id, "", "")
}

// TestNothingMovesWhatIsSkipped is 10.2: what would move the wave, or nothing.
func TestNothingMovesWhatIsSkipped(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, "o1")
	id := s.shut(groupOf("a", sized(1)), groupOf("b", remaining()))
	mustBe(t, "rolling", s.waiting(id)[1], "")
	ok(t, s.order(id, rollout.Pause, 0))
	mustBe(t, "paused", s.waiting(id)[1], "")
}

// TestNextAction is 10.2: when the rollout moves though nobody says anything: the
// first of the timers of rule 4.20 that are running, and never in a pause.
func TestNextAction(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, ids(2)...)
	s.idle(ids(2)...)
	id := s.request(rollout.Shutdown, withPlan(groupOf("a", sized(1), delayed(time.Minute)), groupOf("b", remaining(), delayed(time.Hour))))
	s.wantNext(id, "0:30") // o1 has not acknowledged
	s.acknowledge("o1")
	s.wantNext(id, "5:00") // the lease
	ok(t, s.postpone(id, epoch.Add(time.Hour)))
	s.wantNext(id, "60:00")
	ok(t, s.overrule(id, rollout.Accept))
	s.wantNext(id, "1:00") // its delay
	s.keepAlive(time.Minute)
	s.wantNext(id, "6:00") // its deadline
	s.report("o1", discovery.Stopped)
	s.wantNext(id, "61:00") // the next wave's delay
	ok(t, s.order(id, rollout.Pause, 0))
	s.wantNext(id, "never")
	ok(t, s.order(id, rollout.Abort, 0))
	s.wantNext(id, "never")

	s = newStage(t)
	s.fleetOf(discovery.Work, "o1")
	id = s.request(rollout.Shutdown, instant, func(c *rollout.Request) { c.NotBeforeWall = epoch.Add(3 * time.Hour) })
	s.wantNext(id, "180:00")
	s.outage(time.Hour)
	s.wantNext(id, "120:00") // on the service's clock (rule 2.10)
}

// TestStartsAtNotBefore is rules 4.3, 4.4 and 10.2: what wave 1 waits for may be
// not_before, and starts_at says so.
func TestStartsAtNotBefore(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, "o1")
	id := s.request(rollout.Shutdown, instant, func(c *rollout.Request) { c.NotBeforeWall = s.now.Add(time.Hour) })
	lens := rollout.Lens{Fleet: s.fleet, Settings: s.settings, Now: s.now}
	if got := lens.Waves(s.rollout(id))[0].StartsAt; !got.Equal(s.now.Add(time.Hour)) {
		t.Errorf("wave 1 starts at %s, want in an hour", clock(got))
	}
}
