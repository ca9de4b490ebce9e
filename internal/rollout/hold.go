package rollout

import (
	"slices"
	"strconv"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
)

// hold keeps the agent stopped from now on; an unfinished wakeup is superseded
// (rule 8.4).
func (w *world) hold(h Hold) {
	w.Hold = &h
	w.record(Event{Type: "hold.began", RolloutID: h.RolloutID, Actor: h.By, Data: map[string]any{"reason": h.Reason, "terminal": h.Terminal}})
	if wakeup := w.unfinished(Wakeup); wakeup != nil {
		w.end(wakeup, Superseded, "", "the agent is held")
	}
}

// Release ends an agent's hold. It wakes nobody: it permits waking (rule 8.4).
type Release struct {
	Reason string
	Actor  string
	// HoldsUpTo is the number of the newest hold of all agents that this
	// release outranks.
	HoldsUpTo int64
}

func (c Release) apply(w *world) error {
	w.HoldSeen = max(w.HoldSeen, c.HoldsUpTo)
	if w.Hold == nil {
		return nil
	}
	held := *w.Hold
	w.Hold = nil
	w.forgetLastStop()
	w.record(Event{Type: "hold.released", RolloutID: held.RolloutID, Actor: c.Actor, Data: map[string]any{"reason": c.Reason}})
	w.dropLoose(held.RolloutID)
	if r := w.unfinished(Emergency); r != nil {
		w.end(r, Aborted, c.Actor, "released: "+c.Reason)
	}
	return nil
}

// dropLoose takes back the stops outside waves that a rollout has caused. What
// was withdrawn before it was acknowledged counts against no boot (rule 6.2).
func (w *world) dropLoose(rolloutID string) {
	w.withdraw(Withdrawal{RolloutID: rolloutID, OutsideWaves: true})
	for id, loose := range w.Loose {
		if loose.RolloutID != rolloutID {
			continue
		}
		if n := w.Notes[id]; loose.Sole && !loose.Acknowledged && n.StopBy == rolloutID {
			n.StopBy = ""
			w.Notes[id] = n
		}
		delete(w.Loose, id)
	}
}

// forgetLastStop ends the chase of stragglers: a wakeup is opened, or a release
// permits waking (rule 4.17).
func (w *world) forgetLastStop() {
	if w.LastStop == nil {
		return
	}
	w.dropLoose(w.LastStop.RolloutID)
	w.LastStop = nil
}

// keepStopped tells whoever runs on while the agent is held to stop: any boot
// that is heard after an emergency, those that report an awake state after a
// terminal shutdown; anew in each boot, and whenever the last word's time has
// passed (rule 8.4).
func (w *world) keepStopped() {
	if w.Hold == nil {
		return
	}
	told := w.unfinished(Emergency).toldBoots()
	for i, all := 0, w.in.Fleet.All(); i < len(all); i++ {
		o := &all[i]
		if !w.live(o) || w.Hold.Terminal && (!o.Coordinated || !o.State.Awake()) {
			continue
		}
		if told[o.ID] == o.Boot {
			continue // told by the emergency itself
		}
		if last, known := w.Loose[o.ID]; known && last.RolloutID == w.Hold.RolloutID && last.Boot == o.Boot && w.now.Before(last.Deadline) {
			continue
		}
		n := w.tellLoose(o, w.Hold.RolloutID, w.Hold.Reason, !w.Hold.Terminal)
		if n >= restartedTooOften {
			w.open(Incident{
				Type: IncidentRestartedWhileHeld, RolloutID: w.Hold.RolloutID, OccurrenceID: o.ID,
				Detail: "told to stop " + strconv.Itoa(n) + " times while the agent is held: something restarts it",
			})
		}
	}
}

// toldBoots gives the boot that each member was told in; r may be nil.
func (r *Rollout) toldBoots() map[string]string {
	boots := map[string]string{}
	if r == nil {
		return boots
	}
	for i := range r.Waves {
		for j := range r.Waves[i].Members {
			boots[r.Waves[i].Members[j].OccurrenceID] = r.Waves[i].Members[j].Boot
		}
	}
	return boots
}

// restartedTooOften is from which telling on a held occurrence is an incident.
const restartedTooOften = 3

// tellLoose makes a stop that belongs to no wave, and says how often that
// occurrence was told for that rollout.
func (w *world) tellLoose(o *discovery.Occurrence, rolloutID, reason string, force bool) int {
	last := w.Loose[o.ID]
	if last.RolloutID != rolloutID {
		last = LooseStop{RolloutID: rolloutID}
	}
	last.Told++
	last.Acknowledged = last.Acknowledged && last.Boot == o.Boot // what was heard stays heard
	last.Sole = last.Sole && last.Boot == o.Boot
	w.note(o, func(n *Note) {
		if n.StopBy == "" {
			n.StopBy, last.Sole = rolloutID, true
		}
	})
	last.Boot, last.Deadline = o.Boot, w.now.Add(stopTimeout)
	last.InstructionID = instructionID(rolloutID, "stop", o.ID, last.Told)
	w.Loose[o.ID] = last
	w.withdraw(Withdrawal{RolloutID: rolloutID, OccurrenceID: o.ID, OutsideWaves: true})
	w.send(Instruction{
		ID: last.InstructionID, Type: Stop, OccurrenceID: o.ID, Boot: o.Boot, RolloutID: rolloutID,
		Force: force, IssuedAt: w.now, Deadline: last.Deadline, Reason: reason,
	})
	return last.Told
}

