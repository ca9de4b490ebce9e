package rollout_test

import (
	"strings"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// stopping is a stage of occurrences at work that never stop, and a shutdown of
// one wave under way.
func stopping(t *testing.T, n int, change ...func(*rollout.Group)) (*stage, string) {
	t.Helper()
	s := scene(t)
	s.fleetOf(discovery.Work, ids(n)...)
	for _, o := range ids(n) {
		s.actors[o].takes, s.actors[o].deaf = -1, true
	}
	return s, s.request(rollout.Shutdown, instant, oneWave(change...))
}

// TestInstruction is rule 7.1 for the members of a wave.
func TestInstruction(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Work, ids(3)...)
	id := s.request(rollout.Shutdown, instant)
	in := s.lastTold("o1", rollout.Stop)
	mustBe(t, "occurrence", in.OccurrenceID, "o1")
	mustBe(t, "boot", in.Boot, s.actors["o1"].bootID())
	mustBe(t, "rollout", in.RolloutID, id)
	mustBe(t, "wave", in.Wave, 1)
	mustBe(t, "group", in.Group, "explorer")
	mustBe(t, "force", in.Force, false)
	mustBe(t, "issued", in.IssuedAt, s.now)
	mustBe(t, "deadline", in.Deadline, s.now.Add(300*time.Second))
	mustBe(t, "reason", in.Reason, "upgrade")
	mustBe(t, "claim", in.Claim == nil, true)
	mustBe(t, "peers", len(in.Peers), 0)
	s.run(2 * time.Minute)
	mustBe(t, "peers of wave 3", len(s.lastTold("o3", rollout.Stop).Peers), 2)
}

// TestDeliberate is rule 7.1 for the holder of a claim: wave null, the lease is
// its deadline.
func TestDeliberate(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Work, ids(2)...)
	id := s.request(rollout.Shutdown)
	in, c := s.lastTold("o1", rollout.Deliberate), s.claimOf(id)
	mustBe(t, "wave", in.Wave, 0)
	mustBe(t, "group", in.Group, "")
	mustBe(t, "force", in.Force, false)
	mustBe(t, "token", in.Claim.Token, c.Token)
	mustBe(t, "expires", in.Claim.ExpiresAt, c.ExpiresAt)
	mustBe(t, "deadline", in.Deadline, c.ExpiresAt)
	mustBe(t, "message", strings.Contains(in.Message, "upgrade"), true)
}

// TestDeliberateAlone is rule 7.1 where each decides for itself (4.24): no
// claim, and the wave's timeout.
func TestDeliberateAlone(t *testing.T) {
	s := scene(t)
	s.settings.Coordination = false
	s.fleetOf(discovery.Work, ids(2)...)
	s.request(rollout.Shutdown)
	for _, o := range ids(2) {
		in := s.lastTold(o, rollout.Deliberate)
		mustBe(t, "claim", in.Claim == nil, true)
		mustBe(t, "wave", in.Wave, 1)
		mustBe(t, "deadline", in.Deadline, s.now.Add(300*time.Second))
		mustBe(t, "message", in.Message != "", true)
	}
}

// TestRefusedByAllButAJoiner: where each decides for itself all of those that the
// wave started with may refuse; who joined it is followed to its own end (rules
// 4.24 and 4.15).
func TestRefusedByAllButAJoiner(t *testing.T) {
	s := scene(t)
	s.settings.Coordination = false
	s.fleetOf(discovery.Work, "o1")
	id := s.request(rollout.Shutdown)
	s.boot("o2")
	mustBe(t, "o2 is asked too", len(s.told("o2", rollout.Deliberate)), 1)
	mustBe(t, "o1 refuses", codeOf(t, s.verdict(id, "o1", s.lastTold("o1", rollout.Deliberate).ID, rollout.Reject)), "")
	mustBe(t, "o1", s.place(id, "o1").Detail, "refused")
	s.run(time.Minute)
	mustBe(t, "o2 is followed still", s.place(id, "o2").Status, rollout.MemberAcknowledged)
	s.report("o2", discovery.Stopped)
	s.run(time.Second)
	mustBe(t, "state", s.rollout(id).Status, rollout.Succeeded)
}

