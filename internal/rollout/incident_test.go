package rollout_test

import (
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// halting is a stage of a shutdown of one wave that needs everybody, halted
// because o1 never stops.
func halting(t *testing.T) (*stage, string) {
	t.Helper()
	s, id := stopping(t, 2, func(g *rollout.Group) { g.MinHealthy, g.OnFailure = rollout.Percent(100), rollout.HaltRollout })
	s.report("o2", discovery.Stopped)
	s.run(300 * time.Second)
	mustBe(t, "state", s.rollout(id).Status, rollout.Halted)
	return s, id
}

// TestWaveFailed is 9.2, wave_failed, and rule 4.9: it opens with the failure,
// closes when the wave runs again, is promoted past, or the halted rollout has
// ended.
func TestWaveFailed(t *testing.T) {
	for name, mend := range map[string]func(s *stage, id string){
		"retry":   func(s *stage, id string) { mustBe(s.t, "retry", codeOf(s.t, s.order(id, rollout.Retry, 0)), "") },
		"promote": func(s *stage, id string) { mustBe(s.t, "promote", codeOf(s.t, s.order(id, rollout.Promote, 1)), "") },
		"abort":   func(s *stage, id string) { s.must(aborting(id)) },
	} {
		t.Run(name, func(t *testing.T) {
			s, id := halting(t)
			s.mustIncident(rollout.IncidentWaveFailed, 1, true)
			i := s.openOne(rollout.IncidentWaveFailed)
			mustBe(t, "rollout", i.RolloutID, id)
			mustBe(t, "wave", i.Wave, 1)
			mustBe(t, "opened", i.OpenedAt, epoch.Add(300*time.Second))
			s.run(time.Hour)
			s.mustIncident(rollout.IncidentWaveFailed, 1, true)
			mend(s, id)
			s.mustIncident(rollout.IncidentWaveFailed, 1, false)
			mustBe(t, "closed by", s.resolved[len(s.resolved)-1].ResolvedBy, "system:cause_gone")
		})
	}
}

// TestWaveFailedStays is 9.2: under continue and fail nothing takes the failure
// back but an operator.
func TestWaveFailedStays(t *testing.T) {
	for _, on := range []rollout.OnFailure{rollout.GoOn, rollout.FailRollout} {
		s, id := stopping(t, 2, func(g *rollout.Group) { g.MinHealthy, g.OnFailure = rollout.Percent(100), on })
		s.report("o2", discovery.Stopped)
		s.run(301 * time.Second)
		mustBe(t, "final", s.rollout(id).Status.Final(), true)
		s.mustIncident(rollout.IncidentWaveFailed, 1, true)
		s.run(time.Hour)
		s.mustIncident(rollout.IncidentWaveFailed, 1, true)
		s.resolve(rollout.IncidentWaveFailed)
		s.run(time.Hour)
		s.mustIncident(rollout.IncidentWaveFailed, 1, false)
	}
}

// TestResolvedWaveFailed is 9.2: what an operator resolved opens again only
// after its cause was gone.
func TestResolvedWaveFailed(t *testing.T) {
	s, id := halting(t)
	s.resolve(rollout.IncidentWaveFailed)
	mustBe(t, "resolved by", s.resolved[0].ResolvedBy, "operator:ann")
	mustBe(t, "in the log", s.happened("incident.resolved")[0].Actor, "operator:ann")
	s.run(time.Hour)
	s.mustIncident(rollout.IncidentWaveFailed, 1, false)
	mustBe(t, "retry", codeOf(t, s.order(id, rollout.Retry, 0)), "")
	s.run(300 * time.Second)
	mustBe(t, "halted again", s.rollout(id).Status, rollout.Halted)
	s.mustIncident(rollout.IncidentWaveFailed, 2, true)
	mustBe(t, "closed in between", s.timesClosed(rollout.IncidentWaveFailed), 1)
}

// TestPromotedWaveOpensNothing: a promoted wave ends without its on_failure, and
// without an incident (rule 4.18, 9.2).
func TestPromotedWaveOpensNothing(t *testing.T) {
	s, id := stopping(t, 2, func(g *rollout.Group) { g.MinHealthy = rollout.Percent(100) })
	mustBe(t, "promote", codeOf(t, s.order(id, rollout.Promote, 1)), "")
	s.run(301 * time.Second)
	mustBe(t, "final", s.rollout(id).Status.Final(), true)
	mustBe(t, "wave", s.rollout(id).Waves[0].Status, rollout.WaveFailed)
	s.mustIncident(rollout.IncidentWaveFailed, 0, false)
}

// TestUndecidedIncidents is 9.2, decision_timeout and deferral_limit: they stay
// until an operator resolves them, and then for good.
func TestUndecidedIncidents(t *testing.T) {
	for kind, wait := range map[rollout.IncidentType]time.Duration{
		rollout.IncidentDecisionTimeout: 10 * time.Minute,
		rollout.IncidentDeferralLimit:   24 * time.Hour,
	} {
		s, id := deciding(t, 2)
		if kind == rollout.IncidentDeferralLimit {
			s.must(deferral(s, id, time.Time{}))
		}
		s.quiet(wait)
		s.mustIncident(kind, 1, true)
		s.quiet(time.Hour)
		s.mustIncident(kind, 1, true)
		s.resolve(kind)
		s.quiet(time.Hour)
		s.mustIncident(kind, 1, false)
		mustBe(t, "closed", s.timesClosed(kind), 1)
	}
}

// TestWakeupRefused is 9.2, wakeup_refused: once while a verdict stands; what an
// operator resolved stays resolved until it has lapsed (rule 6.4).
func TestWakeupRefused(t *testing.T) {
	s := scene(t)
	s.fleetOf(discovery.Wakeup, "o1", "o2")
	s.decide(s.ask("o1").RolloutID, rollout.Reject)
	s.run(time.Hour)
	s.mustIncident(rollout.IncidentWakeupRefused, 1, true)
	s.resolve(rollout.IncidentWakeupRefused)
	s.run(time.Hour)
	s.mustIncident(rollout.IncidentWakeupRefused, 1, false)
	s.mustAnswer("o1", rollout.Wait, "wakeup_refused") // to have seen it is not to have ended it
	s.quiet(31 * time.Second)
	s.beat("o1")
	s.mustIncident(rollout.IncidentWakeupRefused, 2, true)
}

// TestMemberStuck is 9.2, member_stuck: past its deadline while its heartbeats
// say all is well; gone when it falls silent, restarts or gets there after all.
func TestMemberStuck(t *testing.T) {
	for name, mend := range map[string]func(s *stage){
		"silent":   func(s *stage) { s.actors["o1"].mute = true; s.run(31 * time.Second) },
		"restarts": func(s *stage) { s.boot("o1") },
		"stops":    func(s *stage) { s.report("o1", discovery.Stopped) },
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := halting(t)
			s.mustIncident(rollout.IncidentMemberStuck, 1, true)
			i := s.openOne(rollout.IncidentMemberStuck)
			mustBe(t, "occurrence", i.OccurrenceID, "o1")
			mustBe(t, "boot", i.Boot, s.actors["o1"].bootID())
			s.run(time.Hour)
			s.mustIncident(rollout.IncidentMemberStuck, 1, true)
			mend(s)
			s.mustIncident(rollout.IncidentMemberStuck, 1, false)
		})
	}
}

