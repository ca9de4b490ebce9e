package metrics

import (
	"context"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/cirisai/orchestrator/internal/dispatch"
	"github.com/cirisai/orchestrator/internal/engine"
)

// namespace begins the name of everything that is ours.
const namespace = "orchestrator"

// scrapesAtOnce is how many scrapes are answered at the same time, since each
// reads the database.
const scrapesAtOnce = 4

// Metrics observes the engine, the dispatcher and the HTTP server, and shows what
// it has seen. All its methods are safe for concurrent use, and none of them
// waits for anything.
type Metrics struct {
	registry *prometheus.Registry
	groups   *bounded
	routes   *bounded

	heartbeats        *prometheus.CounterVec
	rolloutsRequested *prometheus.CounterVec
	rolloutsFinished  *prometheus.CounterVec
	waves             *prometheus.HistogramVec
	decisions         *prometheus.CounterVec
	instructions      *prometheus.CounterVec
	acknowledgements  *prometheus.HistogramVec
	incidentsOpened   *prometheus.CounterVec
	incidentsResolved *prometheus.CounterVec

	deliveries       *prometheus.CounterVec
	deliveryDuration *prometheus.HistogramVec

	requests        *prometheus.CounterVec
	requestDuration *prometheus.HistogramVec
}

var (
	_ engine.Observer   = (*Metrics)(nil)
	_ dispatch.Observer = (*Metrics)(nil)
)

// CountFleet reads what the gauges show, such as engine.Engine.Counts.
type CountFleet func(ctx context.Context) (engine.Counts, error)

// New makes metrics with a registry of their own, which has those of the process
// and of the Go runtime as well. The fleet is counted at each scrape.
func New(count CountFleet) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), groups: newBounded(maxGroups, wellKnownGroups...), routes: newBounded(maxRoutes)}
	m.defineSteps()
	m.defineDeliveries()
	m.defineRequests()
	m.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		newFleet(count),
	)
	return m
}

// Handler answers scrapes. What cannot be read is left out and counted; the rest
// is answered all the same.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorHandling:       promhttp.ContinueOnError,
		Registry:            m.registry,
		MaxRequestsInFlight: scrapesAtOnce,
	})
}

func (m *Metrics) counter(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	m.registry.MustRegister(c)
	return c
}

func (m *Metrics) histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, labels)
	m.registry.MustRegister(h)
	return h
}

// startAtZero makes a counter show each of these values from the beginning, so
// that the first of its kind is an increase and not a new series.
func startAtZero[L ~string](c *prometheus.CounterVec, values []L) {
	for _, v := range values {
		c.WithLabelValues(string(v))
	}
}