// TestToldInItsTurn is rules 4.6 and 4.5: who needed no telling, was not heard in
// time, and then turns out not to be awake is told as max_concurrent allows,
// since it is no new boot.
func TestToldInItsTurn(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Work, "o1")
	s.fleetOf(discovery.Wakeup, "o2")
	s.actors["o1"].takes, s.actors["o2"].takes = -1, -1
	id := s.request(rollout.Wakeup, oneWave(func(g *rollout.Group) {
		g.MaxConcurrent, g.Timeout = rollout.Count(1), 20*time.Second
	}))
	s.must(verdictOf(id, rollout.Accept))
	s.quiet(20 * time.Second)
	mustBe(t, "o1", s.place(id, "o1").Status, rollout.MemberFailed)
	mustBe(t, "o2", s.place(id, "o2").Status, rollout.MemberInstructed)
	s.report("o1", discovery.Wakeup)
	mustBe(t, "o1 is told", len(s.told("o1", rollout.Wake)), 0)
	s.report("o2", discovery.Work)
	mustBe(t, "o2", s.place(id, "o2").Status, rollout.MemberReached)
	mustBe(t, "o1 is told in its turn", len(s.told("o1", rollout.Wake)), 1)
}

// TestForTheBootThatWas is rule 7.2: an instruction is for the boot that was
// current when it was made; a new boot withdraws it, and is told by one of its
// own.
func TestForTheBootThatWas(t *testing.T) {
	s, id := stopping(t, 2)
	first := s.lastTold("o1", rollout.Stop)
	s.boot("o1")
	mustBe(t, "withdrawn", first.WithdrawnAt, s.now)
	second := s.lastTold("o1", rollout.Stop)
	mustBe(t, "another id", second.ID != first.ID, true)
	mustBe(t, "boot", second.Boot, s.actors["o1"].bootID())
	mustBe(t, "deadline", second.Deadline, s.now.Add(300*time.Second))
	mustBe(t, "the first is refused", codeOf(t, s.answered(first)), rollout.CodeWithdrawn)
	mustBe(t, "member", s.place(id, "o1").InstructionID, second.ID)
}

// TestEveryTellingIsNew is rule 7.2: each retry, each new boot that is told
// again and each grant of a claim makes a new instruction.
func TestEveryTellingIsNew(t *testing.T) {
	s, id := stopping(t, 1, func(g *rollout.Group) { g.OnFailure = rollout.HaltRollout })
	s.boot("o1")
	s.boot("o1")
	s.run(301 * time.Second)
	mustBe(t, "state", s.rollout(id).Status, rollout.Halted)
	mustBe(t, "retry", codeOf(t, s.order(id, rollout.Retry, 0)), "")
	all := s.told("o1", rollout.Stop)
	mustBe(t, "tellings", len(all), 4)
	seen := map[string]bool{}
	for _, in := range all {
		mustBe(t, "told twice by "+in.ID, seen[in.ID], false)
		seen[in.ID] = true
	}
	mustBe(t, "pending", len(s.pending("o1")), 1)
	mustBe(t, "which", s.pending("o1")[0].ID, all[3].ID)
}

// TestReachingAcknowledges is rule 7.2: reaching (cleanly) acknowledges a
// member's own instruction.
func TestReachingAcknowledges(t *testing.T) {
	s, id := stopping(t, 3)
	s.report("o1", discovery.Stopped)
	mustBe(t, "stopped", s.lastTold("o1", rollout.Stop).AcknowledgedAt, s.now)
	mustBe(t, "shown", s.place(id, "o1").AcknowledgedAt, s.now)
	s.leave("o2")
	mustBe(t, "left", s.lastTold("o2", rollout.Stop).AcknowledgedAt, s.now)
	s.quiet(31 * time.Second)
	mustBe(t, "silent", s.lastTold("o3", rollout.Stop).AcknowledgedAt.IsZero(), true)

	s = scene(t)
	s.fleetOf(discovery.Wakeup, "o1", "o2")
	s.must(verdictOf(s.request(rollout.Wakeup, oneWave()), rollout.Accept))
	s.report("o1", discovery.Work)
	mustBe(t, "awake", s.lastTold("o1", rollout.Wake).AcknowledgedAt, s.now)
	s.report("o2", discovery.Play) // awake is not enough for who was told
	mustBe(t, "playing", s.lastTold("o2", rollout.Wake).AcknowledgedAt.IsZero(), true)
}

