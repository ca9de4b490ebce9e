// Package demo shows what the orchestrator is for, to somebody who has never heard of it: it starts the real service and a
// fleet of real occurrences on the loopback interface, wakes the fleet up and shuts it down in canary waves, and prints
// what happens while it happens. All durations are divided by a speed, so that five minutes take five seconds.
//
// Nothing is acted. The occurrences are the client package's, with callback receivers of their own; the operator uses the
// same HTTP calls as anybody; what is printed is what the service answers. Only the agents' work is missing: to wake up and
// to wind down takes them a while, and that is all. The demonstration can also go wrong on purpose (Options.Fail,
// Options.Reject), since what happens then is what the waves are for.
package demo
