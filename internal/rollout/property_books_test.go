package rollout_test

import (
	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// books checks what a step opened, closed and counted, and keeps the watch's own
// books of who was answered what.
func (w *watch) books(before, next rollout.State, eff rollout.Effects) {
	w.s.t.Helper()
	for _, i := range eff.Opened {
		if w.incidents[i.ID] {
			w.fatalf("9.2: the incident id %s was given twice", i.ID)
		}
		w.incidents[i.ID] = true
		for _, known := range before.Incidents {
			if known.Type == i.Type && known.RolloutID == i.RolloutID && known.Wave == i.Wave && known.OccurrenceID == i.OccurrenceID && !w.closedIn(eff, known) {
				w.fatalf("9.2: %s was opened, and is known already: %+v", i.Type, known)
			}
		}
	}
	for _, r := range next.Rollouts {
		was := before.Find(r.ID)
		if was == nil {
			continue
		}
		moved := was.Status != r.Status || len(was.Waves) != len(r.Waves)
		for k := range min(len(was.Waves), len(r.Waves)) {
			moved = moved || was.Waves[k].Status != r.Waves[k].Status
		}
		if r.Version < was.Version || moved && r.Version == was.Version {
			w.fatalf("4.18: %s went from %s to %s, its version from %d to %d", r.ID, was.Status, r.Status, was.Version, r.Version)
		}
		if moved && len(eff.Events) == 0 {
			w.fatalf("S17: %s changed without an event", r.ID)
		}
		if d := r.Decision; r.Kind == rollout.Wakeup && d != nil && d.Verdict == rollout.Accept && d.Boot != "" {
			mark(w.affirmed, d.Boot, r.ID)
		}
	}
	if ask, isAsk := w.in.Command.(rollout.Ask); isAsk && eff.Answer.Directive == rollout.Proceed && eff.Answer.RolloutID != "" {
		mark(w.proceeded, w.in.Fleet.Get(ask.OccurrenceID).Boot, eff.Answer.RolloutID)
	}
}

// closedIn tells whether an incident ceased to be known in this very step.
func (w *watch) closedIn(eff rollout.Effects, i rollout.Incident) bool {
	for _, closed := range eff.Resolved {
		if closed.ID == i.ID {
			return true
		}
	}
	return !i.ResolvedAt.IsZero()
}

func mark(m map[string]map[string]bool, key, value string) {
	if m[key] == nil {
		m[key] = map[string]bool{}
	}
	m[key][value] = true
}

// directive is rule 6.2 written down a second time: the answer to an ask is the
// first row that fits, with the watch's own idea of who is a witness.
func (w *watch) directive(before rollout.State, eff rollout.Effects) {
	w.s.t.Helper()
	ask, isAsk := w.in.Command.(rollout.Ask)
	if !isAsk {
		return
	}
	o := w.in.Fleet.Get(ask.OccurrenceID)
	if want := w.firstRow(before, o); eff.Answer.Directive != want {
		w.fatalf("6.2: %s was answered %s (%s), want %s", o.ID, eff.Answer.Directive, eff.Answer.Reason, want)
	}
}

func (w *watch) firstRow(before rollout.State, o *discovery.Occurrence) rollout.Directive {
	var wakeup *rollout.Rollout
	shutdown := false
	for i := range before.Rollouts {
		switch r := &before.Rollouts[i]; {
		case r.Status.Final():
		case r.Kind == rollout.Wakeup:
			wakeup = r
		case r.Kind == rollout.Shutdown:
			shutdown = shutdown || r.Started()
		}
	}
	switch {
	case before.Hold != nil:
		return rollout.Wait
	case !w.in.Settings.Coordination || !o.Coordinated:
		return rollout.Independent
	case shutdown:
		return rollout.Wait
	}
	if wakeup != nil {
		if d := w.fourthRow(wakeup, o); d != "" {
			return d
		}
	}
	exists, heard := w.witness(o)
	switch {
	case o.State.Awake() || heard:
		return rollout.Proceed
	case exists || wakeup != nil || w.standsNow():
		return rollout.Wait
	}
	return rollout.Decide
}

// fourthRow: a wakeup is unfinished; empty when the row does not fit.
func (w *watch) fourthRow(r *rollout.Rollout, o *discovery.Occurrence) rollout.Directive {
	if r.Status == rollout.Deciding && (r.Claim == nil || r.Claim.OccurrenceID == o.ID && r.Claim.Boot == o.Boot) {
		return rollout.Decide
	}
	if !r.Started() {
		return ""
	}
	m := memberOf(r, o.ID)
	switch {
	case m == nil || m.Status == rollout.MemberSkipped:
		if r.Status == rollout.Rolling && !placeIn(r) {
			return rollout.Proceed
		}
		return rollout.Wait
	case !m.Told || m.Status == rollout.MemberFailed:
		return rollout.Wait
	case r.Status == rollout.Paused && (m.AcknowledgedAt.IsZero() || m.Boot != o.Boot):
		return rollout.Wait
	}
	return rollout.Proceed
}

// placeIn tells whether a wakeup under way has a place for one more (rule 4.15).
func placeIn(r *rollout.Rollout) bool {
	waiting := func(v rollout.Wave) bool { return v.Status == rollout.WavePending || v.Status == rollout.WaveDelayed }
	last := false
	for _, v := range r.Waves {
		if waiting(v) && len(v.Members) < v.Places {
			return true
		}
		if v.Status != rollout.WaveSkipped {
			last = waiting(v)
		}
	}
	return last
}

// witness looks for another live, coordinated, awake boot that no shutdown told
// to stop, and that was not told, answered proceed or heard to affirm in a
// wakeup that stands.
func (w *watch) witness(asker *discovery.Occurrence) (exists, heard bool) {
	stopped := map[string]bool{}
	for _, in := range w.s.issued {
		stopped[in.Boot] = stopped[in.Boot] || in.Type == rollout.Stop && in.WithdrawnAt.IsZero()
	}
	woken := map[string]bool{}
	if w.standsNow() {
		for _, in := range w.s.issued {
			woken[in.Boot] = woken[in.Boot] || in.Type == rollout.Wake && in.RolloutID == w.standing
		}
	}
	for i := range w.fleet {
		o := &w.fleet[i]
		if o.ID == asker.ID || !o.Coordinated || !o.State.Awake() || o.Liveness(w.in.Fleet.Timing, w.s.now) != discovery.Live {
			continue
		}
		if stopped[o.Boot] || woken[o.Boot] || w.standsNow() && (w.proceeded[o.Boot][w.standing] || w.affirmed[o.Boot][w.standing]) {
			continue
		}
		exists = true
		heard = heard || o.LastSign.After(asker.BootHeard)
	}
	return exists, heard
}
