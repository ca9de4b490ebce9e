package rollout_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// passing sends an occurrence's next heartbeat as a store takes it that knows a
// short cut: one that says nothing new, of somebody who is not watched, is recorded
// in passing, without a step.
func (s *stage) passing(id string) {
	s.t.Helper()
	s.catchUp()
	a, o := s.actors[id], s.fleet.Get(id)
	h := discovery.Heartbeat{Boot: a.bootID(), Sequence: a.seq + 1, State: a.state, Critical: a.critical}
	note := s.state.Notes[id]
	if note.Boot == o.Boot && note.Watched || !discovery.Unchanged(o, h, s.settings.Timing(), s.now) {
		s.beat(id)
		return
	}
	a.seq++
	seen := *o
	seen.LastSign, seen.Sequence = s.now, a.seq
	s.fleet = s.fleet.With(seen)
}

// beats has everybody who is not silent say every ten seconds that nothing has
// changed, through the door or past it.
func (s *stage) beats(shortCut bool, d time.Duration) {
	s.t.Helper()
	for end := s.now.Add(d); s.now.Before(end); {
		s.quiet(min(end.Sub(s.now), s.settings.HeartbeatInterval))
		for _, id := range s.actorIDs() {
			switch a := s.actors[id]; {
			case a.mute || a.state == discovery.Stopped:
			case shortCut:
				s.passing(id)
			default:
				s.beat(id)
			}
		}
	}
}

// shortCutScene plays something; live lets time pass.
type shortCutScene func(s *stage, live func(time.Duration))

// wakingScenes and stoppingScenes are those in which somebody waits for the next
// heartbeat of somebody, whatever it says.
func wakingScenes() map[string]shortCutScene {
	return map[string]shortCutScene{
		"awake, and reached by the next heartbeat": func(s *stage, live func(time.Duration)) {
			s.fleetOf(discovery.Work, ids(3)...)
			s.wakeUp(groupOf("a", sized(1)), groupOf("b", remaining(), delayed(25*time.Second)))
			live(time.Minute)
		},
		"not healthy any more, and again": func(s *stage, live func(time.Duration)) {
			s.fleetOf(discovery.Wakeup, ids(3)...)
			s.idle(ids(3)...)
			s.wakeUp(groupOf("a", sized(2), needs(rollout.Count(2))), groupOf("b", remaining(), delayed(45*time.Second)))
			s.report("o1", discovery.Work)
			s.report("o2", discovery.Work)
			live(20 * time.Second)
			s.silent("o1") // live at 0:45, and not heard lately
			live(26 * time.Second)
			s.actors["o1"].mute = false
			live(3 * time.Second) // heard at 0:49, and never stale
			live(6 * time.Minute)
		},
		"stable for a time, with a silence in it": func(s *stage, live func(time.Duration)) {
			s.fleetOf(discovery.Wakeup, "o1")
			s.wakeUp(groupOf("a", remaining(), stable(time.Minute)))
			s.report("o1", discovery.Work)
			live(20 * time.Second)
			s.silent("o1")
			live(35 * time.Second)
			s.actors["o1"].mute = false
			live(3 * time.Minute)
		},
		"in error before it was told": func(s *stage, live func(time.Duration)) {
			s.fleetOf(discovery.Error, "o1")
			s.wakeUp(groupOf("a", remaining()))
			live(2 * time.Minute)
		},
	}
}

func stoppingScenes() map[string]shortCutScene {
	return map[string]shortCutScene{
		"nobody to decide": func(s *stage, live func(time.Duration)) {
			s.fleetOf(discovery.Shutdown, ids(2)...)
			s.request(rollout.Shutdown)
			live(time.Minute)
			s.report("o2", discovery.Work)
			live(11 * time.Minute)
		},
		"a straggler": func(s *stage, live func(time.Duration)) {
			s.fleetOf(discovery.Work, ids(3)...)
			s.idle(ids(3)...)
			s.shut(groupOf("a", remaining()))
			s.report("o1", discovery.Stopped)
			s.silent("o2")
			live(5*time.Minute + 5*time.Second)
			s.actors["o2"].mute = false
			live(time.Minute)
		},
		"a straggler that was live all the while": func(s *stage, live func(time.Duration)) {
			s.fleetOf(discovery.Work, "o1")
			s.idle("o1")
			s.shut(groupOf("a", remaining()))
			for i := range 11 { // the last one is left out (rule 4.15)
				s.fleetOf(discovery.Work, fmt.Sprintf("new%02d", i))
				s.idle(fmt.Sprintf("new%02d", i))
			}
			live(20 * time.Second)
			for _, id := range s.actorIDs() {
				if id != "new10" {
					s.report(id, discovery.Stopped)
				}
			}
			live(time.Minute)
		},
		"a held fleet": func(s *stage, live func(time.Duration)) {
			s.fleetOf(discovery.Work, ids(2)...)
			s.idle(ids(2)...)
			s.emergency()
			live(12 * time.Minute)
		},
		"deadlines and joiners": func(s *stage, live func(time.Duration)) {
			s.fleetOf(discovery.Work, ids(3)...)
			s.idle(ids(3)...)
			s.shut(groupOf("a", sized(1), onFailure(rollout.GoOn)), groupOf("b", remaining(), delayed(time.Minute), atOnce(rollout.Count(1))))
			live(3 * time.Minute)
			s.fleetOf(discovery.Work, "new")
			s.idle("new")
			live(30 * time.Minute)
		},
	}
}

// TestShortCut is rules 2.4, 2.9, 4.6, 4.7, 4.10, 4.17 and 8.4: heartbeats that are
// recorded in passing change nothing of what follows.
func TestShortCut(t *testing.T) {
	scenes := wakingScenes()
	maps.Copy(scenes, stoppingScenes())
	for name, play := range scenes {
		var logs [2][]string
		var steps [2]int
		for i, shortCut := range []bool{false, true} {
			s := newStage(t)
			s.after = func(_, _ rollout.State, _ rollout.Effects) { steps[i]++ }
			play(s, func(d time.Duration) { s.beats(shortCut, d) })
			for _, e := range s.log {
				logs[i] = append(logs[i], clock(e.At)+" "+e.Type+" "+e.OccurrenceID)
			}
		}
		if !slices.Equal(logs[0], logs[1]) {
			t.Errorf("%s: through the door\n%v\nin passing\n%v", name, logs[0], logs[1])
		}
		if len(logs[0]) < 5 {
			t.Errorf("%s: nothing happens", name)
		}
		if steps[1] > steps[0] {
			t.Errorf("%s: %d steps in passing, %d through the door", name, steps[1], steps[0])
		}
	}
}