// tellStragglers tells those to stop whom a finished shutdown has missed, once
// (rule 4.17). The hold of a terminal shutdown sees to them itself.
func (w *world) tellStragglers() {
	if w.LastStop == nil || w.Hold != nil {
		return
	}
	for i, all := 0, w.in.Fleet.All(); i < len(all); i++ {
		o := &all[i]
		if !w.straggler(o) || !o.LastSign.After(w.LastStop.At) || o.HasStopped() {
			continue
		}
		w.tellLoose(o, w.LastStop.RolloutID, w.LastStop.Reason, false)
		w.open(Incident{
			Type: IncidentStraggler, RolloutID: w.LastStop.RolloutID, OccurrenceID: o.ID, Boot: o.Boot,
			Detail: "still running after the shutdown ended; told to stop once more",
		})
	}
}

// straggler tells whether the next word of an occurrence's present boot would
// have it told to stop once more.
func (w *world) straggler(o *discovery.Occurrence) bool {
	s := w.LastStop
	if s == nil || !o.Coordinated || o.BootHeard.After(s.At) {
		return false
	}
	if last, told := w.Loose[o.ID]; told && last.RolloutID == s.RolloutID && last.Boot == o.Boot {
		return false
	}
	_, exempt := slices.BinarySearch(s.Exempt, o.ID)
	return !exempt
}

// EmergencyStop stops every discovered occurrence at once and holds the agent
// (section 8).
type EmergencyStop struct {
	ULID   string
	Reason string
	Actor  string
	// Number is that of the hold of all agents that this carries out; 0 when
	// only this agent is meant.
	Number int64
}

func (c EmergencyStop) apply(w *world) error {
	w.HoldSeen = max(w.HoldSeen, c.Number)
	if r := w.unfinished(Emergency); r != nil {
		w.stopAgain(r, c)
		w.eff.Answer = Answer{RolloutID: r.ID}
		return nil
	}
	for i := range w.Rollouts {
		if r := &w.Rollouts[i]; !r.Status.Final() {
			w.end(r, Superseded, c.Actor, "by an emergency stop")
		}
	}
	group := Group{Name: "all", Size: Size{Kind: SizeRest}, Timeout: stopTimeout, MinHealthy: Percent(100), AllowUnclean: true, OnFailure: GoOn}
	v := Wave{Group: group, Status: WaveRunning, StartsAt: w.now, StartedAt: w.now, RunningFrom: w.now}
	for _, o := range w.in.Fleet.Discovered(w.now) {
		v.Members = append(v.Members, Member{OccurrenceID: o.ID, Status: MemberPending, Counts: true})
	}
	v.Places = len(v.Members)
	r := Rollout{
		ID: rolloutID(c.ULID), AgentID: w.AgentID, Kind: Emergency, Status: Rolling, Reason: c.Reason, RequestedBy: c.Actor,
		CreatedAt: w.now, UpdatedAt: w.now, StartedAt: w.now, Groups: []Group{group}, Waves: []Wave{v},
		Task:     Task{ID: string(Emergency) + "_" + c.ULID, Status: TaskCompleted},
		Decision: &Decision{Verdict: Accept, Actor: c.Actor, Reasoning: c.Reason, DecidedAt: w.now},
	}
	w.Rollouts = append(w.Rollouts, r)
	added := &w.Rollouts[len(w.Rollouts)-1]
	w.changed(added, "rollout.requested", 0, c.Actor, map[string]any{"kind": string(Emergency), "reason": c.Reason})
	w.stopAll(added)
	w.hold(Hold{Since: w.now, By: c.Actor, Reason: c.Reason, RolloutID: added.ID})
	w.eff.Answer = Answer{RolloutID: added.ID, Created: true}
	return nil
}

// stopAll tells every member of an emergency that has not stopped.
func (w *world) stopAll(r *Rollout) {
	v := &r.Waves[0]
	if len(v.Members) == 0 {
		v.Status, v.FinishedAt = WaveSkipped, w.now
	}
	for i := range v.Members {
		m := &v.Members[i]
		if o := w.in.Fleet.Get(m.OccurrenceID); m.Status != MemberReached && !departed(o) {
			m.Told = false // not a restart
			w.tell(r, v, m, o)
		}
	}
}

// stopAgain is the second call: the same rollout tells again whoever has not
// stopped, with five minutes anew (rule 8.2).
func (w *world) stopAgain(r *Rollout, c EmergencyStop) {
	w.changed(r, "rollout.repeated", 0, c.Actor, map[string]any{"reason": c.Reason})
	if v := &r.Waves[0]; v.Status == WaveFailed {
		v.Status, v.FinishedAt, v.SettledAt = WaveRunning, time.Time{}, time.Time{}
	}
	w.stopAll(r)
	if w.Hold == nil {
		w.hold(Hold{Since: w.now, By: c.Actor, Reason: c.Reason, RolloutID: r.ID})
	}
}

// emergencyOver tells whether everybody has stopped, or the five minutes have
// ended: until then those who are lost are tried again (rule 8.2).
func (w *world) emergencyOver(r *Rollout) bool {
	for i := range r.Waves[0].Members {
		if m := &r.Waves[0].Members[i]; m.Status != MemberReached && w.now.Before(m.Deadline) {
			return false
		}
	}
	return true
}
