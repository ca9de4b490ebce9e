package rollout

import (
	"strconv"
	"strings"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
)

// Acknowledgement refusals (rule 7.5).
const (
	CodeExpired   discovery.Code = "expired"
	CodeWithdrawn discovery.Code = "withdrawn"
)

// stopTimeout is how long a stop outside any wave stays pending (rules 4.17 and
// 8.4), and how long an emergency stop is tried (rule 8.2).
const stopTimeout = 300 * time.Second

// instructionID names an instruction by what it is for, so that two replicas
// that make the same one collide on its key.
func instructionID(rollout, part, occurrence string, try int) string {
	return strings.Join([]string{rollout, part, occurrence, strconv.Itoa(try)}, "~")
}

// instruct makes the instruction of a member that is told.
func (w *world) instruct(r *Rollout, v *Wave, m *Member) {
	in := Instruction{
		ID: m.InstructionID, Type: r.target(), OccurrenceID: m.OccurrenceID, Boot: m.Boot,
		RolloutID: r.ID, Wave: r.index(v), Group: v.Name, Force: r.Kind == Emergency,
		IssuedAt: w.now, Deadline: m.Deadline, Reason: r.Reason, Peers: w.peers(r, v),
	}
	if in.Type == Deliberate {
		in.Message = w.message(r, m.OccurrenceID)
	}
	if m.Tries > 1 {
		w.withdraw(Withdrawal{RolloutID: r.ID, OccurrenceID: m.OccurrenceID}) // each telling makes a new one (rule 7.2)
	}
	w.send(in)
	r.UpdatedAt = w.now
}

// askToDeliberate makes the instruction of a claim that was given unasked.
func (w *world) askToDeliberate(r *Rollout, o *discovery.Occurrence) {
	c := r.Claim
	c.InstructionID = instructionID(r.ID, "claim", o.ID, int(c.Number))
	w.send(Instruction{
		ID: c.InstructionID, Type: Deliberate, OccurrenceID: o.ID, Boot: o.Boot, RolloutID: r.ID,
		IssuedAt: w.now, Deadline: c.ExpiresAt, Reason: r.Reason, Message: w.message(r, o.ID),
		Claim: &ClaimGrant{Token: c.Token, ExpiresAt: c.ExpiresAt},
	})
}

func (w *world) send(in Instruction) {
	w.eff.Instruct = append(w.eff.Instruct, in)
	w.record(Event{
		Type: "instruction." + string(in.Type), RolloutID: in.RolloutID, Wave: in.Wave, OccurrenceID: in.OccurrenceID,
		Data: map[string]any{"instruction_id": in.ID, "boot_id": in.Boot},
	})
}

// withdraw takes instructions back, those of this very step too.
func (w *world) withdraw(x Withdrawal) {
	kept := w.eff.Instruct[:0:0]
	for _, in := range w.eff.Instruct {
		if !x.Covers(in) {
			kept = append(kept, in)
		}
	}
	w.eff.Instruct = kept
	w.eff.Withdraw = append(w.eff.Withdraw, x)
}

// Covers tells whether an instruction is among those that are taken back.
func (x Withdrawal) Covers(in Instruction) bool {
	return (x.InstructionID == "" || x.InstructionID == in.ID) &&
		(x.RolloutID == "" || x.RolloutID == in.RolloutID) &&
		(x.OccurrenceID == "" || x.OccurrenceID == in.OccurrenceID && (x.KeepBoot == "" || x.KeepBoot != in.Boot)) &&
		(!x.OutsideWaves || in.Wave == 0)
}

// Issued is an instruction as it was committed, and what became of it.
type Issued struct {
	Instruction
	AcknowledgedAt time.Time
	WithdrawnAt    time.Time
}

// Acknowledge is a boot saying that it received an instruction and will act on
// it; the answer is the fence (rule 7.3).
type Acknowledge struct {
	Issued       Issued
	OccurrenceID string
	Boot         string
}

func (c Acknowledge) apply(w *world) error {
	in := c.Issued
	r := w.Find(in.RolloutID)
	now := w.now
	if r != nil {
		now = r.now(w.now) // a pause stops the deadline too
	}
	switch {
	case in.OccurrenceID != c.OccurrenceID:
		return discovery.Refuse(discovery.CodeNotFound, "there is no such instruction for this occurrence")
	case in.Boot != c.Boot:
		return discovery.Refuse(CodeWithdrawn, "the instruction is for boot %q; do nothing", in.Boot)
	case !in.AcknowledgedAt.IsZero():
		return nil
	case !in.WithdrawnAt.IsZero():
		return discovery.Refuse(CodeWithdrawn, "the instruction was withdrawn; do nothing")
	case !now.Before(in.Deadline):
		return discovery.Refuse(CodeExpired, "the instruction's deadline has passed; do nothing")
	}
	w.eff.Acknowledge = append(w.eff.Acknowledge, in.ID)
	if loose, ok := w.Loose[in.OccurrenceID]; ok && loose.InstructionID == in.ID {
		loose.Acknowledged = true
		w.Loose[in.OccurrenceID] = loose
	}
	if r == nil {
		return nil
	}
	if r.Claim != nil && r.Claim.InstructionID == in.ID {
		w.acknowledgeClaim(r)
	}
	if v, m := r.member(in.OccurrenceID); m != nil && m.InstructionID == in.ID {
		w.acknowledgeMember(r, v, m)
	}
	return nil
}

func (w *world) acknowledgeMember(r *Rollout, v *Wave, m *Member) {
	m.AcknowledgedAt, m.HeardBoot, m.Unreachable, m.Detail = w.now, m.Boot, "", ""
	if m.Status == MemberInstructed || r.Kind == Emergency && m.Status == MemberLost {
		m.Status = MemberAcknowledged
	}
	r.UpdatedAt = w.now
	w.record(Event{
		Type: "member.acknowledged", RolloutID: r.ID, Wave: r.index(v), OccurrenceID: m.OccurrenceID,
		Actor: occurrenceActor(m.OccurrenceID),
	})
}

// Unreachable is the dispatcher's word that an instruction could not be
// delivered by callback: for good when its deadline passed, else for now. The
// other two ways out stay open (rules 7.5 and 7.6).
type Unreachable struct {
	RolloutID     string
	OccurrenceID  string
	InstructionID string
	Cause         string
	Final         bool
}

func (c Unreachable) apply(w *world) error {
	wave := 0
	r := w.Find(c.RolloutID) // nil once it has ended; what could not be told is news all the same
	if r == nil {
		r = &Rollout{}
	}
	v, m := r.member(c.OccurrenceID)
	if m != nil && m.InstructionID == c.InstructionID {
		if !m.AcknowledgedAt.IsZero() || m.Status == MemberReached {
			return nil
		}
		m.Detail, m.Unreachable = "unreachable: "+c.Cause, c.Cause
		r.UpdatedAt = w.now
		wave = r.index(v)
	}
	if c.Final {
		w.open(Incident{
			Type: IncidentUndeliverable, RolloutID: c.RolloutID, Wave: wave, OccurrenceID: c.OccurrenceID,
			Detail: "an instruction could not be delivered before its deadline: " + c.Cause,
		})
	}
	return nil
}
