package metrics

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

var start = time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)

func newMetrics() *Metrics {
	return New(func(context.Context) (engine.Counts, error) { return engine.Counts{}, nil })
}

// expect compares all series of a metric that is not a histogram.
func expect(t *testing.T, m *Metrics, name, want string) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(want), "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	got, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range got {
		if family.GetName() != "orchestrator_"+name {
			continue
		}
		text := "# HELP orchestrator_" + name + " " + family.GetHelp() + "\n# TYPE orchestrator_" + name + " " +
			strings.ToLower(family.GetType().String()) + "\n" + strings.Join(lines, "\n") + "\n"
		if err := testutil.GatherAndCompare(m.registry, strings.NewReader(text), family.GetName()); err != nil {
			t.Error(err)
		}
		return
	}
	t.Errorf("there is no orchestrator_%s", name)
}

// summary is how many durations a histogram has seen under these labels, and their sum.
func summary(t *testing.T, m *Metrics, name string, labels map[string]string) (count uint64, sum float64) {
	t.Helper()
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != "orchestrator_"+name {
			continue
		}
	series:
		for _, metric := range family.GetMetric() {
			for _, pair := range metric.GetLabel() {
				if labels[pair.GetName()] != pair.GetValue() {
					continue series
				}
			}
			return metric.GetHistogram().GetSampleCount(), metric.GetHistogram().GetSampleSum()
		}
	}
	return 0, 0
}

// stage takes an agent through the real core and lets Metrics watch.
type stage struct {
	t     *testing.T
	m     *Metrics
	state rollout.State
	fleet discovery.Fleet
	now   time.Time
}

func newStage(t *testing.T, ids ...string) *stage {
	set := rollout.DefaultSettings()
	s := &stage{t: t, m: newMetrics(), now: start, state: rollout.State{AgentID: "scout"}}
	s.fleet = discovery.NewFleet(set.Timing(), nil)
	for _, id := range ids {
		s.hear(id, discovery.Work)
	}
	return s
}

func (s *stage) step(c rollout.Command) rollout.Effects {
	s.t.Helper()
	next, eff, err := rollout.Step(s.state, rollout.Input{Command: c, Fleet: s.fleet, Settings: rollout.DefaultSettings()}, s.now)
	if err != nil {
		s.t.Fatal(err)
	}
	s.m.Stepped("scout", s.state, next, eff)
	s.state = next
	return eff
}

// hear takes a heartbeat of the occurrence and steps.
func (s *stage) hear(id string, state discovery.State) {
	s.t.Helper()
	s.step(nil)
	o := s.fleet.Get(id)
	sequence := int64(1)
	if o != nil {
		sequence = o.Sequence + 1
	}
	next, _, refusal := discovery.Accept(o, id, discovery.Heartbeat{Boot: "b1", Sequence: sequence, State: state}, false, s.fleet.Timing, s.now)
	if refusal != nil {
		s.t.Fatal(refusal)
	}
	s.fleet = s.fleet.With(next)
	s.step(nil)
}

func (s *stage) after(d time.Duration) { s.now = s.now.Add(d) }

// A shutdown from its request to its end: one wave of an explorer that
// acknowledges after 2 s and has stopped after 10, then one of two that take no
// care to acknowledge (rules 4.4, 5.6, 7.2).
func TestAShutdownIsCounted(t *testing.T) {
	s := newStage(t, "a", "b", "c")
	plan := rollout.DefaultPlan()[:2]
	plan[1].Size, plan[1].Name, plan[1].OnFailure = rollout.Size{Kind: rollout.SizeRest}, rollout.General, rollout.GoOn
	eff := s.step(rollout.Request{ULID: "1", Kind: rollout.Shutdown, Reason: "test", Actor: "operator:ann", Groups: plan, Consent: rollout.ConsentInstant})
	if len(eff.Instruct) != 1 {
		t.Fatalf("%d instructions, want one for the explorer", len(eff.Instruct))
	}
	s.after(2 * time.Second)
	s.step(rollout.Acknowledge{Issued: rollout.Issued{Instruction: eff.Instruct[0]}, OccurrenceID: "a", Boot: "b1"})
	s.after(8 * time.Second)
	s.hear("a", discovery.Stopped)
	s.hear("b", discovery.Work)
	s.hear("c", discovery.Work)
	s.after(25 * time.Second)
	s.hear("b", discovery.Work)
	s.hear("c", discovery.Work)
	s.after(5 * time.Second)
	s.step(nil) // the delay of 30 s is over
	s.after(4 * time.Second)
	s.hear("b", discovery.Stopped)
	s.hear("c", discovery.Stopped)

	expect(t, s.m, "rollouts_requested_total", `
		orchestrator_rollouts_requested_total{kind="emergency"} 0
		orchestrator_rollouts_requested_total{kind="shutdown"} 1
		orchestrator_rollouts_requested_total{kind="wakeup"} 0`)
	expect(t, s.m, "rollouts_finished_total", `orchestrator_rollouts_finished_total{kind="shutdown",outcome="succeeded"} 1`)
	expect(t, s.m, "decisions_total", `orchestrator_decisions_total{by="operator",kind="shutdown",verdict="accept"} 1`)
	expect(t, s.m, "instructions_created_total", `
		orchestrator_instructions_created_total{type="deliberate"} 0
		orchestrator_instructions_created_total{type="rehearse"} 0
		orchestrator_instructions_created_total{type="stop"} 3
		orchestrator_instructions_created_total{type="wake"} 0`)
	for _, want := range []struct {
		group   string
		seconds float64
	}{{"explorer", 10}, {"general", 4}} {
		n, sum := summary(t, s.m, "wave_duration_seconds", map[string]string{"kind": "shutdown", "group": want.group, "outcome": "passed"})
		if n != 1 || sum != want.seconds {
			t.Errorf("wave %s: %d of %g s in all, want one of %g s", want.group, n, sum, want.seconds)
		}
	}
	if n, sum := summary(t, s.m, "instruction_acknowledgement_seconds", map[string]string{"type": "stop"}); n != 3 || sum != 2+4+4 {
		t.Errorf("%d acknowledgements of %g s in all, want 3 of 10 s", n, sum)
	}
}

