package rollout

import (
	"slices"
	"time"
)

// Rollout is one decision carried through the fleet.
type Rollout struct {
	ID          string    `json:"id"`
	AgentID     string    `json:"agent_id"`
	Kind        Kind      `json:"kind"`
	Status      Status    `json:"status"`
	Reason      string    `json:"reason"`
	RequestedBy string    `json:"requested_by"`
	CreatedAt   time.Time `json:"created_at"`
	UpdatedAt   time.Time `json:"updated_at"`
	FinishedAt  time.Time `json:"finished_at,omitzero"`
	// Version grows with every command and every change of the rollout's or a
	// wave's state, not with members' progress (rule 4.18).
	Version int64 `json:"version"`

	// The request.
	Groups         []Group   `json:"groups"` // the plan, fixed by the request (rule 3.7)
	Consent        Consent   `json:"consent,omitempty"`
	OnTimeout      OnTimeout `json:"on_timeout,omitempty"`
	Terminal       bool      `json:"terminal,omitempty"`
	ReactivateWall time.Time `json:"reactivate_wall,omitzero"` // expected_reactivation
	NotBeforeWall  time.Time `json:"not_before_wall,omitzero"`
	Independent    bool      `json:"independent,omitempty"` // rule 4.24: each decides for itself

	// The decision (section 5).
	Task             Task      `json:"task"`
	Claim            *Claim    `json:"claim,omitempty"`
	Grants           int64     `json:"grants"`          // fencing numbers given out
	Round            []string  `json:"round,omitempty"` // who has held the claim in this round
	DecideBy         time.Time `json:"decide_by,omitzero"`
	DeferredFromWall time.Time `json:"deferred_from_wall,omitzero"` // the first deferral
	DeferredTillWall time.Time `json:"deferred_till_wall,omitzero"` // until
	Decision         *Decision `json:"decision,omitempty"`

	// The carrying out.
	DelaysFrom    time.Time `json:"delays_from,omitzero"` // the decision, moved by pauses
	StartedAt     time.Time `json:"started_at,omitzero"`  // when wave 1 started
	SkipNotBefore bool      `json:"skip_not_before,omitempty"`
	PausedAt      time.Time `json:"paused_at,omitzero"`
	Joiners       int       `json:"joiners,omitempty"`
	Waves         []Wave    `json:"waves"`
}

// Task is the shared task of the FSD (rule 5.1).
type Task struct {
	ID     string     `json:"id"`
	Status TaskStatus `json:"status"`
}

// Claim is the right of one boot to decide (rules 5.2, 5.3).
type Claim struct {
	OccurrenceID  string    `json:"occurrence_id"`
	Boot          string    `json:"boot"`
	Token         string    `json:"token"`
	Number        int64     `json:"number"` // the fencing number
	GrantedAt     time.Time `json:"granted_at"`
	ExpiresAt     time.Time `json:"expires_at"`
	InstructionID string    `json:"instruction_id,omitempty"` // of its deliberate
	Acknowledged  bool      `json:"acknowledged"`
}

// Decision is a verdict and who gave it. OccurrenceID is the decider; an
// operator, silence and instant consent leave it empty.
type Decision struct {
	Verdict      Verdict   `json:"verdict"`
	OccurrenceID string    `json:"occurrence_id,omitempty"`
	Boot         string    `json:"boot,omitempty"`
	Actor        string    `json:"actor"`
	Reasoning    string    `json:"reasoning"`
	Token        string    `json:"token,omitempty"`
	Number       int64     `json:"number,omitempty"`
	DecidedAt    time.Time `json:"decided_at"`
}

// Wave is one canary group's turn.
type Wave struct {
	Group
	Status WaveStatus `json:"status"`
	// Places is how many the plan has room for; some may stay open (rule 3.5).
	Places       int       `json:"places"`
	StartsAt     time.Time `json:"starts_at,omitzero"`     // the end of its delay
	WaitingSince time.Time `json:"waiting_since,omitzero"` // rules 4.5 and 4.10
	StartedAt    time.Time `json:"started_at,omitzero"`
	RetriedAt    time.Time `json:"retried_at,omitzero"`
	RunningFrom  time.Time `json:"running_from,omitzero"` // start or retry, moved by pauses
	GateOpenedAt time.Time `json:"gate_opened_at,omitzero"`
	SettledAt    time.Time `json:"settled_at,omitzero"` // moved by pauses
	FinishedAt   time.Time `json:"finished_at,omitzero"`
	Promoted     bool      `json:"promoted,omitempty"`
	Members      []Member  `json:"-"` // stored a row each
}

