package rollout

import (
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
)

// Ask is an occurrence asking whether it may wake up (section 6). The boot was
// checked by the caller (rule 6.1), and the asking counted as a sign of life.
type Ask struct {
	ULID         string // fresh; names the wakeup if this opens one
	OccurrenceID string
}

// The reasons that go with a directive.
const (
	reasonHeld          = "held"
	reasonOff           = "coordination_off"
	reasonUncoordinated = "not_coordinated"
	reasonShutdown      = "shutdown_under_way"
	reasonDecider       = "holds_the_claim"
	reasonLetGo         = "let_go"
	reasonNoPlace       = "no_place_needed"
	reasonPlace         = "waits_for_its_wave"
	reasonStandsStill   = "rollout_stands_still"
	reasonAwake         = "already_awake"
	reasonWitness       = "fleet_is_awake"
	reasonUnheard       = "fleet_not_heard_yet"
	reasonStands        = "wakeup_refused"
	reasonUnderWay      = "wakeup_under_way"
	reasonOpened        = "opened_a_wakeup"
)

func (c Ask) apply(w *world) error {
	o := w.in.Fleet.Get(c.OccurrenceID)
	if o == nil {
		return discovery.Speaker{}.Check(nil)
	}
	w.eff.Answer = w.direct(o, c)
	w.noteAnswer(o, w.eff.Answer)
	return nil
}

// direct is the table of rule 6.2: the directive is the first that fits.
func (w *world) direct(o *discovery.Occurrence, c Ask) Answer {
	wakeup := w.unfinished(Wakeup)
	switch {
	case w.Hold != nil:
		return w.wait(reasonHeld, w.Hold.RolloutID)
	case !w.in.Settings.Coordination:
		return Answer{Directive: Independent, Reason: reasonOff}
	case !o.Coordinated:
		return Answer{Directive: Independent, Reason: reasonUncoordinated}
	case w.underWay(Shutdown) != nil:
		return w.wait(reasonShutdown, w.underWay(Shutdown).ID)
	case wakeup != nil:
		if answer, fits := w.directWithin(wakeup, o); fits {
			return answer
		}
	}
	witness, heard := w.witness(o)
	switch {
	case o.State.Awake():
		return Answer{Directive: Proceed, Reason: reasonAwake}
	case heard:
		return Answer{Directive: Proceed, Reason: reasonWitness}
	case witness:
		return w.wait(reasonUnheard, "")
	case wakeup != nil:
		return w.wait(reasonUnderWay, wakeup.ID)
	case w.stands():
		return w.wait(reasonStands, w.Standing.RolloutID)
	}
	return w.openWakeup(o, c)
}

// directWithin is row 4: a wakeup is unfinished, and what the asker is to it.
func (w *world) directWithin(r *Rollout, o *discovery.Occurrence) (Answer, bool) {
	if r.Status == Deciding && r.Claim == nil {
		w.grant(r, o, true) // asking claims what is free (rule 5.2)
	}
	if r.heldBy(o.ID, o.Boot) {
		w.acknowledgeClaim(r)
		return w.handClaim(r, o, reasonDecider), true
	}
	if !r.Started() {
		return Answer{}, false
	}
	_, m := r.member(o.ID)
	if (m == nil || m.Status == MemberSkipped) && !w.joinWakeup(r, o) {
		if r.Status != Rolling {
			return w.wait(reasonStandsStill, r.ID), true
		}
		w.noteTold(r, o) // answered proceed in this wakeup
		return Answer{RolloutID: r.ID, Directive: Proceed, Reason: reasonNoPlace}, true
	}
	switch _, m = r.member(o.ID); {
	case !m.Told || m.Status == MemberFailed:
		return w.wait(reasonPlace, r.ID), true
	case r.Status == Paused && (m.AcknowledgedAt.IsZero() || m.Boot != o.Boot):
		return w.wait(reasonStandsStill, r.ID), true // rule 4.19
	}
	w.noteTold(r, o)
	return Answer{RolloutID: r.ID, Directive: Proceed, Reason: reasonLetGo}, true
}

