package rollout_test

import (
	"strings"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// mustAnswer checks a directive, its reason, and that a duration to ask again
// after comes with every wait and with nothing else (rule 6.2).
func (s *stage) mustAnswer(occurrence string, want rollout.Directive, reason string) rollout.Answer {
	s.t.Helper()
	a := s.ask(occurrence)
	mustBe(s.t, "directive for "+occurrence, a.Directive, want)
	mustBe(s.t, "reason for "+occurrence, a.Reason, reason)
	mustBe(s.t, "ask again", a.AskAgain > 0, want == rollout.Wait)
	mustBe(s.t, "claim", a.Claim != nil, want == rollout.Decide)
	mustBe(s.t, "message", a.Message != "", want == rollout.Decide)
	return a
}

// TestAskerMustBeKnown is rule 6.1: who asks must be known, in its present boot.
func TestAskerMustBeKnown(t *testing.T) {
	s := scene(t)
	s.boot("o1")
	mustBe(t, "a stranger", s.refused(rollout.Ask{ULID: s.ulid(), OccurrenceID: "o2"}), discovery.CodeNotFound)
	o := s.fleet.Get("o1")
	for want, speaker := range map[discovery.Code]discovery.Speaker{
		discovery.CodeBootReplaced: {Boot: "before", Former: true},
		discovery.CodeUnknownBoot:  {Boot: "never heard"},
	} {
		mustBe(t, "speaker", speaker.Check(o).Code, want)
	}
	mustBe(t, "nobody", discovery.Speaker{Boot: "b"}.Check(nil).Code, discovery.CodeNotFound)
	mustBe(t, "the present boot", discovery.Speaker{Boot: o.Boot}.Check(o) == nil, true)
	s.leave("o1")
	mustBe(t, "stopped", discovery.Speaker{Boot: o.Boot}.Check(s.fleet.Get("o1")).Code, discovery.CodeBootStopped)
}

// TestRow1Held is row 1 of rule 6.2, before every other.
func TestRow1Held(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Work, "o1", "o2")
	s.boot("o3", uncoordinated)
	id := s.emergency()
	for _, o := range []string{"o1", "o3"} {
		mustBe(t, "rollout", s.mustAnswer(o, rollout.Wait, "held").RolloutID, id)
	}
	s.settings.Coordination = false
	s.mustAnswer("o1", rollout.Wait, "held")
}

// TestRow2Independent is row 2 of rule 6.2: coordination is off, or the asker
// is not coordinated, whatever is under way.
func TestRow2Independent(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Work, "o1", "o2")
	s.boot("old", uncoordinated)
	s.request(rollout.Shutdown, instant)
	s.mustAnswer("old", rollout.Independent, "not_coordinated")
	s.mustAnswer("o2", rollout.Wait, "shutdown_under_way")
	s.settings.Coordination = false
	s.mustAnswer("o2", rollout.Independent, "coordination_off")
}

// TestRow3Shutdown is row 3 of rule 6.2 and rule 4.2: a shutdown is under way
// from the start of its wave 1 to its end, halted and paused too; before that
// it keeps nobody from waking.
func TestRow3Shutdown(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Work, "o1", "o2")
	s.boot("o3")
	id := s.request(rollout.Shutdown, func(c *rollout.Request) { c.NotBeforeWall = s.wall().Add(time.Minute) })
	s.beat("o1")
	s.run(time.Second)
	s.mustAnswer("o3", rollout.Wait, "fleet_not_heard_yet")
	s.run(10 * time.Second)
	s.mustAnswer("o3", rollout.Proceed, "fleet_is_awake") // deciding
	s.must(deferral(s, id, s.wall().Add(10*time.Second)))
	s.mustAnswer("o3", rollout.Proceed, "fleet_is_awake") // deferred
	s.run(10 * time.Second)
	s.must(verdictOf(id, rollout.Accept))
	s.mustAnswer("o3", rollout.Proceed, "fleet_is_awake") // delayed
	s.run(40 * time.Second)
	mustBe(t, "rollout", s.mustAnswer("o3", rollout.Wait, "shutdown_under_way").RolloutID, id)
	s.must(rollout.Order{RolloutID: id, Control: rollout.Pause, Reason: "test", Actor: "operator:ann"})
	s.mustAnswer("o3", rollout.Wait, "shutdown_under_way")
	s.mustAnswer("o2", rollout.Wait, "shutdown_under_way") // even awake
}

