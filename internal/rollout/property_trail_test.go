package rollout_test

import (
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// trail is what the watch knows of one rollout from its events alone.
type trail struct {
	decided  time.Time
	settled  map[int]time.Time
	skipped  map[int]bool
	promoted map[int]bool
	started  map[int]map[string]heardAt // who was there when the wave started
	pauses   []pause
	paused   bool
	halted   bool
	final    bool
}

type pause struct{ from, to time.Time }

// heardAt is what was last heard of an occurrence.
type heardAt struct {
	boot     string
	sequence int64
}

func (w *watch) trail(id string) *trail {
	t := w.trails[id]
	if t == nil {
		t = &trail{settled: map[int]time.Time{}, skipped: map[int]bool{}, promoted: map[int]bool{}, started: map[int]map[string]heardAt{}}
		w.trails[id] = t
	}
	return t
}

// stood is how long the rollout was paused between two instants.
func (t *trail) stood(from, to time.Time) time.Duration {
	var sum time.Duration
	for _, p := range t.pauses {
		begin, end := p.from, p.to
		if begin.Before(from) {
			begin = from
		}
		if end.IsZero() || end.After(to) {
			end = to
		}
		if end.After(begin) {
			sum += end.Sub(begin)
		}
	}
	return sum
}

// previous is the last wave before k that was not skipped; 0 for none.
func (t *trail) previous(k int) int {
	for k--; k > 0 && t.skipped[k]; k-- {
	}
	return k
}

// follow reads the events of a step in order and checks each against what came
// before it.
func (w *watch) follow(next rollout.State, eff rollout.Effects) {
	w.s.t.Helper()
	for _, e := range eff.Events {
		if e.RolloutID == "" {
			continue
		}
		t, r := w.trail(e.RolloutID), next.Find(e.RolloutID)
		switch e.Type {
		case "rollout.requested":
			switch r.Kind {
			case rollout.Wakeup:
				w.standing = "" // another was opened (rule 6.4)
			case rollout.Emergency:
				t.started[1] = w.present(r.Waves[0]) // at once (rule 8.1)
			case rollout.Shutdown:
			}
		case "decision.accept":
			t.decided = e.At
		case "command.pause":
			t.paused, t.pauses = true, append(t.pauses, pause{from: e.At})
		case "command.resume":
			t.paused = false
			t.pauses[len(t.pauses)-1].to = e.At
		case "command.retry":
			t.halted = false
		case "command.promote":
			t.halted = false
			w.promotes(t, e)
		case "rollout.halted":
			t.halted = true
		case "wave.skipped":
			t.skipped[e.Wave] = true
		case "member.joined": // who is added later counts for no gate (rule 4.7)
			for _, there := range t.started {
				delete(there, e.OccurrenceID)
			}
		case "wave.started":
			w.starts(t, r, e)
		case "wave.passed":
			w.passes(t, r, e)
		case "wave.failed":
			w.fails(t, r, e)
		case "instruction.deliberate", "instruction.wake", "instruction.stop":
			w.tells(t, r, e)
		}
		if status, isEnd := endOf(e.Type); isEnd {
			t.final = true
			w.stands(r, status, e.At)
		}
	}
}

// fails: a wave that failed under continue is settled, if it was not before: one
// that passed and did not stay healthy lets the next one start then (4.10).
func (w *watch) fails(t *trail, r *rollout.Rollout, e rollout.Event) {
	_, settled := t.settled[e.Wave]
	switch {
	case t.promoted[e.Wave]:
	case r.Waves[e.Wave-1].OnFailure != rollout.GoOn:
		delete(t.settled, e.Wave)
	case !settled:
		t.settled[e.Wave] = e.At
	}
}

func (w *watch) promotes(t *trail, e rollout.Event) {
	k, _ := e.Data["wave"].(int)
	for k > 0 && t.skipped[k] {
		k--
	}
	t.promoted[k] = true
	if _, settled := t.settled[k]; !settled {
		t.settled[k] = e.At
	}
}

// starts is S4: wave k+1 only if wave k was settled, in a wakeup still healthy,
// and the delay is over or was ended by a promote.
func (w *watch) starts(t *trail, r *rollout.Rollout, e rollout.Event) {
	w.s.t.Helper()
	v := r.Waves[e.Wave-1]
	for j := 1; j < e.Wave; j++ {
		if _, settled := t.settled[j]; !settled && !t.skipped[j] {
			w.fatalf("S4: wave %d of %s started, and wave %d is not settled", e.Wave, r.ID, j)
		}
	}
	p := t.previous(e.Wave)
	from := t.decided
	if p > 0 {
		from = t.settled[p]
	}
	if due := from.Add(v.Delay + t.stood(from, e.At)); e.At.Before(due) && !t.promoted[p] {
		w.fatalf("S4: wave %d of %s started at %s, its delay ends at %s", e.Wave, r.ID, clock(e.At), clock(due))
	}
	if p == 0 && !t.promoted[0] && e.At.Add(w.in.Silence).Before(r.NotBeforeWall) {
		w.fatalf("S4: %s started before its time", r.ID)
	}
	if t.paused || t.halted || t.final {
		w.fatalf("wave %d of %s started while it was paused, halted or final", e.Wave, r.ID)
	}
	if p > 0 && r.Kind == rollout.Wakeup && !t.promoted[p] && r.Waves[p-1].Status == rollout.WavePassed && e.At.Equal(w.s.now) {
		w.stillHealthy(r, p, e.Wave)
	}
	t.started[e.Wave] = w.present(v)
}

// present is who takes part in a wave that starts now, and what was last heard
// of each.
func (w *watch) present(v rollout.Wave) map[string]heardAt {
	there := map[string]heardAt{}
	for _, m := range v.Members {
		if o := w.in.Fleet.Get(m.OccurrenceID); m.Status != rollout.MemberSkipped && o != nil {
			there[m.OccurrenceID] = heardAt{o.Boot, o.Sequence}
		}
	}
	return there
}

// stillHealthy is rule 4.10, from the fleet and not from the books of the core.
func (w *watch) stillHealthy(r *rollout.Rollout, p, k int) {
	w.s.t.Helper()
	present, fresh := 0, 0
	for _, m := range r.Waves[p-1].Members {
		if _, counts := w.trail(r.ID).started[p][m.OccurrenceID]; !counts || m.Status == rollout.MemberSkipped {
			continue
		}
		present++
		o := w.in.Fleet.Get(m.OccurrenceID)
		if m.Status == rollout.MemberReached && o.Critical == 0 && o.State.Awake() && w.s.now.Sub(o.LastSign) <= 2*w.s.settings.HeartbeatInterval {
			fresh++
		}
	}
	if need := min(r.Waves[p-1].MinHealthy.Up(present), present); fresh < need {
		w.fatalf("S4: wave %d of %s started with %d of wave %d healthy, want %d", k, r.ID, fresh, p, need)
	}
}

// passes is S20: a gate opens only on what was heard after its wave's start, and
// only its own members decide it.
func (w *watch) passes(t *trail, r *rollout.Rollout, e rollout.Event) {
	w.s.t.Helper()
	v := r.Waves[e.Wave-1]
	if !t.promoted[e.Wave] {
		t.settled[e.Wave] = e.At
	}
	there := t.started[e.Wave]
	present, healthy, joined := 0, 0, 0
	for _, m := range v.Members {
		was, counts := there[m.OccurrenceID]
		if !counts && m.Status != rollout.MemberSkipped {
			joined++
		}
		if !counts || m.Status == rollout.MemberSkipped {
			continue
		}
		present++
		if m.Status != rollout.MemberReached || m.HealthySince.IsZero() || e.At.Sub(m.HealthySince) < v.StableFor {
			continue
		}
		o := w.in.Fleet.Get(m.OccurrenceID)
		switch {
		case r.Kind != rollout.Wakeup && (m.Clean || v.AllowUnclean):
			healthy++
		case r.Kind == rollout.Wakeup && o.Critical == 0 && o.State.Awake() && (heardAt{o.Boot, o.Sequence}) != was:
			healthy++
		}
	}
	if need := min(v.MinHealthy.Up(present), present); present+joined == 0 || healthy < need {
		w.fatalf("S20: the gate of wave %d of %s opened with %d of %d healthy, want %d\n%+v", e.Wave, r.ID, healthy, present, need, v)
	}
}

// tells is S3, S5, S6 and S15 as they can be seen in the trail: nothing is made
// for what is paused, halted or over, nor for a wave that has not started.
func (w *watch) tells(t *trail, r *rollout.Rollout, e rollout.Event) {
	w.s.t.Helper()
	switch loose := e.Wave == 0 && e.Type == "instruction.stop"; {
	case loose: // of a finished shutdown or of a hold
	case t.final:
		w.fatalf("S3, S5, S6: %s made for %s, which is over", e.Type, r.ID)
	case t.paused:
		w.fatalf("S15: %s made for %s, which is paused", e.Type, r.ID)
	case t.halted:
		w.fatalf("4.19: %s made for %s, which is halted", e.Type, r.ID)
	case e.Wave > 0 && t.started[e.Wave] == nil && r.Kind != rollout.Emergency:
		w.fatalf("S4: %s made for wave %d of %s, which has not started", e.Type, e.Wave, r.ID)
	}
	if o := w.in.Fleet.Get(e.OccurrenceID); o == nil || o.Boot != e.Data["boot_id"] {
		w.fatalf("7.2: %s for another boot than the present one of %s", e.Type, e.OccurrenceID)
	}
}

func endOf(event string) (rollout.Status, bool) {
	const prefix = "rollout."
	if len(event) <= len(prefix) || event[:len(prefix)] != prefix {
		return "", false
	}
	status := rollout.Status(event[len(prefix):])
	return status, status.Final()
}

// stands keeps the watch's own book of the verdict that stands (rule 6.4).
func (w *watch) stands(r *rollout.Rollout, status rollout.Status, at time.Time) {
	if r.Kind == rollout.Wakeup && (status == rollout.Rejected || status == rollout.Failed || status == rollout.Aborted) {
		w.standing, w.stoodFrom = r.ID, at
	}
}

// standsNow tells whether the verdict binds: a coordinated boot that was known
// at its end is live.
func (w *watch) standsNow() bool {
	if w.standing == "" {
		return false
	}
	for _, o := range w.fleet {
		if o.Coordinated && !o.BootHeard.After(w.stoodFrom) && o.Liveness(w.in.Fleet.Timing, w.s.now) == discovery.Live {
			return true
		}
	}
	return false
}
