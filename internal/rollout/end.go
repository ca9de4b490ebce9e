package rollout

import (
	"slices"
	"time"
)

// finish ends a rollout when every wave is settled and no member is pending or
// in flight (rule 4.16).
func (w *world) finish(r *Rollout) bool {
	if !r.Started() || r.Kind == Emergency && !w.emergencyOver(r) {
		return false
	}
	for i := range r.Waves {
		v := &r.Waves[i]
		if !v.settled() {
			return false
		}
		for j := range v.Members {
			if s := v.Members[j].Status; s == MemberPending || s.InFlight() {
				return false
			}
		}
	}
	for i := range r.Waves {
		if v := &r.Waves[i]; v.Status == WaveRunning { // promoted past, and never healthy
			w.fail(r, v, "not enough members were healthy when the rollout ended")
		}
	}
	w.end(r, r.outcome(), "", "")
	return true
}

// outcome says how a rollout that came to its end went (rule 4.16).
func (r *Rollout) outcome() Status {
	whole, reached, told := true, 0, 0
	for i := range r.Waves {
		v := &r.Waves[i]
		if v.Status != WavePassed && v.Status != WaveSkipped && r.Kind != Emergency {
			whole = false
		}
		for j := range v.Members {
			m := &v.Members[j]
			switch {
			case m.Status == MemberReached:
				reached++
				whole = whole && (!r.stopping() || m.Clean || v.AllowUnclean)
			case m.Refused:
				told++
			case m.Status == MemberSkipped && (m.Departed || r.Kind == Wakeup):
			default:
				told++
				whole = false
			}
		}
	}
	switch {
	case reached == 0 && r.Kind == Shutdown && told == 0:
		return Succeeded // there was nobody left to tell
	case reached == 0 && r.Kind != Emergency:
		return Failed
	case whole:
		return Succeeded
	}
	return Partial
}

// end puts a rollout into a final state. What is not acknowledged is withdrawn
// unless it came to its own end (rule 7.4); members still waiting are cancelled
// (rule 4.16).
func (w *world) end(r *Rollout, status Status, actor, why string) {
	r.Status, r.FinishedAt, r.PausedAt = status, w.now, time.Time{}
	if !r.decided() {
		r.Task.Status = TaskFailed // ended undecided (rule 5.1)
	}
	if r.Claim != nil {
		w.letOut(r.Claim.OccurrenceID)
		r.Claim = nil
	}
	for i := range r.Waves {
		v := &r.Waves[i]
		switch v.Status {
		case WavePending, WaveDelayed, WaveRunning:
			v.Status, v.FinishedAt = WaveCancelled, w.now
		case WavePassed, WaveFailed, WaveSkipped, WaveCancelled:
		}
		for j := range v.Members {
			w.cancel(r, &v.Members[j])
			w.letOut(v.Members[j].OccurrenceID)
		}
	}
	if !r.Started() {
		r.Waves = nil // nothing was carried out
	}
	if status != Succeeded && status != Partial {
		w.withdraw(Withdrawal{RolloutID: r.ID})
	}
	data := map[string]any{}
	if why != "" {
		data["cause"] = why
	}
	w.changed(r, "rollout."+string(status), 0, actor, data)
	w.afterEnd(r)
}

// letOut notes that an occurrence is outside any rollout again: only from now on
// may it count as stuck (9.2).
func (w *world) letOut(occurrence string) {
	if o := w.in.Fleet.Get(occurrence); o != nil && !o.TransitSince.IsZero() {
		w.note(o, func(n *Note) {
			if w.now.After(n.WaitUntil) {
				n.WaitUntil = w.now
			}
		})
	}
}

// cancel ends a member's part in a rollout that has ended. A stop that was
// withdrawn before it was acknowledged never counts against its boot (6.2).
func (w *world) cancel(r *Rollout, m *Member) {
	if r.Status != Succeeded && r.Status != Partial && m.Told && m.HeardBoot != m.Boot && !m.Clean && w.Notes[m.OccurrenceID].Boot == m.Boot {
		w.forgetTold(r, m.OccurrenceID)
	}
	if m.Status == MemberPending || m.Status.InFlight() {
		m.Status = MemberCancelled
	}
}

// afterEnd remembers what outlives the rollout: the verdict that stands (6.4),
// the shutdown that stragglers missed (4.17), the hold of a terminal one (8.4).
func (w *world) afterEnd(r *Rollout) {
	done := r.Status == Succeeded || r.Status == Partial
	switch {
	case r.Kind == Wakeup && (r.Status == Rejected || r.Status == Failed || r.Status == Aborted):
		w.Standing = &Standing{RolloutID: r.ID, Status: r.Status, At: w.now}
	case r.Kind == Shutdown && done:
		w.LastStop = &LastStop{RolloutID: r.ID, Reason: r.Reason, At: w.now, Exempt: r.exempt()}
		if r.Terminal && w.Hold == nil {
			w.hold(Hold{Since: w.now, By: r.RequestedBy, Reason: r.Reason, RolloutID: r.ID, Terminal: true})
		}
	}
}

// exempt lists whom a finished shutdown does not tell again (rule 4.17).
func (r *Rollout) exempt() []string {
	var ids []string
	for i := range r.Waves {
		for j := range r.Waves[i].Members {
			m := &r.Waves[i].Members[j]
			if m.Refused || m.Status == MemberFailed || m.Status == MemberReached && m.Clean {
				ids = append(ids, m.OccurrenceID)
			}
		}
	}
	slices.Sort(ids)
	return ids
}
