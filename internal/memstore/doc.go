// Package memstore keeps agents in memory: engine.Store and dispatch.Outbox for
// simulations and fast tests, with faults on demand.
//
// It holds to the same contract as the databases (package storetest). Each agent
// is an immutable version; a transaction makes the next one beside it, copying
// only what it changes, and the commit puts it in the place of the former. So a
// transaction that fails leaves no trace, and whoever reads keeps the snapshot
// that he began with. What is handed out or taken in is copied at the boundary.
//
// Nothing here depends on the order of a map, on a random number or on any clock
// but the one that New was given: the same calls in the same order give the same
// log.
package memstore
