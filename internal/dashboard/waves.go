package dashboard

import (
	"fmt"
	"strings"
	"time"

	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

const (
	membersShown  = 60 // of a wave
	finishedNamed = 20 // of a wave of a finished rollout
	troubleShown  = 12 // of these, with what is wrong with them
)

// waveBlock is a wave on the page.
type waveBlock struct {
	Index   int
	Group   string
	State   string
	Tone    tone
	Summary string // "3 of 9 stopped"
	Bar     bar
	Groups  []memberGroup
	Open    string // places without a member, in words
	Waits   string
	Times   []waveTime
	Terms   string // the conditions that its plan sets
}

type waveTime struct {
	Label string
	At    *stamp
}

// memberGroup is the members that are in one state.
type memberGroup struct {
	State   string
	Class   string
	N       int
	Members []memberChip
	More    int          // not named
	Trouble []memberChip // with what is wrong
}

type memberChip struct {
	ID    string
	Title string // more of it, where there is a pointer to ask
	Wrong string
}

func newWaveBlock(r *engine.RolloutView, i int, waits bool, now time.Time) waveBlock {
	v := &r.Waves[i]
	b := waveBlock{Index: i + 1, Group: v.Name, State: string(v.Status), Tone: waveTone(v.Status), Terms: terms(&v.Group)}
	if v.Promoted {
		b.State += ", promoted"
	}
	if waits && i < len(r.WaitingFor) {
		b.Waits = readable(r.WaitingFor[i], now)
	}
	b.Groups = groupMembers(r, v, now)
	b.Summary, b.Bar = summarize(r, v, b.Groups)
	if open := v.Places - len(v.Members); open > 0 && !r.Status.Final() {
		b.Open = count(open, "place is open", "places are open")
	}
	b.Times = waveTimes(r, v, now)
	return b
}

func waveTone(s rollout.WaveStatus) tone {
	switch s {
	case rollout.WavePending, rollout.WaveSkipped, rollout.WaveCancelled:
		return quiet
	case rollout.WaveDelayed, rollout.WaveRunning:
		return busy
	case rollout.WavePassed:
		return good
	case rollout.WaveFailed:
		return bad
	}
	return quiet
}

func waveTimes(r *engine.RolloutView, v *rollout.Wave, now time.Time) []waveTime {
	var times []waveTime
	add := func(label string, at time.Time) {
		if !at.IsZero() {
			times = append(times, waveTime{label, stampOf(r.Clock.Wall(at), now)})
		}
	}
	if v.StartedAt.IsZero() && !r.Status.Final() {
		add("starts", v.StartsAt)
	}
	add("started", v.StartedAt)
	add("retried", v.RetriedAt)
	if !v.StartedAt.IsZero() {
		add(string(v.Status), v.FinishedAt)
	}
	return times
}

// terms are the conditions of a wave, in the words of its plan.
func terms(g *rollout.Group) string {
	all := []string{"min_healthy " + g.MinHealthy.String()}
	if g.StableFor > 0 {
		all = append(all, "stable_for "+brief(g.StableFor))
	}
	if g.MaxFailed.Set {
		all = append(all, "max_failed "+g.MaxFailed.String())
	}
	if g.MaxConcurrent.Set {
		all = append(all, "max_concurrent "+g.MaxConcurrent.String())
	}
	if g.AllowUnclean {
		all = append(all, "allow_unclean")
	}
	all = append(all, "delay "+brief(g.Delay), "timeout "+brief(g.Timeout), "on_failure "+string(g.OnFailure))
	return strings.Join(all, " · ")
}

// shownAs is how the page sorts members: by state, and those who stopped without
// saying so apart. What needs a look comes first.
var shownAs = []struct {
	class, words string
	trouble      bool
}{
	{"failed", "failed", true},
	{"lost", "lost", true},
	{"unclean", "went silent, did not say stopped", true},
	{"instructed", "told, not acknowledged", false},
	{"acknowledged", "acknowledged, on the way", false},
	{"pending", "not told yet", false},
	{"reached", "", false}, // depends on the kind
	{"skipped", "skipped", true},
	{"cancelled", "cancelled", false},
}

func classOf(r *engine.RolloutView, m *rollout.Member) string {
	if m.Status == rollout.MemberReached && r.Kind != rollout.Wakeup && !m.Clean {
		return "unclean"
	}
	return string(m.Status)
}

// target is the word for members that are where they were told to go.
func target(k rollout.Kind) string {
	if k == rollout.Wakeup {
		return "awake"
	}
	return "stopped"
}

func groupMembers(r *engine.RolloutView, v *rollout.Wave, now time.Time) []memberGroup {
	byClass := map[string][]*rollout.Member{}
	for i := range v.Members {
		m := &v.Members[i]
		byClass[classOf(r, m)] = append(byClass[classOf(r, m)], m)
	}
	var groups []memberGroup
	left := membersShown
	if r.Status.Final() {
		left = finishedNamed
	}
	for _, as := range shownAs {
		members := byClass[as.class]
		if len(members) == 0 {
			continue
		}
		g := memberGroup{State: as.words, Class: as.class, N: len(members)}
		switch {
		case as.class == "reached":
			g.State = target(r.Kind)
		case as.class == "pending" && !r.Started():
			g.State = "in this wave"
		}
		for _, m := range members {
			switch {
			case left == 0:
				g.More++
			case wrong(m) != "" && (as.trouble || m.Unreachable != "") && len(g.Trouble) < troubleShown:
				g.Trouble = append(g.Trouble, chipOf(r, m, now))
				left--
			default:
				g.Members = append(g.Members, chipOf(r, m, now))
				left--
			}
		}
		groups = append(groups, g)
	}
	return groups
}

func wrong(m *rollout.Member) string { return clip(m.Detail, shortText) }

func chipOf(r *engine.RolloutView, m *rollout.Member, now time.Time) memberChip {
	c := memberChip{ID: m.OccurrenceID, Wrong: wrong(m)}
	var told []string
	for _, t := range []struct {
		label string
		at    time.Time
	}{
		{"told", m.InstructedAt}, {"acknowledged", m.AcknowledgedAt}, {target(r.Kind), m.ReachedAt}, {"deadline", m.Deadline},
	} {
		if s := stampOf(r.Clock.Wall(t.at), now); s != nil {
			told = append(told, t.label+" "+s.Clock)
		}
	}
	if m.Restarts > 0 {
		told = append(told, count(m.Restarts, "restart", "restarts"))
	}
	c.Title = strings.Join(told, ", ")
	return c
}

// summarize says in one line how far a wave is.
func summarize(r *engine.RolloutView, v *rollout.Wave, groups []memberGroup) (string, bar) {
	if len(v.Members) == 0 {
		return "nobody", bar{}
	}
	n := map[string]int{}
	parts := make([]part, 0, len(groups))
	for _, g := range groups {
		n[g.Class] = g.N
	}
	for _, class := range []string{"reached", "unclean", "acknowledged", "instructed", "pending", "lost", "failed", "skipped", "cancelled"} {
		parts = append(parts, part{n[class], class})
	}
	text := fmt.Sprintf("%d of %d %s", n["reached"], len(v.Members), target(r.Kind))
	if n["unclean"] > 0 {
		text += fmt.Sprintf(", %d silent", n["unclean"])
	}
	if n["failed"] > 0 {
		text += fmt.Sprintf(", %d failed", n["failed"])
	}
	if n["lost"] > 0 {
		text += fmt.Sprintf(", %d lost", n["lost"])
	}
	if !r.Started() && !r.Status.Final() {
		text = count(len(v.Members), "member", "members")
	}
	return text, newBar(text, parts...)
}
