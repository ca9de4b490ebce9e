package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// Observer is told what the engine does, for metrics. All methods must be
// quick and safe for concurrent use.
type Observer interface {
	// Heartbeat was taken; in passing, or through the door.
	Heartbeat(changed bool)
	// Stepped tells of a committed step.
	Stepped(agentID string, before, after rollout.State, eff rollout.Effects)
}

// Options configures an Engine. Zero fields get working defaults.
type Options struct {
	Logger   *slog.Logger
	Observer Observer
	Waiter   Waiter // how long polls and streams wait
	// NewULID and Entropy are where chance comes from; simulation brings its own.
	NewULID func() string
	Entropy func() [16]byte
}

// Engine takes commands and heartbeats to the agents that they are for. It
// keeps nothing that another replica would need.
type Engine struct {
	store    Store
	log      *slog.Logger
	observer Observer
	newULID  func() string
	entropy  func() [16]byte
	waiter   Waiter
	hub      *hub
	once     *inFlight
	beats    *heartbeats
	settings atomic.Pointer[rollout.Settings]
}

// New makes an engine on a store.
func New(store Store, o Options) *Engine {
	e := &Engine{store: store, log: o.Logger, observer: o.Observer, newULID: o.NewULID, entropy: o.Entropy, waiter: o.Waiter, hub: newHub(), once: newInFlight()}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	if e.observer == nil {
		e.observer = nobody{}
	}
	if e.newULID == nil {
		e.newULID = func() string { return ulid.Make().String() }
	}
	if e.entropy == nil {
		e.entropy = func() (b [16]byte) {
			_, _ = rand.Read(b[:]) // never fails (crypto/rand)
			return b
		}
	}
	if e.waiter == nil {
		e.waiter = realWaiter{}
	}
	e.beats = newHeartbeats(e)
	defaults := rollout.DefaultSettings()
	e.settings.Store(&defaults)
	return e
}

type nobody struct{}

func (nobody) Heartbeat(bool)                                                {}
func (nobody) Stepped(string, rollout.State, rollout.State, rollout.Effects) {}

// Settings are the settings that decide, as this replica last read them.
func (e *Engine) Settings() rollout.Settings { return *e.settings.Load() }

// Start records that heartbeats can be taken and writes this replica's settings
// (rules 2.10 and 11.2). It must be called before serving.
func (e *Engine) Start(ctx context.Context, s rollout.Settings) error {
	if err := e.store.Beat(ctx); err != nil {
		return fmt.Errorf("the service clock: %w", err)
	}
	before, err := e.store.SaveSettings(ctx, s)
	if err != nil {
		return fmt.Errorf("the settings: %w", err)
	}
	if before != s && before != (rollout.Settings{}) {
		e.log.WarnContext(ctx, "the settings that decide have changed for all replicas", "before", before, "after", s)
	}
	e.settings.Store(&s)
	return nil
}

// Beat keeps the service clock going; see Store.Beat.
func (e *Engine) Beat(ctx context.Context) error { return e.store.Beat(ctx) }

// Ready tells whether the database can be used.
func (e *Engine) Ready(ctx context.Context) error { return e.store.Ping(ctx) }

// dueBatch is how many agents a worker takes on at once.
const dueBatch = 32

// RunOnce carries out what is due, and says how long nothing more will be (at
// most a second, since other replicas may cause things too). An agent that
// fails does not keep the others waiting: the errors are joined.
func (e *Engine) RunOnce(ctx context.Context) (time.Duration, error) {
	agents, next, err := e.store.Due(ctx, dueBatch)
	if err != nil {
		return lookAgain, err
	}
	var errs []error
	for _, agent := range agents {
		err := e.update(ctx, agent, false, func(d *door) error { return d.step(nil) })
		if err != nil && !errors.Is(err, ErrNotFound) {
			errs = append(errs, fmt.Errorf("agent %s: %w", agent, err))
		}
	}
	switch {
	case len(agents) == dueBatch:
		return 0, errors.Join(errs...)
	case next <= 0: // nothing is due by itself
		next = lookAgain
	}
	return min(next, lookAgain), errors.Join(errs...)
}

// Prune deletes in small batches what the retention has passed (rule 9.3).
func (e *Engine) Prune(ctx context.Context, retention time.Duration) (int, error) {
	const batch = 500
	total := 0
	for {
		n, err := e.store.Prune(ctx, retention, batch)
		total += n
		if err != nil || n < batch {
			return total, err
		}
	}
}

// door is an agent while it is locked: its state and fleet as loaded, and as
// they are after the steps taken so far.
type door struct {
	e     *Engine
	tx    Tx
	now   time.Time
	clock discovery.Clock
	set   rollout.Settings
	state rollout.State
	fleet discovery.Fleet
	// steps is what was committed, for the log and the metrics.
	steps []taken
	news  []rollout.Event // about the fleet, for the next step
	// refusal is what the caller is told although the transaction commits,
	// because being refused is news in itself (rule 2.5).
	refusal *discovery.Refusal
}

type taken struct {
	before, after rollout.State
	eff           rollout.Effects
}

// update opens the door. Whatever was due is done first (rule 2.11), and a hold
// of all agents that has not reached this one is carried out (rule 8.4).
func (e *Engine) update(ctx context.Context, agentID string, create bool, fn func(d *door) error) error {
	var last *door
	err := e.store.Update(ctx, agentID, create, func(tx Tx) error {
		d := &door{e: e, tx: tx, now: tx.Now(), clock: tx.Clock()}
		last = d
		if err := d.load(agentID); err != nil {
			return err
		}
		return fn(d)
	})
	if err != nil {
		return err
	}
	e.settings.Store(&last.set)
	e.publish(ctx, agentID, last)
	if last.refusal != nil {
		return last.refusal
	}
	return nil
}

