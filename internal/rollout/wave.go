package rollout

import (
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
)

// next finds the wave whose turn it is: the first that has not started, if all
// before it are settled. prev is the last one before it that was not skipped, or
// that was promoted past.
func (r *Rollout) next() (v, prev *Wave) {
	for i := range r.Waves {
		c := &r.Waves[i]
		switch {
		case c.Status == WavePending || c.Status == WaveDelayed:
			return c, prev
		case !c.settled():
			return nil, nil
		case c.Status != WaveSkipped || c.Promoted:
			prev = c
		}
	}
	return nil, nil
}

// startNext starts the next wave when its delay is over and nothing else keeps
// it waiting (rules 4.3, 4.4, 4.5 and 4.10).
func (w *world) startNext(r *Rollout) bool {
	v, prev := r.next()
	if v == nil {
		return false
	}
	if v.StartsAt.IsZero() {
		return w.beginDelay(r, v, prev)
	}
	if w.now.Before(v.StartsAt) || !r.Started() && w.tooEarly(r) {
		return false
	}
	if v.WaitingSince.IsZero() {
		v.WaitingSince = w.now
	}
	switch {
	case !r.Started():
		return w.startFirst(r, v)
	case !prev.mayBeFollowed():
		if enough, _ := w.stillHealthy(r, prev); !enough {
			return w.waitForHealth(r, v, prev)
		}
	}
	if w.waitsForMember(v, prev) {
		return false
	}
	w.start(r, v)
	return true
}

// beginDelay starts the clock of a wave's delay: from when the wave before it
// was settled, for the first from the decision (rule 4.4).
func (w *world) beginDelay(r *Rollout, v, prev *Wave) bool {
	from := r.DelaysFrom
	if prev != nil {
		from = prev.SettledAt
	}
	v.StartsAt = from.Add(v.Delay)
	if prev != nil && prev.Promoted {
		v.StartsAt = from // promoting ends the delay after it (rule 4.18)
	}
	if w.now.Before(v.StartsAt) || !r.Started() && w.tooEarly(r) {
		v.Status = WaveDelayed
		w.changed(r, "wave.delayed", r.index(v), "", nil)
	}
	return true
}

// tooEarly tells whether not_before lies ahead (rule 4.3).
func (w *world) tooEarly(r *Rollout) bool {
	return !r.SkipNotBefore && w.wall().Before(r.NotBeforeWall)
}

// mayBeFollowed tells whether rule 4.10 does not ask this wave for its health
// again: it was promoted, or had failed under continue, or there is none.
func (v *Wave) mayBeFollowed() bool {
	return v == nil || v.Promoted || v.Status != WavePassed
}

// stillHealthy asks whether min_healthy members of a wave are healthy now and
// were heard within the last two heartbeat intervals (rule 4.10).
func (w *world) stillHealthy(r *Rollout, v *Wave) (bool, int) {
	if r.stopping() {
		return true, 0
	}
	present, fresh := 0, 0
	for i := range v.Members {
		m := &v.Members[i]
		if !m.Counts || m.Status == MemberSkipped {
			continue
		}
		present++
		if m.HealthySince.IsZero() {
			continue
		}
		if o := w.in.Fleet.Get(m.OccurrenceID); o != nil && w.now.Sub(o.LastSign) <= 2*w.in.Settings.HeartbeatInterval {
			fresh++
		}
	}
	return fresh >= v.need(present), fresh
}

// waitForHealth waits for the wave before to be healthy again, for at most that
// wave's timeout; then it has failed after all (rule 4.10).
func (w *world) waitForHealth(r *Rollout, v, prev *Wave) bool {
	if w.now.Before(v.WaitingSince.Add(prev.Timeout)) {
		return false
	}
	prev.GateOpenedAt = time.Time{}
	w.fail(r, prev, "its members did not stay healthy until wave "+v.Name+" could start")
	return true
}

// waitsForMember tells whether a wave none of whose members is live waits for
// one of them; if all have left there is nobody to wait for (rule 4.5).
func (w *world) waitsForMember(v, prev *Wave) bool {
	if prev != nil && prev.Promoted || !w.now.Before(v.WaitingSince.Add(v.Timeout)) {
		return false
	}
	someStay := false
	for i := range v.Members {
		o := w.in.Fleet.Get(v.Members[i].OccurrenceID)
		if w.live(o) {
			return false
		}
		someStay = someStay || !departed(o)
	}
	return someStay
}

// startFirst takes the members and starts wave 1, unless nobody is live, which
// it waits for for at most its timeout (rules 3.7 and 4.5).
func (w *world) startFirst(r *Rollout, v *Wave) bool {
	roster := w.Profile.roster(r.Kind, w.in.Fleet, r.decider(), w.now)
	if len(roster.Live) == 0 && !r.SkipNotBefore && w.now.Before(v.WaitingSince.Add(v.Timeout)) {
		return false
	}
	startsAt, waiting := v.StartsAt, v.WaitingSince
	r.StartedAt = w.now
	r.Waves = Assign(r.Groups, roster)
	w.record(Event{Type: "rollout.started", RolloutID: r.ID, Data: map[string]any{"live": len(roster.Live), "places": roster.Places}})
	w.supersedeOther(r)
	for i := range r.Waves {
		if v := &r.Waves[i]; v.Status == WaveSkipped { // it has no place (rule 3.6)
			v.FinishedAt = w.now
			w.changed(r, "wave.skipped", i+1, "", map[string]any{"cause": "the plan has no place left for it"})
		}
	}
	for i := range r.Waves {
		if first := &r.Waves[i]; first.Status == WavePending {
			first.StartsAt, first.WaitingSince = startsAt, waiting
			w.start(r, first)
			break
		}
	}
	return true
}

// decider is the occurrence whose verdict was taken, or empty.
func (r *Rollout) decider() string {
	if r.Decision == nil {
		return ""
	}
	return r.Decision.OccurrenceID
}

// supersedeOther ends the other kind's rollout now that wave 1 of this one
// starts: an unfinished wakeup, or a shutdown under way (rule 4.2).
func (w *world) supersedeOther(r *Rollout) {
	var other *Rollout
	switch r.Kind {
	case Shutdown:
		other = w.unfinished(Wakeup)
	case Wakeup:
		other = w.underWay(Shutdown)
	case Emergency:
	}
	if other != nil {
		w.end(other, Superseded, "", "by "+string(r.Kind)+" "+r.ID)
	}
}

// start lets a wave begin with those of its members who are live (rule 4.5).
func (w *world) start(r *Rollout, v *Wave) {
	alive := 0
	for i := range v.Members {
		m := &v.Members[i]
		o := w.in.Fleet.Get(m.OccurrenceID)
		if !w.live(o) {
			m.skip(o)
			w.memberChanged(r, v, m)
			continue
		}
		alive++
		m.Counts = true
		m.see(o)
	}
	if alive == 0 {
		v.Status, v.FinishedAt = WaveSkipped, w.now
		w.changed(r, "wave.skipped", r.index(v), "", map[string]any{"cause": "none of its members is live"})
		return
	}
	v.Status, v.StartedAt, v.RunningFrom = WaveRunning, w.now, w.now
	v.WaitingSince = time.Time{}
	w.changed(r, "wave.started", r.index(v), "", map[string]any{"group": v.Name, "members": alive})
}

// awakeCount counts the live coordinated occurrences that are awake.
func awakeCount(fleet discovery.Fleet, now time.Time) int {
	n := 0
	for _, o := range fleet.Live(now) {
		if o.State.Awake() {
			n++
		}
	}
	return n
}