// A decider that is asked, acknowledges after 3 s and rejects (rules 5.2, 5.5).
func TestADecisionIsCounted(t *testing.T) {
	s := newStage(t, "a")
	eff := s.step(rollout.Request{ULID: "1", Kind: rollout.Shutdown, Reason: "test", Actor: "operator:ann", Consent: rollout.ConsentRequired})
	s.after(3 * time.Second)
	s.step(rollout.Acknowledge{Issued: rollout.Issued{Instruction: eff.Instruct[0]}, OccurrenceID: "a", Boot: "b1"})
	s.step(rollout.GiveVerdict{RolloutID: "ro_1", OccurrenceID: "a", Token: eff.Instruct[0].Claim.Token, Verdict: rollout.Reject, Reasoning: "no", Actor: "occurrence:a"})

	expect(t, s.m, "decisions_total", `orchestrator_decisions_total{by="occurrence",kind="shutdown",verdict="reject"} 1`)
	expect(t, s.m, "rollouts_finished_total", `orchestrator_rollouts_finished_total{kind="shutdown",outcome="rejected"} 1`)
	if n, sum := summary(t, s.m, "instruction_acknowledgement_seconds", map[string]string{"type": "deliberate"}); n != 1 || sum != 3 {
		t.Errorf("%d acknowledgements of %g s in all, want one of 3 s", n, sum)
	}
}

// Silence: the decision timeout fails the rollout and opens an incident, which an
// operator resolves (rules 5.6 and 9.2).
func TestAnIncidentIsCounted(t *testing.T) {
	s := newStage(t, "a")
	s.step(rollout.Request{ULID: "1", Kind: rollout.Shutdown, Reason: "test", Actor: "operator:ann", Consent: rollout.ConsentRequired})
	s.after(601 * time.Second)
	eff := s.step(nil)
	if len(eff.Opened) != 1 {
		t.Fatalf("%d incidents, want one", len(eff.Opened))
	}
	s.step(rollout.ResolveIncident{IncidentID: eff.Opened[0].ID, Actor: "operator:ann"})

	if n := testutil.ToFloat64(s.m.incidentsOpened.WithLabelValues("decision_timeout")); n != 1 {
		t.Errorf("%g incidents opened, want 1", n)
	}
	expect(t, s.m, "incidents_resolved_total", `orchestrator_incidents_resolved_total{by="operator",type="decision_timeout"} 1`)
	expect(t, s.m, "rollouts_finished_total", `orchestrator_rollouts_finished_total{kind="shutdown",outcome="failed"} 1`)
}

// Each occurrence that stops is told by the emergency stop itself (rule 8.2).
func TestAnEmergencyIsCounted(t *testing.T) {
	s := newStage(t, "a", "b")
	s.step(rollout.EmergencyStop{ULID: "1", Reason: "fire", Actor: "operator:ann"})
	s.after(time.Second)
	s.hear("a", discovery.Stopped)
	s.hear("b", discovery.Stopped)
	s.step(nil)

	expect(t, s.m, "rollouts_finished_total", `orchestrator_rollouts_finished_total{kind="emergency",outcome="succeeded"} 1`)
	if n, _ := summary(t, s.m, "wave_duration_seconds", map[string]string{"kind": "emergency", "group": "all", "outcome": "passed"}); n != 1 {
		t.Errorf("%d waves, want one", n)
	}
	if n, sum := summary(t, s.m, "instruction_acknowledgement_seconds", map[string]string{"type": "stop"}); n != 2 || sum != 2 {
		t.Errorf("%d acknowledgements of %g s in all, want 2 of 1 s", n, sum)
	}
}

