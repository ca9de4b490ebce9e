package metrics

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cirisai/orchestrator/internal/engine"
)

// countTimeout bounds a scrape: one that the database keeps waiting must not keep
// Prometheus waiting for what needs no database.
const countTimeout = 5 * time.Second

// fleet is the collector of what the database knows.
type fleet struct {
	count  CountFleet
	errors prometheus.Counter

	up          *prometheus.Desc
	agents      *prometheus.Desc
	occurrences *prometheus.Desc
	rollouts    *prometheus.Desc
	incidents   *prometheus.Desc
	pending     *prometheus.Desc
}

func newFleet(count CountFleet) *fleet {
	const everywhere = " The same on every replica."
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help+everywhere, labels, nil)
	}
	return &fleet{
		count: count,
		errors: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "scrape_errors_total",
			Help: "Scrapes at which the fleet could not be read from the database; its gauges are missing from those.",
		}),
		up: prometheus.NewDesc(prometheus.BuildFQName(namespace, "", "database_up"),
			"1 if this replica could read the fleet from the database at this scrape, else 0.", nil, nil),
		agents:      desc("agents", "Agents that are known."),
		occurrences: desc("occurrences", "Occurrences that are kept, by liveness: live ones were heard within the liveness timeout, stale ones within the discovery window.", "liveness"),
		rollouts:    desc("rollouts", "Rollouts that are kept, by kind and state. Halted, deferred and paused ones wait for an operator.", "kind", "state"),
		incidents:   desc("open_incidents", "Incidents that are open: each is something that a person should look at.", "type"),
		pending:     desc("instructions_pending", "Instructions that wait to be acknowledged."),
	}
}

// Describe names all that Collect may show.
func (f *fleet) Describe(descs chan<- *prometheus.Desc) {
	f.errors.Describe(descs)
	for _, d := range []*prometheus.Desc{f.up, f.agents, f.occurrences, f.rollouts, f.incidents, f.pending} {
		descs <- d
	}
}

// Collect reads the database. When that fails the failure is all that it shows;
// why it failed is for the log of who counts, and for /readyz.
func (f *fleet) Collect(metrics chan<- prometheus.Metric) {
	counts, err := f.read()
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		metric, err := prometheus.NewConstMetric(d, prometheus.GaugeValue, value, labels...)
		if err != nil {
			metric = prometheus.NewInvalidMetric(d, err)
		}
		metrics <- metric
	}
	if err != nil {
		f.errors.Inc()
		gauge(f.up, 0)
		f.errors.Collect(metrics)
		return
	}
	gauge(f.up, 1)
	f.errors.Collect(metrics)
	gauge(f.agents, float64(counts.Agents))
	gauge(f.pending, float64(counts.Pending))
	for liveness, n := range withZeros(counts.Occurrences, livenesses) {
		gauge(f.occurrences, float64(n), string(liveness))
	}
	for kind, states := range withZeros(counts.Rollouts, kinds) {
		for state, n := range withZeros(states, statuses) {
			gauge(f.rollouts, float64(n), string(kind), string(state))
		}
	}
	for incident, n := range withZeros(counts.OpenIncidents, incidentTypes) {
		gauge(f.incidents, float64(n), string(incident))
	}
}

var errPanicked = errors.New("counting the fleet panicked")

// read counts the fleet; a panic is an error like another, because a scrape must
// not take the service down.
func (f *fleet) read() (counts engine.Counts, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("%w: %v", errPanicked, cause)
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), countTimeout)
	defer cancel()
	return f.count(ctx)
}

// withZeros is the map with zero for each key that it lacks.
func withZeros[K comparable, V any](counted map[K]V, keys []K) map[K]V {
	all := make(map[K]V, len(keys))
	for _, k := range keys {
		var zero V
		all[k] = zero
	}
	for k, v := range counted {
		all[k] = v
	}
	return all
}