// openWakeup opens a wakeup that the asker decides (row 8).
func (w *world) openWakeup(o *discovery.Occurrence, c Ask) Answer {
	r := w.create(Request{
		ULID: c.ULID, Kind: Wakeup, Actor: occurrenceActor(o.ID), Consent: ConsentRequired, OnTimeout: TimeoutFails,
		Reason: "occurrence " + o.ID + " asked to wake up",
	})
	w.enterDeciding(r)
	w.grant(r, o, true)
	answer := w.handClaim(r, o, reasonOpened)
	answer.Created = true
	return answer
}

func (w *world) handClaim(r *Rollout, o *discovery.Occurrence, reason string) Answer {
	return Answer{RolloutID: r.ID, Directive: Decide, Reason: reason, Claim: r.claimCopy(), Message: w.message(r, o.ID)}
}

// wait tells the asker to wait, and when to ask again; an instruction may come
// sooner.
func (w *world) wait(reason, rolloutID string) Answer {
	return Answer{RolloutID: rolloutID, Directive: Wait, Reason: reason, AskAgain: w.in.Settings.HeartbeatInterval}
}

// noteAnswer keeps until when the asker waits because the service told it to,
// so that nobody calls it stuck for that (9.2).
func (w *world) noteAnswer(o *discovery.Occurrence, a Answer) {
	until := w.now
	if a.Directive == Wait {
		until = w.now.Add(a.AskAgain + w.in.Settings.LivenessTimeout)
	}
	w.note(o, func(n *Note) { n.WaitUntil = until })
}

// witness looks for another live, coordinated, awake boot that may vouch for
// the fleet being awake, and whether one was heard since the asker's boot
// (rule 6.2).
func (w *world) witness(asker *discovery.Occurrence) (exists, heard bool) {
	for _, o := range w.in.Fleet.Live(w.now) {
		if o.ID == asker.ID || !o.State.Awake() || !w.mayVouch(o) {
			continue
		}
		exists = true
		if o.LastSign.After(asker.BootHeard) {
			return true, true
		}
	}
	return exists, false
}

// mayVouch: whom a shutdown told to stop vouches for nobody, nor does who was
// woken by a wakeup against which the verdict stands.
func (w *world) mayVouch(o *discovery.Occurrence) bool {
	n := w.noteOf(o)
	return n.StopBy == "" && (n.WokenBy == "" || !w.stands() || n.WokenBy != w.Standing.RolloutID)
}

// stands tells whether a refused wakeup still binds: while a coordinated boot
// that was known at its end is live (rule 6.4).
func (w *world) stands() bool {
	if w.Standing == nil {
		return false
	}
	for _, o := range w.in.Fleet.Live(w.now) {
		if !o.BootHeard.After(w.Standing.At) {
			return true
		}
	}
	return false
}

// noteOf is what is remembered about the occurrence's present boot.
func (w *world) noteOf(o *discovery.Occurrence) Note {
	n := w.Notes[o.ID]
	if n.Boot != o.Boot {
		return Note{Boot: o.Boot}
	}
	return n
}

func (w *world) note(o *discovery.Occurrence, change func(*Note)) {
	n := w.noteOf(o)
	change(&n)
	w.Notes[o.ID] = n
}

// noteTold remembers that a boot was told to stop, or was let go in a wakeup.
func (w *world) noteTold(r *Rollout, o *discovery.Occurrence) {
	w.note(o, func(n *Note) {
		switch {
		case !r.stopping():
			n.WokenBy = r.ID
		case n.StopBy == "": // an earlier stop that was not withdrawn goes on counting
			n.StopBy = r.ID
		}
	})
}

// forgetTold takes back that a boot was told to stop: the stop was withdrawn
// (rule 6.2), or refused (rule 4.24).
func (w *world) forgetTold(r *Rollout, occurrence string) {
	if n, ok := w.Notes[occurrence]; ok && n.StopBy == r.ID {
		n.StopBy = ""
		w.Notes[occurrence] = n
	}
}

// SharedTaskCompleted answers the FSD's is_shared_task_completed (rule 6.5): a
// wakeup that was accepted while somebody is awake, a shutdown that was decided.
func SharedTaskCompleted(r Rollout, fleet discovery.Fleet, now time.Time) bool {
	if r.Kind == Wakeup {
		return r.Decision != nil && r.Decision.Verdict == Accept && awakeCount(fleet, now) > 0
	}
	return r.decided()
}
