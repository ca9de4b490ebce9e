package rollout_test

import (
	"strings"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// TestFirstClaimWins is rule 5.2: one decider; the others are told who it is.
func TestFirstClaimWins(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Work, ids(3)...)
	id := s.request(rollout.Shutdown)
	mustBe(t, "the first candidate", s.holder(id), "o1")
	mustBe(t, "is asked", len(s.told("o1", rollout.Deliberate)), 1)
	mustBe(t, "others are asked", s.count(rollout.Deliberate), 1)

	refusal := refusalOf(t, s.takeClaim(id, "o2"))
	mustBe(t, "code", refusal.Code, rollout.CodeClaimHeld)
	mustBe(t, "says who holds it", strings.Contains(refusal.Detail, `"o1"`), true)

	before := s.claimOf(id)
	mustBe(t, "the holder claims", codeOf(t, s.takeClaim(id, "o1")), "")
	mustBe(t, "token", s.last.Claim.Token, before.Token)
	mustBe(t, "expires", s.last.Claim.ExpiresAt, before.ExpiresAt)
	mustBe(t, "message", strings.Contains(s.last.Message, "SYSTEM SHUTDOWN REQUEST"), true)
	mustBe(t, "its deliberate is acknowledged", s.lastTold("o1", rollout.Deliberate).AcknowledgedAt, s.now)
	mustBe(t, "grants", s.rollout(id).Grants, int64(1))
}

// TestCandidateOrder is rule 5.2: the live, coordinated occurrences in neither
// shutdown nor error, default first, the others by id in byte order.
func TestCandidateOrder(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Work, "Zed", "a", "b", "c", "default", "d", "e")
	s.report("a", discovery.Shutdown)
	s.report("c", discovery.Error)
	s.boot("d", uncoordinated)
	s.boot("e")
	s.leave("e")
	s.actors["b"].mute = true
	id := s.request(rollout.Shutdown)
	var order []string
	for range 3 {
		order = append(order, s.holder(id))
		s.acknowledge(s.holder(id))
		s.run(150 * time.Second)
	}
	mustBe(t, "order", strings.Join(order, " "), "default default Zed")
	for _, o := range []string{"a", "c", "d"} {
		mustBe(t, o, codeOf(t, s.takeClaim(id, o)), rollout.CodeNotACandidate)
	}
	mustBe(t, "b is stale", codeOf(t, s.takeClaim(id, "b")), rollout.CodeNotACandidate)
}

// TestFirstHeardDecides is rule 5.2: with no candidate the first one heard is
// asked, whatever its place in the order; a claim by anybody else is refused.
func TestFirstHeardDecides(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Error, "o1", "o2", "o3")
	id := s.request(rollout.Shutdown)
	mustBe(t, "holder", s.holder(id), "nobody")
	mustBe(t, "task", s.rollout(id).Task.Status, rollout.TaskPending)
	s.run(time.Minute)
	mustBe(t, "a claim", codeOf(t, s.takeClaim(id, "o1")), rollout.CodeNotACandidate)
	s.report("o3", discovery.Work)
	mustBe(t, "holder", s.holder(id), "o3")
	mustBe(t, "is asked", len(s.told("o3", rollout.Deliberate)), 1)
	s.report("o1", discovery.Work)
	mustBe(t, "holder", s.holder(id), "o3")
	mustBe(t, "the first in order", codeOf(t, s.takeClaim(id, "o1")), rollout.CodeClaimHeld)
}

// TestAskingClaims is rule 5.2: in a wakeup asking claims what is free, and who
// asks is a candidate, whatever it reports.
func TestAskingClaims(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Error, "o1", "o2")
	id := s.request(rollout.Wakeup)
	mustBe(t, "holder", s.holder(id), "nobody")
	a := s.ask("o2")
	mustBe(t, "directive", a.Directive, rollout.Decide)
	mustBe(t, "holder", s.holder(id), "o2")
	mustBe(t, "claim", a.Claim.Token, s.claimOf(id).Token)
	mustBe(t, "nobody is told to deliberate", s.count(rollout.Deliberate), 0)
	s.run(2 * time.Minute)
	mustBe(t, "holder", s.holder(id), "o2") // it has nothing to acknowledge
	mustBe(t, "its verdict", codeOf(t, s.verdict(id, "o2", a.Claim.Token, rollout.Accept)), "")
}

// TestAskingAcknowledges is rule 5.2: whoever else gets the claim gets a
// deliberate, and asking or claiming acknowledges that.
func TestAskingAcknowledges(t *testing.T) {
	for name, acknowledge := range map[string]func(s *stage, id string){
		"asking":   func(s *stage, _ string) { mustBe(s.t, "directive", s.ask("o1").Directive, rollout.Decide) },
		"claiming": func(s *stage, id string) { mustBe(s.t, "claim", codeOf(s.t, s.takeClaim(id, "o1")), "") },
	} {
		t.Run(name, func(t *testing.T) {
			s := scene(t)
			s.fleetOf(discovery.Wakeup, "o1", "o2")
			s.actors["o1"].deaf = true
			id := s.request(rollout.Wakeup)
			in := s.lastTold("o1", rollout.Deliberate)
			mustBe(t, "token", in.Claim.Token, s.claimOf(id).Token)
			acknowledge(s, id)
			mustBe(t, "acknowledged", in.AcknowledgedAt, s.now)
			mustBe(t, "the same claim", s.claimOf(id).Token, in.Claim.Token)
			s.run(time.Minute)
			mustBe(t, "holder", s.holder(id), "o1")
		})
	}
}

