package rollout_test

import (
	"errors"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// mustBe compares what a rule gives with what it should.
func mustBe[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// codeOf gives the code of a refusal, empty for none.
func codeOf(t testing.TB, err error) discovery.Code {
	t.Helper()
	if err == nil {
		return ""
	}
	return refusalOf(t, err).Code
}

// refusalOf gives the refusal that err must be.
func refusalOf(t testing.TB, err error) *discovery.Refusal {
	t.Helper()
	var refusal *discovery.Refusal
	if !errors.As(err, &refusal) {
		t.Fatalf("want a refusal, got %v", err)
	}
	return refusal
}

// quiet lets time pass in which nobody says anything; what is due is done in
// its time.
func (s *stage) quiet(d time.Duration) {
	s.t.Helper()
	end := s.now.Add(d)
	for at := s.state.WakeAt; !at.IsZero() && !at.After(end); at = s.state.WakeAt {
		s.now = at
		s.must(nil)
	}
	s.now = end
}

// outage is a time in which no replica could take heartbeats: wall time runs
// on, service time stands still (rule 2.10).
func (s *stage) outage(d time.Duration) {
	s.t.Helper()
	s.silence += d
	s.must(nil)
}

// wall is the wall time of this instant.
func (s *stage) wall() time.Time { return s.now.Add(s.silence) }

// amend changes what is known of an occurrence, as a call of its own would.
func (s *stage) amend(id string, change func(*discovery.Occurrence)) {
	s.t.Helper()
	s.catchUp()
	o := *s.fleet.Get(id)
	change(&o)
	s.hear(o)
}

// leave is an occurrence's clean leave (rule 2.6).
func (s *stage) leave(id string) {
	s.t.Helper()
	s.catchUp()
	o, refusal := discovery.Leave(s.fleet.Get(id), "", false, s.now)
	if refusal != nil {
		s.t.Fatalf("leave %s: %v", id, refusal)
	}
	s.actors[id].mute = true
	s.hear(o)
}

// uncoordinated registers an old version (rule 2.12).
func uncoordinated(r *discovery.Registration) { r.Coordinated = false }

// claimOf is the present claim of a rollout, which must be there.
func (s *stage) claimOf(id string) rollout.Claim {
	s.t.Helper()
	c := s.rollout(id).Claim
	if c == nil {
		s.t.Fatalf("nobody holds the claim of %s", id)
	}
	return *c
}

// holder names who holds the claim of a rollout, "nobody" when it is free.
func (s *stage) holder(id string) string {
	s.t.Helper()
	if c := s.rollout(id).Claim; c != nil {
		return c.OccurrenceID
	}
	return "nobody"
}

// takeClaim is an occurrence claiming a rollout.
func (s *stage) takeClaim(id, occurrence string) error {
	s.t.Helper()
	s.catchUp()
	return s.step(rollout.TakeClaim{RolloutID: id, OccurrenceID: occurrence, Boot: s.actors[occurrence].bootID()})
}

// verdict is an occurrence's verdict with a token.
func (s *stage) verdict(id, occurrence, token string, v rollout.Verdict) error {
	s.t.Helper()
	s.catchUp()
	return s.step(rollout.GiveVerdict{
		RolloutID: id, OccurrenceID: occurrence, Token: token, Verdict: v, Reasoning: "because",
		Actor: "occurrence:" + occurrence,
	})
}

// postpone is the holder's deferral; until is wall time.
func (s *stage) postpone(id string, until time.Time) error {
	s.t.Helper()
	s.catchUp()
	c := s.claimOf(id)
	return s.step(rollout.GiveVerdict{
		RolloutID: id, OccurrenceID: c.OccurrenceID, Token: c.Token, Verdict: rollout.Defer,
		Reasoning: "not now", UntilWall: until, Actor: "occurrence:" + c.OccurrenceID,
	})
}

// overrule is an operator's verdict.
func (s *stage) overrule(id string, v rollout.Verdict) error {
	s.t.Helper()
	s.catchUp()
	return s.step(rollout.GiveVerdict{RolloutID: id, Verdict: v, Reasoning: "I say so", Actor: "operator:ann"})
}

// emergency is the emergency stop of the agent.
func (s *stage) emergency() string {
	s.t.Helper()
	s.catchUp()
	return s.must(rollout.EmergencyStop{ULID: s.ulid(), Reason: "fire", Actor: "operator:ann"}).RolloutID
}

// release ends the agent's hold.
func (s *stage) release() {
	s.t.Helper()
	s.catchUp()
	s.must(rollout.Release{Reason: "all is well", Actor: "operator:ann"})
}

// answered gives the acknowledgement of an instruction by a boot.
func (s *stage) answered(in *rollout.Issued) error {
	s.t.Helper()
	s.catchUp()
	return s.step(rollout.Acknowledge{Issued: *in, OccurrenceID: in.OccurrenceID, Boot: in.Boot})
}

// told lists the instructions of a type that an occurrence was ever given.
func (s *stage) told(occurrence string, kind rollout.InstructionType) []*rollout.Issued {
	var out []*rollout.Issued
	for _, id := range s.made {
		if in := s.issued[id]; in.OccurrenceID == occurrence && in.Type == kind {
			out = append(out, in)
		}
	}
	return out
}

// lastTold is the latest instruction of a type to an occurrence.
func (s *stage) lastTold(occurrence string, kind rollout.InstructionType) *rollout.Issued {
	s.t.Helper()
	all := s.told(occurrence, kind)
	if len(all) == 0 {
		s.t.Fatalf("%s was never told to %s", occurrence, kind)
	}
	return all[len(all)-1]
}

// count counts the instructions of a type that were ever made.
func (s *stage) count(kind rollout.InstructionType) int {
	n := 0
	for _, in := range s.issued {
		if in.Type == kind {
			n++
		}
	}
	return n
}

// place is an occurrence's member in a rollout.
func (s *stage) place(id, occurrence string) rollout.Member {
	s.t.Helper()
	for _, v := range s.rollout(id).Waves {
		for _, m := range v.Members {
			if m.OccurrenceID == occurrence {
				return m
			}
		}
	}
	s.t.Fatalf("%s has no place in %s\n%s", occurrence, id, s.members(id))
	return rollout.Member{}
}

// timesOpened counts how often an incident of a type was opened.
func (s *stage) timesOpened(kind rollout.IncidentType) int {
	n := 0
	for _, i := range s.opened {
		if i.Type == kind {
			n++
		}
	}
	return n
}

// timesClosed counts how often an incident of a type was closed.
func (s *stage) timesClosed(kind rollout.IncidentType) int {
	n := 0
	for _, i := range s.resolved {
		if i.Type == kind {
			n++
		}
	}
	return n
}

// openOne is the one incident of a type that is open now.
func (s *stage) openOne(kind rollout.IncidentType) rollout.Incident {
	s.t.Helper()
	var found []rollout.Incident
	for _, i := range s.state.Incidents {
		if i.Type == kind && i.ResolvedAt.IsZero() {
			found = append(found, i)
		}
	}
	if len(found) != 1 {
		s.t.Fatalf("%d incidents %s are open, want one", len(found), kind)
	}
	return found[0]
}

// mustIncident checks how often an incident was opened, and whether it is open.
func (s *stage) mustIncident(kind rollout.IncidentType, times int, open bool) {
	s.t.Helper()
	mustBe(s.t, string(kind)+" opened", s.timesOpened(kind), times)
	_, now := s.incident(kind)
	mustBe(s.t, string(kind)+" is open", now, open)
}

// resolve is an operator closing the open incident of a type.
func (s *stage) resolve(kind rollout.IncidentType) {
	s.t.Helper()
	i := s.openOne(kind)
	s.must(rollout.ResolveIncident{IncidentID: i.ID, Reason: "seen", Actor: "operator:ann"})
}

// happened lists the events of a type.
func (s *stage) happened(kind string) []rollout.Event {
	var out []rollout.Event
	for _, e := range s.log {
		if e.Type == kind {
			out = append(out, e)
		}
	}
	return out
}

// oneWave is a plan of a single wave for everybody.
func oneWave(change ...func(*rollout.Group)) func(*rollout.Request) {
	g := rollout.Defaults("all")
	g.Size = rollout.Size{Kind: rollout.SizeRest}
	for _, c := range change {
		c(&g)
	}
	return func(r *rollout.Request) { r.Groups = []rollout.Group{g} }
}
