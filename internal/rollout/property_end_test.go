package rollout_test

import (
	"reflect"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// commits is S1 and the fence of S3: grants only grow, a decision commits only
// under the present claim, and what was withdrawn is never acknowledged.
func (w *watch) commits(before, next rollout.State, eff rollout.Effects) {
	w.s.t.Helper()
	for _, r := range next.Rollouts {
		was := before.Find(r.ID)
		if was == nil {
			was = &rollout.Rollout{}
		}
		if r.Grants < was.Grants || r.Claim != nil && r.Claim.Number != r.Grants {
			w.fatalf("S1: the grants of %s went from %d to %d, claim %+v", r.ID, was.Grants, r.Grants, r.Claim)
		}
		if d := r.Decision; d != nil && !reflect.DeepEqual(d, was.Decision) && d.OccurrenceID != "" {
			if c := was.Claim; c == nil || c.Token != d.Token || c.Number != d.Number || c.OccurrenceID != d.OccurrenceID || c.Boot != d.Boot || d.Number != was.Grants {
				w.fatalf("S1: %s was decided by %+v while the claim was %+v", r.ID, d, c)
			}
		}
		if was.Decision != nil && was.Decision.Verdict != rollout.Defer && !reflect.DeepEqual(r.Decision, was.Decision) {
			w.fatalf("S1: the decision of %s changed from %+v to %+v", r.ID, was.Decision, r.Decision)
		}
	}
	for _, id := range eff.Acknowledge {
		if in := w.s.issued[id]; in != nil && !in.WithdrawnAt.IsZero() {
			w.fatalf("S3: %s was withdrawn, and is acknowledged", id)
		}
	}
}

// concurrency is S14: no instruction is made while max_concurrent members of
// the wave are in flight, except to a member's new boot.
func (w *watch) concurrency(before, next rollout.State, eff rollout.Effects) {
	w.s.t.Helper()
	type wave struct {
		rollout string
		index   int
	}
	told, anew := map[wave]int{}, map[wave]int{}
	for _, in := range eff.Instruct {
		if in.Wave == 0 {
			continue
		}
		at := wave{in.RolloutID, in.Wave}
		if m := memberOf(before.Find(in.RolloutID), in.OccurrenceID); m != nil && m.Told && m.Boot != in.Boot {
			anew[at]++
		} else {
			told[at]++
		}
	}
	for at, n := range told {
		v := next.Find(at.rollout).Waves[at.index-1]
		if !v.MaxConcurrent.Set || n == 0 {
			continue
		}
		flying, present := 0, 0
		for _, m := range v.Members {
			if m.Status.InFlight() {
				flying++
			}
			if m.Status != rollout.MemberSkipped {
				present++
			}
		}
		if limit := v.MaxConcurrent.Up(present); flying-anew[at] > limit {
			w.fatalf("S14: %d told, %d in flight in wave %d of %s, of whom %d are new boots; the limit is %d", n, flying, at.index, at.rollout, anew[at], limit)
		}
	}
}

func memberOf(r *rollout.Rollout, occurrence string) *rollout.Member {
	if r == nil {
		return nil
	}
	for i := range r.Waves {
		for j := range r.Waves[i].Members {
			if m := &r.Waves[i].Members[j]; m.OccurrenceID == occurrence {
				return m
			}
		}
	}
	return nil
}

// finals is S7 and S23: nothing leaves a final state, and an end leaves nobody
// waiting.
func (w *watch) finals(before, next rollout.State) {
	w.s.t.Helper()
	for i := range next.Rollouts {
		r := &next.Rollouts[i]
		if !r.Status.Final() {
			continue
		}
		if was := before.Find(r.ID); was != nil && was.Status.Final() {
			if was.Status != r.Status || was.Version != r.Version || was.Task != r.Task || !reflect.DeepEqual(shape(*was), shape(*r)) {
				w.fatalf("S7: %s is final and changed\n%s", r.ID, difference(written(before), written(next)))
			}
			continue
		}
		if r.FinishedAt.IsZero() || r.Claim != nil {
			w.fatalf("S23: %s ended at %s with the claim %+v", r.ID, r.FinishedAt, r.Claim)
		}
		for k, v := range r.Waves {
			if v.Status == rollout.WavePending || v.Status == rollout.WaveDelayed || v.Status == rollout.WaveRunning {
				w.fatalf("S23: %s is %s, and its wave %d is %s", r.ID, r.Status, k+1, v.Status)
			}
			for _, m := range v.Members {
				if m.Status == rollout.MemberPending || m.Status.InFlight() {
					w.fatalf("S23: %s is %s, and %s is %s", r.ID, r.Status, m.OccurrenceID, m.Status)
				}
			}
		}
		w.outcome(r)
	}
}

// shape is what of a rollout must not change any more.
func shape(r rollout.Rollout) []any {
	out := []any{r.Decision, r.FinishedAt}
	for _, v := range r.Waves {
		out = append(out, v.Status)
		for _, m := range v.Members {
			out = append(out, m.OccurrenceID, m.Status, m.Clean)
		}
	}
	return out
}

// outcome is rule 4.16, written down a second time: succeeded, partial and
// failed mean what they say.
func (w *watch) outcome(r *rollout.Rollout) {
	w.s.t.Helper()
	whole, reached, missed := true, 0, 0
	failsAll := false
	for _, v := range r.Waves {
		whole = whole && (v.Status == rollout.WavePassed || v.Status == rollout.WaveSkipped || r.Kind == rollout.Emergency)
		failsAll = failsAll || v.Status == rollout.WaveFailed && v.OnFailure == rollout.FailRollout && !v.Promoted
		for _, m := range v.Members {
			switch {
			case m.Status == rollout.MemberReached:
				reached++
				whole = whole && (r.Kind == rollout.Wakeup || m.Clean || v.AllowUnclean)
			case m.Status == rollout.MemberSkipped && (m.Departed || m.Refused || r.Kind == rollout.Wakeup):
			default:
				missed++
				whole = false
			}
		}
	}
	switch r.Status {
	case rollout.Succeeded:
		if !whole || reached == 0 && (missed > 0 || r.Kind == rollout.Wakeup) {
			w.fatalf("S23: %s succeeded\n%s", r.ID, w.describe(r))
		}
	case rollout.Partial:
		if whole && reached > 0 || reached == 0 && r.Kind != rollout.Emergency {
			w.fatalf("4.16: %s is partial\n%s", r.ID, w.describe(r))
		}
	case rollout.Failed:
		if r.Started() && !failsAll && reached > 0 {
			w.fatalf("4.16: %s failed\n%s", r.ID, w.describe(r))
		}
	case rollout.Deciding, rollout.Deferred, rollout.Rolling, rollout.Paused, rollout.Halted, rollout.Rejected, rollout.Aborted, rollout.Superseded:
	}
}

func (w *watch) describe(r *rollout.Rollout) string {
	return written(rollout.State{Rollouts: []rollout.Rollout{*r}})
}

// holds is S21: while an agent is held nobody is answered decide or proceed, and
// no wake is made; and a pause lets an emergency through (S15, S16).
func (w *watch) holds(before, next rollout.State, eff rollout.Effects) {
	w.s.t.Helper()
	if next.Hold == nil {
		return
	}
	if d := eff.Answer.Directive; before.Hold != nil && d != "" && d != rollout.Wait {
		w.fatalf("S21: held, and answered %s", d)
	}
	for _, in := range eff.Instruct {
		if in.Type != rollout.Stop {
			w.fatalf("S21: held, and told to %s", in.Type)
		}
	}
	for _, r := range next.Rollouts {
		if r.Kind == rollout.Wakeup && !r.Status.Final() {
			w.fatalf("8.4: held, and the wakeup %s is %s", r.ID, r.Status)
		}
	}
}

// unfinished is L2 and the rules about what may be at one time: every rollout
// waits for a time, or in a state that says for whom.
func (w *watch) unfinished(next rollout.State) {
	w.s.t.Helper()
	kinds, underWay := map[rollout.Kind]int{}, 0
	lens := rollout.Lens{
		Profile: next.Profile, Fleet: w.in.Fleet, Settings: w.in.Settings, Now: w.s.now,
		Clock: discovery.Clock{Silences: []discovery.Silence{{From: epoch, Offset: w.in.Silence}}},
	}
	for _, r := range next.Rollouts {
		w.task(r)
		if r.Status.Final() {
			continue
		}
		if kinds[r.Kind]++; kinds[r.Kind] > 1 {
			w.fatalf("4.1: two unfinished rollouts of the kind %s", r.Kind)
		}
		if r.Started() {
			underWay++
		}
		moves := !lens.NextAction(r).IsZero() && !next.WakeAt.IsZero()
		if r.Status != rollout.Paused && r.Status != rollout.Halted && !moves {
			w.fatalf("L2: %s is %s, and waits for nothing\n%s", r.ID, r.Status, w.describe(&r))
		}
	}
	if underWay > 1 {
		w.fatalf("4.2: two rollouts are under way")
	}
}

// task is rule 5.1.
func (w *watch) task(r rollout.Rollout) {
	w.s.t.Helper()
	decided := r.Decision != nil && r.Decision.Verdict != rollout.Defer
	want := rollout.TaskCompleted
	switch {
	case r.Status == rollout.Deciding && r.Claim != nil:
		want = rollout.TaskActive
	case r.Status == rollout.Deciding, r.Status == rollout.Deferred:
		want = rollout.TaskPending
	case !decided:
		want = rollout.TaskFailed
	}
	for _, v := range r.Waves {
		if r.Status == rollout.Failed && v.Status == rollout.WaveFailed && v.OnFailure == rollout.FailRollout && !v.Promoted {
			want = rollout.TaskFailed
		}
	}
	if r.Task.Status != want {
		w.fatalf("5.1: %s is %s, its task %s, want %s", r.ID, r.Status, r.Task.Status, want)
	}
}