// Member is an occurrence's place in a wave. It is comparable, so that a store
// sees which members a step has changed.
type Member struct {
	OccurrenceID string       `json:"occurrence_id"`
	Status       MemberStatus `json:"status"`
	// Counts: it is among those that the wave started with, who alone count for
	// its gate (rule 4.7).
	Counts bool `json:"counts,omitempty"`
	// Told: an instruction was made for it, or it needs none; Untold: of these,
	// it needed none (rule 4.6).
	Told     bool `json:"told,omitempty"`
	Untold   bool `json:"untold,omitempty"`
	Departed bool `json:"departed,omitempty"` // skipped because it had left
	Refused  bool `json:"refused,omitempty"`  // skipped because it refused (rule 4.24)
	Clean    bool `json:"clean,omitempty"`

	// SeenBoot and SeenSequence are what was last heard before the wave
	// started, or before it was let go; only what is heard later counts (4.6).
	SeenBoot     string `json:"seen_boot,omitempty"`
	SeenSequence int64  `json:"seen_sequence,omitempty"`

	Boot           string    `json:"boot,omitempty"`       // that was told
	HeardBoot      string    `json:"heard_boot,omitempty"` // that has acknowledged an instruction of this rollout
	Tries          int       `json:"tries,omitempty"`
	Restarts       int       `json:"restarts,omitempty"` // new boots told again (rule 4.13)
	InstructionID  string    `json:"instruction_id,omitempty"`
	InstructedAt   time.Time `json:"instructed_at,omitzero"`
	AcknowledgedAt time.Time `json:"acknowledged_at,omitzero"`
	ReachedAt      time.Time `json:"reached_at,omitzero"`
	Detail         string    `json:"detail,omitempty"`
	Unreachable    string    `json:"unreachable,omitempty"` // why its callback cannot be reached

	// Running clocks, moved by pauses (rule 4.20).
	Deadline     time.Time `json:"deadline,omitzero"`
	HealthySince time.Time `json:"healthy_since,omitzero"`
	ErrorSince   time.Time `json:"error_since,omitzero"`
	StoppedSince time.Time `json:"stopped_since,omitzero"`
}

// Started tells whether wave 1 has started.
func (r *Rollout) Started() bool { return !r.StartedAt.IsZero() }

// now is the rollout's own time: while it is paused its clocks stand still
// (rule 4.19).
func (r *Rollout) now(now time.Time) time.Time {
	if r.Status == Paused {
		return r.PausedAt
	}
	return now
}

// target tells what members are told.
func (r *Rollout) target() InstructionType {
	switch {
	case r.Independent && r.Consent != ConsentInstant:
		return Deliberate
	case r.Kind == Wakeup:
		return Wake
	default:
		return Stop
	}
}

// stopping tells whether members are to stop.
func (r *Rollout) stopping() bool { return r.Kind != Wakeup }

func (r *Rollout) clone() Rollout {
	c := *r
	c.Round = slices.Clone(r.Round)
	if r.Claim != nil {
		claim := *r.Claim
		c.Claim = &claim
	}
	c.Waves = slices.Clone(r.Waves)
	for i := range c.Waves {
		c.Waves[i].Members = slices.Clone(r.Waves[i].Members)
	}
	return c
}

// member finds the present place of an occurrence; nils when it has none.
func (r *Rollout) member(id string) (*Wave, *Member) {
	for i := range r.Waves {
		for j := range r.Waves[i].Members {
			if m := &r.Waves[i].Members[j]; m.OccurrenceID == id {
				return &r.Waves[i], m
			}
		}
	}
	return nil, nil
}

// index gives the wave's number, from 1.
func (r *Rollout) index(w *Wave) int {
	for i := range r.Waves {
		if &r.Waves[i] == w {
			return i + 1
		}
	}
	return 0
}

// started tells whether the wave has begun to let members go.
func (w *Wave) started() bool { return !w.StartedAt.IsZero() }

// settled tells whether what comes after the wave may come: it passed, failed
// under continue, was promoted, or was skipped.
func (w *Wave) settled() bool {
	switch w.Status {
	case WavePassed, WaveSkipped:
		return true
	case WaveFailed:
		return w.Promoted || w.OnFailure == GoOn
	case WavePending, WaveDelayed, WaveRunning, WaveCancelled:
		return w.Promoted
	}
	return false
}

// mayTell tells whether the wave still lets members go (rule 4.8).
func (w *Wave) mayTell() bool {
	return w.Status == WaveRunning || w.Status == WavePassed || w.Status == WaveFailed && w.settled()
}
