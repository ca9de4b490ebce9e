package rollout

import (
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
)

// retry runs the halted wave again: those of its members who are discovered and
// have not made it are told, with deadlines and counts anew (rule 4.18).
func (w *world) retry(r *Rollout, c Order) error {
	v := r.haltedWave()
	var again []*Member
	for i := range v.Members {
		m := &v.Members[i]
		o := w.in.Fleet.Get(m.OccurrenceID)
		if m.mayTryAgain(r) && o != nil && o.Coordinated && o.Liveness(w.in.Fleet.Timing, w.now) != discovery.Gone {
			again = append(again, m)
		}
	}
	if t := w.tally(r, v); len(again) == 0 && t.healthy < v.need(t.present) {
		refusal := discovery.Refuse(CodeNothingToRetry, "no member of wave %q is discovered and failed, lost, unclean or pending", v.Name)
		refusal.State, refusal.Allowed = string(r.Status), Allowed(*r)
		return refusal
	}
	r.Status = Rolling
	v.Status, v.RetriedAt, v.RunningFrom = WaveRunning, w.now, w.now
	v.FinishedAt, v.SettledAt = time.Time{}, time.Time{}
	for i := range r.Waves {
		if next := &r.Waves[i]; next.Status == WavePending || next.Status == WaveDelayed {
			next.Status, next.StartsAt, next.WaitingSince = WavePending, time.Time{}, time.Time{}
		}
	}
	w.commanded(r, c, map[string]any{"wave": r.index(v), "members": len(again)})
	w.tellAgain(r, v, again)
	return nil
}

// haltedWave is the wave for which the rollout halted.
func (r *Rollout) haltedWave() *Wave {
	for i := range r.Waves {
		if v := &r.Waves[i]; v.Status == WaveFailed && !v.settled() {
			return v
		}
	}
	return &r.Waves[0]
}

// mayTryAgain: failed, lost, pending, or stopped uncleanly where that does not
// do.
func (m *Member) mayTryAgain(r *Rollout) bool {
	switch m.Status {
	case MemberFailed, MemberLost, MemberPending:
		return true
	case MemberReached:
		return r.stopping() && !m.Clean
	case MemberInstructed, MemberAcknowledged, MemberSkipped, MemberCancelled:
	}
	return false
}

// tellAgain tells members anew, at most max_concurrent at once; the others wait
// for their turn. The grace of rule 4.11 begins anew, stable_for goes on.
func (w *world) tellAgain(r *Rollout, v *Wave, members []*Member) {
	room := v.room()
	for i := range v.Members {
		v.Members[i].ErrorSince, v.Members[i].StoppedSince = time.Time{}, time.Time{}
	}
	for _, m := range members {
		m.Told, m.Restarts, m.Status, m.Deadline = false, 0, MemberPending, time.Time{}
		o := w.in.Fleet.Get(m.OccurrenceID)
		m.see(o)
		if room > 0 {
			w.tell(r, v, m, o)
			room--
		}
	}
}
