package rollout

// Kind says what a rollout does.
type Kind string

// The kinds. An emergency is a shutdown without decision and waves (rule 8.2).
const (
	Wakeup    Kind = "wakeup"
	Shutdown  Kind = "shutdown"
	Emergency Kind = "emergency"
)

// Status is the state of a rollout (section 4).
type Status string

// The states of a rollout. Nothing leaves a final one.
const (
	Deciding   Status = "deciding"
	Deferred   Status = "deferred"
	Rolling    Status = "rolling"
	Paused     Status = "paused"
	Halted     Status = "halted"
	Succeeded  Status = "succeeded"
	Partial    Status = "partial"
	Rejected   Status = "rejected"
	Failed     Status = "failed"
	Aborted    Status = "aborted"
	Superseded Status = "superseded"
)

// Final tells whether nothing leaves the state.
func (s Status) Final() bool {
	switch s {
	case Succeeded, Partial, Rejected, Failed, Aborted, Superseded:
		return true
	case Deciding, Deferred, Rolling, Paused, Halted:
		return false
	}
	return false
}

// undecided tells whether the verdict is still to come.
func (s Status) undecided() bool { return s == Deciding || s == Deferred }

// WaveStatus is the state of a wave.
type WaveStatus string

// The states of a wave.
const (
	WavePending   WaveStatus = "pending"
	WaveDelayed   WaveStatus = "delayed"
	WaveRunning   WaveStatus = "running"
	WavePassed    WaveStatus = "passed"
	WaveFailed    WaveStatus = "failed"
	WaveSkipped   WaveStatus = "skipped"
	WaveCancelled WaveStatus = "cancelled"
)

// MemberStatus is the state of a member of a wave (rule 4.11).
type MemberStatus string

// The states of a member.
const (
	MemberPending      MemberStatus = "pending"
	MemberInstructed   MemberStatus = "instructed"
	MemberAcknowledged MemberStatus = "acknowledged"
	MemberReached      MemberStatus = "reached"
	MemberFailed       MemberStatus = "failed"
	MemberLost         MemberStatus = "lost"
	MemberSkipped      MemberStatus = "skipped"
	MemberCancelled    MemberStatus = "cancelled"
)

// InFlight tells whether the member was told and has not come to an end.
func (s MemberStatus) InFlight() bool { return s == MemberInstructed || s == MemberAcknowledged }

// TaskStatus is the state of the shared task (rule 5.1).
type TaskStatus string

// The states of a shared task.
const (
	TaskPending   TaskStatus = "PENDING"
	TaskActive    TaskStatus = "ACTIVE"
	TaskCompleted TaskStatus = "COMPLETED"
	TaskFailed    TaskStatus = "FAILED"
)

// Verdict is what a decider says (rule 5.5).
type Verdict string

// The verdicts.
const (
	Accept Verdict = "accept"
	Reject Verdict = "reject"
	Defer  Verdict = "defer"
)

// Consent says whether a shutdown asks the fleet (rule 5.6).
type Consent string

// The ways of consent.
const (
	ConsentRequired Consent = "required"
	ConsentInstant  Consent = "instant"
)

// OnTimeout says what silence means (rule 5.6).
type OnTimeout string

// Silence is a failure unless the request made it an acceptance.
const (
	TimeoutFails   OnTimeout = "fail"
	TimeoutAccepts OnTimeout = "accept"
)

// OnFailure says what a failed wave does to its rollout (rule 4.9).
type OnFailure string

// The ways to fail.
const (
	FailRollout OnFailure = "fail"
	HaltRollout OnFailure = "halt"
	GoOn        OnFailure = "continue"
)

// Directive is the answer to an occurrence that asks to wake up (rule 6.2).
type Directive string

// The directives.
const (
	Decide      Directive = "decide"
	Proceed     Directive = "proceed"
	Wait        Directive = "wait"
	Independent Directive = "independent"
)

// InstructionType says what an instruction tells its boot to do (rule 7.1).
type InstructionType string

// The instructions.
const (
	Deliberate InstructionType = "deliberate"
	Wake       InstructionType = "wake"
	Stop       InstructionType = "stop"
	Rehearse   InstructionType = "rehearse"
)
