package metrics

import (
	"strings"
	"time"

	"github.com/cirisai/orchestrator/internal/rollout"
)

var (
	waveBuckets            = []float64{1, 5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 3 * 3600, 12 * 3600, 24 * 3600}
	acknowledgementBuckets = []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300}
)

func (m *Metrics) defineSteps() {
	m.heartbeats = m.counter("heartbeats_total",
		"Heartbeats taken. Unchanged ones said nothing new and were only noted; changed ones went through a step. Refused and repeated ones are not counted.",
		"result")
	m.rolloutsRequested = m.counter("rollouts_requested_total",
		"Rollouts that were begun: by an operator, by an occurrence that asked to wake up, or by an emergency stop.", "kind")
	m.rolloutsFinished = m.counter("rollouts_finished_total",
		"Rollouts that came to a final state, which is the outcome.", "kind", "outcome")
	m.waves = m.histogram("wave_duration_seconds",
		"How long waves took from their start until they passed, failed or were cancelled, with pauses and retries. A wave that fails again after a retry, or after it had passed, is counted again. Waves that never started are not counted.",
		waveBuckets, "kind", "group", "outcome")
	m.decisions = m.counter("decisions_total",
		"Verdicts taken on rollouts. By says who gave them: an occurrence, an operator (also one who asked for no consent), or the system where silence was to be consent.",
		"kind", "verdict", "by")
	m.instructions = m.counter("instructions_created_total",
		"Instructions made for occurrences. What is neither acknowledged nor pending was withdrawn or has expired.", "type")
	m.acknowledgements = m.histogram("instruction_acknowledgement_seconds",
		"How long it took from the making of an instruction until it was acknowledged, or the occurrence was where it was told to go. The stops told to stragglers, and to those who run on while their agent is held, are not timed.",
		acknowledgementBuckets, "type")
	m.incidentsOpened = m.counter("incidents_opened_total",
		"Incidents opened, each of which a person should know of.", "type")
	m.incidentsResolved = m.counter("incidents_resolved_total",
		"Incidents resolved: by an operator, or by the system when their cause had gone away.", "type", "by")

	startAtZero(m.heartbeats, []string{resultChanged, resultUnchanged})
	startAtZero(m.rolloutsRequested, kinds)
	startAtZero(m.instructions, instructionTypes)
	startAtZero(m.incidentsOpened, incidentTypes)
}

const (
	resultChanged   = "changed"
	resultUnchanged = "unchanged"
)

// Heartbeat counts a heartbeat that was taken.
func (m *Metrics) Heartbeat(changed bool) {
	result := resultUnchanged
	if changed {
		result = resultChanged
	}
	m.heartbeats.WithLabelValues(result).Inc()
}

// Stepped counts what a committed step has done.
func (m *Metrics) Stepped(_ string, before, after rollout.State, eff rollout.Effects) {
	for i := range after.Rollouts {
		r := &after.Rollouts[i]
		m.rolloutStepped(before.Find(r.ID), r)
	}
	for i := range eff.Events {
		m.happened(&after, &eff.Events[i])
	}
	for i := range eff.Instruct {
		m.instructions.WithLabelValues(string(eff.Instruct[i].Type)).Inc()
	}
	for _, in := range acknowledged(&before, &after, eff) {
		m.acknowledgements.WithLabelValues(string(in.kind)).Observe(seconds(in.made, after.SteppedAt))
	}
	for i := range eff.Opened {
		m.incidentsOpened.WithLabelValues(string(eff.Opened[i].Type)).Inc()
	}
	for i := range eff.Resolved {
		m.incidentsResolved.WithLabelValues(string(eff.Resolved[i].Type), actorKind(eff.Resolved[i].ResolvedBy)).Inc()
	}
}

// rolloutStepped counts the beginning and the end of a rollout, and the ends of
// its waves. before is nil when the step has made it.
func (m *Metrics) rolloutStepped(before, after *rollout.Rollout) {
	if before == nil {
		m.rolloutsRequested.WithLabelValues(string(after.Kind)).Inc()
		before = &rollout.Rollout{}
	}
	if after.Status.Final() && !before.Status.Final() {
		m.rolloutsFinished.WithLabelValues(string(after.Kind), string(after.Status)).Inc()
	}
	for i := range after.Waves {
		was, is := rollout.Wave{}, &after.Waves[i]
		if i < len(before.Waves) {
			was = before.Waves[i]
		}
		if ended(&was, is) {
			m.waves.WithLabelValues(string(after.Kind), m.groups.value(is.Name), string(is.Status)).Observe(seconds(is.StartedAt, is.FinishedAt))
		}
	}
}

// ended tells whether a wave that had started came to an end, or to another end.
func ended(was, is *rollout.Wave) bool {
	return !is.StartedAt.IsZero() && !is.FinishedAt.IsZero() &&
		(was.Status != is.Status || !was.FinishedAt.Equal(is.FinishedAt))
}

// happened counts what only the trail tells: verdicts, since a later one takes an
// earlier one's place.
func (m *Metrics) happened(after *rollout.State, e *rollout.Event) {
	verdict, found := strings.CutPrefix(e.Type, "decision.")
	if !found {
		return
	}
	kind := other
	if r := after.Find(e.RolloutID); r != nil {
		kind = string(r.Kind)
	}
	m.decisions.WithLabelValues(kind, verdict, actorKind(e.Actor)).Inc()
}

func seconds(from, to time.Time) float64 { return max(0, to.Sub(from).Seconds()) }
