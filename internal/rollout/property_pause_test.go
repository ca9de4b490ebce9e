package rollout_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// script is a rollout from its request to its end, played by occurrences who do
// what they do at fixed moments.
type script struct {
	fleet []character
	ask   rollout.Request
	scene []cue
}

type character struct {
	id       string
	state    discovery.State
	takes    time.Duration
	critical int
}

// cue is something that happens at a moment.
type cue struct {
	at   time.Duration
	what string
	who  string
	wave int
}

// interlude is what is done at one moment of a script; it returns by how much
// all that follows is late.
type interlude func(s *stage, id string) time.Duration

// drawScript draws a script; with mutes only where silence may fall as well.
func drawScript(t *rapid.T, mutes bool) script {
	m := &model{T: t, s: newStage(drawn{t: t})}
	whats := []string{"error", "work", "boot", "leave", "critical", "well", "promote", "retry", "abort", "newcomer", "deaf"}
	if mutes {
		whats = append(whats, "mute", "heard", "defer")
	}
	sc := script{ask: m.request()}
	sc.ask.NotBeforeWall, sc.ask.ReactivateWall = time.Time{}, time.Time{} // wall time runs on
	for i := range 1 + evenly(t, "occurrences", 6) {
		sc.fleet = append(sc.fleet, character{
			id: fmt.Sprintf("o%d", i+1), state: m.state(), critical: evenly(t, "critical", 5) / 4,
			takes: pick(m, "takes", time.Second, 15*time.Second, 40*time.Second, 25*time.Second, -1),
		})
	}
	for range evenly(t, "cues", 6) {
		sc.scene = append(sc.scene, cue{
			at: time.Duration(evenly(t, "at", 300)) * time.Second, what: pick(m, "what", whats...),
			who: fmt.Sprintf("o%d", 1+evenly(t, "who", len(sc.fleet))), wave: evenly(t, "wave", 4),
		})
	}
	return sc
}

// play plays a script with an interlude, and writes down what came of it: the
// rollout, its waves and members, and every instruction with its moment, all
// counted as if there had been no interlude.
func (sc script) play(t testing.TB, at time.Duration, between interlude) (*stage, string) {
	s := newStage(t)
	for _, c := range sc.fleet {
		s.boot(c.id)
		s.report(c.id, c.state)
		s.actors[c.id].takes, s.actors[c.id].critical = c.takes, c.critical
	}
	if err := s.step(sc.ask); err != nil {
		return s, err.Error()
	}
	id := s.last.RolloutID
	_ = s.step(verdictOf(id, rollout.Accept))
	late, elapsed := time.Duration(0), time.Duration(0)
	for second := range 301 * time.Second / time.Second {
		now := second * time.Second
		for _, c := range sc.scene {
			if c.at == now {
				s.run(now - elapsed)
				elapsed = now
				c.happen(s, id)
			}
		}
		if now == at {
			s.run(now - elapsed)
			elapsed = now
			begin := s.now
			s.beatAll()
			late = between(s, id)
			mustBe(t, "late", s.now.Sub(begin), late)
		}
	}
	s.run(15 * time.Minute)
	return s, s.account(id, epoch.Add(at), late)
}

func (c cue) happen(s *stage, id string) {
	a := s.actors[c.who]
	runs := !s.fleet.Get(c.who).HasStopped()
	s.catchUp()
	order := func(control rollout.Control) { _ = s.order(id, control, c.wave) }
	switch c.what {
	case "newcomer":
		s.boot("new-" + c.who)
	case "promote":
		order(rollout.Promote)
	case "retry":
		order(rollout.Retry)
	case "abort":
		order(rollout.Abort)
	case "boot":
		s.boot(c.who)
	}
	if !runs {
		return
	}
	switch c.what {
	case "error":
		s.report(c.who, discovery.Error)
	case "work":
		s.report(c.who, discovery.Work)
	case "leave":
		s.leave(c.who)
		a.arrives, a.deaf = time.Time{}, true
	case "critical":
		a.critical = 1
	case "well":
		a.critical = 0
	case "deaf":
		a.deaf = true
	case "mute":
		a.mute = true
	case "heard":
		a.mute = false
	}
}

// beatAll lets everybody who runs be heard now.
func (s *stage) beatAll() {
	for _, id := range s.actorIDs() {
		if a := s.actors[id]; !a.mute && !s.fleet.Get(id).HasStopped() {
			s.beat(id)
		}
	}
}

