package rollout

import "time"

// pause stops a rollout's clocks: members are followed, nothing is sent, and
// gates, failures and ends are judged on resume (rule 4.19).
func (w *world) pause(r *Rollout, c Order) {
	r.Status, r.PausedAt = Paused, w.now
	w.commanded(r, c, nil)
	w.eff.Suspend = append(w.eff.Suspend, r.ID)
}

// resume lets the clocks run on; what was due meanwhile is judged now.
func (w *world) resume(r *Rollout, c Order) {
	stood := w.now.Sub(r.PausedAt)
	r.shift(stood)
	r.Status, r.PausedAt = Rolling, time.Time{}
	w.commanded(r, c, map[string]any{"paused_for": stood.String()})
	w.eff.Resume = append(w.eff.Resume, Extension{RolloutID: r.ID, By: stood})
}

// shift moves every clock that stood still during a pause: the column "pause"
// of the table of rule 4.20. What was over before the pause is over after it.
func (r *Rollout) shift(by time.Duration) {
	start := func(t *time.Time) {
		if !t.IsZero() {
			*t = t.Add(by)
		}
	}
	end := func(t *time.Time) {
		if t.After(r.PausedAt) {
			*t = t.Add(by)
		}
	}
	start(&r.DelaysFrom)
	for i := range r.Waves {
		v := &r.Waves[i]
		start(&v.SettledAt)
		end(&v.StartsAt)
		start(&v.WaitingSince)
		if v.Status == WaveRunning {
			start(&v.RunningFrom)
		}
		for j := range v.Members {
			m := &v.Members[j]
			start(&m.Deadline)
			start(&m.HealthySince)
			start(&m.ErrorSince)
			start(&m.StoppedSince)
		}
	}
}
