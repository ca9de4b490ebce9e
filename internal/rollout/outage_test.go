package rollout_test

import (
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// The outages of section 14, and what must be true here. Those that are about
// the store are proved in the core as far as the core can be blamed: what it
// answers is what it returns to be committed.

// TestOutageYesterdaysWakeup: yesterday's completed wakeup made the whole
// restarted fleet skip its wakeup and sit idle (rules 6.2 and 6.3).
func TestOutageYesterdaysWakeup(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Wakeup, ids(3)...)
	yesterday := s.ask("o1").RolloutID
	s.decide(yesterday, rollout.Accept)
	s.report("o1", discovery.Work)
	s.run(3 * time.Minute)
	mustBe(t, "yesterday's", s.rollout(yesterday).Status, rollout.Succeeded)
	for _, o := range ids(3) {
		s.report(o, discovery.Stopped)
	}
	s.run(20 * time.Hour)
	s.fleetOf(discovery.Starting, ids(3)...)
	today := s.mustAnswer("o1", rollout.Decide, "opened_a_wakeup").RolloutID
	s.decide(today, rollout.Accept)
	s.report("o1", discovery.Work)
	s.run(3 * time.Minute)
	mustBe(t, "today's", s.rollout(today).Status, rollout.Succeeded)
	for _, o := range ids(3) {
		mustBe(t, o, s.fleet.Get(o).State, discovery.Work)
	}
}

// TestOutageWrongPlaceholder: a query that found no rows had every occurrence
// loop in wakeup for 14 hours. Were the core given an agent without rollouts
// and without a fleet it would say that the asker is unknown, never "none"; and
// an occurrence that loops is an incident (6.1, 9.2).
func TestOutageWrongPlaceholder(t *testing.T) {
	s := scene(t)
	mustBe(t, "asker", s.refused(rollout.Ask{ULID: s.ulid(), OccurrenceID: "o1"}), discovery.CodeNotFound)
	mustBe(t, "claim", s.refused(rollout.TakeClaim{RolloutID: "ro_x", OccurrenceID: "o1"}), discovery.CodeNotFound)
	mustBe(t, "verdict", s.refused(verdictOf("ro_x", rollout.Accept)), discovery.CodeNotFound)
	mustBe(t, "command", s.refused(aborting("ro_x")), discovery.CodeNotFound)
	s.fleetOf(discovery.Wakeup, "o1")
	s.run(301 * time.Second)
	s.mustIncident(rollout.IncidentOccurrenceStuck, 1, true)
}

// TestOutageSingleOccurrence: a single occurrence thought that someone else had
// claimed its task and waited 7 hours (rule 5.3: the holder asking again is
// handed its own claim).
func TestOutageSingleOccurrence(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Starting, "o1")
	first := s.ask("o1")
	for range 5 {
		s.run(time.Minute)
		again := s.mustAnswer("o1", rollout.Decide, "holds_the_claim")
		mustBe(t, "its own claim", again.Claim.Token, first.Claim.Token)
	}
	mustBe(t, "claims it", codeOf(t, s.takeClaim(first.RolloutID, "o1")), "")
	s.decide(first.RolloutID, rollout.Accept)
	s.report("o1", discovery.Work)
	s.run(time.Second)
	mustBe(t, "state", s.rollout(first.RolloutID).Status, rollout.Succeeded)

	// It restarts while it holds its claim: its new boot is asked.
	s.boot("o1")
	second := s.ask("o1")
	s.boot("o1")
	mustBe(t, "holder", s.claimOf(second.RolloutID).Boot, s.actors["o1"].bootID())
	mustBe(t, "decides", s.ask("o1").Directive, rollout.Decide)
}

// TestOutageClaimWithoutRow: the claim was reported won, the row was not there.
// What is answered is what is to be committed, field by field.
func TestOutageClaimWithoutRow(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Starting, "o1", "o2")
	a := s.ask("o1")
	mustBe(t, "of an ask", *a.Claim, s.claimOf(a.RolloutID))
	s.boot("o1")
	mustBe(t, "claims it", codeOf(t, s.takeClaim(a.RolloutID, "o2")), "")
	mustBe(t, "of a claim", *s.last.Claim, s.claimOf(a.RolloutID))
	token := s.claimOf(a.RolloutID).Token
	s.decide(a.RolloutID, rollout.Accept)
	mustBe(t, "verdict by the token", s.rollout(a.RolloutID).Decision.Token, token)
	mustBe(t, "answered for", s.last.RolloutID, a.RolloutID)
	mustBe(t, "decided", s.rollout(a.RolloutID).Task.Status, rollout.TaskCompleted)
}

// TestOutageDeferredForDays: a deferred shutdown was polled for 5 to 9 days,
// with 27 requests queued behind (rules 5.5, 5.6, 4.1 and 9.2).
func TestOutageDeferredForDays(t *testing.T) {
	s, id := deciding(t, 3)
	s.must(deferral(s, id, s.wall().Add(9*24*time.Hour)))
	for range 27 {
		c := rollout.Request{ULID: s.ulid(), Kind: rollout.Shutdown, Reason: "upgrade", Actor: "operator:ann", Consent: rollout.ConsentRequired}
		refusal := refusalOf(t, s.step(c))
		mustBe(t, "queued behind", refusal.Code, rollout.CodeInProgress)
		mustBe(t, "says which", refusal.RolloutID, id)
	}
	s.quiet(24 * time.Hour)
	s.beat("o1")
	mustBe(t, "deferral ends", s.rollout(id).Status, rollout.Failed)
	s.mustIncident(rollout.IncidentDeferralLimit, 1, true)
	next := s.request(rollout.Shutdown)
	s.run(10 * time.Minute)
	mustBe(t, "deciding ends", s.rollout(next).Status, rollout.Failed)
	s.mustIncident(rollout.IncidentDecisionTimeout, 1, true)
}

