package memstore

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// version is one agent as some transaction left it. It never changes; nor does
// anything that it points to, the trail's end excepted.
type version struct {
	id      string
	profile rollout.Profile
	state   rollout.State // without rollouts and profile
	fleet   discovery.Fleet

	rollouts     table[*rolloutRow]
	unfinished   []*rolloutRow // of these, the older first
	instructions table[*instructionRow]
	waiting      table[*instructionRow] // of these, neither acknowledged nor withdrawn
	incidents    table[*incidentRow]
	formers      table[*formerRow]

	trail  *trail
	events int // how many of the trail are this version's
}

func newVersion(agentID string) *version {
	return &version{id: agentID, state: rollout.State{AgentID: agentID}, trail: &trail{agentID: agentID}}
}

type rolloutRow struct{ rollout.Rollout }

func (r *rolloutRow) key() string { return r.ID }

// instructionRow is an instruction, what became of it, and its way through the
// outbox.
type instructionRow struct {
	rollout.Issued
	suspended bool // its rollout is paused (rule 4.19)

	attempts  int // tries that failed, but may be followed by others
	fence     int64
	visibleAt time.Time // when it is due, or its lease ends
	delivered bool
	withheld  bool // its address does not take it; another one may
}

func (r *instructionRow) key() string { return r.ID }

func (r *instructionRow) open() bool { return r.AcknowledgedAt.IsZero() && r.WithdrawnAt.IsZero() }

type incidentRow struct {
	rollout.Incident
	agentID string
}

func (r *incidentRow) key() string { return r.ID }

// formerRow holds the boots of an occurrence that were replaced, oldest first.
type formerRow struct {
	occurrenceID string
	boots        []string
}

func (r *formerRow) key() string { return r.occurrenceID }

// keptBoots is how many former boots are remembered; rule 2.5 wants 100.
const keptBoots = 200

// loaded is the state as a transaction gets it.
func (v *version) loaded() rollout.State {
	s := cloneState(v.state)
	s.Profile = cloneProfile(v.profile)
	s.Rollouts = make([]rollout.Rollout, 0, len(v.unfinished))
	for _, r := range v.unfinished {
		s.Rollouts = append(s.Rollouts, cloneRollout(r.Rollout))
	}
	return s
}

// putRollouts takes over rollouts, and with them which are unfinished.
func (v *version) putRollouts(rollouts []rollout.Rollout) {
	if len(rollouts) == 0 {
		return
	}
	rows := make([]*rolloutRow, 0, len(rollouts))
	for i := range rollouts {
		rows = append(rows, &rolloutRow{cloneRollout(rollouts[i])})
	}
	unfinished := make([]*rolloutRow, 0, len(v.unfinished)+len(rows))
	for _, r := range v.unfinished {
		if !slices.ContainsFunc(rows, func(put *rolloutRow) bool { return put.ID == r.ID }) {
			unfinished = append(unfinished, r)
		}
	}
	for _, r := range rows {
		if !r.Status.Final() {
			unfinished = append(unfinished, r)
		}
	}
	slices.SortFunc(unfinished, func(a, b *rolloutRow) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
	})
	v.rollouts, v.unfinished = v.rollouts.with(rows...), unfinished
}

// putInstructions takes over instructions that were made or have changed.
func (v *version) putInstructions(rows ...*instructionRow) {
	if len(rows) == 0 {
		return
	}
	v.instructions = v.instructions.with(rows...)
	v.waiting = v.waiting.with(rows...).without(func(r *instructionRow) bool { return !r.open() })
}

// reroute has what is for a boot sent to its new address.
func (v *version) reroute(now time.Time, occurrenceID, boot string) {
	v.changeWaiting(func(r instructionRow) *instructionRow {
		if r.OccurrenceID != occurrenceID || r.Boot != boot || r.delivered {
			return nil
		}
		r.withheld, r.visibleAt = false, now
		return &r
	})
}

// changeWaiting gives every waiting instruction to change, which returns its
// successor, or nil when it stays as it is.
func (v *version) changeWaiting(change func(r instructionRow) *instructionRow) {
	var rows []*instructionRow
	for _, r := range v.waiting {
		if next := change(*r); next != nil {
			rows = append(rows, next)
		}
	}
	v.putInstructions(rows...)
}

// withdraw takes back what is waiting and covered.
func (v *version) withdraw(now time.Time, what ...rollout.Withdrawal) {
	if len(what) == 0 {
		return
	}
	v.changeWaiting(func(r instructionRow) *instructionRow {
		if !slices.ContainsFunc(what, func(x rollout.Withdrawal) bool { return x.Covers(r.Instruction) }) {
			return nil
		}
		r.WithdrawnAt = now
		return &r
	})
}

// retire remembers a boot that was replaced.
func (v *version) retire(occurrenceID, boot string) {
	next := &formerRow{occurrenceID: occurrenceID}
	if known := v.formers.get(occurrenceID); known != nil {
		next.boots = append(next.boots, known.boots[max(0, len(known.boots)+1-keptBoots):]...)
	}
	next.boots = append(next.boots, boot)
	v.formers = v.formers.with(next)
}

// former tells whether a boot was replaced.
func (v *version) former(occurrenceID, boot string) bool {
	known := v.formers.get(occurrenceID)
	return known != nil && slices.Contains(known.boots, boot)
}

// pending lists what a boot has to carry out, oldest first (rule 7.2).
func (v *version) pending(occurrenceID, boot string, now time.Time) []*instructionRow {
	var found []*instructionRow
	for _, r := range v.waiting {
		if r.OccurrenceID == occurrenceID && r.Boot == boot && !r.suspended && now.Before(r.Deadline) {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, func(a, b *instructionRow) int {
		return cmp.Or(a.IssuedAt.Compare(b.IssuedAt), strings.Compare(a.ID, b.ID))
	})
	return found
}
