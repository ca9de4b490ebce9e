// Package engine is the one door through which every change of an agent goes.
//
// Update begins a transaction, locks the agent's row, reads the database's
// clock, loads state and fleet, calls the pure rollout.Step, writes state,
// instructions, events and incidents, and commits. HTTP handlers, the worker
// that carries out what is due, other replicas: all use that door and no other.
// What is decided is decided in package rollout; what is here is only when and
// in which transaction.
package engine