// TestAcknowledgement is rules 7.3 and 7.5: it is the fence; twice is taken
// twice, after the deadline too; what is withdrawn, expired, another boot's or
// another occurrence's is refused.
func TestAcknowledgement(t *testing.T) {
	s, id := stopping(t, 3)
	in := s.lastTold("o1", rollout.Stop)
	mustBe(t, "member before", s.place(id, "o1").Status, rollout.MemberInstructed)
	mustBe(t, "first", codeOf(t, s.answered(in)), "")
	at := s.now
	mustBe(t, "member after", s.place(id, "o1").Status, rollout.MemberAcknowledged)
	mustBe(t, "when", s.place(id, "o1").AcknowledgedAt, at)
	s.run(time.Second)
	events := len(s.log)
	mustBe(t, "twice", codeOf(t, s.answered(in)), "")
	mustBe(t, "when", s.place(id, "o1").AcknowledgedAt, at)
	mustBe(t, "events", len(s.log), events)
	s.run(400 * time.Second)
	mustBe(t, "twice, after the deadline", codeOf(t, s.answered(in)), "")

	late := s.lastTold("o2", rollout.Stop)
	mustBe(t, "after the deadline", codeOf(t, s.answered(late)), rollout.CodeExpired)
	mustBe(t, "not recorded", late.AcknowledgedAt.IsZero(), true)
	mustBe(t, "another occurrence", codeOf(t, s.step(rollout.Acknowledge{Issued: *late, OccurrenceID: "o3", Boot: s.actors["o3"].bootID()})), discovery.CodeNotFound)
	mustBe(t, "another boot", codeOf(t, s.step(rollout.Acknowledge{Issued: *late, OccurrenceID: "o2", Boot: "other"})), rollout.CodeWithdrawn)
}

// TestAcknowledgeAtTheDeadline: the deadline has passed when it is reached
// (rules 7.2 and 7.5).
func TestAcknowledgeAtTheDeadline(t *testing.T) {
	s, _ := stopping(t, 2)
	s.run(300*time.Second - time.Microsecond)
	mustBe(t, "just before", codeOf(t, s.answered(s.lastTold("o1", rollout.Stop))), "")
	s.run(time.Microsecond)
	mustBe(t, "at it", codeOf(t, s.answered(s.lastTold("o2", rollout.Stop))), rollout.CodeExpired)
}

// TestAcknowledgeWhilePaused is rules 4.19 and 7.5: an acknowledgement is taken
// in a pause, which stops the deadline too.
func TestAcknowledgeWhilePaused(t *testing.T) {
	s, id := stopping(t, 3)
	s.run(299 * time.Second)
	mustBe(t, "pause", codeOf(t, s.order(id, rollout.Pause, 0)), "")
	s.run(time.Hour)
	mustBe(t, "nothing is handed out", len(s.pending("o1")), 0)
	mustBe(t, "acknowledged", codeOf(t, s.answered(s.lastTold("o1", rollout.Stop))), "")
	mustBe(t, "member", s.place(id, "o1").Status, rollout.MemberAcknowledged)
	mustBe(t, "resume", codeOf(t, s.order(id, rollout.Resume, 0)), "")
	in := s.lastTold("o2", rollout.Stop)
	mustBe(t, "its deadline has moved", in.Deadline, epoch.Add(300*time.Second+time.Hour))
	mustBe(t, "and the member's", s.place(id, "o2").Deadline, in.Deadline)
	mustBe(t, "handed out again", len(s.pending("o2")), 1)
	s.run(time.Second - time.Microsecond)
	mustBe(t, "acknowledged", codeOf(t, s.answered(in)), "")
	s.run(time.Microsecond)
	mustBe(t, "too late", codeOf(t, s.answered(s.lastTold("o3", rollout.Stop))), rollout.CodeExpired)
}