// account writes down what came of a rollout, with every moment after a given
// one moved back by how late it was.
func (s *stage) account(id string, from time.Time, late time.Duration) string {
	var b strings.Builder
	clean := func(at time.Time) string {
		if at.After(from) {
			at = at.Add(-late)
		}
		return clock(at)
	}
	r := s.rollout(id)
	fmt.Fprintf(&b, "%s task %s\n%s", r.Status, r.Task.Status, s.members(id))
	for _, made := range s.made {
		in := s.issued[made]
		fmt.Fprintf(&b, "%s to %s at %s", made, in.Boot, clean(in.IssuedAt))
		if in.AcknowledgedAt.IsZero() && in.WithdrawnAt.IsZero() {
			fmt.Fprintf(&b, " until %s", clean(in.Deadline))
		}
		b.WriteString("\n")
	}
	for _, e := range s.log {
		if strings.HasPrefix(e.Type, "wave.") {
			fmt.Fprintf(&b, "%s %d at %s\n", e.Type, e.Wave, clean(e.At))
		}
	}
	return b.String()
}

// TestPauseChangesNothingButTimes is S22: a pause and resume at any point, in
// which the world stands still but for its heartbeats, changes nothing but
// times, and those by exactly its length.
func TestPauseChangesNothingButTimes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sc, tb := drawScript(t, false), drawn{t: t}
		at := time.Duration(evenly(t, "pause at", 300)) * time.Second
		long := time.Duration(evenly(t, "for", 1000)) * time.Second
		_, without := sc.play(tb, at, unpaused)
		_, with := sc.play(tb, at, func(s *stage, id string) time.Duration { return s.paused(id, long) })
		if with != without {
			t.Fatalf("a pause of %s at %s changed\n%s\nto\n%s", long, at, without, with)
		}
	})
}

// unpaused is the interlude without a pause: everybody is heard, as after one.
func unpaused(s *stage, _ string) time.Duration {
	s.run(0)
	s.beatAll()
	return 0
}

// paused pauses a rollout, if it may be, while the occurrences stand still.
func (s *stage) paused(id string, d time.Duration) time.Duration {
	s.run(0)
	if s.order(id, rollout.Pause, 0) != nil {
		s.beatAll()
		return 0
	}
	for _, a := range s.actors {
		if !a.arrives.IsZero() {
			a.arrives = a.arrives.Add(d)
		}
	}
	s.run(d)
	s.beatAll()
	if err := s.order(id, rollout.Resume, 0); err != nil {
		s.t.Fatalf("resume: %v", err)
	}
	return d
}

// TestMomentOfPause is S22 for a pause without length: it may come wherever it
// will, silences included.
func TestMomentOfPause(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sc, tb := drawScript(t, true), drawn{t: t}
		at := time.Duration(evenly(t, "pause at", 300)) * time.Second
		_, without := sc.play(tb, at, unpaused)
		_, with := sc.play(tb, at, func(s *stage, id string) time.Duration { return s.paused(id, 0) })
		if with != without {
			t.Fatalf("a pause without length at %s changed\n%s\nto\n%s", at, without, with)
		}
	})
}

// TestOutageChangesNothing is S22 and rule 2.10: an outage of the service, of
// any length at any point, changes nothing in service time, in which everything
// is decided.
func TestOutageChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sc, tb := drawScript(t, true), drawn{t: t}
		at := time.Duration(evenly(t, "outage at", 300)) * time.Second
		long := pick(&model{T: t}, "for", time.Second, time.Minute, time.Hour, 1000*time.Hour, -time.Hour)
		bare, without := sc.play(tb, at, func(*stage, string) time.Duration { return 0 })
		late, with := sc.play(tb, at, func(s *stage, _ string) time.Duration { s.outage(long); return 0 })
		if with != without {
			t.Fatalf("an outage of %s at %s changed\n%s\nto\n%s", long, at, without, with)
		}
		bare.state.Incidents, late.state.Incidents = nil, nil // they tell wall times
		bare.state.SteppedAt, late.state.SteppedAt = time.Time{}, time.Time{}
		if !reflect.DeepEqual(bare.state, late.state) {
			t.Fatalf("an outage of %s at %s changed\n%s", long, at, difference(written(bare.state), written(late.state)))
		}
	})
}
