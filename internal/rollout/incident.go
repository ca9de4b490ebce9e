package rollout

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
)

// IncidentType names what went wrong (9.2).
type IncidentType string

// The incidents of 9.2.
const (
	IncidentWaveFailed         IncidentType = "wave_failed"
	IncidentDecisionTimeout    IncidentType = "decision_timeout"
	IncidentDeferralLimit      IncidentType = "deferral_limit"
	IncidentWakeupRefused      IncidentType = "wakeup_refused"
	IncidentMemberStuck        IncidentType = "member_stuck"
	IncidentOccurrenceStuck    IncidentType = "occurrence_stuck"
	IncidentUndeliverable      IncidentType = "undeliverable"
	IncidentKeepsRestarting    IncidentType = "keeps_restarting"
	IncidentStraggler          IncidentType = "straggler"
	IncidentIdentityConflict   IncidentType = "identity_conflict"
	IncidentPausedLong         IncidentType = "paused_long"
	IncidentRestartedWhileHeld IncidentType = "restarted_while_held"
	IncidentBelowExpected      IncidentType = "below_expected"
)

// pausedLong is after how long a pause is an incident (rule 4.19).
const pausedLong = 24 * time.Hour

// Incident is something that a person should know of. It stays open until an
// operator resolves it or its cause goes away; one that an operator resolved is
// remembered until its cause is gone, and does not open again before.
type Incident struct {
	ID           string       `json:"incident_id"`
	Type         IncidentType `json:"type"`
	RolloutID    string       `json:"rollout_id,omitempty"`
	Wave         int          `json:"wave,omitempty"`
	OccurrenceID string       `json:"occurrence_id,omitempty"`
	Boot         string       `json:"boot,omitempty"` // the boot that it is about
	Detail       string       `json:"detail"`
	OpenedAt     time.Time    `json:"opened_at"`
	ResolvedAt   time.Time    `json:"resolved_at,omitzero"`
	ResolvedBy   string       `json:"resolved_by,omitempty"`
}

// key tells incidents apart: there is one of a type about a thing.
func (i Incident) key() string {
	return fmt.Sprintf("%s/%s/%d/%s", i.Type, i.RolloutID, i.Wave, i.OccurrenceID)
}

// open opens an incident unless there is one already, or its cause is gone as
// soon as it is looked at.
func (w *world) open(i Incident) {
	if _, known := w.Incidents[i.key()]; known || w.causeGone(i) {
		return
	}
	w.IncidentsMade++
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%d", w.AgentID, w.IncidentsMade))
	i.ID, i.OpenedAt = "inc_"+hex.EncodeToString(sum[:13]), w.now
	w.Incidents[i.key()] = i
	w.eff.Opened = append(w.eff.Opened, i)
	w.record(Event{
		Type: "incident.opened", RolloutID: i.RolloutID, Wave: i.Wave, OccurrenceID: i.OccurrenceID,
		Data: map[string]any{"incident_id": i.ID, "type": string(i.Type), "detail": i.Detail},
	})
}

// ResolveIncident is an operator closing an incident.
type ResolveIncident struct {
	IncidentID string
	Reason     string
	Actor      string
}

func (c ResolveIncident) apply(w *world) error {
	for _, i := range w.Incidents {
		if i.ID != c.IncidentID {
			continue
		}
		if i.ResolvedAt.IsZero() {
			w.close(i, c.Actor, c.Reason)
			i.ResolvedAt, i.ResolvedBy = w.now, c.Actor
			w.Incidents[i.key()] = i
		}
		return nil
	}
	return discovery.Refuse(discovery.CodeNotFound, "there is no such incident")
}

func (w *world) close(i Incident, by, why string) {
	i.ResolvedAt, i.ResolvedBy = w.now, by
	w.eff.Resolved = append(w.eff.Resolved, i)
	w.record(Event{
		Type: "incident.resolved", RolloutID: i.RolloutID, Wave: i.Wave, OccurrenceID: i.OccurrenceID, Actor: by,
		Data: map[string]any{"incident_id": i.ID, "reason": why},
	})
}

// review closes the incidents whose cause has gone away, in the order of their
// keys, so that the trail is the same on every replica.
func (w *world) review() {
	for _, key := range slices.Sorted(maps.Keys(w.Incidents)) {
		i := w.Incidents[key]
		if !w.causeGone(i) {
			continue
		}
		delete(w.Incidents, key)
		if i.ResolvedAt.IsZero() {
			w.close(i, "system:cause_gone", "its cause has gone away")
		}
	}
}

func (w *world) causeGone(i Incident) bool {
	r, o := w.Find(i.RolloutID), w.in.Fleet.Get(i.OccurrenceID)
	switch i.Type {
	case IncidentWaveFailed:
		return r != nil && r.waveRecovered(i.Wave)
	case IncidentWakeupRefused:
		return !w.stands() || w.Standing.RolloutID != i.RolloutID
	case IncidentMemberStuck:
		return !w.live(o) || o.Boot != i.Boot || r != nil && r.madeIt(i.OccurrenceID)
	case IncidentStraggler:
		return !w.live(o) || o.Boot != i.Boot
	case IncidentUndeliverable:
		return o == nil || o.Liveness(w.in.Fleet.Timing, w.now) == discovery.Gone || r != nil && r.madeIt(i.OccurrenceID)
	case IncidentKeepsRestarting:
		return o == nil || o.Liveness(w.in.Fleet.Timing, w.now) == discovery.Gone || w.now.Sub(o.BootHeard) >= w.in.Settings.StuckAfter
	case IncidentRestartedWhileHeld:
		return w.Hold == nil || w.Hold.RolloutID != i.RolloutID
	case IncidentPausedLong:
		return r == nil || r.Status != Paused
	case IncidentIdentityConflict:
		return o == nil || w.now.Sub(o.Conflicts[len(o.Conflicts)-1]) >= w.in.Settings.DiscoveryWindow
	case IncidentOccurrenceStuck:
		return !w.stuck(o)
	case IncidentBelowExpected:
		return !w.belowExpected()
	case IncidentDecisionTimeout, IncidentDeferralLimit:
		return false
	}
	return false
}

