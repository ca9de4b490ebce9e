package rollout

import (
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
)

// followAll brings the members of every started wave up to what is true now.
func (w *world) followAll(r *Rollout) {
	for i := range r.Waves {
		v := &r.Waves[i]
		if !v.started() || v.Status == WaveSkipped {
			continue
		}
		for j := range v.Members {
			w.follow(r, v, &v.Members[j])
		}
	}
}

// follow gives a member the state that is true now (rule 4.11), and tells its
// new boot again where the rules want it (rule 4.13).
func (w *world) follow(r *Rollout, v *Wave, m *Member) {
	if m.Status == MemberSkipped || m.Status == MemberCancelled {
		return
	}
	if r.stopping() && !r.ReactivateWall.IsZero() && m.Status == MemberReached && m.Clean {
		return // who comes back after its clean stop is left alone (rule 4.13)
	}
	was := m.Status
	o := w.in.Fleet.Get(m.OccurrenceID)
	w.noticeErrors(r, m, o)
	if w.wasAwake(r, v, m, o) && (m.Status.InFlight() || v.room() > 0) {
		w.tell(r, v, m, o) // rule 4.6; who has lost its place waits for another one (rule 4.5)
		return
	}
	if o != nil && !o.Coordinated && r.Kind != Emergency && !m.Told {
		m.skip(o) // an old version is never told (rule 2.12)
		w.memberChanged(r, v, m)
		return
	}
	status, newBoot := w.observe(r, m, o)
	if newBoot {
		status = w.again(r, v, m, o)
		if status == MemberInstructed {
			return
		}
	}
	m.Status = status
	if r.Kind == Emergency && status == MemberLost && m.Unreachable == "" {
		m.Detail = "unreachable: not heard within the liveness timeout"
	}
	w.measure(r, v, m, o)
	if was != status {
		w.memberChanged(r, v, m)
	}
}

// wasAwake tells whether a member needed no telling because it was awake, and turns
// out not to be any more, so that it is told (rule 4.6).
func (w *world) wasAwake(r *Rollout, v *Wave, m *Member, o *discovery.Occurrence) bool {
	return m.Untold && m.ReachedAt.IsZero() && m.heard(o) && !r.affirmed(o) && o.Coordinated && o.Boot == m.Boot && !o.State.Awake() &&
		w.live(o) && r.Status == Rolling && v.mayTell()
}

// observe is the table of rule 4.11, the first row that fits. newBoot says that it
// is the row of a new boot that is not there yet, which is to be told again.
func (w *world) observe(r *Rollout, m *Member, o *discovery.Occurrence) (status MemberStatus, newBoot bool) {
	switch {
	case r.Kind == Emergency:
		return w.observeEmergency(m, o), false
	case r.stopping():
		return w.observeStopping(r, m, o)
	default:
		return w.observeWaking(r, m, o)
	}
}

func (w *world) observeWaking(r *Rollout, m *Member, o *discovery.Occurrence) (status MemberStatus, newBoot bool) {
	switch {
	case w.live(o) && m.heard(o) && (o.State == discovery.Work || o.State.Awake() && (m.Untold || !m.ReachedAt.IsZero())):
		return MemberReached, false
	case departed(o):
		if w.graceOver(r, m.StoppedSince) {
			return MemberFailed, false
		}
		return m.flying(), false
	case w.graceOver(r, m.ErrorSince):
		return MemberFailed, false
	case !w.live(o):
		return MemberLost, false
	}
	return w.observeOnTheWay(r, m, o)
}

func (w *world) observeStopping(r *Rollout, m *Member, o *discovery.Occurrence) (status MemberStatus, newBoot bool) {
	if departed(o) || !w.live(o) {
		return MemberReached, false
	}
	return w.observeOnTheWay(r, m, o)
}

// observeEmergency is rule 8.2: who was not known to be told and is silent is
// lost, and new boots are the business of the hold.
func (w *world) observeEmergency(m *Member, o *discovery.Occurrence) MemberStatus {
	acknowledged := !m.AcknowledgedAt.IsZero()
	switch {
	case departed(o), acknowledged && o.Silent(w.in.Fleet.Timing, w.now):
		return MemberReached // it stopped, or was told and fell silent
	case !w.live(o):
		return MemberLost
	case !w.now.Before(m.Deadline):
		return MemberFailed
	case m.Unreachable != "" && !acknowledged:
		return MemberLost
	}
	return m.flying()
}

// observeOnTheWay is the lower half of the table, the same for both kinds.
func (w *world) observeOnTheWay(r *Rollout, m *Member, o *discovery.Occurrence) (status MemberStatus, newBoot bool) {
	switch {
	case m.Told && m.Boot != o.Boot:
		return MemberInstructed, true
	case !m.Told:
		return MemberPending, false
	case !r.now(w.now).Before(m.Deadline):
		return MemberFailed, false
	}
	return m.flying(), false
}

// flying is the state of a member from which the end has not been heard.
func (m *Member) flying() MemberStatus {
	switch {
	case !m.Told:
		return MemberPending
	case m.AcknowledgedAt.IsZero():
		return MemberInstructed
	}
	return MemberAcknowledged
}

