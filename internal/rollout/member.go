package rollout

import (
	"strconv"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
)

// maxRestarts is how many new boots of a member are told again (rule 4.13).
const maxRestarts = 3

// heard tells whether the occurrence was heard since the wave started, or since
// the member was let go: nothing observed earlier counts (rule 4.6).
func (m *Member) heard(o *discovery.Occurrence) bool {
	return o != nil && (o.Boot != m.SeenBoot || o.Sequence > m.SeenSequence)
}

// see forgets what was observed up to now.
func (m *Member) see(o *discovery.Occurrence) {
	m.SeenBoot, m.SeenSequence = o.Boot, o.Sequence
}

// skip leaves the member out of its wave. Who had left may be missed without
// harm to the outcome; who is merely silent may be running (rule 4.16).
func (m *Member) skip(o *discovery.Occurrence) {
	m.Status = MemberSkipped
	switch {
	case o != nil && !o.Coordinated:
		m.Detail = "registered as uncoordinated"
	case o == nil:
		m.Departed, m.Detail = true, "no longer known when the wave started"
	case o.Left:
		m.Departed, m.Detail = true, "had left before the wave started"
	case o.State == discovery.Stopped:
		m.Departed, m.Detail = true, "had stopped before the wave started"
	case o.CallbackGone:
		m.Detail = "its callback address answered 410 before the wave started"
	default:
		m.Detail = "not heard within the liveness timeout when the wave started"
	}
}

// departed tells whether the occurrence has left or stopped for good.
func departed(o *discovery.Occurrence) bool { return o == nil || o.HasStopped() }

// tell makes an instruction for a member's present boot.
func (w *world) tell(r *Rollout, v *Wave, m *Member, o *discovery.Occurrence) {
	if m.Told && m.Boot != o.Boot {
		m.Restarts++
	}
	m.Tries++
	m.Told, m.Untold = true, false
	m.Boot, m.Status, m.Detail, m.Unreachable = o.Boot, MemberInstructed, "", ""
	m.InstructionID = instructionID(r.ID, strconv.Itoa(r.index(v)), m.OccurrenceID, m.Tries)
	m.InstructedAt, m.AcknowledgedAt, m.Clean = w.now, time.Time{}, false
	m.Deadline = w.now.Add(v.Timeout)
	m.HealthySince, m.ErrorSince, m.StoppedSince = time.Time{}, time.Time{}, time.Time{}
	m.see(o)
	w.instruct(r, v, m)
	w.noteTold(r, o)
}

// needsNoTelling lets a member go without an instruction: it is already there,
// or it affirmed the wakeup itself (rule 4.6).
func (w *world) needsNoTelling(r *Rollout, v *Wave, m *Member, o *discovery.Occurrence) {
	m.Told, m.Untold = true, true
	m.Boot, m.Status = o.Boot, MemberAcknowledged
	m.AcknowledgedAt = w.now
	m.Deadline = w.now.Add(v.Timeout)
	m.see(o)
	w.record(Event{
		Type: "member.acknowledged", RolloutID: r.ID, Wave: r.index(v), OccurrenceID: m.OccurrenceID,
		Data: map[string]any{"detail": "needs no telling"},
	})
}

// affirmed tells whether this very boot gave the verdict that woke the fleet.
func (r *Rollout) affirmed(o *discovery.Occurrence) bool {
	d := r.Decision
	return r.Kind == Wakeup && d != nil && d.Verdict == Accept && d.OccurrenceID == o.ID && d.Boot == o.Boot
}

// letGo tells the members of a wave who wait for it, in order, at most
// max_concurrent in flight (rule 4.5).
func (w *world) letGo(r *Rollout, v *Wave) {
	if !v.started() || !v.mayTell() {
		return
	}
	room := v.room()
	for i := range v.Members {
		m := &v.Members[i]
		if room <= 0 {
			return
		}
		o := w.in.Fleet.Get(m.OccurrenceID)
		if m.Status != MemberPending || m.Told || departed(o) {
			continue
		}
		if r.Kind == Wakeup && (o.State.Awake() || r.affirmed(o)) {
			w.needsNoTelling(r, v, m, o)
		} else {
			w.tell(r, v, m, o)
		}
		room--
	}
}

// room is how many more members may be told now (rule 4.5).
func (v *Wave) room() int {
	room := len(v.Members)
	if v.MaxConcurrent.Set {
		room = v.MaxConcurrent.Up(v.present())
	}
	for i := range v.Members {
		if v.Members[i].Status.InFlight() {
			room--
		}
	}
	return room
}

// present counts the members that are not skipped.
func (v *Wave) present() int {
	n := 0
	for i := range v.Members {
		if v.Members[i].Status != MemberSkipped {
			n++
		}
	}
	return n
}
