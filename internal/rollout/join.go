package rollout

import (
	"slices"

	"github.com/cirisai/orchestrator/internal/discovery"
)

// minJoiners is how many joiners any shutdown takes, however small it is.
const minJoiners = 10

// joinReturning adds whom rule 4.15 adds without being asked: to a shutdown
// whoever is discovered and no member; to either kind who was skipped and is
// heard again.
func (w *world) joinReturning(r *Rollout) {
	if !r.Started() || r.Kind == Emergency {
		return
	}
	places := r.memberStates()
	for i, all := 0, w.in.Fleet.All(); i < len(all); i++ {
		o := &all[i]
		if !o.Coordinated || o.Liveness(w.in.Fleet.Timing, w.now) == discovery.Gone {
			continue
		}
		m, member := places[o.ID]
		switch {
		case !member && r.stopping():
			w.joinShutdown(r, o)
		case member && m == MemberSkipped && w.live(o):
			w.rejoin(r, o)
		}
	}
}

func (r *Rollout) memberStates() map[string]MemberStatus {
	states := map[string]MemberStatus{}
	for i := range r.Waves {
		for j := range r.Waves[i].Members {
			states[r.Waves[i].Members[j].OccurrenceID] = r.Waves[i].Members[j].Status
		}
	}
	return states
}

// joinShutdown adds a newcomer to the last wave that is not skipped. A shutdown
// takes at most as many as it had members: more means that something keeps
// starting new ones.
func (w *world) joinShutdown(r *Rollout, o *discovery.Occurrence) {
	v := r.lastWave()
	if v == nil {
		return
	}
	had := -r.Joiners
	for i := range r.Waves {
		had += len(r.Waves[i].Members)
	}
	if r.Joiners >= max(minJoiners, had) {
		w.open(Incident{
			Type: IncidentKeepsRestarting, RolloutID: r.ID, OccurrenceID: o.ID,
			Detail: "left out: more new occurrences appear than the shutdown had members; something keeps starting them",
		})
		return
	}
	r.Joiners++
	w.join(r, v, o)
}

// rejoin takes a skipped member back, in the last wave or, in a wakeup, in the
// first open place of a wave that has not started.
func (w *world) rejoin(r *Rollout, o *discovery.Occurrence) {
	_, m := r.member(o.ID)
	if m.Refused {
		return
	}
	if r.Kind == Wakeup {
		w.joinWakeup(r, o)
		return
	}
	if v := r.lastWave(); v != nil {
		w.join(r, v, o)
	}
}

// joinWakeup finds a place for an occurrence in a wakeup: the first open one of
// a wave that has not started, else the last wave if that has not. It tells
// whether there was one.
func (w *world) joinWakeup(r *Rollout, o *discovery.Occurrence) bool {
	for i := range r.Waves {
		v := &r.Waves[i]
		if v.Status != WavePending && v.Status != WaveDelayed {
			continue
		}
		if len(v.Members) < v.Places {
			w.join(r, v, o)
			return true
		}
	}
	v := r.lastWave()
	if v == nil || v.started() {
		return false
	}
	w.join(r, v, o)
	return true
}

// lastWave is the last wave that is not skipped.
func (r *Rollout) lastWave() *Wave {
	for i := len(r.Waves) - 1; i >= 0; i-- {
		if r.Waves[i].Status != WaveSkipped {
			return &r.Waves[i]
		}
	}
	return nil
}

// join makes an occurrence a member of a wave; a place that it was skipped in
// is given up. Who joins a wave that has started counts for no gate (rule 4.7).
func (w *world) join(r *Rollout, v *Wave, o *discovery.Occurrence) {
	for i := range r.Waves {
		r.Waves[i].Members = slices.DeleteFunc(r.Waves[i].Members, func(m Member) bool { return m.OccurrenceID == o.ID })
	}
	m := Member{OccurrenceID: o.ID, Status: MemberPending}
	m.see(o)
	v.Members = append(v.Members, m)
	r.UpdatedAt = w.now
	w.record(Event{Type: "member.joined", RolloutID: r.ID, Wave: r.index(v), OccurrenceID: o.ID})
}
