package metrics

import (
	"strconv"

	"github.com/cirisai/orchestrator/internal/dispatch"
)

var deliveryBuckets = []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20}

func (m *Metrics) defineDeliveries() {
	m.deliveries = m.counter("deliveries_total",
		"Tries to deliver by callback. Outcome: delivered; retry, it will be tried again; gone, the address answered 410; gave_up, no further try fits in before the deadline; postponed, nothing was sent. Status is the class of the receiver's answer, none when there was no answer.",
		"outcome", "status")
	m.deliveryDuration = m.histogram("delivery_duration_seconds",
		"How long tries to deliver by callback took, where something was sent.", deliveryBuckets, "outcome")
}

// Tried counts a try to deliver.
func (m *Metrics) Tried(_ dispatch.Delivery, o dispatch.Outcome) {
	m.deliveries.WithLabelValues(string(o.Kind), statusClass(o.Status)).Inc()
	if o.Duration > 0 {
		m.deliveryDuration.WithLabelValues(string(o.Kind)).Observe(o.Duration.Seconds())
	}
}

// statusClass is the class of an HTTP status, such as "2xx".
func statusClass(status int) string {
	switch {
	case status == 0:
		return "none"
	case status < 100 || status > 599:
		return other
	}
	return strconv.Itoa(status/100) + "xx"
}