// TestClaimEnds is rule 5.3: the four ways in which a claim ends, the exact
// moment, and what becomes of it.
func TestClaimEnds(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(s *stage)
		at   time.Duration
		end  func(s *stage)
	}{
		{"its holder is not live any more", func(s *stage) { s.acknowledge("o1"); s.actors["o1"].mute = true }, 30 * time.Second, nil},
		{"its holder stops", func(s *stage) { s.acknowledge("o1") }, 0, func(s *stage) { s.report("o1", discovery.Stopped) }},
		{"its holder leaves", func(s *stage) { s.acknowledge("o1") }, 0, func(s *stage) { s.leave("o1") }},
		{"its holder boots anew", func(s *stage) { s.acknowledge("o1") }, 0, func(s *stage) { s.boot("o1") }},
		{"its holder does not acknowledge", func(s *stage) { s.actors["o1"].deaf = true }, 30*time.Second - time.Microsecond, nil},
		{"its holder does not decide", func(s *stage) { s.acknowledge("o1") }, 300*time.Second - time.Microsecond, nil},
		{"its holder is no candidate any more", func(s *stage) { s.acknowledge("o1") }, 0, func(s *stage) {
			s.amend("o1", func(o *discovery.Occurrence) { o.Coordinated = false })
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := scene(t)
			s.fleetOf(discovery.Work, "o1", "o2")
			id := s.request(rollout.Shutdown)
			tt.do(s)
			s.run(tt.at)
			mustBe(t, "holder until then", s.holder(id), "o1")
			former := s.claimOf(id)
			if tt.end != nil {
				tt.end(s)
			} else {
				s.run(time.Microsecond)
			}
			now := s.claimOf(id)
			mustBe(t, "the next candidate", now.OccurrenceID, "o2")
			mustBe(t, "number", now.Number, former.Number+1)
			mustBe(t, "a token of its own", now.Token != former.Token, true)
			mustBe(t, "lease", now.ExpiresAt, s.now.Add(300*time.Second))
			in := s.lastTold("o1", rollout.Deliberate)
			mustBe(t, "the former deliberate is over", in.AcknowledgedAt.IsZero() && in.WithdrawnAt.IsZero(), false)
			mustBe(t, "the former token", codeOf(t, s.verdict(id, "o1", former.Token, rollout.Accept)), rollout.CodeClaimLost)
			mustBe(t, "task", s.rollout(id).Task.Status, rollout.TaskActive)
			mustBe(t, "ends in the log", len(s.happened("claim.ended")), 1)
		})
	}
}

// TestHeartbeatsDoNotExtend is rule 5.3: a decider that hangs while its
// heartbeats go on delays the fleet, it does not stop it.
func TestHeartbeatsDoNotExtend(t *testing.T) {
	s, id := deciding(t, 2)
	s.run(299 * time.Second)
	s.beat("o1")
	mustBe(t, "lease", s.claimOf(id).ExpiresAt, epoch.Add(300*time.Second))
	s.run(time.Second)
	mustBe(t, "holder", s.holder(id), "o2")
	s.decide(id, rollout.Accept)
	mustBe(t, "state", s.rollout(id).Status, rollout.Rolling)
}

// TestClaimOfTheTroubled: an error, or winding down, is none of the four ends of
// rule 5.3.
func TestClaimOfTheTroubled(t *testing.T) {
	for _, state := range []discovery.State{discovery.Error, discovery.Shutdown} {
		s, id := deciding(t, 2)
		s.report("o1", state)
		s.run(299 * time.Second)
		mustBe(t, "holder", s.holder(id), "o1")
		s.run(time.Second)
		mustBe(t, "holder", s.holder(id), "o2")
	}
}

// TestRounds is rule 5.3: the claim goes round the candidates; a round begins
// anew when all have held it.
func TestRounds(t *testing.T) {
	s := scene(t)
	s.settings.DecisionTimeout = 24 * time.Hour
	s.fleetOf(discovery.Work, "b", "d", "f")
	id := s.request(rollout.Shutdown)
	var order []string
	for i := range 8 {
		order = append(order, s.holder(id))
		switch i {
		case 1:
			s.fleetOf(discovery.Work, "c") // before its turn, and not yet asked in this round
		case 6:
			s.fleetOf(discovery.Work, "a")
		}
		s.run(300 * time.Second)
	}
	mustBe(t, "order", strings.Join(order, " "), "b d c f b c d a")
}

