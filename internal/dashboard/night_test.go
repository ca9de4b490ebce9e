package dashboard

import (
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// A night on which much happens at once.

// rollingShutdown is a shutdown in its second wave: o02 has stopped, o03 is on the
// way, o04 has not acknowledged.
func rollingShutdown(t testing.TB) *scene {
	s := newScene(t, "scout", 9, discovery.Work)
	s.state.Profile.Expected = 9
	plan := rollout.DefaultPlan()
	plan[1].Size = rollout.Size{Kind: rollout.SizeCount, N: 3}
	plan[1].MinHealthy, plan[1].MaxConcurrent = rollout.Percent(80), rollout.Count(3)
	s.until("03:02:00")
	s.step(rollout.Request{
		ULID: "01KSCOUT0000000000000000R5", Kind: rollout.Shutdown, Actor: "operator:ann", Groups: plan, Consent: rollout.ConsentRequired,
		Reason: "kernel upgrade of the hosts in rack 7, ticket OPS-4411",
	})
	s.pass(10 * time.Second)
	s.acknowledge("o01")
	s.pass(20 * time.Second)
	r := s.rollouts["ro_01KSCOUT0000000000000000R5"]
	s.step(rollout.GiveVerdict{
		RolloutID: r.ID, OccurrenceID: "o01", Token: r.Claim.Token, Verdict: rollout.Accept, Actor: "occurrence:o01",
		Reasoning: "No conversation is open, the upgrade is announced and it ends before the morning. I agree.",
	})
	s.pass(30 * time.Second)
	s.hear("o01", discovery.Stopped)
	s.until("03:03:40")
	s.acknowledge("o02", "o03")
	s.hear("o03", discovery.Shutdown)
	s.pass(20 * time.Second)
	s.hear("o02", discovery.Stopped)
	s.until("03:04:12")
	return s
}

// haltedWakeup is a wakeup whose second wave failed: one member reports error, one
// is stuck in wakeup, one cannot be reached.
func haltedWakeup(t testing.TB) *scene {
	s := newScene(t, "harbor", 10, discovery.Wakeup)
	s.state.Profile.Expected = 10
	plan := rollout.DefaultPlan()
	plan[1].Timeout, plan[1].MinHealthy = 45*time.Second, rollout.Percent(100)
	s.step(rollout.Request{ULID: "01KHARBOR00000000000000R3", Kind: rollout.Wakeup, Actor: "operator:bo", Groups: plan, Reason: "back after the power cut", Consent: rollout.ConsentRequired})
	s.pass(5 * time.Second)
	s.step(rollout.GiveVerdict{RolloutID: "ro_01KHARBOR00000000000000R3", Verdict: rollout.Accept, Actor: "operator:bo", Reasoning: "power is stable, I was asked to go on"})
	s.pass(15 * time.Second)
	s.hear("o01", discovery.Work)
	s.pass(40 * time.Second)
	s.acknowledge("o02", "o03")
	s.hear("o03", discovery.Error)
	s.step(rollout.Unreachable{
		RolloutID: "ro_01KHARBOR00000000000000R3", OccurrenceID: "o04", InstructionID: "ro_01KHARBOR00000000000000R3~2~o04~1",
		Cause: "dial tcp 10.7.0.14:9000: connect: connection refused", Final: true,
	})
	s.silent["o09"] = true
	s.until("03:04:12")
	return s
}

// deciding is a shutdown of a hundred that one occurrence deliberates.
func deciding(t testing.TB) *scene {
	s := newScene(t, "lumen", 100, discovery.Work)
	s.until("03:03:50")
	s.step(rollout.Request{ULID: "01KLUMEN00000000000000000R4", Kind: rollout.Shutdown, Actor: "operator:ann", Reason: "new model, see the release notes", Consent: rollout.ConsentRequired, Terminal: true})
	s.until("03:03:58")
	s.acknowledge("o01")
	s.until("03:04:12")
	return s
}

// heldFleet was stopped by an emergency stop; one occurrence could not be reached.
func heldFleet(t testing.TB) *scene {
	s := newScene(t, "relay", 4, discovery.Work)
	s.until("03:00:40")
	s.silent["o04"] = true
	s.pass(35 * time.Second)
	s.step(rollout.EmergencyStop{ULID: "01KRELAY00000000000000000R2", Reason: "posts secrets to a public channel", Actor: "operator:chris"})
	s.acknowledge("o01", "o02", "o03")
	s.pass(4 * time.Second)
	for _, id := range []string{"o01", "o02", "o03"} {
		s.hear(id, discovery.Stopped)
	}
	s.until("03:04:12")
	return s
}

// rejected is a shutdown to which the fleet said no; then everybody was stopped by
// hand, so that nobody is discovered.
func rejected(t testing.TB) *scene {
	s := newScene(t, "quill", 3, discovery.Work)
	s.step(rollout.Request{ULID: "01KQUILL00000000000000000R1", Kind: rollout.Shutdown, Actor: "operator:ann", Reason: "weekly restart", Consent: rollout.ConsentRequired})
	s.pass(5 * time.Second)
	s.acknowledge("o01")
	s.pass(30 * time.Second)
	r := s.rollouts["ro_01KQUILL00000000000000000R1"]
	s.step(rollout.GiveVerdict{
		RolloutID: r.ID, OccurrenceID: "o01", Token: r.Claim.Token, Verdict: rollout.Reject, Actor: "occurrence:o01",
		Reasoning: "Two people are in the middle of a crisis conversation with us. A restart can wait until they are through.",
	})
	s.pass(30 * time.Second)
	s.all(discovery.Stopped)
	s.until("03:04:12")
	return s
}

// woken is a fleet of a hundred and twenty that woke up but for three.
func woken(t testing.TB) *scene {
	s := newScene(t, "atlas", 120, discovery.Wakeup)
	plan := []rollout.Group{rollout.Defaults("explorer"), rollout.Defaults("everybody")}
	plan[0].Size, plan[1].Size = rollout.Size{Kind: rollout.SizeCount, N: 1}, rollout.Size{Kind: rollout.SizeRest}
	plan[1].OnFailure, plan[1].Timeout = rollout.GoOn, 30*time.Second
	s.step(rollout.Request{ULID: "01KATLAS00000000000000000R0", Kind: rollout.Wakeup, Actor: "operator:ann", Groups: plan, Reason: "after the deployment", Consent: rollout.ConsentRequired})
	s.step(rollout.GiveVerdict{RolloutID: "ro_01KATLAS00000000000000000R0", Verdict: rollout.Accept, Actor: "operator:ann", Reasoning: "go"})
	s.pass(5 * time.Second)
	s.hear("o01", discovery.Work)
	s.pass(5 * time.Second)
	words := map[string]discovery.State{}
	for _, o := range s.fleet.All()[1:117] {
		words[o.ID] = discovery.Work
	}
	s.hearAll(words)
	s.until("03:02:00")
	s.all(discovery.Work)
	s.until("03:04:12")
	return s
}

// night is all of it at 3:04:12.
func night(t testing.TB) (*fake, time.Time) {
	scenes := []*scene{rollingShutdown(t), haltedWakeup(t), deciding(t), heldFleet(t), rejected(t), woken(t)}
	return newFake(scenes...), scenes[0].now
}
