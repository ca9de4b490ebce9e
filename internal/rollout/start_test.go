package rollout_test

import (
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// TestOneUnfinishedOfAKind is rule 4.1: a second request of a kind is 409
// rollout_in_progress with the first one's id, unless it supersedes, which ends
// the first at once.
func TestOneUnfinishedOfAKind(t *testing.T) {
	for _, kind := range []rollout.Kind{rollout.Shutdown, rollout.Wakeup} {
		s := newStage(t)
		s.fleetOf(discovery.Work, ids(3)...)
		first := s.request(kind)
		refusal := refusalOf(t, s.step(rollout.Request{ULID: s.ulid(), Kind: kind}))
		mustBe(t, "a second "+string(kind), refusal.Code, rollout.CodeInProgress)
		mustBe(t, "the one in the way", refusal.RolloutID, first)
		second := s.request(kind, func(c *rollout.Request) { c.Supersede = true })
		s.wantState(first, rollout.Superseded)
		s.wantState(second, rollout.Deciding)
		mustBe(t, "the first one's task, which nobody decided", s.rollout(first).Task.Status, rollout.TaskFailed)
		for _, in := range s.pending("o1") {
			mustBe(t, "what is pending is of", in.RolloutID, second)
		}
		mustBe(t, "waves of what was never carried out", len(s.rollout(first).Waves), 0)
	}
}

// TestSupersededMidway is rule 4.1 for one whose waves are running.
func TestSupersededMidway(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, ids(2)...)
	first := s.shut(groupOf("a", sized(1)), groupOf("b", remaining()))
	second := s.request(rollout.Shutdown, instant, func(c *rollout.Request) { c.Supersede = true })
	s.want(first, "1 a cancelled: o1=cancelled", "2 b cancelled: o2=cancelled")
	s.want(second, "1 explorer running: o1=instructed", "2 early_adopter pending: o2=pending", "3 general skipped:")
	mustBe(t, "what o1 has to do", s.pending("o1")[0].RolloutID, second)
	mustBe(t, "the task of what was decided stays", s.rollout(first).Task.Status, rollout.TaskCompleted)
}

// TestInvisibleUntilWaveOne is rule 4.2: until its wave 1 starts a shutdown keeps
// nobody from waking, and one that is rejected has cost nothing.
func TestInvisibleUntilWaveOne(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, "o1", "o2")
	stop := s.request(rollout.Shutdown)
	mustBe(t, "an asker", s.ask("o1").Directive, rollout.Proceed)
	s.boot("o3")
	mustBe(t, "a wakeup while a shutdown is deciding", s.step(rollout.Request{ULID: s.ulid(), Kind: rollout.Wakeup}), nil)
	wakeup := s.last.RolloutID
	s.decide(stop, rollout.Reject)
	s.wantState(wakeup, rollout.Deciding)
	s.wantState(stop, rollout.Rejected)

	// A shutdown that is delayed is invisible too.
	stop = s.request(rollout.Shutdown, instant, withPlan(groupOf("a", remaining(), delayed(time.Minute))))
	s.wantWave(stop, 1, rollout.WaveDelayed)
	s.decide(wakeup, rollout.Accept)
	if !s.begun(wakeup) {
		t.Error("the delayed shutdown kept the wakeup from starting")
	}
	s.wantState(stop, rollout.Rolling)
	// When its wave 1 starts, the wakeup under way is superseded.
	s.keepAlive(time.Minute)
	s.wantState(wakeup, rollout.Superseded)
	s.wantAt("rollout.superseded", 0, "1:00")
}

// TestShutdownSupersedesADecidingWakeup is rule 4.2: when a shutdown's wave 1
// starts an unfinished wakeup is superseded, even one that has not begun.
func TestShutdownSupersedesADecidingWakeup(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Wakeup, "o1", "o2")
	wakeup := s.ask("o1").RolloutID
	s.shut(groupOf("a", remaining()))
	s.wantState(wakeup, rollout.Superseded)
	mustBe(t, "its undecided task", s.rollout(wakeup).Task.Status, rollout.TaskFailed)
}