// TestMemberStuckOnlyWhereAllIsWell: an error and silence speak for themselves
// (9.2).
func TestMemberStuckOnlyWhereAllIsWell(t *testing.T) {
	for name, do := range map[string]func(s *stage){
		"error":  func(s *stage) { s.report("o1", discovery.Error) },
		"silent": func(s *stage) { s.actors["o1"].mute = true },
	} {
		s := scene(t)
		s.fleetOf(discovery.Wakeup, "o1", "o2")
		s.actors["o1"].takes = -1
		s.must(verdictOf(s.request(rollout.Wakeup, oneWave()), rollout.Accept))
		s.acknowledge("o1")
		do(s)
		s.run(301 * time.Second)
		mustBe(t, name, s.timesOpened(rollout.IncidentMemberStuck), 0)
	}
}

// TestResolvedMemberStuck is 9.2: resolved it stays, until the cause was gone.
func TestResolvedMemberStuck(t *testing.T) {
	s, id := halting(t)
	s.resolve(rollout.IncidentMemberStuck)
	s.run(time.Hour)
	s.mustIncident(rollout.IncidentMemberStuck, 1, false)
	mustBe(t, "retry", codeOf(t, s.order(id, rollout.Retry, 0)), "")
	s.acknowledge("o1")
	s.run(300 * time.Second)
	s.mustIncident(rollout.IncidentMemberStuck, 2, true)
}

