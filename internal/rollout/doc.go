// Package rollout holds the rules by which one decision is carried through a
// fleet in waves. It is the heart of the product, and it is pure: no I/O, no
// clock, no randomness, no logger.
//
// Everything goes through one function:
//
//	next, effects, err := Step(state, input, now)
//
// State is what is unfinished or remembered about one agent. Step first does
// what was due before now, in order of due time (rule 2.11), then the command
// of the input, then all that follows from it, until nothing moves any more.
// What must happen outside (instructions to send, events to write, incidents to
// open) is returned as data, and is committed in the same transaction as the
// state. Step copies: it never changes what it was given, and an error changes
// nothing.
//
// Where to look for a rule:
//
//	groups and plans   section 3    plan.go assign.go
//	waves and gates    4.4 to 4.10  wave.go gate.go member.go
//	members            4.11 to 4.15 member.go observe.go join.go
//	the end            4.16, 4.17   end.go hold.go
//	commands           4.18 to 4.20 command.go retry.go pause.go due.go
//	what people see    4.21 to 4.24 view.go forecast.go message.go peers.go
//	the decision       section 5    request.go decide.go claim.go
//	waking up          section 6    ask.go
//	instructions       section 7    instruction.go
//	the emergency stop section 8    hold.go
//	incidents          9.2          incident.go
//
// Times are service times (rule 2.10), except where a field says Wall: those
// run on while the service is silent.
package rollout