// TestRow3BeforeTheHolder: a wakeup that an operator asked for while a shutdown
// is under way: its holder is told to wait, and nothing is acknowledged for it
// (rows 3 and 4 of rule 6.2, and rule 5.2).
func TestRow3BeforeTheHolder(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Work, "o1", "o2", "o3")
	s.request(rollout.Shutdown, instant)
	wakeup := s.request(rollout.Wakeup, func(c *rollout.Request) { c.Supersede = true })
	mustBe(t, "holder", s.holder(wakeup), "o1")
	s.mustAnswer("o1", rollout.Wait, "shutdown_under_way")
	mustBe(t, "acknowledged", s.claimOf(wakeup).Acknowledged, false)
	mustBe(t, "deliberate pending", len(s.told("o1", rollout.Deliberate)), 1)
	mustBe(t, "verdict", codeOf(t, s.verdict(wakeup, "o1", s.claimOf(wakeup).Token, rollout.Accept)), "")
}

// TestRow4 is row 4 of rule 6.2 from the first question to the end of a wakeup:
// the holder decides, who was let go proceeds, who waits for its wave waits.
func TestRow4(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Wakeup, ids(3)...)
	id := s.mustAnswer("o2", rollout.Decide, "opened_a_wakeup").RolloutID
	s.mustAnswer("o2", rollout.Decide, "holds_the_claim")
	mustBe(t, "rollout", s.mustAnswer("o1", rollout.Wait, "wakeup_under_way").RolloutID, id)
	s.decide(id, rollout.Accept)
	mustBe(t, "the decider goes first", s.place(id, "o2").Status, rollout.MemberAcknowledged)
	mustBe(t, "rollout", s.mustAnswer("o2", rollout.Proceed, "let_go").RolloutID, id)
	s.mustAnswer("o1", rollout.Wait, "waits_for_its_wave")
	s.report("o2", discovery.Work)
	s.mustAnswer("o1", rollout.Wait, "waits_for_its_wave") // a witness is no way round the waves
	s.report("o3", discovery.Work)
	s.mustAnswer("o3", rollout.Wait, "waits_for_its_wave") // nor is being awake
	s.run(30 * time.Second)
	mustBe(t, "o1 is told", len(s.told("o1", rollout.Wake)), 1)
	s.mustAnswer("o1", rollout.Proceed, "let_go")
	s.boot("o1")
	s.mustAnswer("o1", rollout.Proceed, "let_go") // in whatever boot
}

// TestRow4Failed: who has failed was not let go (rule 6.2, section 1).
func TestRow4Failed(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Wakeup, ids(3)...)
	id := s.request(rollout.Wakeup, oneWave(func(g *rollout.Group) { g.MinHealthy, g.OnFailure = rollout.Count(3), rollout.HaltRollout }))
	s.decide(id, rollout.Accept)
	s.actors["o3"].takes = -1
	s.run(301 * time.Second)
	mustBe(t, "state", s.rollout(id).Status, rollout.Halted)
	mustBe(t, "o3", s.place(id, "o3").Status, rollout.MemberFailed)
	s.mustAnswer("o3", rollout.Wait, "waits_for_its_wave")
	s.mustAnswer("o2", rollout.Proceed, "let_go")
}