// TestKeepsRestarting is 9.2, keeps_restarting, and rule 4.13: it opens with the
// fourth new boot, once, and closes when the occurrence has stayed up.
func TestKeepsRestarting(t *testing.T) {
	for _, resolved := range []bool{false, true} {
		s, id := stopping(t, 2, func(g *rollout.Group) {
			g.MinHealthy, g.Timeout = rollout.Percent(100), time.Hour
			g.OnFailure = rollout.HaltRollout
		})
		for range 3 {
			s.boot("o1")
			s.run(time.Second)
			s.mustIncident(rollout.IncidentKeepsRestarting, 0, false)
		}
		s.boot("o1")
		s.report("o1", discovery.Work)
		s.mustIncident(rollout.IncidentKeepsRestarting, 1, true)
		mustBe(t, "of whom", s.openOne(rollout.IncidentKeepsRestarting).OccurrenceID, "o1")
		mustBe(t, "state", s.rollout(id).Status, rollout.Halted)
		if resolved {
			s.resolve(rollout.IncidentKeepsRestarting)
		}
		s.run(299 * time.Second)
		s.mustIncident(rollout.IncidentKeepsRestarting, 1, !resolved)
		s.run(2 * time.Second)
		s.mustIncident(rollout.IncidentKeepsRestarting, 1, false)
		s.run(time.Hour)
		s.mustIncident(rollout.IncidentKeepsRestarting, 1, false)
		mustBe(t, "closed", s.timesClosed(rollout.IncidentKeepsRestarting), 1)
	}
}

// TestKeepsRestartingNewcomers is 9.2 and rule 4.15: a shutdown takes ten
// joiners, and the next opens the incident once and is left out.
func TestKeepsRestartingNewcomers(t *testing.T) {
	s, id := stopping(t, 1, func(g *rollout.Group) { g.Timeout = time.Hour })
	s.actors["o1"].mute = true
	for n := range 10 {
		s.boot(string(rune('a' + n)))
	}
	s.mustIncident(rollout.IncidentKeepsRestarting, 0, false)
	s.boot("x")
	s.mustIncident(rollout.IncidentKeepsRestarting, 1, true)
	mustBe(t, "members", len(s.rollout(id).Waves[0].Members), 11)
	mustBe(t, "stops for x", len(s.told("x", rollout.Stop)), 0)
	for n := range 10 {
		s.actors[string(rune('a'+n))].takes = -1
	}
	s.run(20 * time.Minute)
	s.mustIncident(rollout.IncidentKeepsRestarting, 1, false)
	mustBe(t, "closed", s.timesClosed(rollout.IncidentKeepsRestarting), 1)
}

// TestPausedLongIncident is 9.2, paused_long, and rule 4.19: paused for a day.
func TestPausedLongIncident(t *testing.T) {
	for name, mend := range map[string]func(s *stage, id string){
		"resume":     func(s *stage, id string) { mustBe(s.t, "resume", codeOf(s.t, s.order(id, rollout.Resume, 0)), "") },
		"abort":      func(s *stage, id string) { s.must(aborting(id)) },
		"superseded": func(s *stage, _ string) { s.emergency() },
	} {
		t.Run(name, func(t *testing.T) {
			s, id := stopping(t, 2)
			mustBe(t, "pause", codeOf(t, s.order(id, rollout.Pause, 0)), "")
			s.quiet(24*time.Hour - time.Second)
			s.mustIncident(rollout.IncidentPausedLong, 0, false)
			s.quiet(time.Second)
			s.mustIncident(rollout.IncidentPausedLong, 1, true)
			s.quiet(48 * time.Hour)
			s.mustIncident(rollout.IncidentPausedLong, 1, true)
			s.resolve(rollout.IncidentPausedLong)
			s.quiet(48 * time.Hour)
			s.mustIncident(rollout.IncidentPausedLong, 1, false)
			mend(s, id)
			s.mustIncident(rollout.IncidentPausedLong, 1, false)
			mustBe(t, "nothing is remembered of it", s.remembers(rollout.IncidentPausedLong), false)
		})
	}
}

// remembers tells whether an incident of a type is known still, open or
// resolved.
func (s *stage) remembers(kind rollout.IncidentType) bool {
	for _, i := range s.state.Incidents {
		if i.Type == kind {
			return true
		}
	}
	return false
}

// TestResolveIncident is 9.2: resolving twice changes nothing; nobody resolves
// what is not there.
func TestResolveIncident(t *testing.T) {
	s, _ := halting(t)
	i := s.openOne(rollout.IncidentWaveFailed)
	for range 2 {
		s.must(rollout.ResolveIncident{IncidentID: i.ID, Reason: "seen", Actor: "operator:ann"})
		mustBe(t, "closed", s.timesClosed(rollout.IncidentWaveFailed), 1)
	}
	mustBe(t, "another", s.refused(rollout.ResolveIncident{IncidentID: "inc_x", Reason: "seen", Actor: "operator:ann"}), discovery.CodeNotFound)
	seen := map[string]bool{}
	for _, i := range s.opened {
		mustBe(t, "id "+i.ID+" was given before", seen[i.ID], false)
		seen[i.ID] = true
	}
}
