package rollout

import (
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
)

// agenda finds the first instant after another.
type agenda struct {
	after time.Time
	first time.Time
	// timersOnly leaves out when somebody would stop being live: every heartbeat
	// moves that.
	timersOnly bool
}

func (a *agenda) add(at time.Time) {
	if at.After(a.after) && (a.first.IsZero() || at.Before(a.first)) {
		a.first = at
	}
}

// since adds the end of a stretch that may not have begun.
func (a *agenda) since(from time.Time, d time.Duration) {
	if !from.IsZero() {
		a.add(from.Add(d))
	}
}

// nextDue is the first instant after another at which a rule may move something
// though nobody says anything: the timers of rule 4.20, and every moment at
// which somebody who matters stops being live.
func (w *world) nextDue(after time.Time) (time.Time, bool) {
	a := &agenda{after: after}
	for i := range w.Rollouts {
		switch r := &w.Rollouts[i]; r.Status {
		case Deciding, Deferred:
			w.dueDeciding(a, r)
		case Rolling, Halted:
			w.dueRolling(a, r)
		case Paused:
			a.since(r.PausedAt, pausedLong)
			w.dueMembers(a, r)
		case Succeeded, Partial, Rejected, Failed, Aborted, Superseded:
		}
	}
	w.dueFleet(a)
	return a.first, !a.first.IsZero()
}

// lapse adds when an occurrence stops being live: it is live up to and with the
// liveness timeout (rule 2.9).
func (w *world) lapse(a *agenda, o *discovery.Occurrence) {
	if !a.timersOnly && o != nil && !o.HasStopped() {
		a.since(o.LastSign, w.in.Settings.LivenessTimeout+time.Microsecond)
	}
}

// disappearance adds when an occurrence is gone if it is not heard (rule 2.9).
func (w *world) disappearance(a *agenda, o *discovery.Occurrence) {
	a.since(o.LastSign, max(w.in.Settings.DiscoveryWindow, w.in.Settings.LivenessTimeout)+time.Microsecond)
}

func (w *world) dueDeciding(a *agenda, r *Rollout) {
	a.add(r.DecideBy)
	if !r.DeferredTillWall.IsZero() {
		a.add(w.service(r.DeferredTillWall))
	}
	if !r.DeferredFromWall.IsZero() {
		a.add(w.service(r.DeferredFromWall.Add(w.in.Settings.DeferralLimit)))
	}
	if c := r.Claim; c != nil {
		a.add(c.ExpiresAt)
		if !c.Acknowledged {
			a.since(c.GrantedAt, w.in.Settings.LivenessTimeout)
		}
		w.lapse(a, w.in.Fleet.Get(c.OccurrenceID))
	}
}

func (w *world) dueRolling(a *agenda, r *Rollout) {
	if v, prev := r.next(); v != nil {
		a.add(v.StartsAt)
		if !r.Started() && !r.NotBeforeWall.IsZero() {
			a.add(w.service(r.NotBeforeWall))
		}
		a.since(v.WaitingSince, v.Timeout)
		if prev != nil {
			a.since(v.WaitingSince, prev.Timeout)
			w.dueFreshness(a, r, v, prev)
		}
	}
	for i := range r.Waves {
		v := &r.Waves[i]
		if v.Status == WaveRunning {
			a.since(v.RunningFrom, v.Timeout+v.StableFor)
		}
		for j := range v.Members {
			m := &v.Members[j]
			if !v.started() || m.Status == MemberSkipped {
				continue
			}
			if m.Status.InFlight() || r.Kind == Emergency {
				a.add(m.Deadline)
			}
			if r.Kind == Wakeup && m.Status != MemberReached {
				a.since(m.ErrorSince, w.in.Settings.LivenessTimeout)
				a.since(m.StoppedSince, w.in.Settings.LivenessTimeout)
			}
			if v.Status == WaveRunning {
				a.since(m.Deadline, v.StableFor)
				a.since(m.HealthySince, v.StableFor)
			}
		}
	}
	w.dueMembers(a, r)
}

