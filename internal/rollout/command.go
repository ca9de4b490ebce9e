package rollout

import (
	"github.com/cirisai/orchestrator/internal/discovery"
)

// CodeNothingToRetry refuses a retry that would tell nobody (rule 4.18).
const CodeNothingToRetry discovery.Code = "nothing_to_retry"

// Control is a command of an operator on a rollout under way.
type Control string

// The commands of rule 4.18.
const (
	Pause   Control = "pause"
	Resume  Control = "resume"
	Promote Control = "promote"
	Retry   Control = "retry"
	Abort   Control = "abort"
)

// Order is such a command, given.
type Order struct {
	RolloutID string
	Control   Control
	Reason    string
	Actor     string
	Version   *int64 // nil: not asked for
	Wave      int    // of promote; 0 means not_before
}

// apply looks first whether what is asked is so already, then whether it is
// allowed, and only then at the version (rule 4.18).
func (c Order) apply(w *world) error {
	r, err := w.named(c.RolloutID)
	if err != nil {
		return err
	}
	w.eff.Answer = Answer{RolloutID: r.ID}
	switch {
	case r.Kind == Emergency || c.Wave < 0:
		return r.notAllowed(string(c.Control))
	case c.already(r):
		return nil
	case !c.allowed(r):
		return r.notAllowed(string(c.Control))
	case c.Control != Abort && c.Version != nil && *c.Version != r.Version:
		refusal := discovery.Refuse(CodeStaleVersion, "the rollout is at version %d, not %d: look again before you command", r.Version, *c.Version)
		refusal.State, refusal.Allowed = string(r.Status), Allowed(*r)
		return refusal
	}
	switch c.Control {
	case Pause:
		w.pause(r, c)
	case Resume:
		w.resume(r, c)
	case Promote:
		w.promote(r, c)
	case Retry:
		return w.retry(r, c)
	case Abort:
		w.end(r, Aborted, c.Actor, c.Reason)
	}
	return nil
}

// already tells whether what the command wants is so.
func (c Order) already(r *Rollout) bool {
	switch c.Control {
	case Pause:
		return r.Status == Paused
	case Resume:
		return r.Status == Rolling
	case Abort:
		return r.Status == Aborted
	case Promote:
		return r.promotedPast(c.Wave)
	case Retry:
		return false
	}
	return false
}

// promotedPast tells whether what comes after wave k has started.
func (r *Rollout) promotedPast(k int) bool {
	if r.Status.Final() || r.Status.undecided() {
		return false
	}
	if k == 0 {
		return r.Started()
	}
	if k <= len(r.Waves) && r.Waves[k-1].Promoted && k == len(r.Waves) {
		return true
	}
	for i := k; i < len(r.Waves); i++ {
		if r.Waves[i].started() {
			return true
		}
	}
	return false
}

// allowed is the fourth column of the table of states, and for promote also
// that the wave is not beyond the last one started.
func (c Order) allowed(r *Rollout) bool {
	named := false
	for _, a := range Allowed(*r) {
		named = named || a == string(c.Control)
	}
	if !named || c.Control != Promote || c.Wave == 0 {
		return named
	}
	if c.Wave > len(r.Waves) || !r.Started() {
		return false
	}
	for i := range r.Waves[:c.Wave] {
		if v := &r.Waves[i]; !v.started() && v.Status != WaveSkipped {
			return false
		}
	}
	return true
}

func (w *world) commanded(r *Rollout, c Order, data map[string]any) {
	if data == nil {
		data = map[string]any{}
	}
	data["reason"] = c.Reason
	w.changed(r, "command."+string(c.Control), 0, c.Actor, data)
}

// promote goes past a wave: it counts as settled, and what keeps the next one
// waiting as over (rule 4.18).
func (w *world) promote(r *Rollout, c Order) {
	r.Status = Rolling
	w.commanded(r, c, map[string]any{"wave": c.Wave})
	if c.Wave == 0 {
		r.SkipNotBefore = true
		r.Waves[0].StartsAt = w.now
		return
	}
	k := c.Wave - 1
	for k > 0 && r.Waves[k].Status == WaveSkipped {
		k-- // a skipped wave keeps nobody waiting; the one before it may
	}
	v := &r.Waves[k]
	v.Promoted = true
	v.settle(w.now)
	if next, _ := r.next(); next != nil {
		next.StartsAt = w.now
	}
}
