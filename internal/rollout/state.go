package rollout

import (
	"maps"
	"slices"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
)

// Settings are the settings that decide. They live in the database and are read
// in the transaction that decides, so that all replicas agree (rule 11.2).
type Settings struct {
	HeartbeatInterval time.Duration `json:"heartbeat_interval"`
	LivenessTimeout   time.Duration `json:"liveness_timeout"`
	DiscoveryWindow   time.Duration `json:"discovery_window"`
	ClaimLease        time.Duration `json:"claim_lease"`
	DecisionTimeout   time.Duration `json:"decision_timeout"`
	DeferralLimit     time.Duration `json:"deferral_limit"`
	StuckAfter        time.Duration `json:"stuck_after"`
	Coordination      bool          `json:"coordination"` // ENABLE_MULTI_OCCURRENCE_COORDINATION
	Canary            bool          `json:"canary"`       // ENABLE_CANARY_ROLLOUT
}

// DefaultSettings are the settings of section 11.
func DefaultSettings() Settings {
	return Settings{
		HeartbeatInterval: 10 * time.Second,
		LivenessTimeout:   30 * time.Second,
		DiscoveryWindow:   10 * time.Minute,
		ClaimLease:        300 * time.Second,
		DecisionTimeout:   600 * time.Second,
		DeferralLimit:     24 * time.Hour,
		StuckAfter:        5 * time.Minute,
		Coordination:      true,
		Canary:            true,
	}
}

// Timing is the part of the settings by which presence is judged.
func (s Settings) Timing() discovery.Timing {
	return discovery.Timing{HeartbeatInterval: s.HeartbeatInterval, LivenessTimeout: s.LivenessTimeout, DiscoveryWindow: s.DiscoveryWindow}
}

// Profile is what operators set for an agent.
type Profile struct {
	Expected int              `json:"expected_occurrences,omitempty"` // 0: not declared (rule 2.13)
	Plans    map[Kind][]Group `json:"plans,omitempty"`                // rule 3.3
	Messages map[Kind]string  `json:"messages,omitempty"`             // rule 4.23
}

// State is everything that is unfinished or remembered about one agent. The
// zero value is an agent of which nothing is known.
type State struct {
	AgentID string
	Profile Profile
	// Rollouts holds the unfinished rollouts, at most one of a kind, those that
	// ended in the step that returned this state, and whichever finished one the
	// caller has added because a command names it.
	Rollouts []Rollout
	// Notes is what is remembered about occurrences, by id.
	Notes map[string]Note
	// Loose holds the last instruction to stop outside any wave, by occurrence
	// (rules 4.17 and 8.4).
	Loose map[string]LooseStop
	// Incidents holds what is open, and what an operator resolved while its
	// cause persists, by key.
	Incidents map[string]Incident
	Hold      *Hold     // rule 8.4
	Standing  *Standing // rule 6.4
	LastStop  *LastStop // rule 4.17
	// HoldSeen is the number of the newest hold of all agents that was applied
	// or outranked (rule 8.4).
	HoldSeen int64
	// Complete: the fleet once had its expected count and was not shut down
	// since; what below_expected is judged by.
	Complete bool
	// IncidentsMade counts the incidents that were ever opened, so that each has
	// an id of its own.
	IncidentsMade int64
	// SteppedAt is up to when everything due is done.
	SteppedAt time.Time
	// WakeAt is when Step must be called next though nothing happens; zero:
	// never. Calling it earlier is harmless.
	WakeAt time.Time
}

// Hold keeps an agent stopped until it is released (rule 8.4).
type Hold struct {
	Since     time.Time `json:"since"`
	By        string    `json:"by"`
	Reason    string    `json:"reason"`
	RolloutID string    `json:"rollout_id"`
	// Terminal: held by a terminal shutdown, else by an emergency stop.
	Terminal bool `json:"terminal,omitempty"`
}

// Standing is a verdict against waking that stands: nobody deliberates again
// while a coordinated boot that was known at At is live (rule 6.4).
type Standing struct {
	RolloutID string    `json:"rollout_id"`
	Status    Status    `json:"status"`
	At        time.Time `json:"at"`
}

// LastStop is the last shutdown that ended succeeded or partial, until a wakeup
// is opened. Exempt are those whom rule 4.17 does not tell again.
type LastStop struct {
	RolloutID string    `json:"rollout_id"`
	Reason    string    `json:"reason"`
	At        time.Time `json:"at"`
	Exempt    []string  `json:"exempt,omitempty"` // ascending
}

// Note is what is remembered about one occurrence's present boot.
type Note struct {
	Boot string
	// StopBy is the rollout that told the boot to stop, if that was not
	// withdrawn; WokenBy the wakeup in which it was told, answered proceed or
	// heard to affirm. Both make no witness (rule 6.2).
	StopBy  string
	WokenBy string
	// WaitUntil is until when the boot waits because the service told it to
	// (9.2, occurrence_stuck); zero: it was not told.
	WaitUntil time.Time
	// Watched: its next heartbeat matters even when it says nothing new.
	Watched bool
}

// LooseStop is an instruction to stop that belongs to no wave.
type LooseStop struct {
	RolloutID     string    `json:"rollout_id"`
	Boot          string    `json:"boot"`
	InstructionID string    `json:"instruction_id"`
	Deadline      time.Time `json:"deadline"`
	Acknowledged  bool      `json:"acknowledged,omitempty"`
	Told          int       `json:"told"` // how often for this rollout
	// Sole: nothing else had told the boot to stop, so that taking this back takes
	// back all (rule 6.2).
	Sole bool `json:"sole,omitempty"`
}

// clone copies the state so deeply that changing the copy leaves s alone.
func (s State) clone() State {
	c := s
	c.Rollouts = make([]Rollout, 0, len(s.Rollouts)+1)
	for i := range s.Rollouts {
		c.Rollouts = append(c.Rollouts, s.Rollouts[i].clone())
	}
	c.Notes = cloneMap(s.Notes)
	c.Loose = cloneMap(s.Loose)
	c.Incidents = cloneMap(s.Incidents)
	return c
}

func cloneMap[V any](m map[string]V) map[string]V {
	if m == nil {
		return map[string]V{}
	}
	return maps.Clone(m)
}

// unfinished finds the unfinished rollout of a kind; nil when there is none.
func (s *State) unfinished(kind Kind) *Rollout {
	for i := range s.Rollouts {
		if r := &s.Rollouts[i]; r.Kind == kind && !r.Status.Final() {
			return r
		}
	}
	return nil
}

// Find returns the rollout with the given id; nil when the state has none.
func (s *State) Find(id string) *Rollout {
	i := slices.IndexFunc(s.Rollouts, func(r Rollout) bool { return r.ID == id })
	if i < 0 {
		return nil
	}
	return &s.Rollouts[i]
}

// underWay finds the unfinished rollout of a kind whose wave 1 has started;
// until then a rollout is invisible to the other kind (rule 4.2).
func (s *State) underWay(kind Kind) *Rollout {
	if r := s.unfinished(kind); r != nil && r.Started() {
		return r
	}
	return nil
}
