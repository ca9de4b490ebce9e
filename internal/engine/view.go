package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cirisai/orchestrator/internal/audit"
	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// RolloutView is a rollout as people see it. Its times are service times until
// Clock turns them into wall times.
type RolloutView struct {
	rollout.Rollout
	Waves      []rollout.Wave // as shown: a forecast until wave 1 starts
	WaitingFor []string       // a text for each wave, or empty
	NextAction time.Time      // zero: it waits for somebody
	Clock      discovery.Clock
}

// OccurrenceView is an occurrence as people see it. Group is the one that it
// would have in a shutdown asked for now; empty for none.
type OccurrenceView struct {
	discovery.Occurrence
	AgentID  string
	Liveness discovery.Liveness
	Group    string
	Clock    discovery.Clock
}

// LastSeen is the last sign of life, or when the occurrence was registered if
// it never gave one.
func (v OccurrenceView) LastSeen() time.Time {
	if v.LastSign.IsZero() {
		return v.RegisteredAt
	}
	return v.LastSign
}

// AgentView is an agent as people see it.
type AgentView struct {
	AgentSummary
	Clock discovery.Clock
}

// PlanView is what a rollout asked for now would do.
type PlanView struct {
	Kind rollout.Kind
	rollout.Forecast
}

// TaskView answers the FSD's get_shared_task_status and
// is_shared_task_completed (rule 6.5). A nil Rollout: there is none.
type TaskView struct {
	Rollout   *RolloutView
	Completed bool
}

// look shows a rollout through the agent's eyes.
func look(r rollout.Rollout, lens rollout.Lens) RolloutView {
	v := RolloutView{Rollout: r, Waves: lens.Waves(r), NextAction: lens.NextAction(r), Clock: lens.Clock}
	v.WaitingFor = make([]string, len(v.Waves))
	for i := range v.Waves {
		v.WaitingFor[i] = lens.WaitingFor(r, v.Waves, i)
	}
	return v
}

func (d *door) lens() rollout.Lens {
	return rollout.Lens{Profile: d.state.Profile, Fleet: d.fleet, Settings: d.set, Clock: d.clock, Now: d.now}
}

// rolloutView shows a rollout of the state after the steps taken.
func (d *door) rolloutView(id string) (RolloutView, error) {
	r := d.state.Find(id)
	if r == nil {
		return RolloutView{}, fmt.Errorf("rollout %s: %w", id, ErrNotFound)
	}
	return look(*r, d.lens()), nil
}

// lensOf loads what a rollout of the agent is looked at through.
func lensOf(tx ReadTx, agentID string) (rollout.Lens, rollout.State, error) {
	set, err := tx.Settings()
	if err != nil {
		return rollout.Lens{}, rollout.State{}, err
	}
	state, fleet, err := tx.Agent(agentID)
	if err != nil {
		return rollout.Lens{}, rollout.State{}, err
	}
	fleet.Timing = set.Timing()
	return rollout.Lens{Profile: state.Profile, Fleet: fleet, Settings: set, Clock: tx.Clock(), Now: tx.Now()}, state, nil
}

// Rollout shows one rollout.
func (e *Engine) Rollout(ctx context.Context, id string) (v RolloutView, err error) {
	err = e.store.View(ctx, func(tx ReadTx) error {
		r, err := tx.Rollout(id)
		if err != nil {
			return err
		}
		v, err = lookAt(tx, r)
		return err
	})
	return v, err
}

// lookAt shows a rollout; a finished one needs no fleet to be shown.
func lookAt(tx ReadTx, r rollout.Rollout) (RolloutView, error) {
	if r.Status.Final() {
		return look(r, rollout.Lens{Clock: tx.Clock(), Now: tx.Now()}), nil
	}
	lens, _, err := lensOf(tx, r.AgentID)
	if err != nil {
		return RolloutView{}, err
	}
	return look(r, lens), nil
}

// Rollouts lists rollouts, newest first.
func (e *Engine) Rollouts(ctx context.Context, f RolloutFilter) (views []RolloutView, err error) {
	err = e.store.View(ctx, func(tx ReadTx) error {
		views = nil
		found, err := tx.Rollouts(f)
		if err != nil {
			return err
		}
		for _, r := range found {
			v, err := lookAt(tx, r)
			if err != nil {
				return err
			}
			views = append(views, v)
		}
		return nil
	})
	return views, err
}

