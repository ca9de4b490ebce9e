package engine

import (
	"context"
	"errors"
	"time"

	"github.com/cirisai/orchestrator/internal/audit"
	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// ErrNotFound is what reads and updates wrap when the agent, rollout or
// incident that they name is not there.
var ErrNotFound = errors.New("not found")

// ErrUnavailable is what every method of a store wraps when the database cannot
// be used now: nothing was changed, and the caller may try again later.
var ErrUnavailable = errors.New("the database is not available")

// Store keeps agents. There are three: in memory, SQLite and PostgreSQL, and
// one conformance suite (package storetest) says what is asked of each. A query
// that fails is an error, never an empty answer.
type Store interface {
	// Update runs fn in a transaction, and commits if fn returns nil. It is as if
	// the agent's row were locked from its beginning to its end. With create an
	// unknown agent is made first, else it is ErrNotFound. fn may be run again when
	// the transaction could not be serialized, so it must change nothing but through
	// tx; and it must return an error of tx, or one that wraps it, for that may say
	// so.
	Update(ctx context.Context, agentID string, create bool, fn func(tx Tx) error) error
	// View runs fn on one consistent snapshot.
	View(ctx context.Context, fn func(tx ReadTx) error) error
	// Touch records heartbeats that change nothing but sequence and last sign
	// of life, all in one transaction, and says for each whether it was such a
	// one. The others must go through Update. It is a compare-and-set on the
	// committed row: see Touch.
	Touch(ctx context.Context, beats []Touch) ([]Touched, error)
	// Due lists agents that must be stepped at or before now, the most overdue
	// first, and when the next one after those is due (zero: none).
	Due(ctx context.Context, limit int) (agents []string, next time.Duration, err error)
	// Beat records that heartbeats can be taken now, and opens a silence in the
	// service clock when that was not so for a while, or when the wall clock has
	// leapt (rule 2.10). It must be called before serving and every BeatEvery.
	Beat(ctx context.Context) error
	// SaveSettings writes the settings of a starting replica, and returns what
	// they were (rule 11.2).
	SaveSettings(ctx context.Context, s rollout.Settings) (before rollout.Settings, err error)
	// HoldAll begins or ends the hold of all agents and returns it (rule 8.4).
	// The agents themselves follow, each through Update.
	HoldAll(ctx context.Context, change HoldAll) (HoldAll, error)
	// Prune deletes in one small batch what is final, gone or expired and older
	// than the retention; it returns how much it deleted (rule 9.3).
	Prune(ctx context.Context, retention time.Duration, limit int) (int, error)
	// Ping tells whether the database can be used.
	Ping(ctx context.Context) error
}

// HoldAll is the hold of all agents: those of now and those that appear later.
// Number grows with each that begins.
type HoldAll struct {
	Number int64
	Active bool
	By     string
	Reason string
}

// ReadTx reads one consistent snapshot.
type ReadTx interface {
	// Now is the service time at which the transaction sees the world: after
	// the lock was granted, in an Update. Clock converts it.
	Now() time.Time
	Clock() discovery.Clock
	Settings() (rollout.Settings, error)
	HoldAll() (HoldAll, error)

	// Agent loads an agent's state with all its unfinished rollouts, and its
	// fleet. Within Update it is that of the locked agent.
	Agent(agentID string) (rollout.State, discovery.Fleet, error)
	// Occurrence loads one occurrence; ErrNotFound when it was never heard.
	Occurrence(agentID, id string) (discovery.Occurrence, error)
	// Agents lists agents by id, after the given one.
	Agents(after string, limit int) ([]AgentSummary, error)
	// Rollout loads one rollout with its members, finished or not.
	Rollout(id string) (rollout.Rollout, error)
	// AgentOf tells which agent a rollout belongs to.
	AgentOf(rolloutID string) (string, error)
	// Rollouts lists rollouts, newest first (by id, descending), with members.
	Rollouts(f RolloutFilter) ([]rollout.Rollout, error)
	// Events lists an agent's or a rollout's events after a seq, ascending.
	Events(f EventFilter) ([]audit.Event, error)
	// EventHead is the end of an agent's chain.
	EventHead(agentID string) (audit.Head, error)
	// Incidents lists incidents, newest first.
	Incidents(f IncidentFilter) ([]KeptIncident, error)
	Incident(id string) (KeptIncident, error)
	// Pending lists what is to be carried out by a boot: not acknowledged, not
	// withdrawn, not suspended, not past its deadline; oldest first.
	Pending(agentID, occurrenceID, boot string) ([]PendingInstruction, error)
	// PendingOf is Pending for many at once: boots by occurrence in, what they
	// have to carry out by occurrence out.
	PendingOf(agentID string, boots map[string]string) (map[string][]PendingInstruction, error)
	// Instruction loads one instruction, whatever became of it.
	Instruction(agentID, id string) (rollout.Issued, error)
	// FormerBoot tells whether the boot was replaced by a later one. At least
	// the last 100 boots of an occurrence are remembered (rule 2.5).
	FormerBoot(agentID, occurrenceID, boot string) (bool, error)
	// Counts gathers what the metrics show.
	Counts() (Counts, error)
}

// Tx changes the locked agent.
type Tx interface {
	ReadTx
	// SaveOccurrences writes occurrences that were heard; a boot that takes the
	// place of another is remembered as such, and what was for the other is
	// withdrawn (rule 7.2).
	SaveOccurrences(before discovery.Fleet, changed []discovery.Occurrence) error
	// SaveProfile writes the agent's settings.
	SaveProfile(p rollout.Profile) error
	// Commit writes the difference between two states, and the effects.
	Commit(before, after rollout.State, eff rollout.Effects) error
	// Recall finds what a POST with this key was answered within the last 24 h;
	// nil when there is nothing. Keep keeps an answer (rule 10.7).
	Recall(key string) (*KeptAnswer, error)
	Keep(key string, a KeptAnswer) error
}

// KeptAnswer is the answer of a POST with an Idempotency-Key. BodyHash is of
// the request.
type KeptAnswer struct {
	BodyHash string
	Status   int
	Body     []byte
}

// Touch is a heartbeat that may change nothing but the sequence and the last
// sign of life. It is taken only if the committed row has this boot, a lower
// sequence, this state, these incidents and detail, is live, has not left, is
// not watched, and Version is empty or the same. EchoWall, if set, must not be
// older than the liveness timeout (rule 2.8).
type Touch struct {
	AgentID, OccurrenceID, Boot string
	Sequence                    int64
	State                       discovery.State
	Version, Detail             string
	Critical, High              int
	EchoWall                    time.Time
	// AliveOnly: a throttled heartbeat; it is a sign of life and nothing more,
	// whatever it reports (rule 10.9). Its sequence stays free.
	AliveOnly bool
}

// Touched says what became of a Touch. Now is service time, Wall the same as
// wall time, Pending what the boot has to carry out.
type Touched struct {
	Taken   bool
	Wall    time.Time
	Pending []PendingInstruction
}

// PendingInstruction is an instruction that waits to be carried out, with how
// often its callback was tried, and with its times as wall times.
type PendingInstruction struct {
	rollout.Instruction
	AgentID      string
	Attempts     int
	IssuedWall   time.Time
	DeadlineWall time.Time
	ClaimWall    time.Time // the claim's end
}

// AgentSummary is an agent in a list.
type AgentSummary struct {
	AgentID string
	Profile rollout.Profile
	Hold    *rollout.Hold
	// Occurrences counts those ever heard and still kept; Live, Discovered and
	// Awake (of the live) at the time of the look.
	Occurrences, Live, Discovered, Awake int
	Unfinished                           []string // ids of its unfinished rollouts
}

// RolloutFilter selects rollouts; empty fields select all. Before is the id to
// continue below.
type RolloutFilter struct {
	AgentID string
	Kind    rollout.Kind
	States  []rollout.Status
	Before  string
	Limit   int
}

// EventFilter selects events of an agent or of a rollout. AgentID is required.
type EventFilter struct {
	AgentID   string
	RolloutID string
	After     int64
	Limit     int
}

// IncidentFilter selects incidents; Open nil selects both. Before continues
// below a place in the list, whether or not its incident is still there.
type IncidentFilter struct {
	AgentID string
	Open    *bool
	Before  *IncidentPlace
	Limit   int
}

// IncidentPlace is where an incident stands among all, the newest first.
type IncidentPlace struct {
	OpenedAt time.Time // service time
	ID       string
}

// KeptIncident is an incident with the agent that it is about, and its times as
// wall times.
type KeptIncident struct {
	rollout.Incident
	AgentID      string
	OpenedWall   time.Time
	ResolvedWall time.Time
}

// Place is where the incident stands.
func (i *KeptIncident) Place() IncidentPlace { return IncidentPlace{OpenedAt: i.OpenedAt, ID: i.ID} }

// Counts is what the gauges show.
type Counts struct {
	Agents        int
	Occurrences   map[discovery.Liveness]int
	Rollouts      map[rollout.Kind]map[rollout.Status]int
	OpenIncidents map[rollout.IncidentType]int
	Pending       int // instructions
}
