package client

import (
	"context"
	"time"
)

// Handler is the agent, as far as the service has something to say to it.
//
// The context of each call ends when the call has become pointless: the process is told to stop while it wakes, somebody
// else decided, the boot was replaced. The call should return soon then, with any error. Deliberate may run beside Wake;
// Wake and Stop never run at the same time, except that a forced stop waits for nobody.
type Handler interface {
	// Deliberate decides, for all occurrences unless told otherwise. An error is no verdict: it is tried again
	// while the claim lasts, and then another occurrence is asked (rule 5.3).
	Deliberate(ctx context.Context, d Deliberation) (Judgement, error)
	// Wake brings the agent to work. On nil the occurrence reports work, unless the agent has set another awake state
	// itself. After an error it reports error, and Wake is called again when the service next lets it go.
	Wake(ctx context.Context, o Order) error
	// Stop winds the agent down. On nil the occurrence says stopped and Run returns. After an error it reports error and
	// runs on until it is told to stop again; a forced stop (o.Force) ends the process whatever Stop returns.
	Stop(ctx context.Context, o Order) error
}

// Deliberation is what is to be decided.
type Deliberation struct {
	Kind      TaskKind
	RolloutID string
	Message   string    // the text for the decider, with the plan in it (rule 4.23)
	Reason    string    // why it was asked for; empty when this occurrence's own question opened it
	ForAll    bool      // false: coordination is off, and this occurrence decides for itself alone (rule 4.24)
	ExpiresAt time.Time // when somebody else may be asked, by the service's clock
}

// Judgement is a verdict and its reasons. Until goes with VerdictDefer; zero leaves it to an operator (rule 5.5).
type Judgement struct {
	Verdict   Verdict
	Reasoning string
	Until     time.Time
}

// Cause says how an order came about.
type Cause string

// The causes.
const (
	CauseInstruction Cause = "instruction" // the service told this boot
	CauseProceed     Cause = "proceed"     // asked, the service let it go (rule 6.2)
	CauseAffirmed    Cause = "affirmed"    // this occurrence affirmed the wakeup for all (rule 4.6)
	CauseIndependent Cause = "independent" // coordination is off, or this occurrence is not part of it
)

// Order is what the agent is to do now, and why.
type Order struct {
	Cause     Cause
	RolloutID string // empty where no rollout is behind it
	Reason    string
	Force     bool // an emergency: at once, no questions
	// Instruction is what was acknowledged; nil for the other causes. It has the wave and how the earlier waves went.
	Instruction *Instruction
}