// Occurrences lists an agent's occurrences in the order of rule 3.1.
func (e *Engine) Occurrences(ctx context.Context, agentID string) (views []OccurrenceView, err error) {
	err = e.store.View(ctx, func(tx ReadTx) error {
		lens, _, err := lensOf(tx, agentID)
		if err != nil {
			return err
		}
		views = occurrenceViews(lens, agentID)
		return nil
	})
	return views, err
}

func occurrenceViews(lens rollout.Lens, agentID string) []OccurrenceView {
	groups := lens.Profile.Forecast(rollout.Shutdown, lens.Profile.PlanFor(rollout.Shutdown, lens.Settings), lens.Fleet, "", lens.Now).GroupNow()
	all := lens.Fleet.All()
	views := make([]OccurrenceView, len(all))
	for i := range all {
		views[i] = OccurrenceView{
			Occurrence: all[i], AgentID: agentID, Liveness: all[i].Liveness(lens.Fleet.Timing, lens.Now),
			Group: groups[all[i].ID], Clock: lens.Clock,
		}
	}
	return views
}

// Occurrence shows one occurrence.
func (e *Engine) Occurrence(ctx context.Context, agentID, id string) (OccurrenceView, error) {
	views, err := e.Occurrences(ctx, agentID)
	if err != nil {
		return OccurrenceView{}, err
	}
	for _, v := range views {
		if v.ID == id {
			return v, nil
		}
	}
	return OccurrenceView{}, fmt.Errorf("occurrence %s of agent %s: %w", id, agentID, ErrNotFound)
}

// Agents lists agents by id, after the given one.
func (e *Engine) Agents(ctx context.Context, after string, limit int) (views []AgentView, err error) {
	err = e.store.View(ctx, func(tx ReadTx) error {
		found, err := tx.Agents(after, limit)
		if err != nil {
			return err
		}
		views = make([]AgentView, len(found))
		for i, a := range found {
			views[i] = AgentView{AgentSummary: a, Clock: tx.Clock()}
		}
		return nil
	})
	return views, err
}

// Agent shows one agent.
func (e *Engine) Agent(ctx context.Context, agentID string) (v AgentView, err error) {
	err = e.store.View(ctx, func(tx ReadTx) error {
		lens, state, err := lensOf(tx, agentID)
		if err != nil {
			return err
		}
		v = agentView(lens, state, agentID)
		return nil
	})
	return v, err
}

func agentView(lens rollout.Lens, state rollout.State, agentID string) AgentView {
	v := AgentView{AgentSummary: AgentSummary{AgentID: agentID, Profile: state.Profile, Hold: state.Hold, Occurrences: lens.Fleet.Len()}, Clock: lens.Clock}
	for i, all := 0, lens.Fleet.All(); i < len(all); i++ {
		switch all[i].Liveness(lens.Fleet.Timing, lens.Now) {
		case discovery.Live:
			v.Live++
			v.Discovered++
			if all[i].State.Awake() {
				v.Awake++
			}
		case discovery.Stale:
			v.Discovered++
		case discovery.Gone:
		}
	}
	for i := range state.Rollouts {
		if !state.Rollouts[i].Status.Final() {
			v.Unfinished = append(v.Unfinished, state.Rollouts[i].ID)
		}
	}
	return v
}

// Plan shows what a rollout of this kind would do now.
func (e *Engine) Plan(ctx context.Context, agentID string, kind rollout.Kind) (v PlanView, err error) {
	err = e.store.View(ctx, func(tx ReadTx) error {
		lens, _, err := lensOf(tx, agentID)
		if err != nil {
			return err
		}
		groups := lens.Profile.PlanFor(kind, lens.Settings)
		v = PlanView{Kind: kind, Forecast: lens.Profile.Forecast(kind, groups, lens.Fleet, "", lens.Now)}
		return nil
	})
	return v, err
}

