package rollout_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// wantText checks that a text says everything.
func wantText(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("the text does not say %q:\n%s", part, text)
		}
	}
	if strings.ContainsAny(text, "{}") {
		t.Errorf("a placeholder was left:\n%s", text)
	}
}

// TestShutdownMessage is rule 4.23: the decider is handed the FSD's text, with the
// number of occurrences that each wave would have now, the real delays, their
// sum, the most that it can take, the reason, and what a rejection means.
func TestShutdownMessage(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, ids(9)...)
	back := time.Date(2026, 1, 3, 4, 0, 0, 0, time.FixedZone("", 3600))
	s.request(rollout.Shutdown, withPlan(fsdPlan()...), func(c *rollout.Request) { c.ReactivateWall = back })
	in := s.lastTold("o1", rollout.Deliberate)
	wantText(t, in.Message, "SYSTEM SHUTDOWN REQUEST", "You are scout, occurrence o1,", "on behalf of ALL 9 runtime occurrences",
		"Wave 1 (explorer): 1 occurrence, starts at once", "Wave 2 (early_adopter): 3 occurrences, starts 30s after wave 1 is settled",
		"Wave 3 (general): 5 occurrences, starts 1m0s after wave 2 is settled", "Total of the delays: 1m30s", "At the most it takes 16m30s",
		"NO occurrence shuts down. Your decision applies to all.", "Reason for the shutdown request: upgrade", "2026-01-03T03:00:00Z",
		"[ACCEPT]", "[REJECT]", "[DEFER]")
	if in.Claim == nil || in.Claim.Token == "" || in.Reason != "upgrade" || in.Wave != 0 {
		t.Errorf("the deliberate is %+v", in.Instruction)
	}
	// What each wave would have now: the next candidate is told of the fleet as
	// it is then, itself in front.
	s.leave("o9")
	s.leave("o1")
	wantText(t, s.lastTold("o2", rollout.Deliberate).Message, "occurrence o2,", "ALL 7 runtime", "(early_adopter): 3 occurrences", "(general): 3 occurrences")
}

// TestWakeupMessage is rule 4.23 for a wakeup, which is sized by the expected
// (rule 3.5) and handed over by asking.
func TestWakeupMessage(t *testing.T) {
	s := newStage(t)
	s.state.Profile.Expected = 9
	s.fleetOf(discovery.Wakeup, "o1", "o2")
	a := s.ask("o2")
	wantText(t, a.Message, "VERIFY_IDENTITY", "You are scout, occurrence o2 of", "ALL 9 runtime", "Wave 1 (explorer): 1 occurrence, starts at once",
		"Wave 2 (early_adopter): 2 occurrences, starts 30s", "Wave 3 (general): 6 occurrences, starts 1m0s after wave 2 is settled", "1m30s",
		"NO occurrence wakes up", "occurrence o2 asked to wake up")
	ok(t, s.takeClaim(a.RolloutID, "o2"))
	mustBe(t, "the holder's claim brings the same message", s.last.Message, a.Message)
}

// TestMessageLeavesOutSkippedWaves is rules 4.23 and 3.6: the real delays.
func TestMessageLeavesOutSkippedWaves(t *testing.T) {
	s := newStage(t)
	s.fleetOf(discovery.Work, "o1")
	s.request(rollout.Shutdown, withPlan(groupOf("a", sized(1), delayed(10*time.Second), stable(5*time.Second)), groupOf("b", remaining(), delayed(time.Hour))))
	text := s.lastTold("o1", rollout.Deliberate).Message
	wantText(t, text, "Wave 1 (a): 1 occurrence, starts 10s after the decision", "Total of the delays: 10s", "At the most it takes 5m15s", "Expected reactivation: none given")
	if strings.Contains(text, "Wave 2") {
		t.Errorf("it tells of a wave without a place:\n%s", text)
	}
}

// TestOwnMessage is rule 4.23: they are templates, and an agent may bring its own
// for each kind.
func TestOwnMessage(t *testing.T) {
	s := newStage(t)
	s.state.Profile.Messages = map[rollout.Kind]string{rollout.Shutdown: "{agent_id}/{occurrence_id}: {occurrences} in\n{waves}\n{total_delay} {at_most} {reason} {expected_reactivation}"}
	s.fleetOf(discovery.Work, "o1", "o2")
	s.request(rollout.Shutdown, withPlan(groupOf("a", remaining())), func(c *rollout.Request) { c.Reason = "{waves} is no placeholder in a reason" })
	want := "scout/o1: 2 in\n- Wave 1 (a): 2 occurrences, starts at once, each has 5m0s\n0s 5m0s {waves} is no placeholder in a reason none given"
	mustBe(t, "the agent's own text", s.lastTold("o1", rollout.Deliberate).Message, want)
	s.request(rollout.Wakeup)
	wantText(t, s.lastTold("o1", rollout.Deliberate).Message, "VERIFY_IDENTITY") // the other kind keeps the FSD's
}

// TestValidateMessage is rule 4.23: unknown placeholders are 422, all at once.
func TestValidateMessage(t *testing.T) {
	all := ""
	for _, p := range rollout.Placeholders() {
		all += "{" + p + "} "
	}
	if errs := rollout.ValidateMessage(all+"} { and text", "/messages/wakeup"); len(errs) != 0 {
		t.Errorf("known ones: %v", errs)
	}
	errs := rollout.ValidateMessage("{reason} {total} {} { waves } {waves}", "/messages/wakeup")
	if len(errs) != 3 {
		t.Fatalf("three are unknown: %v", errs)
	}
	for i, name := range []string{"{total}", "{}", "{ waves }"} {
		if errs[i].Pointer != "/messages/wakeup" || !strings.Contains(errs[i].Detail, name) || !strings.Contains(errs[i].Detail, "{total_delay}") {
			t.Errorf("%s: %+v", name, errs[i])
		}
	}
}

// TestForecast is the plan that is shown (section 10): waves with their members,
// the sum of the delays, the most that it can take; with max_concurrent each
// batch has its timeout.
func TestForecast(t *testing.T) {
	for _, c := range []struct {
		limit  rollout.Amount
		atMost time.Duration
	}{
		{rollout.Amount{}, 11 * time.Minute},
		{rollout.Count(2), 31 * time.Minute},
		{rollout.Count(5), 11 * time.Minute},
		{rollout.Percent(50), 21 * time.Minute},
		{rollout.Percent(1), 51 * time.Minute},
	} {
		s := newStage(t)
		s.fleetOf(discovery.Work, ids(6)...)
		plan := []rollout.Group{
			groupOf("a", sized(1), within(20*time.Second), stable(10*time.Second)), groupOf("b", remaining(), delayed(30*time.Second), within(10*time.Minute), atOnce(c.limit)),
			groupOf("c", sized(1), delayed(time.Hour)),
		}
		plan[1].Size = sized(5)
		f := s.state.Profile.Forecast(rollout.Shutdown, plan, s.fleet, "o4", s.now)
		if f.Members != 6 || f.Delays != 30*time.Second || f.AtMost != c.atMost {
			t.Errorf("max_concurrent %s: %d members, delays %v, at most %v", c.limit, f.Members, f.Delays, f.AtMost)
		}
		mustBe(t, "waves", groups(f.Waves), "a(1): o4, b(5): o1 o2 o3 o5 o6, c skipped")
		mustBe(t, "groups", fmt.Sprint(f.GroupNow()), "map[o1:b o2:b o3:b o4:a o5:b o6:b]")
	}
}
