package rollout

import (
	"fmt"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
)

// Lens is what a rollout is looked at through: who is there, the settings, and
// the service instant of the look. It changes nothing.
type Lens struct {
	Profile  Profile
	Fleet    discovery.Fleet
	Settings Settings
	Clock    discovery.Clock
	Now      time.Time
}

// Waves gives the waves as they are shown: a forecast until wave 1 starts, and
// none where nothing was carried out (10.2).
func (l Lens) Waves(r Rollout) []Wave {
	if r.Started() || r.Status.Final() {
		return r.Waves
	}
	first := r.decider()
	if r.Claim != nil {
		first = r.Claim.OccurrenceID // who will be the decider, as it was told itself
	}
	waves := l.Profile.Forecast(r.Kind, r.Groups, l.Fleet, first, l.Now).Waves
	for i := range waves {
		if i < len(r.Waves) && r.Waves[i].Status == WaveDelayed {
			waves[i].Status = WaveDelayed
		}
		if i < len(r.Waves) {
			waves[i].StartsAt, waves[i].WaitingSince = r.Waves[i].StartsAt, r.Waves[i].WaitingSince
		}
	}
	// Wave 1 starts when its delay and not_before are over (rule 4.4).
	if not := r.NotBeforeWall.Add(-l.Clock.Offset()); !r.SkipNotBefore && !r.NotBeforeWall.IsZero() && not.After(waves[0].StartsAt) && !waves[0].StartsAt.IsZero() {
		waves[0].StartsAt = not
	}
	return waves
}

// NextAction is the service instant at which the rollout moves though nobody
// says anything; zero when it waits for somebody.
func (l Lens) NextAction(r Rollout) time.Time {
	w := l.world(r)
	a := &agenda{after: l.Now, timersOnly: true}
	switch r.Status {
	case Deciding, Deferred:
		w.dueDeciding(a, &w.Rollouts[0])
	case Rolling:
		w.dueRolling(a, &w.Rollouts[0])
	case Halted, Paused, Succeeded, Partial, Rejected, Failed, Aborted, Superseded:
	}
	return a.first
}

func (l Lens) world(r Rollout) *world {
	return &world{
		State: State{Rollouts: []Rollout{r}, Profile: l.Profile},
		in:    Input{Fleet: l.Fleet, Settings: l.Settings, Silence: l.Clock.Offset()}, now: l.Now,
	}
}

// WaitingFor says in words what would move wave i (from 0) of a rollout on:
// condition, value, limit, since when; empty when nothing would.
func (l Lens) WaitingFor(r Rollout, waves []Wave, i int) string {
	v := &waves[i]
	switch {
	case r.Status.Final():
		return ""
	case r.Status.undecided():
		if i > 0 {
			return ""
		}
		return l.waitsForVerdict(r)
	case r.Status == Paused:
		if v.Status == WaveSkipped || v.Status == WaveCancelled || (v.Status == WavePassed || v.Status == WaveFailed) && l.waitsForMembers(v) == "" {
			return ""
		}
		return "an operator to resume; paused since " + l.at(r.PausedAt)
	}
	switch v.Status {
	case WavePending, WaveDelayed:
		return l.waitsToStart(r, waves, i)
	case WaveRunning:
		return l.waitsForGate(r, v)
	case WaveFailed:
		if r.Status == Halted && !v.settled() {
			return "an operator to retry, promote or abort; halted since " + l.at(v.FinishedAt)
		}
		return l.waitsForMembers(v)
	case WavePassed:
		return l.waitsForMembers(v)
	case WaveSkipped, WaveCancelled:
	}
	return ""
}

func (l Lens) at(t time.Time) string { return l.Clock.Wall(t).UTC().Format(time.RFC3339) }

func (l Lens) waitsForVerdict(r Rollout) string {
	switch {
	case r.Status == Deferred && !r.DeferredTillWall.IsZero():
		return "the deferral to end at " + r.DeferredTillWall.UTC().Format(time.RFC3339) + ", or an operator to decide"
	case r.Status == Deferred:
		return "an operator to decide, by " + r.DeferredFromWall.Add(l.Settings.DeferralLimit).UTC().Format(time.RFC3339)
	case r.Claim != nil:
		return fmt.Sprintf("the verdict of occurrence %s, which holds the claim since %s, by %s", r.Claim.OccurrenceID, l.at(r.Claim.GrantedAt), l.at(r.DecideBy))
	}
	return "a candidate to be heard and to decide, by " + l.at(r.DecideBy)
}

func (l Lens) waitsToStart(r Rollout, waves []Wave, i int) string {
	v := &waves[i]
	var prev *Wave
	for j := range waves[:i] {
		if !waves[j].settled() {
			if waves[j].Status == WavePending || waves[j].Status == WaveDelayed {
				return "the waves before it"
			}
			return fmt.Sprintf("wave %d (%s) to be settled", j+1, waves[j].Name)
		}
		if waves[j].Status != WaveSkipped {
			prev = &waves[j]
		}
	}
	early := !r.Started() && !r.SkipNotBefore && l.Now.Add(l.Clock.Offset()).Before(r.NotBeforeWall)
	delayEnds := v.StartsAt
	if !r.Started() && i < len(r.Waves) {
		delayEnds = r.Waves[i].StartsAt // what is shown may be not_before
	}
	switch {
	case delayEnds.After(l.Now):
		return fmt.Sprintf("its delay of %s to end at %s", v.Delay, l.at(delayEnds))
	case early:
		return "not_before, at " + r.NotBeforeWall.UTC().Format(time.RFC3339)
	case v.WaitingSince.IsZero():
		return ""
	case !prev.mayBeFollowed() && !r.stopping():
		if enough, fresh := l.world(r).stillHealthy(&r, prev); !enough {
			return fmt.Sprintf("min_healthy %s of wave %s to be healthy still: %d are; since %s, until %s",
				prev.MinHealthy, prev.Name, fresh, l.at(v.WaitingSince), l.at(v.WaitingSince.Add(prev.Timeout)))
		}
	}
	return fmt.Sprintf("one of its members to be live; since %s, until %s", l.at(v.WaitingSince), l.at(v.WaitingSince.Add(v.Timeout)))
}

func (l Lens) waitsForGate(r Rollout, v *Wave) string {
	w := l.world(r)
	t := w.tally(&r, v)
	target := "awake"
	if r.stopping() {
		target = "stopped"
	}
	text := fmt.Sprintf("%d of %d members to be %s", v.need(t.present), t.present, target)
	if v.StableFor > 0 {
		text += " for " + v.StableFor.String()
	}
	text += fmt.Sprintf(" (min_healthy %s): %d are, %d failed; since %s", v.MinHealthy, t.healthy, t.failed, l.at(v.runsSince()))
	if t.pending > 0 {
		return text + fmt.Sprintf(", %d not told yet", t.pending)
	}
	return text + ", until " + l.at(t.deadline.Add(v.StableFor))
}

// runsSince is when the wave was started, or run again.
func (v *Wave) runsSince() time.Time {
	if v.RetriedAt.After(v.StartedAt) {
		return v.RetriedAt
	}
	return v.StartedAt
}

func (l Lens) waitsForMembers(v *Wave) string {
	n := 0
	for i := range v.Members {
		if s := v.Members[i].Status; s == MemberPending || s.InFlight() {
			n++
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d members to come to their own end", n)
}