// A wave that failed, ran again and passed has come to two ends; a step that
// changes nothing of it, or that only touches a finished rollout, to none.
func TestEndsOfWaves(t *testing.T) {
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	running := rollout.Wave{Group: rollout.Group{Name: "early_adopter"}, Status: rollout.WaveRunning, StartedAt: at(0)}
	failed, passed := running, running
	failed.Status, failed.FinishedAt = rollout.WaveFailed, at(10)
	passed.Status, passed.FinishedAt = rollout.WavePassed, at(40)
	after := passed
	after.Status, after.FinishedAt = rollout.WaveFailed, at(100) // after all (rule 4.10)
	skipped := rollout.Wave{Group: running.Group, Status: rollout.WaveSkipped, FinishedAt: at(5)}

	m := newMetrics()
	state := func(w rollout.Wave) rollout.State {
		return rollout.State{Rollouts: []rollout.Rollout{{ID: "ro_1", Kind: rollout.Wakeup, Status: rollout.Rolling, Waves: []rollout.Wave{w}}}}
	}
	again := failed // it ran again and failed again within one step
	again.FinishedAt = at(20)
	history := []rollout.Wave{running, running, failed, failed, again, running, passed, passed, after}
	for i := range history[1:] {
		m.Stepped("scout", state(history[i]), state(history[i+1]), rollout.Effects{})
	}
	m.Stepped("scout", rollout.State{}, state(skipped), rollout.Effects{})
	labels := map[string]string{"kind": "wakeup", "group": "early_adopter", "outcome": "failed"}
	if n, sum := summary(t, m, "wave_duration_seconds", labels); n != 3 || sum != 130 {
		t.Errorf("%d failed waves of %g s in all, want 3 of 130 s", n, sum)
	}
	labels["outcome"] = "passed"
	if n, sum := summary(t, m, "wave_duration_seconds", labels); n != 1 || sum != 40 {
		t.Errorf("%d passed waves of %g s in all, want one of 40 s", n, sum)
	}
	labels["outcome"] = "skipped"
	if n, _ := summary(t, m, "wave_duration_seconds", labels); n != 0 {
		t.Error("a wave that never started has a duration")
	}
}

// A command may name a rollout that is finished: the caller adds it to the state,
// and it must not be counted again.
func TestAFinishedRolloutIsCountedOnce(t *testing.T) {
	done := rollout.State{Rollouts: []rollout.Rollout{{ID: "ro_1", Kind: rollout.Wakeup, Status: rollout.Aborted}}}
	m := newMetrics()
	m.Stepped("scout", done, done, rollout.Effects{})
	if n := testutil.CollectAndCount(m.rolloutsFinished); n != 0 {
		t.Errorf("%d series, want none", n)
	}
}

// With coordination off the members' instruction is a deliberate (rule 4.24).
func TestAcknowledgedIndependently(t *testing.T) {
	member := rollout.Member{OccurrenceID: "a", InstructionID: "ro_1~1~a~1", InstructedAt: start}
	state := rollout.State{SteppedAt: start.Add(time.Second), Rollouts: []rollout.Rollout{{
		ID: "ro_1", Kind: rollout.Shutdown, Independent: true,
		Status: rollout.Rolling, Waves: []rollout.Wave{{Members: []rollout.Member{member}}},
	}}}
	m := newMetrics()
	m.Stepped("scout", state, state, rollout.Effects{Acknowledge: []string{"ro_1~1~a~1", "ro_1~1~a~1", "ro_1~stop~b~1"}})
	if n, sum := summary(t, m, "instruction_acknowledgement_seconds", map[string]string{"type": "deliberate"}); n != 1 || sum != 1 {
		t.Errorf("%d acknowledgements of %g s in all, want one of 1 s", n, sum)
	}
	if n := testutil.CollectAndCount(m.acknowledgements); n != 1 {
		t.Errorf("%d series, want one: nobody knows when the loose stop was made", n)
	}
}

// A claim may be acknowledged and over in one step, which then leaves no trace of
// it in the state.
func TestAcknowledgedAndGone(t *testing.T) {
	before := rollout.State{Rollouts: []rollout.Rollout{{
		ID: "ro_1", Kind: rollout.Shutdown, Status: rollout.Deciding,
		Claim: &rollout.Claim{InstructionID: "ro_1~claim~a~1", GrantedAt: start},
	}}}
	after := rollout.State{SteppedAt: start.Add(4 * time.Second), Rollouts: []rollout.Rollout{{ID: "ro_1", Kind: rollout.Shutdown, Status: rollout.Rolling}}}
	m := newMetrics()
	m.Stepped("scout", before, after, rollout.Effects{Acknowledge: []string{"ro_1~claim~a~1"}})
	if n, sum := summary(t, m, "instruction_acknowledgement_seconds", map[string]string{"type": "deliberate"}); n != 1 || sum != 4 {
		t.Errorf("%d acknowledgements of %g s in all, want one of 4 s", n, sum)
	}
}

func TestHeartbeatsAreCounted(t *testing.T) {
	m := newMetrics()
	m.Heartbeat(false)
	m.Heartbeat(false)
	m.Heartbeat(true)
	expect(t, m, "heartbeats_total", `
		orchestrator_heartbeats_total{result="changed"} 1
		orchestrator_heartbeats_total{result="unchanged"} 2`)
}