func (d *door) load(agentID string) error {
	var err error
	if d.set, err = d.tx.Settings(); err != nil {
		return err
	}
	if d.state, d.fleet, err = d.tx.Agent(agentID); err != nil {
		return err
	}
	d.fleet.Timing = d.set.Timing()
	if !d.state.WakeAt.IsZero() && !d.state.WakeAt.After(d.now) {
		if err := d.step(nil); err != nil {
			return err
		}
	}
	all, err := d.tx.HoldAll()
	if err != nil {
		return err
	}
	if all.Active && d.state.HoldSeen < all.Number {
		return d.step(rollout.EmergencyStop{ULID: d.e.newULID(), Reason: all.Reason, Actor: all.By, Number: all.Number})
	}
	return nil
}

// step takes a command, or nothing, through the core and writes what follows.
func (d *door) step(c rollout.Command) error {
	_, err := d.command(c)
	return err
}

func (d *door) command(c rollout.Command) (rollout.Answer, error) {
	eff, err := d.effects(c)
	return eff.Answer, err
}

func (d *door) several(cs rollout.Several) ([]rollout.Outcome, error) {
	eff, err := d.effects(cs)
	return eff.Outcomes, err
}

func (d *door) effects(c rollout.Command) (rollout.Effects, error) {
	in := rollout.Input{Command: c, Fleet: d.fleet, Settings: d.set, Silence: d.clock.Offset(), Entropy: d.e.entropy(), News: d.news}
	next, eff, err := rollout.Step(d.state, in, d.now)
	if err != nil {
		return rollout.Effects{}, err
	}
	if err := d.tx.Commit(d.state, next, eff); err != nil {
		return rollout.Effects{}, err
	}
	d.steps = append(d.steps, taken{d.state, next, eff})
	d.state, d.news = next, nil
	return eff, nil
}

// hear writes occurrences that were heard, and lets the core look at them.
func (d *door) hear(changed ...discovery.Occurrence) error {
	if err := d.save(changed...); err != nil {
		return err
	}
	return d.step(nil)
}

// save writes occurrences without a step; the caller's command comes next.
func (d *door) save(changed ...discovery.Occurrence) error {
	if len(changed) == 0 {
		return nil
	}
	if err := d.tx.SaveOccurrences(d.fleet, changed); err != nil {
		return err
	}
	for i := range changed {
		d.news = append(d.news, newsOf(d.fleet.Get(changed[i].ID), &changed[i])...)
	}
	d.fleet = d.fleet.With(changed...)
	return nil
}

// speaker checks that a boot may speak for an occurrence. A replaced boot is
// counted before it is refused (rule 2.5); then the refusal is kept for after
// the commit, and ok is false.
func (d *door) speaker(agentID, occurrence, boot string) (o *discovery.Occurrence, ok bool, err error) {
	o = d.fleet.Get(occurrence)
	former, err := d.former(agentID, o, boot)
	if err != nil {
		return nil, false, err
	}
	refusal := discovery.Speaker{Boot: boot, Former: former}.Check(o)
	if refusal == nil {
		return o, true, nil
	}
	return o, false, d.refuse(o, refusal)
}

// refuse refuses, and counts the answer boot_replaced.
func (d *door) refuse(o *discovery.Occurrence, refusal *discovery.Refusal) error {
	if refusal.Code != discovery.CodeBootReplaced {
		return refusal
	}
	d.refusal = refusal
	return d.hear(discovery.Refused(*o, d.now))
}

// former asks whether the boot was replaced, if it is not the present one.
func (d *door) former(agentID string, o *discovery.Occurrence, boot string) (bool, error) {
	if o == nil || o.Boot == boot {
		return false, nil
	}
	return d.tx.FormerBoot(agentID, o.ID, boot)
}

// publish wakes who waits for news of the agent, and writes the log in which a
// rollout can be followed by its id.
func (e *Engine) publish(ctx context.Context, agentID string, d *door) {
	if len(d.steps) == 0 {
		return
	}
	news := false
	for _, s := range d.steps {
		e.observer.Stepped(agentID, s.before, s.after, s.eff)
		news = news || len(s.eff.Events) > 0
		for _, ev := range s.eff.Events {
			e.logEvent(ctx, agentID, ev)
		}
	}
	if news {
		e.hub.notify(agentID)
	}
}

func (e *Engine) logEvent(ctx context.Context, agentID string, ev rollout.Event) {
	level := slog.LevelInfo
	switch ev.Type {
	case "incident.opened", "wave.failed", "rollout.halted":
		level = slog.LevelWarn
	case "occurrence.state":
		level = slog.LevelDebug
	}
	if !e.log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{slog.String("agent_id", agentID)}
	for _, a := range []struct{ key, value string }{{"rollout_id", ev.RolloutID}, {"occurrence_id", ev.OccurrenceID}, {"actor", ev.Actor}} {
		if a.value != "" {
			attrs = append(attrs, slog.String(a.key, a.value))
		}
	}
	if ev.Wave > 0 {
		attrs = append(attrs, slog.Int("wave", ev.Wave))
	}
	for _, key := range []string{"cause", "reason", "detail", "verdict", "group", "kind", "type"} {
		if v, ok := ev.Data[key]; ok {
			attrs = append(attrs, slog.Any(key, v))
		}
	}
	e.log.LogAttrs(ctx, level, ev.Type, attrs...)
}
