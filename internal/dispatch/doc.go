// Package dispatch sends by callback what the outbox holds (rules 7.5 and 7.6).
//
// An instruction is written in the transaction of the state change that caused
// it; the dispatcher comes after. It claims what is due under a lease, sends each
// claimed delivery once, and settles: delivered, to be tried again, gone, given
// up. A dispatcher that dies in between has lost nothing, for the lease ends and
// another one sends the same id again: delivery is at least once.
//
// A Dispatcher is driven from outside by RunOnce, which never waits for a
// receiver. One that hangs delays nobody else: a try that takes long gives up
// its place among those that are counted (but not its connection), one host has
// a bounded number of connections, and what waits for a slow host goes back to
// the outbox rather than stand in the way. Tries that end together are settled
// together, in one transaction.
//
// The dispatcher decides nothing by its own clock. It measures with it how much
// time has passed since the outbox said what time it is.
package dispatch