// again tells a member's new boot, three times at most (rule 4.13). What may
// not be told now is pending.
func (w *world) again(r *Rollout, v *Wave, m *Member, o *discovery.Occurrence) MemberStatus {
	switch {
	case !o.Coordinated:
		return MemberFailed // an old version is never told (rule 2.12)
	case m.Restarts >= maxRestarts:
		w.open(Incident{
			Type: IncidentKeepsRestarting, RolloutID: r.ID, Wave: r.index(v), OccurrenceID: m.OccurrenceID,
			Detail: restartDetail(r),
		})
		return MemberFailed
	case r.Status != Rolling || !v.mayTell():
		return MemberPending
	}
	w.tell(r, v, m, o)
	return MemberInstructed
}

func restartDetail(r *Rollout) string {
	if r.stopping() {
		return "something restarts it: its fourth boot since it was told to stop; it will wake again once the shutdown has ended, unless the shutdown is terminal"
	}
	return "something restarts it: its fourth boot since it was told to wake"
}

// noticeErrors keeps since when a member has been in error, or stopped, since
// it was told: the words from which the grace of rule 4.11 counts.
func (w *world) noticeErrors(r *Rollout, m *Member, o *discovery.Occurrence) {
	now := r.now(w.now)
	keep := func(since *time.Time, holds bool) {
		switch {
		case !holds:
			*since = time.Time{}
		case since.IsZero():
			*since = now
		}
	}
	keep(&m.StoppedSince, departed(o))
	keep(&m.ErrorSince, o != nil && o.State == discovery.Error && (!m.ErrorSince.IsZero() || m.Told && m.heard(o)))
}

func (w *world) graceOver(r *Rollout, since time.Time) bool {
	return !since.IsZero() && r.now(w.now).Sub(since) >= w.in.Settings.LivenessTimeout
}

// measure keeps what is measured of a member: when it reached, whether cleanly,
// and since when it has been healthy (rule 4.7).
func (w *world) measure(r *Rollout, v *Wave, m *Member, o *discovery.Occurrence) {
	reached := m.Status == MemberReached
	if r.stopping() && o != nil { // one that was purged meanwhile stays as it was
		m.Clean = reached && departed(o)
	}
	if reached && m.Unreachable != "" {
		m.Unreachable, m.Detail = "", "" // however it was told, it is there
	}
	if reached && (m.ReachedAt.IsZero() || m.ReachedAt.Before(m.InstructedAt)) {
		m.ReachedAt = w.now
	}
	if reached && (m.Clean || !r.stopping()) && m.Told && !m.Untold && m.AcknowledgedAt.IsZero() && m.Boot == bootOf(o, m.Boot) {
		m.AcknowledgedAt, m.HeardBoot = w.now, m.Boot // reaching acknowledges a member's own (rule 7.2)
		w.eff.Acknowledge = append(w.eff.Acknowledge, m.InstructionID)
	}
	switch healthy := reached && r.healthy(v, m, o); {
	case !healthy:
		m.HealthySince = time.Time{}
	case m.HealthySince.IsZero():
		m.HealthySince = r.now(w.now)
	}
}

func bootOf(o *discovery.Occurrence, none string) string {
	if o == nil {
		return none
	}
	return o.Boot
}

// healthy says whether a member that reached counts for its gate (rule 4.7).
func (r *Rollout) healthy(v *Wave, m *Member, o *discovery.Occurrence) bool {
	if r.stopping() {
		return m.Clean || v.AllowUnclean
	}
	return o.Critical == 0
}

// live tells whether the occurrence is live at this instant.
func (w *world) live(o *discovery.Occurrence) bool {
	return o != nil && o.Liveness(w.in.Fleet.Timing, w.now) == discovery.Live
}

// memberChanged writes a member's change of state to the trail, and notices
// those that are stuck: past the deadline while their heartbeats say that all
// is well (9.2).
func (w *world) memberChanged(r *Rollout, v *Wave, m *Member) {
	r.UpdatedAt = w.now
	data := map[string]any{}
	if m.Status == MemberReached && r.stopping() {
		data["clean"] = m.Clean
	}
	w.record(Event{Type: "member." + string(m.Status), RolloutID: r.ID, Wave: r.index(v), OccurrenceID: m.OccurrenceID, Data: data})
	o := w.in.Fleet.Get(m.OccurrenceID)
	if m.Status == MemberFailed && m.Told && w.live(o) && o.State != discovery.Error && o.Boot == m.Boot {
		m.Detail = "past its deadline, still reporting " + string(o.State)
		if m.Unreachable != "" {
			m.Detail += "; unreachable: " + m.Unreachable
		}
		w.open(Incident{
			Type: IncidentMemberStuck, RolloutID: r.ID, Wave: r.index(v), OccurrenceID: m.OccurrenceID, Boot: o.Boot,
			Detail: "told to " + string(r.target()) + ", past its deadline, and its heartbeats still report " + string(o.State),
		})
	}
}