// SharedTask shows the newest shared task of a kind that was made within a
// time (rule 6.5).
func (e *Engine) SharedTask(ctx context.Context, agentID string, kind rollout.Kind, within time.Duration) (v TaskView, err error) {
	err = e.store.View(ctx, func(tx ReadTx) error {
		v = TaskView{}
		lens, _, err := lensOf(tx, agentID)
		if err != nil {
			return err
		}
		found, err := tx.Rollouts(RolloutFilter{AgentID: agentID, Kind: kind, Limit: 1})
		if err != nil || len(found) == 0 || lens.Clock.Wall(lens.Now).Sub(lens.Clock.Wall(found[0].CreatedAt)) > within {
			return err
		}
		r := look(found[0], lens)
		v = TaskView{Rollout: &r, Completed: rollout.SharedTaskCompleted(found[0], lens.Fleet, lens.Now)}
		return nil
	})
	return v, err
}

// Events lists events of an agent, or of one rollout if it is named.
func (e *Engine) Events(ctx context.Context, f EventFilter) (events []audit.Event, head audit.Head, err error) {
	err = e.store.View(ctx, func(tx ReadTx) error {
		if f.AgentID == "" {
			agentID, err := tx.AgentOf(f.RolloutID)
			if err != nil {
				return err
			}
			f.AgentID = agentID
		}
		if head, err = tx.EventHead(f.AgentID); err != nil {
			return err
		}
		events, err = tx.Events(f)
		return err
	})
	return events, head, err
}

// AgentOf tells which agent a rollout belongs to.
func (e *Engine) AgentOf(ctx context.Context, rolloutID string) (agentID string, err error) {
	err = e.store.View(ctx, func(tx ReadTx) error {
		agentID, err = tx.AgentOf(rolloutID)
		return err
	})
	return agentID, err
}

// Incidents lists incidents, newest first.
func (e *Engine) Incidents(ctx context.Context, f IncidentFilter) (found []KeptIncident, err error) {
	err = e.store.View(ctx, func(tx ReadTx) error {
		found, err = tx.Incidents(f)
		return err
	})
	return found, err
}

// Incident shows one incident.
func (e *Engine) Incident(ctx context.Context, id string) (i KeptIncident, err error) {
	err = e.store.View(ctx, func(tx ReadTx) error {
		i, err = tx.Incident(id)
		return err
	})
	return i, err
}

// Counts gathers what the gauges show.
func (e *Engine) Counts(ctx context.Context) (c Counts, err error) {
	err = e.store.View(ctx, func(tx ReadTx) error {
		c, err = tx.Counts()
		return err
	})
	return c, err
}

// Poll waits for instructions of a boot, at most wait (rule 7.5).
func (e *Engine) Poll(ctx context.Context, agentID, occurrence, boot string, wait time.Duration) (pending []PendingInstruction, server time.Time, err error) {
	began := monotonic()
	for {
		news := e.News(agentID)
		pending, server, err = e.pollOnce(ctx, agentID, occurrence, boot)
		left := wait - monotonic().Sub(began)
		if err != nil || len(pending) > 0 || left <= 0 || ctx.Err() != nil {
			return pending, server, errors.Join(err, ctx.Err())
		}
		e.WaitForNews(ctx, news, left)
	}
}

// pollOnce looks without taking the agent's lock; only a boot that may not poll
// is taken to the door, where being refused may be news.
func (e *Engine) pollOnce(ctx context.Context, agentID, occurrence, boot string) (pending []PendingInstruction, server time.Time, err error) {
	refused := false
	err = e.store.View(ctx, func(tx ReadTx) error {
		server = tx.Clock().Wall(tx.Now())
		o, err := tx.Occurrence(agentID, occurrence)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if refused = err != nil || o.Boot != boot || o.HasStopped(); refused {
			return nil
		}
		pending, err = tx.Pending(agentID, occurrence, boot)
		return err
	})
	if err != nil || !refused {
		return pending, server, err
	}
	return nil, server, e.update(ctx, agentID, false, func(d *door) error {
		_, _, err := d.speaker(agentID, occurrence, boot)
		return err
	})
}

// FilterOccurrences keeps those with a liveness and a group; empty keeps all.
func FilterOccurrences(views []OccurrenceView, liveness discovery.Liveness, group string) []OccurrenceView {
	return slices.DeleteFunc(views, func(v OccurrenceView) bool {
		return liveness != "" && v.Liveness != liveness || group != "" && v.Group != group
	})
}
