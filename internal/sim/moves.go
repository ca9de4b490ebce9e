package sim

import (
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// move does one thing that could happen.
func (w *World) move() error {
	a := w.actors[w.rng.IntN(len(w.actors))]
	switch n := w.rng.IntN(100); {
	case n < 35:
		return w.everybody()
	case n < 60:
		return a.live()
	case n < 66:
		return w.restart(a)
	case n < 70:
		a.mute = !a.mute
		return nil
	case n < 73:
		return w.lateHeartbeat(a)
	case n < 76:
		return w.outage()
	case n < 80:
		return w.request()
	case n < 96:
		return w.order()
	case n < 98:
		return w.emergency()
	default:
		return w.release()
	}
}

// everybody lets some seconds pass and everybody have a turn.
func (w *World) everybody() error {
	if err := w.pass(time.Duration(500+w.rng.IntN(9500)) * time.Millisecond); err != nil {
		return err
	}
	for _, a := range w.actors {
		if err := a.live(); err != nil {
			return err
		}
	}
	return nil
}

func (w *World) restart(a *actor) error {
	w.reach["restart"]++
	old := a.boot()
	if err := a.start(); err != nil {
		return err
	}
	if w.rng.IntN(2) == 0 { // the old process is still there, and talks
		_, err := w.replica().Heartbeat(w.ctx, agentID, a.id, discovery.Heartbeat{Boot: old, Sequence: 1_000_000, State: discovery.Work})
		return tolerate(err)
	}
	return nil
}

// lateHeartbeat is one that was sent long ago: it revives nobody (S12).
func (w *World) lateHeartbeat(a *actor) error {
	if a.boots == 0 || a.seq < 2 {
		return nil
	}
	w.reach["late heartbeat"]++
	_, err := w.replica().Heartbeat(w.ctx, agentID, a.id, discovery.Heartbeat{Boot: a.boot(), Sequence: a.seq - 1, State: discovery.Error})
	return tolerate(err)
}

// outage is all replicas being gone for longer than every timeout (rule 2.10).
func (w *World) outage() error {
	w.reach["outage"]++
	w.wall = w.wall.Add(time.Duration(1+w.rng.IntN(100)) * time.Hour)
	return w.pass(time.Second)
}

func (w *World) request() error {
	c := rollout.Request{
		Kind: rollout.Shutdown, Reason: "upgrade", Actor: "operator:local", Consent: rollout.ConsentRequired, OnTimeout: rollout.TimeoutFails,
		Supersede: w.rng.IntN(3) == 0,
	}
	switch w.rng.IntN(6) {
	case 0:
		c.Kind = rollout.Wakeup
	case 1:
		c.Consent = rollout.ConsentInstant
	case 2:
		c.OnTimeout, c.Terminal = rollout.TimeoutAccepts, w.rng.IntN(4) == 0
	case 3:
		c.NotBeforeWall = w.wall.Add(time.Duration(w.rng.IntN(300)) * time.Second)
	}
	if w.rng.IntN(2) == 0 {
		c.Groups = w.plan()
	}
	_, err := w.replica().Request(w.ctx, agentID, c, nil)
	if err == nil {
		w.reach["requested "+string(c.Kind)]++
	}
	return tolerate(err)
}

func (w *World) plan() []rollout.Group {
	groups := rollout.DefaultPlan()
	for i := range groups {
		g := &groups[i]
		g.Timeout = time.Duration(20+w.rng.IntN(200)) * time.Second
		g.StableFor = time.Duration(w.rng.IntN(3)*10) * time.Second
		g.OnFailure = []rollout.OnFailure{rollout.FailRollout, rollout.HaltRollout, rollout.GoOn}[w.rng.IntN(3)]
		if w.rng.IntN(2) == 0 {
			g.MinHealthy = rollout.Percent(50 + w.rng.IntN(51))
		}
		if w.rng.IntN(2) == 0 {
			g.MaxConcurrent = rollout.Count(1 + w.rng.IntN(2))
		}
		g.AllowUnclean = w.rng.IntN(2) == 0
	}
	return groups
}

// order commands some unfinished rollout.
func (w *World) order() error {
	views, err := w.replica().Rollouts(w.ctx, engine.RolloutFilter{AgentID: agentID, Limit: 5})
	if err != nil || len(views) == 0 {
		return tolerate(err)
	}
	v := views[w.rng.IntN(len(views))]
	controls := []rollout.Control{rollout.Pause, rollout.Resume, rollout.Resume, rollout.Promote, rollout.Retry, rollout.Retry, rollout.Abort}
	c := rollout.Order{RolloutID: v.ID, Control: controls[w.rng.IntN(len(controls))], Reason: "r", Actor: "operator:local", Wave: w.rng.IntN(3)}
	if w.rng.IntN(2) == 0 {
		version := v.Version - int64(w.rng.IntN(2))
		c.Version = &version
	}
	if v.Status == rollout.Deferred && w.rng.IntN(2) == 0 {
		_, err = w.replica().Decide(w.ctx, rollout.GiveVerdict{RolloutID: v.ID, Verdict: rollout.Accept, Reasoning: "r", Actor: "operator:local"}, nil)
		return tolerate(err)
	}
	_, err = w.replica().Order(w.ctx, c, nil)
	if err == nil {
		w.reach["order "+string(c.Control)]++
	}
	return tolerate(err)
}

func (w *World) emergency() error {
	target := agentID
	if w.rng.IntN(2) == 0 {
		target = ""
	}
	_, err := w.replica().Emergency(w.ctx, target, "fire", "operator:local", nil)
	if err == nil {
		w.reach["emergency"]++
	}
	return tolerate(err)
}

func (w *World) release() error {
	var err error
	if w.rng.IntN(2) == 0 {
		_, err = w.replica().Release(w.ctx, agentID, "all clear", "operator:local", nil)
	} else {
		_, err = w.replica().ReleaseAll(w.ctx, "all clear", "operator:local", nil)
	}
	return tolerate(err)
}