// TestOutagePurgedTask: the shared task was purged while a process still held
// it. A vanished rollout is a refusal with a code; nothing else comes of it.
func TestOutagePurgedTask(t *testing.T) {
	s, id := deciding(t, 2)
	token := s.claimOf(id).Token
	s.state.Rollouts = nil
	mustBe(t, "verdict", codeOf(t, s.verdict(id, "o1", token, rollout.Accept)), discovery.CodeNotFound)
	mustBe(t, "claim", codeOf(t, s.takeClaim(id, "o1")), discovery.CodeNotFound)
	s.run(time.Hour)
	mustBe(t, "stops", s.count(rollout.Stop), 0)
	mustBe(t, "another shutdown", s.request(rollout.Shutdown) != id, true)
}

// TestOutageNamedAfterTheDay: task ids named after the day: the second shutdown
// of a day found the first one's answer (rule 5.1: ids are unique).
func TestOutageNamedAfterTheDay(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Work, "o1", "o2")
	first := s.request(rollout.Shutdown)
	token := s.claimOf(first).Token
	s.decide(first, rollout.Reject)
	second := s.request(rollout.Shutdown)
	mustBe(t, "another rollout", second != first, true)
	mustBe(t, "another task", s.rollout(second).Task.ID != s.rollout(first).Task.ID, true)
	mustBe(t, "undecided", s.rollout(second).Decision == nil, true)
	mustBe(t, "the first one's token", codeOf(t, s.verdict(second, "o1", token, rollout.Accept)), rollout.CodeClaimLost)
}

// TestOutageSaidYesNeverExited: told to stop, said yes, never exited, kept
// answering 200: only stopped or silence counts (rule 4.11, member_stuck).
func TestOutageSaidYesNeverExited(t *testing.T) {
	s, id := stopping(t, 2)
	s.actors["o1"].deaf = false
	s.report("o2", discovery.Stopped)
	for range 29 {
		s.run(10 * time.Second)
		mustBe(t, "o1", s.place(id, "o1").Status, rollout.MemberAcknowledged)
	}
	s.report("o1", discovery.Shutdown) // winding down, as it says
	s.run(11 * time.Second)
	mustBe(t, "o1", s.place(id, "o1").Status, rollout.MemberFailed)
	mustBe(t, "state", s.rollout(id).Status, rollout.Partial)
	s.mustIncident(rollout.IncidentMemberStuck, 1, true)
}

// TestOutageSilenceIsNoConsent: a rejection that the store would not take;
// silence then counted as consent. What failed was not taken, and silence is a
// failure (rules 5.4 and 5.6).
func TestOutageSilenceIsNoConsent(t *testing.T) {
	s, id := deciding(t, 2)
	s.before, s.after = nil, nil // what happens here never was, as far as the state knows
	token := s.claimOf(id).Token
	before := s.state // the rejection is not stored
	mustBe(t, "rejected", codeOf(t, s.verdict(id, "o1", token, rollout.Reject)), "")
	s.state = before
	s.run(10 * time.Minute)
	mustBe(t, "state", s.rollout(id).Status, rollout.Failed)
	mustBe(t, "stops", s.count(rollout.Stop), 0)
	s.mustIncident(rollout.IncidentDecisionTimeout, 1, true)
}

// TestOutageRestartedBySupervisor: what was stopped was restarted by its
// supervisor within a minute and woke itself (rules 4.13 and 8.4).
func TestOutageRestartedBySupervisor(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Work, ids(3)...)
	id := s.request(rollout.Shutdown, instant, terminal)
	restart := func(o string) {
		s.boot(o)
		s.mustAnswer(o, rollout.Wait, "shutdown_under_way")
	}
	s.run(20 * time.Second)
	mustBe(t, "o1", s.place(id, "o1").Status, rollout.MemberReached)
	restart("o1")
	mustBe(t, "told again", len(s.told("o1", rollout.Stop)), 2)
	s.run(3 * time.Minute)
	mustBe(t, "state", s.rollout(id).Status, rollout.Succeeded)
	for n := range 3 { // and after the end
		s.boot("o2")
		s.mustAnswer("o2", rollout.Wait, "held")
		s.report("o2", discovery.Work) // it wakes itself
		mustBe(t, "told", len(s.pending("o2")), 1)
		mustBe(t, "incident", s.timesOpened(rollout.IncidentRestartedWhileHeld), n/2)
	}
	mustBe(t, "wakes", s.count(rollout.Wake), 0)
}

// TestOutageWatchedAnEmptySet: one occurrence was gone for three weeks, and the
// watchdog watched an empty set (below_expected, 9.2).
func TestOutageWatchedAnEmptySet(t *testing.T) {
	s := scene(t)
	s.state.Profile.Expected = 1
	s.fleetOf(discovery.Work, "o1")
	s.run(time.Minute)
	s.actors["o1"].mute = true
	s.run(31 * time.Second)
	s.mustIncident(rollout.IncidentBelowExpected, 1, true)
	s.run(21 * 24 * time.Hour)
	mustBe(t, "discovered", len(s.fleet.Discovered(s.now)), 0)
	s.mustIncident(rollout.IncidentBelowExpected, 1, true)
}
