package rollout

import (
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
)

// CodeInvalid refuses input that fails a constraint only the core can judge.
const CodeInvalid discovery.Code = "validation_failed"

// GiveVerdict is a verdict on a rollout: by the holder of the claim, or by an
// operator, who leaves OccurrenceID and Token empty (rules 5.4 to 5.7). With
// coordination off, InstructionID stands in place of the token (rule 4.24).
type GiveVerdict struct {
	RolloutID    string
	OccurrenceID string
	Token        string
	Verdict      Verdict
	Reasoning    string
	UntilWall    time.Time // with defer only; zero: none
	Actor        string
}

func (c GiveVerdict) apply(w *world) error {
	r, err := w.named(c.RolloutID)
	if err != nil {
		return err
	}
	w.eff.Answer = Answer{RolloutID: r.ID}
	if r.Independent && c.OccurrenceID != "" {
		return w.decideAlone(r, c)
	}
	if c.repeats(r) {
		return nil
	}
	if err := c.check(w, r); err != nil {
		return err
	}
	d := Decision{Verdict: c.Verdict, OccurrenceID: c.OccurrenceID, Actor: c.Actor, Reasoning: c.Reasoning, DecidedAt: w.now}
	if c.OccurrenceID != "" {
		d.Boot, d.Token, d.Number = r.Claim.Boot, r.Claim.Token, r.Claim.Number
	}
	w.decide(r, d, c.UntilWall)
	return nil
}

// repeats tells whether this very verdict was taken before, with the token that
// made it (rule 5.4).
func (c GiveVerdict) repeats(r *Rollout) bool {
	d := r.Decision
	return c.OccurrenceID != "" && d != nil && d.Verdict == c.Verdict && d.OccurrenceID == c.OccurrenceID && d.Token == c.Token
}

func (c GiveVerdict) check(w *world, r *Rollout) error {
	switch {
	case r.decided():
		return discovery.Refuse(CodeAlreadyDecided, "the verdict %q was given by %s", r.Decision.Verdict, r.Decision.Actor)
	case c.OccurrenceID != "" && (r.Status != Deciding || r.Claim == nil || r.Claim.OccurrenceID != c.OccurrenceID || r.Claim.Token != c.Token):
		return discovery.Refuse(CodeClaimLost, "the token is not that of the present grant; do nothing more")
	case !r.Status.undecided():
		return r.notAllowed("decide")
	case c.Verdict == Defer && !c.UntilWall.IsZero() && !c.UntilWall.After(w.wall()):
		return &discovery.Refusal{
			Code: CodeInvalid, Detail: "until lies in the past",
			Fields: []discovery.FieldError{{Pointer: "/until", Detail: "a time that lies ahead"}},
		}
	}
	return nil
}

// decide takes a verdict.
func (w *world) decide(r *Rollout, d Decision, untilWall time.Time) {
	r.Decision = &d
	if r.Claim != nil {
		// The claim has done its work; an unacknowledged deliberate with it.
		w.withdraw(Withdrawal{RolloutID: r.ID})
		r.Claim = nil
	}
	data := map[string]any{"verdict": string(d.Verdict), "reasoning": d.Reasoning}
	if d.Number > 0 {
		data["number"] = d.Number
	}
	w.record(Event{Type: "decision." + string(d.Verdict), RolloutID: r.ID, OccurrenceID: d.OccurrenceID, Actor: d.Actor, Data: data})
	switch d.Verdict {
	case Accept:
		r.Task.Status = TaskCompleted
		r.Status, r.DelaysFrom = Rolling, w.now
		w.changed(r, "rollout.rolling", 0, d.Actor, nil)
		if o := w.in.Fleet.Get(d.OccurrenceID); r.Kind == Wakeup && o != nil && o.Boot == d.Boot {
			w.noteTold(r, o) // heard to affirm
		}
	case Reject:
		r.Task.Status = TaskCompleted
		w.end(r, Rejected, d.Actor, "")
	case Defer:
		w.postpone(r, untilWall, d.Actor)
	}
}

