package rollout

import (
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
)

// Request refusals (section 4, rule 8.4).
const (
	CodeInProgress   discovery.Code = "rollout_in_progress"
	CodeNobodyLive   discovery.Code = "no_live_occurrence"
	CodeHeld         discovery.Code = "held"
	CodeNotAllowed   discovery.Code = "not_allowed"
	CodeStaleVersion discovery.Code = "stale_version"
)

// Request is an operator's wish to wake a fleet up or to shut it down.
type Request struct {
	ULID           string // fresh; names the rollout and its task
	Kind           Kind
	Reason         string
	Actor          string
	Groups         []Group // nil: the agent's plan, or the default
	Consent        Consent
	OnTimeout      OnTimeout
	Terminal       bool
	ReactivateWall time.Time
	NotBeforeWall  time.Time
	Supersede      bool
}

func (c Request) apply(w *world) error {
	if err := c.check(w); err != nil {
		return err
	}
	if same := w.unfinished(c.Kind); same != nil {
		w.end(same, Superseded, c.Actor, "by a new request")
	}
	r := w.create(c)
	w.eff.Answer = Answer{RolloutID: r.ID, Created: true}
	switch {
	case r.Independent:
		w.decide(r, Decision{
			Verdict: Accept, Actor: c.Actor, DecidedAt: w.now,
			Reasoning: "coordination is off: each occurrence decides for itself",
		}, time.Time{})
	case c.Consent == ConsentInstant:
		w.decide(r, Decision{
			Verdict: Accept, Actor: c.Actor, DecidedAt: w.now,
			Reasoning: "the request asked for no consent",
		}, time.Time{})
	default:
		w.enterDeciding(r)
	}
	return nil
}

// check refuses what cannot be begun now. The order is part of the contract: a
// hold comes before any other conflict (rules 8.4, 4.1, 4.2, 4.3).
func (c Request) check(w *world) error {
	other := Wakeup
	if c.Kind == Wakeup {
		other = Shutdown
	}
	inTheWay := w.unfinished(c.Kind)
	if inTheWay == nil {
		inTheWay = w.underWay(other)
	}
	switch {
	case w.Hold != nil:
		return discovery.Refuse(CodeHeld, "the agent is held since %s by %s: %s; release it first", w.Hold.Since.Add(w.in.Silence).Format(time.RFC3339), w.Hold.By, w.Hold.Reason)
	case inTheWay != nil && !c.Supersede:
		return &discovery.Refusal{
			Code: CodeInProgress, RolloutID: inTheWay.ID, State: string(inTheWay.Status),
			Detail: "a " + string(inTheWay.Kind) + " is in progress; say supersede to end it",
		}
	case c.Kind == Wakeup && !w.in.Settings.Coordination:
		return discovery.Refuse(CodeNotAllowed, "coordination is off: every occurrence wakes independently")
	case len(w.in.Fleet.Live(w.now)) == 0:
		return discovery.Refuse(CodeNobodyLive, "no coordinated occurrence of the agent is live")
	}
	return nil
}

// create makes the rollout of a request. Opening a wakeup ends what earlier
// verdicts and shutdowns have left behind (rules 4.17 and 6.4).
func (w *world) create(c Request) *Rollout {
	independent := c.Kind == Shutdown && !w.in.Settings.Coordination
	groups := w.Profile.plan(c.Kind, c.Groups, w.in.Settings)
	r := Rollout{
		ID: rolloutID(c.ULID), AgentID: w.AgentID, Kind: c.Kind, Reason: c.Reason, RequestedBy: c.Actor,
		CreatedAt: w.now, UpdatedAt: w.now, Groups: groups, Consent: c.Consent, OnTimeout: c.OnTimeout,
		Terminal: c.Terminal, ReactivateWall: c.ReactivateWall, NotBeforeWall: c.NotBeforeWall, Independent: independent,
		Task: Task{ID: string(c.Kind) + "_" + c.ULID, Status: TaskPending}, Status: Deciding,
	}
	for _, g := range groups {
		r.Waves = append(r.Waves, Wave{Group: g, Status: WavePending})
	}
	w.Rollouts = append(w.Rollouts, r)
	if c.Kind == Wakeup {
		w.Standing = nil
		w.forgetLastStop()
	}
	added := &w.Rollouts[len(w.Rollouts)-1]
	w.changed(added, "rollout.requested", 0, c.Actor, map[string]any{"kind": string(c.Kind), "reason": c.Reason, "task_id": r.Task.ID})
	return added
}

func rolloutID(ulid string) string { return "ro_" + ulid }

// named finds the rollout that a command names.
func (w *world) named(id string) (*Rollout, error) {
	r := w.Find(id)
	if r == nil {
		return nil, discovery.Refuse(discovery.CodeNotFound, "there is no such rollout; it may have been purged")
	}
	return r, nil
}

// notAllowed refuses a command in the rollout's state, and says what is allowed
// instead (rule 4.18).
func (r *Rollout) notAllowed(what string) *discovery.Refusal {
	return &discovery.Refusal{
		Code: CodeNotAllowed, State: string(r.Status), Allowed: Allowed(*r),
		Detail: what + " is not allowed while the rollout is " + string(r.Status),
	}
}

// Allowed lists the commands that a rollout takes in its state (section 4).
// Nothing moves an emergency stop but its release (rule 8.2).
func Allowed(r Rollout) []string {
	if r.Kind == Emergency {
		return []string{}
	}
	switch r.Status {
	case Deciding, Deferred:
		return []string{"decide", "abort"}
	case Rolling:
		return []string{"pause", "promote", "abort"}
	case Paused:
		return []string{"resume", "abort"}
	case Halted:
		return []string{"retry", "promote", "abort"}
	case Succeeded, Partial, Rejected, Failed, Aborted, Superseded:
	}
	return []string{}
}