// TestLastHolderIsNotNext is rule 5.3: when all have held it a round begins anew,
// and who has just had the claim and not decided is not asked again before the
// others, even where it is the first in order.
func TestLastHolderIsNotNext(t *testing.T) {
	s := scene(t)
	s.settings.DecisionTimeout = time.Hour
	s.fleetOf(discovery.Work, "b")
	id := s.request(rollout.Shutdown)
	s.run(time.Minute)
	s.fleetOf(discovery.Work, "a")
	s.run(240 * time.Second)
	mustBe(t, "holder", s.holder(id), "a")
	s.run(300 * time.Second)
	mustBe(t, "holder", s.holder(id), "b")
}

// TestRoundAnew is rule 5.3: each entry into deciding begins a round, from the
// first candidate.
func TestRoundAnew(t *testing.T) {
	s, id := deciding(t, 3)
	s.run(300 * time.Second)
	mustBe(t, "holder", s.holder(id), "o2")
	s.must(deferral(s, id, s.wall().Add(time.Minute)))
	s.run(time.Minute)
	mustBe(t, "holder", s.holder(id), "o1")
	s.run(300 * time.Second)
	mustBe(t, "holder", s.holder(id), "o2")
}

// TestKeptPastTheLease is rules 5.3 and 7.1: while there is no other live
// candidate the holder keeps its claim, which shows the time that has passed; a
// candidate who appears takes over at once.
func TestKeptPastTheLease(t *testing.T) {
	s, id := deciding(t, 1)
	claim := s.claimOf(id)
	s.run(400 * time.Second)
	mustBe(t, "holder", s.holder(id), "o1")
	mustBe(t, "grants", s.rollout(id).Grants, int64(1))
	mustBe(t, "claims again", codeOf(t, s.takeClaim(id, "o1")), "")
	mustBe(t, "its own token", s.last.Claim.Token, claim.Token)
	mustBe(t, "expires", s.last.Claim.ExpiresAt, epoch.Add(300*time.Second))
	s.boot("o2")
	mustBe(t, "holder", s.holder(id), "o2")
	mustBe(t, "the former token", codeOf(t, s.verdict(id, "o1", claim.Token, rollout.Accept)), rollout.CodeClaimLost)

	s, id = deciding(t, 1)
	s.run(400 * time.Second)
	mustBe(t, "a verdict past the lease", codeOf(t, s.verdict(id, "o1", s.claimOf(id).Token, rollout.Accept)), "")
}

// TestSoleCandidateIsAskedAnew: who is alone and does not acknowledge gets a new
// grant, with a new instruction, each liveness timeout (rule 5.3).
func TestSoleCandidateIsAskedAnew(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Work, "o1")
	s.actors["o1"].deaf = true
	id := s.request(rollout.Shutdown)
	s.run(95 * time.Second)
	mustBe(t, "grants", s.rollout(id).Grants, int64(4))
	mustBe(t, "deliberations", len(s.told("o1", rollout.Deliberate)), 4)
	mustBe(t, "pending", len(s.pending("o1")), 1)
	mustBe(t, "pending token", s.pending("o1")[0].Claim.Token, s.claimOf(id).Token)
	s.boot("o1")
	mustBe(t, "its new boot is asked", s.claimOf(id).Boot, s.actors["o1"].bootID())
}

// TestHolderAsksAgain is rule 5.3: the holder asking again is handed its own
// claim, in its first answer's words.
func TestHolderAsksAgain(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Wakeup, "o1")
	first := s.ask("o1")
	mustBe(t, "directive", first.Directive, rollout.Decide)
	mustBe(t, "created", first.Created, true)
	for range 40 {
		s.run(10 * time.Second)
		again := s.ask("o1")
		mustBe(t, "directive", again.Directive, rollout.Decide)
		mustBe(t, "rollout", again.RolloutID, first.RolloutID)
		mustBe(t, "token", again.Claim.Token, first.Claim.Token)
		mustBe(t, "created", again.Created, false)
		mustBe(t, "message", again.Message, first.Message)
	}
	mustBe(t, "rollouts", len(s.state.Rollouts), 1)
	s.run(300 * time.Second)
	mustBe(t, "state", s.rollout(first.RolloutID).Status, rollout.Failed)
}

// TestClaimBelongsToABoot is rule 5.3: the holder's new boot has no claim.
func TestClaimBelongsToABoot(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Wakeup, "o1", "o2")
	first := s.ask("o1")
	s.boot("o1")
	mustBe(t, "holder", s.holder(first.RolloutID), "o2")
	mustBe(t, "o2 is asked", len(s.told("o2", rollout.Deliberate)), 1)
	mustBe(t, "asks anew", s.ask("o1").Directive, rollout.Wait)
	mustBe(t, "the former token", codeOf(t, s.verdict(first.RolloutID, "o1", first.Claim.Token, rollout.Accept)), rollout.CodeClaimLost)
}
