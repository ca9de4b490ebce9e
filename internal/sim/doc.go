// Package sim runs the engine with two replicas, a store that fails, a fleet
// that misbehaves and operators that interfere, all under one seed and in virtual
// time, single-threaded, so that a seed replays exactly.
//
// After every move it looks at the log, which is the order in which transactions
// committed, and at what is stored, and asserts what must always hold: one
// decision under the claim that holds, gates that are never skipped, nothing that
// leaves a final state, a chain of events without a gap, nobody woken while held.
// When the faults have stopped it asserts that every rollout ends, or waits in a
// state that says for whom.
package sim