// TestAcknowledgeAfterAnOutage: the deadline stands still while the service is
// silent (rules 2.10 and 4.20).
func TestAcknowledgeAfterAnOutage(t *testing.T) {
	s, _ := stopping(t, 1)
	s.run(200 * time.Second)
	s.outage(10 * time.Hour)
	s.run(99 * time.Second)
	mustBe(t, "acknowledged", codeOf(t, s.answered(s.lastTold("o1", rollout.Stop))), "")
}

// TestEndsWithdraw is rule 7.4: every end other than succeeded and partial
// withdraws what is not acknowledged, and what is withdrawn is refused (7.3).
func TestEndsWithdraw(t *testing.T) {
	for name, end := range map[string]func(s *stage, id string){
		"aborted":    func(s *stage, id string) { s.must(aborting(id)) },
		"superseded": func(s *stage, _ string) { s.request(rollout.Shutdown, func(c *rollout.Request) { c.Supersede = true }) },
		"failed":     func(s *stage, _ string) { s.report("o3", discovery.Error); s.run(301 * time.Second) },
		"partial": func(s *stage, _ string) {
			s.actors["o1"].mute = true
			s.report("o3", discovery.Stopped)
			s.run(40 * time.Second)
			s.report("o2", discovery.Stopped)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, id := stopping(t, 3, func(g *rollout.Group) { g.OnFailure = rollout.FailRollout })
			mustBe(t, "o2 acknowledges", codeOf(t, s.answered(s.lastTold("o2", rollout.Stop))), "")
			end(s, id)
			mustBe(t, "state", s.rollout(id).Status, rollout.Status(name))
			in := s.lastTold("o1", rollout.Stop)
			mustBe(t, "withdrawn", !in.WithdrawnAt.IsZero(), name != "partial")
			mustBe(t, "the acknowledged one", s.lastTold("o2", rollout.Stop).WithdrawnAt.IsZero(), true)
			want := rollout.CodeWithdrawn
			if name == "partial" {
				want = ""
			}
			mustBe(t, "acknowledgement", codeOf(t, s.answered(in)), want)
			mustBe(t, "of what was acknowledged before", codeOf(t, s.answered(s.lastTold("o2", rollout.Stop))), "")
		})
	}
}

// TestDeliberateIsWithdrawn is rule 7.4 for who is still asked to decide.
func TestDeliberateIsWithdrawn(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Work, "o1", "o2")
	id := s.request(rollout.Shutdown)
	s.must(aborting(id))
	mustBe(t, "acknowledgement", codeOf(t, s.answered(s.lastTold("o1", rollout.Deliberate))), rollout.CodeWithdrawn)
	mustBe(t, "pending", len(s.pending("o1")), 0)
}

// TestUndeliverable is rule 7.6: an address that cannot be reached is visible
// at the member, an incident once the deadline has passed, and forgotten when
// the occurrence is heard by another way.
func TestUndeliverable(t *testing.T) {
	s, id := stopping(t, 2)
	in := s.lastTold("o1", rollout.Stop)
	word := rollout.Unreachable{RolloutID: id, OccurrenceID: "o1", InstructionID: in.ID, Cause: "connection refused"}
	s.must(word)
	mustBe(t, "detail", s.place(id, "o1").Detail, "unreachable: connection refused")
	mustBe(t, "still in flight", s.place(id, "o1").Status, rollout.MemberInstructed)
	s.mustIncident(rollout.IncidentUndeliverable, 0, false)
	mustBe(t, "by poll", codeOf(t, s.answered(in)), "")
	mustBe(t, "detail", s.place(id, "o1").Detail, "")
	word.Final = true
	s.must(word)
	s.mustIncident(rollout.IncidentUndeliverable, 0, false)
}
