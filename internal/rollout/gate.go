package rollout

import "time"

// judgeAll judges the gates of the waves in order, and stops at the first that
// opens or fails, since that may change what follows.
func (w *world) judgeAll(r *Rollout) bool {
	for i := range r.Waves {
		if w.judge(r, &r.Waves[i]) {
			return true
		}
	}
	return false
}

// tally counts the members that a wave started with, who alone count for its
// gate (rule 4.7).
type tally struct {
	present  int // not skipped
	healthy  int // healthy for stable_for without a break
	failed   int
	pending  int
	deadline time.Time // the last deadline of theirs
}

func (w *world) tally(r *Rollout, v *Wave) tally {
	t, now := tally{}, r.now(w.now)
	for i := range v.Members {
		m := &v.Members[i]
		if !m.Counts || m.Status == MemberSkipped {
			continue
		}
		t.present++
		deadline := m.Deadline
		if deadline.IsZero() {
			deadline = v.RunningFrom.Add(v.Timeout)
		}
		if deadline.After(t.deadline) {
			t.deadline = deadline
		}
		switch {
		case !m.HealthySince.IsZero() && now.Sub(m.HealthySince) >= v.StableFor:
			t.healthy++
		case m.Status == MemberFailed:
			t.failed++
		case m.Status == MemberPending:
			t.pending++
		}
	}
	return t
}

// need is how many of the present members must be healthy: never more than
// there are (rule 4.7).
func (v *Wave) need(present int) int { return min(v.MinHealthy.Up(present), present) }

// judge opens a wave's gate, or fails the wave, when it is time (rules 4.7 and
// 4.8). It tells whether it did.
func (w *world) judge(r *Rollout, v *Wave) bool {
	if v.Status != WaveRunning {
		return false
	}
	t := w.tally(r, v)
	need := v.need(t.present)
	switch {
	case t.present == 0 && v.present() == 0: // all of them refused
		v.Status, v.FinishedAt = WaveSkipped, w.now
		w.changed(r, "wave.skipped", r.index(v), "", map[string]any{"cause": "none of its members takes part"})
	case t.healthy >= need:
		w.pass(r, v)
	case t.failed > t.present-need:
		w.fail(r, v, "more members failed than its gate can spare")
	case v.MaxFailed.Set && t.failed > v.MaxFailed.Down(t.present):
		w.fail(r, v, "more than "+v.MaxFailed.String()+" of its members failed")
	case t.pending == 0 && !r.now(w.now).Before(t.deadline.Add(v.StableFor)):
		w.fail(r, v, "not enough members were healthy by the last deadline")
	default:
		return false
	}
	return true
}

// pass opens the gate.
func (w *world) pass(r *Rollout, v *Wave) {
	v.Status, v.GateOpenedAt, v.FinishedAt = WavePassed, w.now, w.now
	v.settle(w.now)
	w.changed(r, "wave.passed", r.index(v), "", nil)
}

// settle keeps the moment from which the next wave's delay counts (rule 4.4);
// promotion may have set it before.
func (v *Wave) settle(now time.Time) {
	if !v.Promoted || v.SettledAt.IsZero() {
		v.SettledAt = now
	}
}

// fail fails a wave, and does to the rollout what the wave's plan says (rule
// 4.9), unless an operator has promoted past it.
func (w *world) fail(r *Rollout, v *Wave, why string) {
	v.Status, v.FinishedAt = WaveFailed, w.now
	w.changed(r, "wave.failed", r.index(v), "", map[string]any{"cause": why})
	if v.Promoted {
		v.settle(w.now)
		return
	}
	w.open(Incident{Type: IncidentWaveFailed, RolloutID: r.ID, Wave: r.index(v), Detail: "wave " + v.Name + " failed: " + why})
	switch v.OnFailure {
	case FailRollout:
		r.Task.Status = TaskFailed
		w.end(r, Failed, "", "wave "+v.Name+" failed")
	case HaltRollout:
		r.Status = Halted
		w.changed(r, "rollout.halted", r.index(v), "", map[string]any{"cause": why})
	case GoOn:
		v.settle(w.now)
	}
}
