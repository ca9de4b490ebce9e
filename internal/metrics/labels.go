package metrics

import (
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// What the labels of the gauges can be, so that zero is shown as zero. A value
// that is not listed here is shown as well, once there is one.
var (
	kinds = []rollout.Kind{rollout.Wakeup, rollout.Shutdown, rollout.Emergency}

	statuses = []rollout.Status{
		rollout.Deciding, rollout.Deferred, rollout.Rolling, rollout.Paused, rollout.Halted,
		rollout.Succeeded, rollout.Partial, rollout.Rejected, rollout.Failed, rollout.Aborted, rollout.Superseded,
	}

	livenesses = []discovery.Liveness{discovery.Live, discovery.Stale, discovery.Gone}

	instructionTypes = []rollout.InstructionType{rollout.Deliberate, rollout.Wake, rollout.Stop, rollout.Rehearse}

	incidentTypes = []rollout.IncidentType{
		rollout.IncidentWaveFailed, rollout.IncidentDecisionTimeout, rollout.IncidentDeferralLimit,
		rollout.IncidentWakeupRefused, rollout.IncidentMemberStuck, rollout.IncidentOccurrenceStuck,
		rollout.IncidentUndeliverable, rollout.IncidentKeepsRestarting, rollout.IncidentStraggler,
		rollout.IncidentIdentityConflict, rollout.IncidentPausedLong, rollout.IncidentRestartedWhileHeld,
		rollout.IncidentBelowExpected,
	}

	// wellKnownGroups are the names that a wave has when nobody has named it.
	wellKnownGroups = []string{rollout.Explorer, rollout.EarlyAdopter, rollout.General, "all", "independent"}
)

const (
	maxGroups = 50
	maxRoutes = 100

	other = "other"
)

// bounded lets a label take so many values and no more. The first ones are kept;
// what comes after them is "other".
type bounded struct {
	mu    sync.Mutex
	max   int
	known map[string]bool
}

func newBounded(limit int, known ...string) *bounded {
	b := &bounded{max: limit, known: make(map[string]bool, limit)}
	for _, v := range known {
		b.known[v] = true
	}
	return b
}

func (b *bounded) value(v string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.known[v]:
		return v
	case len(b.known) >= b.max, !utf8.ValidString(v): // Prometheus takes nothing else
		return other
	}
	b.known[strings.Clone(v)] = true
	return v
}

// actorKind is the part of an actor that says what kind it is: "operator" of
// "operator:ann". An empty actor is the system itself.
func actorKind(actor string) string {
	kind, _, _ := strings.Cut(actor, ":")
	switch kind {
	case "occurrence", "operator", "system":
		return kind
	case "":
		return "system"
	}
	return other
}