// TestRow4NoPlace: who comes when all waves have started needs no place and
// proceeds; it waits while the rollout is paused or halted (rules 6.2, 4.15).
func TestRow4NoPlace(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Wakeup, "o1", "o2")
	id := s.request(rollout.Wakeup, oneWave())
	s.decide(id, rollout.Accept)
	s.actors["o2"].takes = -1
	s.boot("o3")
	mustBe(t, "order", codeOf(t, s.order(id, rollout.Pause, 0)), "")
	s.mustAnswer("o3", rollout.Wait, "rollout_stands_still")
	mustBe(t, "order", codeOf(t, s.order(id, rollout.Resume, 0)), "")
	s.mustAnswer("o3", rollout.Proceed, "no_place_needed")
	mustBe(t, "places", len(s.rollout(id).Waves[0].Members), 2)
}

// TestRow4Paused is rule 4.19: while paused proceed is wait for who has not
// acknowledged; a new boot has not, whatever the one before did.
func TestRow4Paused(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Wakeup, ids(3)...)
	id := s.request(rollout.Wakeup, oneWave())
	s.decide(id, rollout.Accept) // o1 decided: its verdict was its instruction
	s.acknowledge("o2")
	mustBe(t, "order", codeOf(t, s.order(id, rollout.Pause, 0)), "")
	s.mustAnswer("o1", rollout.Proceed, "let_go")
	s.mustAnswer("o2", rollout.Proceed, "let_go")
	s.mustAnswer("o3", rollout.Wait, "rollout_stands_still")
	s.boot("o2")
	s.mustAnswer("o2", rollout.Wait, "rollout_stands_still")
}

// TestRow5And6 are rows 5 and 6 of rule 6.2: awake proceeds; else a witness
// counts once it was heard since the asker's boot.
func TestRow5And6(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Play, "o1")
	s.fleetOf(discovery.Dream, "o2")
	s.mustAnswer("o1", rollout.Proceed, "already_awake")
	s.quiet(time.Second)
	s.boot("o3")
	s.mustAnswer("o3", rollout.Wait, "fleet_not_heard_yet")
	s.quiet(time.Second)
	s.beat("o2")
	s.mustAnswer("o3", rollout.Proceed, "fleet_is_awake")
	mustBe(t, "rollouts", len(s.state.Rollouts), 0)
}

// TestRow5Asking: asking is a sign of life of the witness too (rules 6.2, 2.8).
func TestRow5Asking(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Work, "o1")
	s.quiet(time.Second)
	s.boot("o2")
	s.quiet(time.Second)
	s.mustAnswer("o1", rollout.Proceed, "already_awake")
	s.mustAnswer("o2", rollout.Proceed, "fleet_is_awake")
}

// TestRow5WithinAWakeup: a wakeup is deciding, and the fleet turns out to be
// awake: rows 5 and 6 come before row 7 of rule 6.2.
func TestRow5WithinAWakeup(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Wakeup, "o1", "o2")
	s.mustAnswer("o1", rollout.Decide, "opened_a_wakeup")
	s.quiet(time.Second)
	s.fleetOf(discovery.Work, "o3")
	s.mustAnswer("o3", rollout.Proceed, "already_awake")
	s.mustAnswer("o2", rollout.Proceed, "fleet_is_awake")
}

// TestRow8 is row 8 of rule 6.2: it opens a wakeup and claims it.
func TestRow8(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Starting, "o1", "o2")
	a := s.mustAnswer("o2", rollout.Decide, "opened_a_wakeup")
	r := s.rollout(a.RolloutID)
	mustBe(t, "kind", r.Kind, rollout.Wakeup)
	mustBe(t, "state", r.Status, rollout.Deciding)
	mustBe(t, "requested by", r.RequestedBy, "occurrence:o2")
	mustBe(t, "created", a.Created, true)
	mustBe(t, "holder", r.Claim.OccurrenceID, "o2")
	mustBe(t, "token", a.Claim.Token, r.Claim.Token)
	mustBe(t, "lease", a.Claim.ExpiresAt, s.now.Add(300*time.Second))
	mustBe(t, "message", strings.Contains(a.Message, "VERIFY_IDENTITY"), true)
	mustBe(t, "no instruction is needed", len(s.made), 0)
}

