package rollout

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/cirisai/orchestrator/internal/discovery"
)

// Claim refusals (rules 5.2 to 5.4).
const (
	CodeClaimHeld      discovery.Code = "claim_held"
	CodeClaimLost      discovery.Code = "claim_lost"
	CodeNotACandidate  discovery.Code = "not_a_candidate"
	CodeAlreadyDecided discovery.Code = "already_decided"
)

// TakeClaim is an occurrence asking for the right to decide. The boot was
// checked by the caller (rule 6.1).
type TakeClaim struct {
	RolloutID    string
	OccurrenceID string
	Boot         string
}

func (c TakeClaim) apply(w *world) error {
	r, err := w.named(c.RolloutID)
	if err != nil {
		return err
	}
	o := w.in.Fleet.Get(c.OccurrenceID)
	switch {
	case r.decided():
		return discovery.Refuse(CodeAlreadyDecided, "the verdict %q was given by %s", r.Decision.Verdict, r.Decision.Actor)
	case r.Status != Deciding:
		return r.notAllowed("claim")
	case r.heldBy(c.OccurrenceID, c.Boot):
		w.acknowledgeClaim(r)
	case !w.candidate(o):
		return discovery.Refuse(CodeNotACandidate, "a candidate is live, coordinated, and in neither shutdown nor error")
	case r.Claim != nil:
		return discovery.Refuse(CodeClaimHeld, "occurrence %q holds the claim", r.Claim.OccurrenceID)
	default:
		w.grant(r, o, true)
	}
	w.eff.Answer = Answer{RolloutID: r.ID, Claim: r.claimCopy(), Message: w.message(r, c.OccurrenceID)}
	return nil
}

// decided tells whether a verdict that binds was given; a deferral is none.
func (r *Rollout) decided() bool { return r.Decision != nil && r.Decision.Verdict != Defer }

// heldBy tells whether this boot holds the claim: it belongs to a boot, not to
// an occurrence (rule 5.3).
func (r *Rollout) heldBy(occurrence, boot string) bool {
	return r.Claim != nil && r.Claim.OccurrenceID == occurrence && r.Claim.Boot == boot
}

func (r *Rollout) claimCopy() *Claim {
	if r.Claim == nil {
		return nil
	}
	c := *r.Claim
	return &c
}

// candidate tells whether an occurrence may be asked to decide (rule 5.2).
func (w *world) candidate(o *discovery.Occurrence) bool {
	return w.live(o) && o.Coordinated && o.State != discovery.Shutdown && o.State != discovery.Error
}

// keepDeciding moves a deciding rollout on: silence runs out, a claim ends, the
// next candidate is asked.
func (w *world) keepDeciding(r *Rollout) bool {
	switch {
	case w.deferralOver(r):
		w.failDeferred(r)
		return true
	case !w.now.Before(r.DecideBy):
		w.endSilence(r)
		return true
	}
	last := ""
	if r.Claim != nil {
		cause := w.claimEnd(r)
		if cause == "" {
			return false
		}
		last = r.Claim.OccurrenceID
		w.dropClaim(r, cause)
	}
	next := w.nextCandidate(r, last)
	if next == nil {
		return last != ""
	}
	w.grant(r, next, false)
	return true
}

// claimEnd says why the claim has ended, or nothing while it holds (rule 5.3).
// Heartbeats do not extend it.
func (w *world) claimEnd(r *Rollout) string {
	c := r.Claim
	o := w.in.Fleet.Get(c.OccurrenceID)
	switch {
	case o == nil || o.Boot != c.Boot:
		return "its holder booted anew"
	case !w.live(o) || !o.Coordinated:
		return "its holder is not live any more, or not coordinated"
	case !c.Acknowledged && !w.now.Before(c.GrantedAt.Add(w.in.Settings.LivenessTimeout)):
		return "its holder did not acknowledge"
	case !w.now.Before(c.ExpiresAt) && w.othersWait(r):
		return "its lease ended"
	}
	return ""
}

// othersWait tells whether there is a live candidate besides the holder, to
// whom the claim can go (rule 5.3).
func (w *world) othersWait(r *Rollout) bool {
	for i, all := 0, w.in.Fleet.All(); i < len(all); i++ {
		if all[i].ID != r.Claim.OccurrenceID && w.candidate(&all[i]) {
			return true
		}
	}
	return false
}

// nextCandidate is the first in order who has not held the claim in this round.
// When all have, a new round begins, in which the last holder, if any, counts
// as having held it: it gets the claim again only if there is nobody else.
func (w *world) nextCandidate(r *Rollout, last string) *discovery.Occurrence {
	if o := w.firstCandidate(r.Round); o != nil {
		return o
	}
	r.Round = nil
	if o := w.firstCandidate([]string{last}); o != nil {
		return o
	}
	return w.firstCandidate(nil)
}

func (w *world) firstCandidate(except []string) *discovery.Occurrence {
	for i, all := 0, w.in.Fleet.All(); i < len(all); i++ {
		if w.candidate(&all[i]) && !slices.Contains(except, all[i].ID) {
			return &all[i]
		}
	}
	return nil
}

// grant gives the claim to an occurrence, with a number that only grows (rule
// 5.4). Who asked has it in hand; who did not is told to deliberate.
func (w *world) grant(r *Rollout, o *discovery.Occurrence, asked bool) {
	r.Grants++
	r.Round = append(r.Round, o.ID)
	r.Claim = &Claim{
		OccurrenceID: o.ID, Boot: o.Boot, Number: r.Grants, Token: w.token(r), GrantedAt: w.now,
		ExpiresAt: w.now.Add(w.in.Settings.ClaimLease), Acknowledged: asked,
	}
	r.Task.Status = TaskActive
	r.UpdatedAt = w.now
	w.record(Event{Type: "claim.granted", RolloutID: r.ID, OccurrenceID: o.ID, Data: map[string]any{"number": r.Grants, "asked": asked}})
	if !asked {
		w.askToDeliberate(r, o)
	}
}

// token derives a claim's token: unguessable, and the same for the same input.
func (w *world) token(r *Rollout) string {
	sum := sha256.Sum256(fmt.Appendf(w.in.Entropy[:], "%s/%d", r.ID, r.Grants))
	return hex.EncodeToString(sum[:16])
}

// dropClaim takes the claim back.
func (w *world) dropClaim(r *Rollout, cause string) {
	w.record(Event{
		Type: "claim.ended", RolloutID: r.ID, OccurrenceID: r.Claim.OccurrenceID,
		Data: map[string]any{"number": r.Claim.Number, "cause": cause},
	})
	if r.Claim.InstructionID != "" {
		w.withdraw(Withdrawal{InstructionID: r.Claim.InstructionID})
	}
	r.Claim = nil
	r.Task.Status = TaskPending
	r.UpdatedAt = w.now
}

// acknowledgeClaim notes that the holder has its deliberate in hand.
func (w *world) acknowledgeClaim(r *Rollout) {
	if r.Claim.Acknowledged {
		return
	}
	r.Claim.Acknowledged = true
	r.UpdatedAt = w.now
	if r.Claim.InstructionID != "" {
		w.eff.Acknowledge = append(w.eff.Acknowledge, r.Claim.InstructionID)
	}
	w.record(Event{
		Type: "claim.acknowledged", RolloutID: r.ID, OccurrenceID: r.Claim.OccurrenceID,
		Actor: occurrenceActor(r.Claim.OccurrenceID), Data: map[string]any{"number": r.Claim.Number},
	})
}

func occurrenceActor(id string) string { return "occurrence:" + id }