// waveRecovered tells whether a failed wave runs again, was promoted past, or
// its halted rollout has ended some other way.
func (r *Rollout) waveRecovered(wave int) bool {
	if wave < 1 || wave > len(r.Waves) {
		return true
	}
	v := &r.Waves[wave-1]
	return v.Status != WaveFailed || v.Promoted || r.Status.Final() && v.OnFailure == HaltRollout
}

// madeIt tells whether a member has come to its end or acknowledged after all.
func (r *Rollout) madeIt(occurrence string) bool {
	_, m := r.member(occurrence)
	return m != nil && (m.Status == MemberReached && (m.Clean || !r.stopping()) || m.Status.InFlight() && !m.AcknowledgedAt.IsZero())
}

// judgeFleet opens the incidents that are about a state of things rather than
// about something that happened.
func (w *world) judgeFleet() {
	if w.stands() {
		w.open(Incident{
			Type: IncidentWakeupRefused, RolloutID: w.Standing.RolloutID,
			Detail: "the last wakeup ended " + string(w.Standing.Status) + "; nobody deliberates again until an operator asks, or the whole fleet has been restarted",
		})
	}
	for i := range w.Rollouts {
		if r := &w.Rollouts[i]; r.Status == Paused && w.now.Sub(r.PausedAt) >= pausedLong {
			w.open(Incident{Type: IncidentPausedLong, RolloutID: r.ID, Detail: "paused for a day"})
		}
	}
	switch stopping := w.Hold != nil || w.underWay(Shutdown) != nil || w.unfinished(Emergency) != nil; {
	case stopping:
		w.Complete = false // whom a shutdown stops is not missing
	case w.Profile.Expected > 0 && len(w.in.Fleet.Live(w.now)) >= w.Profile.Expected:
		w.Complete = true
	}
	if w.belowExpected() {
		w.open(Incident{
			Type:   IncidentBelowExpected,
			Detail: fmt.Sprintf("%d of %d expected occurrences are live", len(w.in.Fleet.Live(w.now)), w.Profile.Expected),
		})
	}
	for i, all := 0, w.in.Fleet.All(); i < len(all); i++ {
		o := &all[i]
		if o.InConflict() && w.now.Sub(o.Conflicts[len(o.Conflicts)-1]) < w.in.Settings.DiscoveryWindow {
			w.open(Incident{
				Type: IncidentIdentityConflict, OccurrenceID: o.ID,
				Detail: "replaced boots keep talking: two processes claim to be this occurrence",
			})
		}
		if w.stuck(o) {
			w.open(Incident{
				Type: IncidentOccurrenceStuck, OccurrenceID: o.ID,
				Detail: "in " + string(o.State) + " since " + w.in.wallString(o.TransitSince) + ", outside any rollout, and not because it was told to wait",
			})
		}
	}
}

// WithProfile gives an agent of which so many are live other settings. A higher
// count than the one that it had was not reached yet, so that it cannot have fallen
// below it (9.2); unless it is below the former one, and then it still is.
func (s State) WithProfile(p Profile, live int) State {
	if p.Expected > s.Profile.Expected && live >= s.Profile.Expected {
		s.Complete = false
	}
	s.Profile = p
	return s
}

// belowExpected: the fleet was complete, and is not any more, and that is not
// the work of a shutdown, which makes it start anew.
func (w *world) belowExpected() bool {
	return w.Complete && w.Profile.Expected > 0 && len(w.in.Fleet.Live(w.now)) < w.Profile.Expected
}

// stuck: outside any rollout in wakeup or shutdown for too long, across boots,
// and not because the service told it to wait.
func (w *world) stuck(o *discovery.Occurrence) bool {
	if o == nil || o.TransitSince.IsZero() || !w.live(o) || w.now.Before(w.stuckFrom(o)) {
		return false
	}
	for i := range w.Rollouts {
		r := &w.Rollouts[i]
		if r.Status.Final() {
			continue
		}
		if _, m := r.member(o.ID); m != nil || r.Claim != nil && r.Claim.OccurrenceID == o.ID {
			return false
		}
	}
	return true
}

// stuckFrom is when an occurrence in transit counts as stuck.
func (w *world) stuckFrom(o *discovery.Occurrence) time.Time {
	since := o.TransitSince
	if until := w.noteOf(o).WaitUntil; until.After(since) {
		since = until
	}
	return since.Add(w.in.Settings.StuckAfter)
}

// wallString writes a service instant as wall time.
func (in Input) wallString(t time.Time) string {
	return t.Add(in.Silence).UTC().Format(time.RFC3339)
}