// dueFreshness adds when the members of the wave before, whose health is asked for
// again, would not have been heard within the last two heartbeat intervals (4.10).
func (w *world) dueFreshness(a *agenda, r *Rollout, v, prev *Wave) {
	if a.timersOnly || v.WaitingSince.IsZero() || r.stopping() || prev.mayBeFollowed() {
		return
	}
	for i := range prev.Members {
		if o := w.in.Fleet.Get(prev.Members[i].OccurrenceID); o != nil && prev.Members[i].Counts {
			a.since(o.LastSign, 2*w.in.Settings.HeartbeatInterval+time.Microsecond)
		}
	}
}

func (w *world) dueMembers(a *agenda, r *Rollout) {
	for i := range r.Waves {
		v := &r.Waves[i]
		if !v.started() {
			continue
		}
		for j := range v.Members {
			w.lapse(a, w.in.Fleet.Get(v.Members[j].OccurrenceID))
		}
	}
}

func (w *world) dueFleet(a *agenda) {
	if w.Hold != nil {
		for _, loose := range w.Loose {
			a.add(loose.Deadline)
		}
	}
	for _, i := range w.Incidents {
		if o := w.in.Fleet.Get(i.OccurrenceID); o != nil {
			w.dueIncident(a, i, o)
		}
	}
	counted := w.Complete && w.Profile.Expected > 0
	for i, all := 0, w.in.Fleet.All(); i < len(all); i++ {
		o := &all[i]
		if counted && o.Coordinated || w.Standing != nil && !o.BootHeard.After(w.Standing.At) {
			w.lapse(a, o)
		}
		if !o.TransitSince.IsZero() && !o.HasStopped() {
			a.add(w.stuckFrom(o))
		}
	}
}

// dueIncident adds when the cause of an incident about an occurrence may have
// gone away.
func (w *world) dueIncident(a *agenda, i Incident, o *discovery.Occurrence) {
	switch i.Type {
	case IncidentKeepsRestarting:
		a.since(o.BootHeard, w.in.Settings.StuckAfter)
		w.disappearance(a, o)
	case IncidentIdentityConflict:
		a.since(o.Conflicts[len(o.Conflicts)-1], w.in.Settings.DiscoveryWindow)
	case IncidentMemberStuck, IncidentStraggler, IncidentOccurrenceStuck:
		w.lapse(a, o)
	case IncidentUndeliverable:
		w.disappearance(a, o)
	case IncidentWaveFailed, IncidentDecisionTimeout, IncidentDeferralLimit, IncidentWakeupRefused,
		IncidentPausedLong, IncidentRestartedWhileHeld, IncidentBelowExpected:
	}
}

// annotate keeps for every occurrence whether its next heartbeat matters even
// when it says nothing new, so that the others may be taken in passing.
func (w *world) annotate() {
	watched := map[string]bool{}
	free := false
	for i := range w.Rollouts {
		r := &w.Rollouts[i]
		if r.Status.Final() {
			continue
		}
		free = free || r.Status == Deciding && r.Claim == nil
		next, prev := r.next()
		for j := range r.Waves {
			v := &r.Waves[j]
			asked := next != nil && v == prev && !next.WaitingSince.IsZero()
			for k := range v.Members {
				m := &v.Members[k]
				if asked || v.started() && m.Status != MemberReached && m.Status != MemberSkipped {
					watched[m.OccurrenceID] = true
				}
			}
		}
	}
	for i, all := 0, w.in.Fleet.All(); i < len(all); i++ {
		o := &all[i]
		want := free || w.Hold != nil || watched[o.ID] || w.straggler(o)
		if n := w.noteOf(o); n.Watched != want {
			n.Watched = want
			w.Notes[o.ID] = n
		}
	}
}