// postpone defers: until an operator decides, until passes, or the deferral
// limit, counted from the first deferral (rule 5.5).
func (w *world) postpone(r *Rollout, untilWall time.Time, actor string) {
	r.Status, r.Task.Status = Deferred, TaskPending
	if r.DeferredFromWall.IsZero() {
		r.DeferredFromWall = w.wall()
	}
	limit := r.DeferredFromWall.Add(w.in.Settings.DeferralLimit)
	if untilWall.After(limit) {
		untilWall = limit
	}
	r.DeferredTillWall, r.DecideBy = untilWall, time.Time{}
	w.changed(r, "rollout.deferred", 0, actor, nil)
}

// enterDeciding begins the deliberation: a new timeout and a new round (rules
// 4.20 and 5.3).
func (w *world) enterDeciding(r *Rollout) {
	r.Status, r.Task.Status, r.Round = Deciding, TaskPending, nil
	r.DecideBy, r.DeferredTillWall = w.now.Add(w.in.Settings.DecisionTimeout), time.Time{}
	w.changed(r, "rollout.deciding", 0, "", nil)
}

// endDeferral moves a deferred rollout on when its time has come.
func (w *world) endDeferral(r *Rollout) bool {
	switch {
	case w.deferralOver(r):
		w.failDeferred(r)
	case !r.DeferredTillWall.IsZero() && !w.wall().Before(r.DeferredTillWall):
		w.enterDeciding(r)
	default:
		return false
	}
	return true
}

func (w *world) deferralOver(r *Rollout) bool {
	return !r.DeferredFromWall.IsZero() && !w.wall().Before(r.DeferredFromWall.Add(w.in.Settings.DeferralLimit))
}

func (w *world) failDeferred(r *Rollout) {
	w.open(Incident{
		Type: IncidentDeferralLimit, RolloutID: r.ID,
		Detail: "undecided " + w.in.Settings.DeferralLimit.String() + " after it was first deferred",
	})
	w.end(r, Failed, "", "the deferral limit passed without a decision")
}

// endSilence is the decision timeout: no decision is not a decision, unless the
// request said that silence accepts (rule 5.6).
func (w *world) endSilence(r *Rollout) {
	if r.OnTimeout == TimeoutAccepts {
		w.decide(r, Decision{
			Verdict: Accept, Actor: "system:decision_timeout",
			Reasoning: "nobody decided in time, and the request takes silence for consent", DecidedAt: w.now,
		}, time.Time{})
		return
	}
	w.open(Incident{
		Type: IncidentDecisionTimeout, RolloutID: r.ID,
		Detail: "nobody decided within " + w.in.Settings.DecisionTimeout.String(),
	})
	w.end(r, Failed, "", "the decision timeout passed without a decision")
}

// decideAlone is what an occurrence says of its own instruction while
// coordination is off: a refusal leaves it out, an acceptance changes nothing
// (rule 4.24).
func (w *world) decideAlone(r *Rollout, c GiveVerdict) error {
	v, m := r.member(c.OccurrenceID)
	o := w.in.Fleet.Get(c.OccurrenceID)
	switch {
	case m != nil && m.Refused && m.InstructionID == c.Token && c.Verdict == Reject:
		return nil
	case r.Status.Final() || m == nil || m.InstructionID != c.Token || !m.Status.InFlight(),
		o == nil || o.Boot != m.Boot || !r.now(w.now).Before(m.Deadline):
		return discovery.Refuse(CodeClaimLost, "this is not the occurrence's present instruction")
	case c.Verdict == Defer:
		return &discovery.Refusal{
			Code: CodeInvalid, Detail: "an occurrence that decides for itself accepts or rejects",
			Fields: []discovery.FieldError{{Pointer: "/verdict", Detail: "accept or reject"}},
		}
	}
	if m.AcknowledgedAt.IsZero() {
		w.acknowledgeMember(r, v, m)
	}
	if c.Verdict == Reject {
		m.Status, m.Refused, m.Detail = MemberSkipped, true, "refused"
		w.forgetTold(r, m.OccurrenceID)
		w.memberChanged(r, v, m)
	}
	return nil
}
