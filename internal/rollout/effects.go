package rollout

import (
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
)

// Command is something that somebody asks of an agent's rollouts. It returns
// what it is answered, or a *discovery.Refusal.
type Command interface {
	apply(w *world) error
}

// Input is what Step is given besides the state.
type Input struct {
	Command  Command // nil: only time or the fleet moved
	Fleet    discovery.Fleet
	Settings Settings
	// Silence is what wall time is ahead of service time now (rule 2.10).
	Silence time.Duration
	// Entropy makes claim tokens unguessable. It must be fresh for each input.
	Entropy [16]byte
	// News is what the caller has to say about the fleet, for the trail: Step
	// writes it before what follows from it.
	News []Event
}

// Effects is what must happen outside, committed with the state.
type Effects struct {
	Instruct    []Instruction
	Withdraw    []Withdrawal
	Acknowledge []string    // instructions that count as acknowledged (rule 7.2)
	Suspend     []string    // rollouts whose instructions must not be sent (rule 4.19)
	Resume      []Extension // rollouts whose instructions may be sent again
	Events      []Event
	Opened      []Incident
	Resolved    []Incident
	Answer      Answer
	Outcomes    []Outcome // of Several
}

// Withdrawal takes back what is not acknowledged: of a rollout, or of all boots
// of an occurrence but the present one (rules 7.2 and 7.4).
type Withdrawal struct {
	RolloutID     string // empty: of any rollout
	OccurrenceID  string // empty: of all
	KeepBoot      string // with OccurrenceID: the boot that keeps its own
	InstructionID string // only this one
	OutsideWaves  bool   // only those that belong to no wave (rule 8.4)
}

// Extension moves the deadlines of a rollout's pending instructions after a
// pause (rule 4.20).
type Extension struct {
	RolloutID string
	By        time.Duration
}

// Answer is what the sender of a command is told.
type Answer struct {
	RolloutID string
	Created   bool
	Directive Directive // of an Ask
	Reason    string
	Claim     *Claim
	Message   string
	AskAgain  time.Duration
}

// Several are commands that arrived together, taken one after the other in one
// step: each is answered for itself, and one that is refused keeps none of the
// others from being taken. They must be commands of occurrences (Ask,
// Acknowledge), which look at the state and wait for nothing that follows from it.
type Several []Command

// Outcome is what became of one of Several.
type Outcome struct {
	Answer Answer
	Err    error // a *discovery.Refusal, or nil
}

func (cs Several) apply(w *world) error {
	outcomes := make([]Outcome, 0, len(cs))
	for _, c := range cs {
		w.eff.Answer = Answer{}
		err := c.apply(w)
		outcomes = append(outcomes, Outcome{Answer: w.eff.Answer, Err: err})
	}
	w.eff.Answer, w.eff.Outcomes = Answer{}, outcomes
	return nil
}

// Instruction is one thing told to one boot (rule 7.1).
type Instruction struct {
	ID           string          `json:"instruction_id"`
	Type         InstructionType `json:"type"`
	OccurrenceID string          `json:"occurrence_id"`
	Boot         string          `json:"boot_id"`
	RolloutID    string          `json:"rollout_id"`
	Wave         int             `json:"wave"` // 0: outside a wave
	Group        string          `json:"group"`
	Force        bool            `json:"force"`
	IssuedAt     time.Time       `json:"issued_at"`
	Deadline     time.Time       `json:"deadline"`
	Reason       string          `json:"reason"`
	Message      string          `json:"message"`
	Peers        []PeerResult    `json:"peers,omitempty"`
	Claim        *ClaimGrant     `json:"claim,omitempty"`
}

// ClaimGrant is the part of a claim that its holder is handed.
type ClaimGrant struct {
	Token     string    `json:"token"`
	ExpiresAt time.Time `json:"expires_at"`
}

// PeerResult says how an earlier wave went (rule 4.22). MedianTimeToReach is
// negative when nobody reached.
type PeerResult struct {
	Wave              int           `json:"wave"`
	Group             string        `json:"group"`
	Total             int           `json:"total"`
	Reached           int           `json:"reached"`
	Failed            int           `json:"failed"`
	MedianTimeToReach time.Duration `json:"median_time_to_reach"`
}

// Event is a change, as the audit trail keeps it (rule 9.1).
type Event struct {
	Type         string
	RolloutID    string
	Wave         int
	OccurrenceID string
	Actor        string // "" means the system itself
	Data         map[string]any
	At           time.Time
}