// TestWakeupSupersedesOnlyWhatIsUnderWay is rule 4.2: when a wakeup's wave 1
// starts, a shutdown under way is superseded, and one that has not begun stays.
func TestWakeupSupersedesOnlyWhatIsUnderWay(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, "o1", "o2")
	stop := s.shut(groupOf("a", sized(1)), groupOf("b", remaining()))
	refusal := refusalOf(t, s.step(rollout.Request{ULID: s.ulid(), Kind: rollout.Wakeup}))
	mustBe(t, "a wakeup while a shutdown is under way", refusal.Code, rollout.CodeInProgress)
	mustBe(t, "the one in the way", refusal.RolloutID, stop)

	wakeup := s.request(rollout.Wakeup, func(c *rollout.Request) { c.Supersede = true })
	s.wantState(stop, rollout.Rolling) // supersede is the permission; a rejected wakeup must have cost nothing
	s.decide(wakeup, rollout.Accept)
	s.wantState(stop, rollout.Superseded)
	for _, in := range s.issued {
		if in.RolloutID == stop && in.WithdrawnAt.IsZero() {
			t.Errorf("%s of the superseded shutdown is not withdrawn", in.ID)
		}
	}
	later := s.request(rollout.Shutdown, instant, func(c *rollout.Request) { c.Supersede = true },
		withPlan(groupOf("a", remaining(), delayed(time.Hour))))
	s.wantState(wakeup, rollout.Rolling)
	ok(t, s.order(wakeup, rollout.Abort, 0))
	another := s.wakeUp(groupOf("a", remaining()))
	if !s.begun(another) {
		t.Fatal("the wakeup did not start")
	}
	s.wantState(later, rollout.Rolling)
}

// TestUnderWayIsAlsoPausedAndHalted is rule 4.2: a request while the other kind
// is under way needs supersede, in whatever state that is.
func TestUnderWayIsAlsoPausedAndHalted(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, "o1", "o2")
	stop := s.shut(groupOf("a", remaining()))
	ok(t, s.order(stop, rollout.Pause, 0))
	mustBe(t, "a wakeup while a shutdown is paused", s.refused(rollout.Request{ULID: s.ulid(), Kind: rollout.Wakeup}), rollout.CodeInProgress)
	ok(t, s.order(stop, rollout.Resume, 0))
	s.keepAlive(5 * time.Minute)
	s.wantState(stop, rollout.Halted)
	mustBe(t, "a wakeup while a shutdown is halted", s.refused(rollout.Request{ULID: s.ulid(), Kind: rollout.Wakeup}), rollout.CodeInProgress)
}

// TestEmergencySupersedesWhateverThereIs is rule 4.2, its last sentence.
func TestEmergencySupersedesWhateverThereIs(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, "o1", "o2")
	wakeup := s.request(rollout.Wakeup)
	stop := s.request(rollout.Shutdown, instant, withPlan(groupOf("a", remaining(), delayed(time.Hour))))
	s.emergency()
	s.wantState(wakeup, rollout.Superseded)
	s.wantState(stop, rollout.Superseded)
}

// TestNobodyLive is rule 4.3: a request that nobody live could carry out is 409
// no_live_occurrence.
func TestNobodyLive(t *testing.T) {
	for _, kind := range []rollout.Kind{rollout.Shutdown, rollout.Wakeup} {
		s := newStage(t)
		request := rollout.Request{ULID: "01", Kind: kind, Consent: rollout.ConsentRequired}
		mustBe(t, "of an unknown agent", s.refused(request), rollout.CodeNobodyLive)
		s.boot("old", uncoordinated)
		mustBe(t, "with an uncoordinated one (rule 2.12)", s.refused(request), rollout.CodeNobodyLive)
		s.fleetOf(discovery.Work, "o1")
		s.silent("o1")
		s.quiet(31 * time.Second)
		mustBe(t, "with a stale one", s.refused(request), rollout.CodeNobodyLive)
		s.back("o1")
		mustBe(t, "with a live one", s.step(request), nil)
	}
}

// TestNotBefore is rule 4.3: the deliberation is immediate and wave 1 stays
// delayed until then; a time in the past starts at once.
func TestNotBefore(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, ids(2)...)
	id := s.request(rollout.Shutdown, func(c *rollout.Request) { c.NotBeforeWall = epoch.Add(time.Hour) })
	mustBe(t, "who deliberates", s.holder(id), "o1")
	s.decide(id, rollout.Accept)
	s.wantWave(id, 1, rollout.WaveDelayed)
	s.wantAt("wave.delayed", 1, "0:00")
	s.keepAlive(time.Hour - time.Second)
	s.wantWave(id, 1, rollout.WaveDelayed)
	mustBe(t, "told before", s.count(rollout.Stop), 0)
	s.keepAlive(time.Second)
	s.wantAt("wave.started", 1, "60:00")

	s = newStage(t)
	s.fleetOf(discovery.Work, ids(2)...)
	id = s.request(rollout.Shutdown, instant, func(c *rollout.Request) { c.NotBeforeWall = epoch.Add(-time.Hour) })
	s.wantWave(id, 1, rollout.WaveRunning)

	// Decided after it, the delay still counts from the decision (rule 4.4).
	s = newStage(t)
	s.fleetOf(discovery.Work, ids(2)...)
	id = s.request(rollout.Shutdown, withPlan(groupOf("a", remaining(), delayed(30*time.Second))),
		func(c *rollout.Request) { c.NotBeforeWall = epoch.Add(10 * time.Second) })
	s.keepAlive(20 * time.Second)
	s.decide(id, rollout.Accept)
	s.keepAlive(30 * time.Second)
	s.wantAt("wave.started", 1, "0:50")
}
