// Package metrics counts and times what the service does, for Prometheus.
//
// There are two sorts of numbers. Counters and histograms tell what this replica
// did: the steps that it committed, the heartbeats that it took, the deliveries
// that it tried, the requests that it answered. They grow with the observers that
// Metrics implements, and a dashboard adds them up over all replicas. Gauges tell
// how the fleet is. They are read from the database while Prometheus asks, and are
// the same on every replica: take their maximum, never their sum.
//
// No label takes a value that a client can invent. Group names and routes, which
// come close, are counted by name up to a limit, and as "other" beyond it.
//
// Durations of waves and instructions are differences of service times (rule
// 2.10): an outage of the service makes no wave look slow.
package metrics
