package sim

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/memstore"
	"github.com/cirisai/orchestrator/internal/rollout"
)

const agentID = "scout"

// Options says how long and how wild a run is.
type Options struct {
	Moves  int  // of the first phase
	Faults bool // the store fails at random
}

// Report is what came of a run.
type Report struct {
	Hash  string         // of the log: the same seed gives the same (M1)
	Reach map[string]int // how often the interesting things happened (M2)
}

// World is one run.
type World struct {
	rng      *rand.Rand
	wall     time.Time
	store    *memstore.Store
	replicas []*engine.Engine
	actors   []*actor
	ulids    int
	failing  bool
	check    checker
	reach    map[string]int
	ctx      context.Context
}

// Run plays one seed.
func Run(ctx context.Context, seed uint64, o Options) (Report, error) {
	w := &World{
		rng: rand.New(rand.NewPCG(seed, 0x5eed)), wall: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		reach: map[string]int{}, ctx: ctx,
	}
	w.store = memstore.New(func() time.Time { return w.wall })
	w.store.Fault = w.fault
	w.check = newChecker(w)
	for range 2 {
		w.replicas = append(w.replicas, engine.New(w.store, engine.Options{NewULID: w.ulid, Entropy: w.entropy}))
	}
	settings := rollout.DefaultSettings()
	settings.ClaimLease, settings.DecisionTimeout = 60*time.Second, 120*time.Second
	if err := w.replicas[0].Start(ctx, settings); err != nil {
		return Report{}, fmt.Errorf("start: %w", err)
	}
	for i := range 2 + w.rng.IntN(7) {
		w.actors = append(w.actors, newActor(w, i))
	}
	for move := range o.Moves {
		w.failing = o.Faults && w.rng.IntN(4) == 0
		if err := w.move(); err != nil {
			return Report{}, fmt.Errorf("move %d: %w", move, err)
		}
		w.failing = false
		if err := w.check.after(); err != nil {
			return Report{}, fmt.Errorf("move %d: %w", move, err)
		}
	}
	if err := w.comeToRest(); err != nil {
		return Report{}, err
	}
	return Report{Hash: w.hash(), Reach: w.reach}, nil
}

func (w *World) fault(string) memstore.FaultKind {
	if !w.failing || w.rng.IntN(5) != 0 {
		return memstore.NoFault
	}
	switch w.rng.IntN(3) {
	case 0:
		w.reach["fault before"]++
		return memstore.FaultBefore
	case 1:
		w.reach["fault after"]++
		return memstore.FaultAfter
	}
	w.reach["fault serialization"]++
	return memstore.FaultSerialization
}

func (w *World) ulid() string {
	w.ulids++
	return fmt.Sprintf("%026d", w.ulids)
}

func (w *World) entropy() (b [16]byte) {
	binary.LittleEndian.PutUint64(b[:], w.rng.Uint64())
	return b
}

// replica is any of them: every call may go to any replica.
func (w *World) replica() *engine.Engine { return w.replicas[w.rng.IntN(len(w.replicas))] }

// tolerate lets pass what a caller must live with: refusals, and a database that
// is away. Anything else is a bug.
func tolerate(err error) error {
	var refusal *discovery.Refusal
	if err == nil || errors.As(err, &refusal) || errors.Is(err, engine.ErrUnavailable) || errors.Is(err, engine.ErrNotFound) {
		return nil
	}
	return err
}

// pass lets time pass; the worker of some replica keeps up, more or less.
func (w *World) pass(d time.Duration) error {
	w.wall = w.wall.Add(d)
	if err := tolerate(w.replica().Beat(w.ctx)); err != nil {
		return err
	}
	_, err := w.replica().RunOnce(w.ctx)
	return tolerate(err)
}

// comeToRest stops the faults, lets the fleet behave and the operators be silent,
// and asserts that every rollout ends, or waits for somebody (L2).
func (w *World) comeToRest() error {
	for _, a := range w.actors {
		a.behave()
	}
	for range 200 {
		if err := w.pass(20 * time.Second); err != nil {
			return err
		}
		for _, a := range w.actors {
			if err := a.live(); err != nil {
				return err
			}
		}
		if err := w.check.after(); err != nil {
			return fmt.Errorf("coming to rest: %w", err)
		}
	}
	views, err := w.replicas[0].Rollouts(w.ctx, engine.RolloutFilter{AgentID: agentID, Limit: 1000})
	if err != nil {
		return fmt.Errorf("coming to rest: %w", err)
	}
	for _, v := range views {
		switch v.Status {
		case rollout.Paused, rollout.Halted, rollout.Deferred:
			w.reach["rests "+string(v.Status)]++
		case rollout.Deciding, rollout.Rolling:
			if v.NextAction.IsZero() {
				return fmt.Errorf("rollout %s is %s and waits for nobody (L2)", v.ID, v.Status)
			}
		case rollout.Succeeded, rollout.Partial, rollout.Rejected, rollout.Failed, rollout.Aborted, rollout.Superseded:
			w.reach["ended "+string(v.Status)]++
		}
	}
	return nil
}

// hash is that of the whole log.
func (w *World) hash() string {
	h := sha256.New()
	for _, e := range w.store.Log(0) {
		h.Write([]byte(e.Hash))
	}
	return hex.EncodeToString(h.Sum(nil))
}