// TestRestartedWhole is rule 6.3: a fleet restarted whole is woken anew, an hour
// after its wakeup or within seconds.
func TestRestartedWhole(t *testing.T) {
	for name, wait := range map[string]time.Duration{"an hour later": time.Hour, "within seconds": 3 * time.Second} {
		t.Run(name, func(t *testing.T) {
			s := scene(t)
			s.fleetOf(discovery.Wakeup, ids(4)...)
			id := s.ask("o1").RolloutID
			s.decide(id, rollout.Accept)
			s.report("o1", discovery.Work)
			s.run(3 * time.Minute)
			mustBe(t, "first wakeup", s.rollout(id).Status, rollout.Succeeded)
			s.run(wait)
			for i, o := range ids(4) {
				s.boot(o)
				if i < 3 {
					s.mustAnswer(o, rollout.Wait, "fleet_not_heard_yet")
				}
			}
			second := s.mustAnswer("o4", rollout.Decide, "opened_a_wakeup").RolloutID
			mustBe(t, "another wakeup", second != id, true)
			s.mustAnswer("o1", rollout.Wait, "wakeup_under_way")
			s.decide(second, rollout.Accept)
			s.report("o4", discovery.Work)
			s.run(3 * time.Minute)
			mustBe(t, "second wakeup", s.rollout(second).Status, rollout.Succeeded)
			mustBe(t, "everybody was told again", s.count(rollout.Wake), 6)
		})
	}
}

// TestOneRestarted is rule 6.3: one restarted occurrence of a living fleet just
// joins, again and again.
func TestOneRestarted(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Work, ids(4)...)
	for range 5 {
		s.run(time.Second)
		s.boot("o3")
		s.mustAnswer("o3", rollout.Wait, "fleet_not_heard_yet")
		s.run(10 * time.Second)
		s.mustAnswer("o3", rollout.Proceed, "fleet_is_awake")
		s.report("o3", discovery.Work)
	}
	mustBe(t, "rollouts", len(s.state.Rollouts), 0)
}

// TestSharedTaskCompleted is rule 6.5.
func TestSharedTaskCompleted(t *testing.T) {
	s := scene(t)
	completed := func(id string) bool { return rollout.SharedTaskCompleted(s.rollout(id), s.fleet, s.now) }
	s.fleetOf(discovery.Wakeup, "o1", "o2")
	id := s.ask("o1").RolloutID
	mustBe(t, "deciding", completed(id), false)
	s.decide(id, rollout.Accept)
	mustBe(t, "accepted, nobody awake", completed(id), false)
	s.boot("old", uncoordinated)
	s.report("old", discovery.Work)
	mustBe(t, "only an uncoordinated one awake", completed(id), false)
	s.report("o1", discovery.Work)
	mustBe(t, "accepted, one awake", completed(id), true)
	s.quiet(31 * time.Second)
	mustBe(t, "accepted, nobody live", completed(id), false)

	s.beat("o1")
	shutdown := s.request(rollout.Shutdown, func(c *rollout.Request) { c.Supersede = true })
	mustBe(t, "shutdown deciding", completed(shutdown), false)
	s.must(deferral(s, shutdown, s.wall().Add(time.Second)))
	mustBe(t, "shutdown deferred", completed(shutdown), false)
	s.quiet(time.Second)
	s.decide(shutdown, rollout.Reject)
	mustBe(t, "shutdown decided", completed(shutdown), true)
	again := s.request(rollout.Shutdown, func(c *rollout.Request) { c.Supersede = true })
	s.must(aborting(again))
	mustBe(t, "shutdown ended undecided", completed(again), false)
}
