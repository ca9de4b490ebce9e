package metrics

import (
	"net/http"
	"strconv"
	"time"
)

var requestBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

func (m *Metrics) defineRequests() {
	m.requests = m.counter("http_requests_total",
		"Requests answered. Route is the operation or the pattern of the path, never the path itself.", "route", "method", "status")
	m.requestDuration = m.histogram("http_request_duration_seconds",
		"How long requests took until their answer was written. Long polls and event streams take as long as they were asked to.",
		requestBuckets, "route", "method")
}

// HTTPObserved counts a request that was answered. Route must come from a set that
// does not grow, such as the patterns of the router; empty where nothing is served.
func (m *Metrics) HTTPObserved(route, method string, status int, took time.Duration) {
	if route == "" {
		route = "none"
	}
	route, method = m.routes.value(route), knownMethod(method)
	m.requests.WithLabelValues(route, method, knownStatus(status)).Inc()
	m.requestDuration.WithLabelValues(route, method).Observe(took.Seconds())
}

// knownMethod keeps methods that a client made up out of the labels.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return other
}

func knownStatus(status int) string {
	if status < 100 || status > 599 {
		return other
	}
	return strconv.Itoa(status)
}
