package storetest

import (
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

func clockProofs() []proof {
	return []proof{
		{"rule 2.10: service time is wall time until there is a silence", firstBeats},
		{"rule 2.10: a gap of twice the interval is no silence, a longer one is", gapLimit},
		{"rule 2.10: the interval is a third of a short liveness timeout", gapOfShortTimeout},
		{"rule 2.10: an outage of any length counts for no clock", outage},
		{"rule 2.10: what comes after an outage need not wait for a beat", outageWithoutBeat},
		{"rule 2.10: a reader sees no time pass while a silence lasts", outageForReaders},
		{"promise 8: a clock that leaps back moves nothing", leapBack},
		{"promise 8: a clock that leaps back a little, between beats, moves nothing back", smallLeapBack},
		{"rule 2.10: service time never moves back after what was read between beats", neverBack},
		{"rule 2.10: wall times of the past stay exact, whatever has happened since", twoSilences},
		{"rule 2.10: deadlines, liveness and what is due stand still", timersStandStill},
		{"rule 2.10: the age of an echo stands still", echoStandsStill},
		{"rule 9.1: events are written with wall times", eventsOnTheWall},
	}
}

// every is the beat interval of the default settings.
const every = 5 * time.Second

func (s *suite) beat() {
	s.t.Helper()
	s.must(s.store.Beat(s.ctx))
}

// pass lets time pass with beats, as it does while the service serves.
func (s *suite) pass(d time.Duration) {
	s.t.Helper()
	for ; d > every; d -= every {
		s.clock.Advance(every)
		s.beat()
	}
	s.clock.Advance(d)
	s.beat()
}

// times reads service time and the wall time that it stands for.
func (s *suite) times() (service, wall time.Time) {
	s.t.Helper()
	s.view(func(tx engine.ReadTx) error {
		service, wall = tx.Now(), tx.Clock().Wall(tx.Now())
		return nil
	})
	return service, wall
}

// expectTimes checks both, in a View and in an Update.
func (s *suite) expectTimes(what string, want time.Time) {
	s.t.Helper()
	s.expectTimesWithin(what, want, 0)
}

// expectTimesWithin allows service time to be somewhat ahead: every look may
// have moved it by the microsecond by which a silence moves it.
func (s *suite) expectTimesWithin(what string, want time.Time, ahead time.Duration) {
	s.t.Helper()
	check := func(where string, tx engine.ReadTx) {
		s.t.Helper()
		if got := tx.Now(); got.Before(want) || got.Sub(want) > ahead {
			s.t.Errorf("%s: service time in %s is %v, want %v", what, where, got, want)
		}
		if got := tx.Clock().Wall(tx.Now()); !got.Equal(s.clock.Now()) {
			s.t.Errorf("%s: wall time in %s is %v, want %v", what, where, got, s.clock.Now())
		}
		if got := tx.Clock().Offset(); got != s.clock.Now().Sub(tx.Now()) {
			s.t.Errorf("%s: wall time in %s is ahead by %v, want %v", what, where, got, s.clock.Now().Sub(tx.Now()))
		}
	}
	s.view(func(tx engine.ReadTx) error {
		check("a View", tx)
		return nil
	})
	s.update(agent, func(tx engine.Tx) error {
		check("an Update", tx)
		return nil
	})
}

func firstBeats(s *suite) {
	s.expectTimes("before anybody beats", s.clock.Now())
	s.clock.Advance(time.Hour)
	s.expectTimes("an hour later, nobody beats yet", s.clock.Now())
	s.beat()
	s.expectTimes("the first beat", s.clock.Now())
	s.beat()
	s.expectTimes("again in the same instant", s.clock.Now())
	s.pass(20 * every)
	s.expectTimes("beats in their time", s.clock.Now())
	s.clock.Advance(every)
	s.expectTimes("between beats", s.clock.Now())
}

func gapLimit(s *suite) {
	s.beat()
	s.clock.Advance(2 * every)
	s.beat()
	at := s.clock.Now()
	s.expectTimes("a gap of two intervals", at)
	s.clock.Advance(2*every + time.Microsecond)
	s.beat()
	s.expectTimes("a gap of more", at.Add(time.Microsecond))
	s.clock.Advance(3 * time.Second)
	s.expectTimes("3 s after the silence", at.Add(3*time.Second+time.Microsecond))
}

func gapOfShortTimeout(s *suite) {
	set := rollout.DefaultSettings()
	set.LivenessTimeout = 6 * time.Second
	_, err := s.store.SaveSettings(s.ctx, set)
	s.must(err)
	s.beat()
	s.clock.Advance(4 * time.Second)
	s.beat()
	at := s.clock.Now()
	s.expectTimes("a gap of two intervals of 2 s", at)
	s.clock.Advance(4*time.Second + time.Microsecond)
	s.beat()
	s.expectTimes("a gap of more", at.Add(time.Microsecond))
}

func outage(s *suite) {
	s.pass(time.Minute)
	service := s.now()
	for _, length := range []time.Duration{11 * time.Second, time.Hour, 1000 * time.Hour} {
		s.clock.Advance(length)
		s.beat()
		service = service.Add(time.Microsecond)
		s.expectTimes("after an outage of "+length.String(), service)
		s.pass(time.Minute)
		service = service.Add(time.Minute)
		s.expectTimes("a minute later", service)
	}
}

func outageWithoutBeat(s *suite) {
	s.update(agent, nothing)
	s.beat()
	service := s.now().Add(time.Microsecond)
	s.clock.Advance(time.Hour)
	s.expectTimesWithin("the first look", service, leeway)
	s.clock.Advance(time.Second)
	s.beat()
	s.expectTimesWithin("the beat after it", service.Add(time.Second), leeway)
}

// leeway is by how much a few looks into a silence may move service time.
const leeway = 10 * time.Microsecond

func outageForReaders(s *suite) {
	s.beat()
	first := s.now()
	last := first
	for range 3 {
		s.clock.Advance(time.Hour)
		now, wall := s.times()
		if now.Before(last) || now.Sub(first) > leeway || !wall.Equal(s.clock.Now()) {
			s.t.Errorf("a reader sees %v and on the wall %v, want %v and %v", now, wall, last, s.clock.Now())
		}
		last = now
	}
	s.beat()
	s.expectTimesWithin("the beat", last, leeway)
}

func leapBack(s *suite) {
	s.pass(time.Minute)
	service := s.now()
	for _, leap := range []time.Duration{time.Second, time.Hour, 1000 * time.Hour} {
		s.clock.Advance(-leap)
		s.beat()
		service = service.Add(time.Microsecond)
		s.expectTimes("after a leap back of "+leap.String(), service)
		s.pass(time.Minute)
		service = service.Add(time.Minute)
		s.expectTimes("a minute later", service)
	}
}

// smallLeapBack: a leap that does not reach behind the last beat may go
// unnoticed, but what an agent has lived through stays in its past.
func smallLeapBack(s *suite) {
	s.update(agent, nothing)
	s.beat()
	s.clock.Advance(4 * time.Second)
	var before time.Time
	s.update(agent, func(tx engine.Tx) error {
		before = tx.Now()
		return commit(tx, agent, func(state *rollout.State, _ *rollout.Effects) { state.SteppedAt = tx.Now() })
	})
	s.clock.Advance(-3 * time.Second)
	for range 3 {
		s.update(agent, func(tx engine.Tx) error {
			if tx.Now().Before(before) {
				s.t.Errorf("service time went back from %v to %v", before, tx.Now())
			}
			before = tx.Now()
			return nil
		})
		s.clock.Advance(time.Millisecond)
		s.beat()
	}
}

func neverBack(s *suite) {
	last := time.Time{}
	look := func() {
		s.t.Helper()
		s.update(agent, func(tx engine.Tx) error {
			if tx.Now().Before(last) {
				s.t.Errorf("service time went back from %v to %v", last, tx.Now())
			}
			last = tx.Now()
			return commit(tx, agent, func(state *rollout.State, _ *rollout.Effects) { state.SteppedAt = tx.Now() })
		})
	}
	s.beat()
	for _, silence := range []time.Duration{time.Hour, -time.Hour, 30 * time.Second, -7 * time.Second} {
		look()
		s.clock.Advance(4 * time.Second)
		look()
		before := last
		s.clock.Advance(silence)
		s.beat()
		look()
		if counted := last.Sub(before); counted > 2*every {
			s.t.Errorf("%v of a silence of %v were counted", counted, silence)
		}
		s.pass(time.Minute)
		look()
		if counted := last.Sub(before); counted < time.Minute-2*every || counted > time.Minute+2*every {
			s.t.Errorf("of the minute after a silence of %v, %v were counted", silence, counted)
		}
	}
}

func twoSilences(s *suite) {
	s.beat()
	type pair struct{ service, wall time.Time }
	var pairs []pair
	note := func() {
		service, wall := s.times()
		if !wall.Equal(s.clock.Now()) {
			s.t.Fatalf("wall time is %v, want %v", wall, s.clock.Now())
		}
		pairs = append(pairs, pair{service, wall})
	}
	for _, silence := range []time.Duration{time.Hour, -10 * time.Second, 2 * time.Hour, -30 * time.Minute} {
		for range 3 {
			note()
			s.pass(7 * time.Second)
		}
		s.clock.Advance(silence)
		s.beat()
	}
	note()
	for i := range pairs[1:] {
		if !pairs[i].service.Before(pairs[i+1].service) {
			s.t.Errorf("service time does not move on: %v, then %v", pairs[i].service, pairs[i+1].service)
		}
	}
	s.view(func(tx engine.ReadTx) error {
		clock := tx.Clock()
		if len(clock.Silences) != 4 {
			s.t.Errorf("%d silences are known, want 4", len(clock.Silences))
		}
		for _, p := range pairs {
			if got := clock.Wall(p.service); !got.Equal(p.wall) {
				s.t.Errorf("%v was %v on the wall, reads %v now", p.service, p.wall, got)
			}
		}
		if got := clock.Service(s.clock.Now()); !got.Equal(tx.Now()) {
			s.t.Errorf("the wall's now is %v in service time, want %v", got, tx.Now())
		}
		return nil
	})
}

func timersStandStill(s *suite) {
	stale := s.working("o2", "b1")
	stale.LastSign = s.now().Add(-time.Minute)
	s.hear(agent, s.working("o1", "b1"), stale)
	in := s.instruction("in_1", "o1", "b1", "ro_1")
	in.Claim = &rollout.ClaimGrant{Token: "t", ExpiresAt: in.Deadline.Add(time.Second)}
	s.instruct(in)
	s.wake(agent, s.now().Add(10*time.Second))
	s.beat()
	s.clock.Advance(time.Hour)
	s.beat()

	s.same("pending", []string{"in_1"}, s.pendingIDs("o1", "b1"))
	s.due(10, 10*time.Second-time.Microsecond)
	s.view(func(tx engine.ReadTx) error {
		_, fleet, err := tx.Agent(agent)
		s.must(err)
		if got := fleet.Liveness("o1", tx.Now()); got != discovery.Live {
			s.t.Errorf("who was live is %s", got)
		}
		if got := fleet.Liveness("o2", tx.Now()); got != discovery.Stale {
			s.t.Errorf("who was stale is %s", got)
		}
		pending, err := tx.Pending(agent, "o1", "b1")
		s.must(err)
		want := s.clock.Now().Add(in.Deadline.Sub(tx.Now()))
		if got := pending[0]; !got.DeadlineWall.Equal(want) || !got.IssuedWall.Equal(in.IssuedAt) || !got.ClaimWall.Equal(want.Add(time.Second)) {
			s.t.Errorf("issued at %v, deadline %v, claim until %v on the wall; want %v, %v and a second later",
				got.IssuedWall, got.DeadlineWall, got.ClaimWall, in.IssuedAt, want)
		}
		return nil
	})
	s.pass(10 * time.Second)
	s.due(10, 0, agent)
}

func echoStandsStill(s *suite) {
	_, b := s.touchable()
	s.beat()
	b.EchoWall = s.clock.Now()
	s.clock.Advance(time.Hour)
	got := s.touch(b) // nobody has beaten yet
	if !got.Taken || !got.Wall.Equal(s.clock.Now()) {
		s.t.Errorf("want it taken at %v, got %+v", s.clock.Now(), got)
	}
	s.pass(25 * time.Second)
	b.Sequence++
	if !s.touch(b).Taken { // 25 s old, but for the silence
		s.t.Error("an echo from before the silence has aged with it")
	}
	s.pass(25 * time.Second)
	b.Sequence++
	if s.touch(b).Taken {
		s.t.Error("an echo of 50 s ago was taken")
	}
	b.EchoWall = s.clock.Now().Add(-40 * time.Second)
	if s.touch(b).Taken {
		s.t.Error("an echo of 40 s ago, after the silence, was taken")
	}
	b.EchoWall = s.clock.Now().Add(-20 * time.Second)
	if !s.touch(b).Taken {
		s.t.Error("an echo of 20 s ago was not taken")
	}
}

func eventsOnTheWall(s *suite) {
	s.beat()
	var walls []time.Time
	for range 3 {
		s.say(agent, "", "said")
		walls = append(walls, s.clock.Now())
		s.clock.Advance(time.Hour)
		s.beat()
	}
	s.view(func(tx engine.ReadTx) error {
		events, err := tx.Events(engine.EventFilter{AgentID: agent, Limit: 10})
		s.must(err)
		for i, e := range events {
			if !e.At.Equal(walls[i]) {
				s.t.Errorf("event %d is of %v, want %v", i, e.At, walls[i])
			}
		}
		s.chainHolds(tx, agent)
		return nil
	})
}
