package rollout

import (
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
)

// Roster is who is to be put into waves, and how many places there must be.
type Roster struct {
	Live    []*discovery.Occurrence // in the order of rule 3.1
	Stale   []*discovery.Occurrence // likewise
	Decider string                  // empty: there is none
	Places  int                     // at least len(Live); more stay open (rule 3.5)
}

// roster gathers who is there. A wakeup is sized by the larger of live and
// expected, a shutdown by who is live (rule 3.5).
func (p Profile) roster(kind Kind, fleet discovery.Fleet, decider string, now time.Time) Roster {
	r := Roster{Live: fleet.Live(now), Stale: fleet.Stale(now), Decider: decider}
	r.Places = len(r.Live)
	if kind == Wakeup {
		r.Places = max(r.Places, p.Expected)
	}
	return r
}

// Assign puts the roster into waves: a pure function of its inputs (rule 3.7).
// The decider goes first; pinned ones fill their wave before the others; stale
// ones go to the end of the last wave that has a place; whom no wave has room
// for joins the last one. A wave without a place is skipped.
func Assign(groups []Group, roster Roster) []Wave {
	waves := make([]Wave, len(groups))
	remain := roster.Places
	for i, g := range groups {
		places := g.Size.of(roster.Places, remain)
		if i == len(groups)-1 {
			places = remain
		}
		remain -= places
		waves[i] = Wave{Group: g, Status: WavePending, Places: places}
	}
	a := assignment{waves: waves, taken: make(map[string]bool, len(roster.Live))}
	a.fill(roster)
	for i := range waves {
		if waves[i].Places == 0 && len(waves[i].Members) == 0 {
			waves[i].Status = WaveSkipped
		}
	}
	return waves
}

type assignment struct {
	waves []Wave
	taken map[string]bool
}

func (a *assignment) fill(roster Roster) {
	for _, o := range roster.Live {
		if o.ID == roster.Decider {
			a.place(o, a.firstOpen())
		}
	}
	for _, o := range roster.Live {
		if w := a.pinned(o.Pin); w != nil && !a.taken[o.ID] && len(w.Members) < w.Places {
			a.place(o, w)
		}
	}
	for _, o := range roster.Live {
		if !a.taken[o.ID] {
			a.place(o, a.firstOpen())
		}
	}
	last := a.lastWithPlace()
	for _, o := range roster.Stale {
		a.place(o, last)
	}
}

func (a *assignment) place(o *discovery.Occurrence, w *Wave) {
	a.taken[o.ID] = true
	w.Members = append(w.Members, Member{OccurrenceID: o.ID, Status: MemberPending})
}

func (a *assignment) pinned(group string) *Wave {
	for i := range a.waves {
		if group != "" && a.waves[i].Name == group {
			return &a.waves[i]
		}
	}
	return nil
}

func (a *assignment) firstOpen() *Wave {
	for i := range a.waves {
		if len(a.waves[i].Members) < a.waves[i].Places {
			return &a.waves[i]
		}
	}
	return &a.waves[len(a.waves)-1]
}

func (a *assignment) lastWithPlace() *Wave {
	for i := len(a.waves) - 1; i > 0; i-- {
		if a.waves[i].Places > 0 {
			return &a.waves[i]
		}
	}
	return &a.waves[0]
}
