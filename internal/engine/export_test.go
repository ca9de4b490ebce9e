package engine

import (
	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// Arrival and Arrived are for tests that need several arrivals in one batch, in a
// certain order.
type (
	Arrival = arrival
	Arrived = arrived
)

// TakeTogether takes a batch through the door.
func (e *Engine) TakeTogether(agentID string, all ...Arrival) []Arrived {
	return e.beats.takeAll(agentID, all)
}

// Registering is a registration.
func Registering(occurrence, boot string) Arrival {
	return Arrival{occurrence: occurrence, register: &discovery.Registration{Boot: boot, Coordinated: true}}
}

// Beating is a heartbeat.
func Beating(occurrence, boot string, sequence int64, state discovery.State) Arrival {
	return Arrival{occurrence: occurrence, beat: &discovery.Heartbeat{Boot: boot, Sequence: sequence, State: state}}
}

// Asking asks to wake up.
func Asking(occurrence, boot string) Arrival {
	return Arrival{occurrence: occurrence, ask: &asking{boot: boot, ulid: "01" + boot + "0000000000000000000000"}}
}

// Acknowledging acknowledges an instruction.
func Acknowledging(occurrence, boot, instruction string) Arrival {
	return Arrival{occurrence: occurrence, ack: &acknowledging{boot: boot, instruction: instruction}}
}

// ErrorOf is what an arrival was refused with.
func ErrorOf(a Arrived) error { return a.err }

// BootOf is the boot that a registration was answered with.
func BootOf(a Arrived) string { return a.occurrence.Boot }

// AnswerOf is what was answered to asking.
func AnswerOf(a Arrived) rollout.Answer { return a.ask.Answer }

// PendingOf is what a heartbeat was told.
func PendingOf(a Arrived) []PendingInstruction { return a.beat.Pending }
