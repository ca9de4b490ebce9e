// Package discovery says who is there.
//
// An agent runs as many occurrences. Each start of an occurrence's process is a
// boot; a boot sends heartbeats numbered from 1. This package decides which of
// them are taken and which are refused, derives from the last sign of life
// whether an occurrence is live, stale or gone, and puts the occurrences into
// the one order in which everything else looks at them.
//
// It is pure: no I/O, no clock, no logger. Every function is given the service
// time, which stands still while no replica can take heartbeats (rule 2.10), so
// nothing in here knows about outages. What becomes of the fleet is the
// business of package rollout.
package discovery
