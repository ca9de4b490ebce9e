package metrics

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/dispatch"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// scrape asks like Prometheus does.
func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	answer := httptest.NewRecorder()
	m.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if answer.Code != http.StatusOK {
		t.Fatalf("the scrape was answered %d: %s", answer.Code, answer.Body)
	}
	return answer.Body.String()
}

func TestTheFleetIsCountedAtEachScrape(t *testing.T) {
	counts := engine.Counts{
		Agents: 2, Pending: 7,
		Occurrences:   make(map[discovery.Liveness]int),
		Rollouts:      make(map[rollout.Kind]map[rollout.Status]int),
		OpenIncidents: make(map[rollout.IncidentType]int),
	}
	counts.Occurrences[discovery.Live], counts.Occurrences[discovery.Stale] = 9, 1
	shutdowns := make(map[rollout.Status]int)
	shutdowns[rollout.Halted], shutdowns[rollout.Succeeded] = 1, 3
	counts.Rollouts[rollout.Shutdown] = shutdowns
	counts.OpenIncidents[rollout.IncidentWaveFailed], counts.OpenIncidents["from_a_later_version"] = 1, 4
	var deadline bool
	m := New(func(ctx context.Context) (engine.Counts, error) {
		_, deadline = ctx.Deadline()
		return counts, nil
	})
	expect(t, m, "agents", "orchestrator_agents 2")
	expect(t, m, "instructions_pending", "orchestrator_instructions_pending 7")
	expect(t, m, "database_up", "orchestrator_database_up 1")
	expect(t, m, "occurrences", `
		orchestrator_occurrences{liveness="gone"} 0
		orchestrator_occurrences{liveness="live"} 9
		orchestrator_occurrences{liveness="stale"} 1`)
	text := scrape(t, m)
	for _, want := range []string{
		`orchestrator_rollouts{kind="shutdown",state="halted"} 1`,
		`orchestrator_rollouts{kind="shutdown",state="succeeded"} 3`,
		`orchestrator_rollouts{kind="wakeup",state="deciding"} 0`,
		`orchestrator_open_incidents{type="wave_failed"} 1`,
		`orchestrator_open_incidents{type="straggler"} 0`,
		`orchestrator_open_incidents{type="from_a_later_version"} 4`,
		`orchestrator_scrape_errors_total 0`,
		"go_goroutines ", "process_start_time_seconds ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the scrape lacks %s", want)
		}
	}
	if !deadline {
		t.Error("nothing bounds the scrape")
	}
	counts.Agents = 3
	expect(t, m, "agents", "orchestrator_agents 3")
}

// A database that is away, or a bug that panics, costs the gauges and nothing else.
func TestAScrapeThatCannotCount(t *testing.T) {
	for name, count := range map[string]CountFleet{
		"error": func(context.Context) (engine.Counts, error) {
			return engine.Counts{}, fmt.Errorf("count: %w", engine.ErrUnavailable)
		},
		"panic": func(context.Context) (engine.Counts, error) { panic(errors.New("nil engine")) },
	} {
		t.Run(name, func(t *testing.T) {
			m := New(count)
			m.Heartbeat(true)
			scrape(t, m)
			text := scrape(t, m)
			for _, want := range []string{"orchestrator_scrape_errors_total 2", "orchestrator_database_up 0", `orchestrator_heartbeats_total{result="changed"} 1`, "go_goroutines "} {
				if !strings.Contains(text, want) {
					t.Errorf("the scrape lacks %s", want)
				}
			}
			if strings.Contains(text, "orchestrator_agents") {
				t.Error("the scrape shows a fleet that nobody has counted")
			}
		})
	}
}

func TestDeliveriesAreCounted(t *testing.T) {
	m := newMetrics()
	for _, o := range []dispatch.Outcome{
		{Kind: dispatch.Delivered, Status: 204, Duration: 30 * time.Millisecond},
		{Kind: dispatch.Retry, Status: 503, Duration: time.Second},
		{Kind: dispatch.Retry, Duration: 10 * time.Second},
		{Kind: dispatch.Gone, Status: 410, Duration: time.Millisecond},
		{Kind: dispatch.GaveUp},
		{Kind: dispatch.Postponed},
		{Kind: dispatch.Retry, Status: 999, Duration: time.Second},
	} {
		m.Tried(dispatch.Delivery{ID: "ro_1~1~a~1", Agent: "scout", Occurrence: "a"}, o)
	}
	expect(t, m, "deliveries_total", `
		orchestrator_deliveries_total{outcome="delivered",status="2xx"} 1
		orchestrator_deliveries_total{outcome="gave_up",status="none"} 1
		orchestrator_deliveries_total{outcome="gone",status="4xx"} 1
		orchestrator_deliveries_total{outcome="postponed",status="none"} 1
		orchestrator_deliveries_total{outcome="retry",status="5xx"} 1
		orchestrator_deliveries_total{outcome="retry",status="none"} 1
		orchestrator_deliveries_total{outcome="retry",status="other"} 1`)
	if n, sum := summary(t, m, "delivery_duration_seconds", map[string]string{"outcome": "retry"}); n != 3 || sum != 12 {
		t.Errorf("%d retries of %g s in all, want 3 of 12 s", n, sum)
	}
	if n, _ := summary(t, m, "delivery_duration_seconds", map[string]string{"outcome": "postponed"}); n != 0 {
		t.Error("what was not sent has a duration")
	}
}

func TestRequestsAreCounted(t *testing.T) {
	m := newMetrics()
	m.HTTPObserved("/v1/agents/{agent_id}", http.MethodGet, 200, 20*time.Millisecond)
	m.HTTPObserved("Heartbeat", http.MethodPost, 429, time.Millisecond)
	m.HTTPObserved("", "BREW", 42, time.Millisecond)
	expect(t, m, "http_requests_total", `
		orchestrator_http_requests_total{method="GET",route="/v1/agents/{agent_id}",status="200"} 1
		orchestrator_http_requests_total{method="POST",route="Heartbeat",status="429"} 1
		orchestrator_http_requests_total{method="other",route="none",status="other"} 1`)
	if n, sum := summary(t, m, "http_request_duration_seconds", map[string]string{"route": "/v1/agents/{agent_id}", "method": "GET"}); n != 1 || sum != .02 {
		t.Errorf("%d requests of %g s in all, want one of 0.02 s", n, sum)
	}
}

// Nothing that a client can invent may make series without end.
func TestLabelsAreBounded(t *testing.T) {
	m := newMetrics()
	for i := range 10 * maxRoutes {
		m.HTTPObserved(fmt.Sprintf("/made/up/%d", i), fmt.Sprintf("METHOD%d", i), i, 0)
	}
	if n := testutil.CollectAndCount(m.requestDuration); n > maxRoutes+1 {
		t.Errorf("%d series of requests, want at most %d", n, maxRoutes+1)
	}
	for i := range 10 * maxGroups {
		w := rollout.Wave{Group: rollout.Group{Name: fmt.Sprintf("group%d", i)}, Status: rollout.WavePassed, StartedAt: start, FinishedAt: start}
		m.Stepped("scout", rollout.State{}, rollout.State{Rollouts: []rollout.Rollout{{ID: "ro_1", Kind: rollout.Wakeup, Waves: []rollout.Wave{w}}}}, rollout.Effects{})
	}
	if n := testutil.CollectAndCount(m.waves); n != maxGroups-len(wellKnownGroups)+1 {
		t.Errorf("%d series of waves, want %d", n, maxGroups-len(wellKnownGroups)+1)
	}
	if got := m.groups.value(rollout.General); got != rollout.General {
		t.Errorf("a group of the default plan is counted as %q", got)
	}
	if got := m.routes.value("\xff"); got != other {
		t.Errorf("a label is %q, which Prometheus does not take", got)
	}
}

func TestActorKind(t *testing.T) {
	for actor, want := range map[string]string{
		"operator:ann": "operator", "occurrence:a": "occurrence", "system:decision_timeout": "system", "": "system",
		"operator": "operator", "somebody:else": "other", "ann": "other",
	} {
		if got := actorKind(actor); got != want {
			t.Errorf("%q is %q, want %q", actor, got, want)
		}
	}
}

// Names and units are what Prometheus asks for, and every help text is a sentence.
func TestNamesAndHelp(t *testing.T) {
	m := newMetrics()
	m.Tried(dispatch.Delivery{}, dispatch.Outcome{Kind: dispatch.Delivered, Duration: 1})
	m.HTTPObserved("/", http.MethodGet, 200, 1)
	problems, err := testutil.GatherAndLint(m.registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, namespace) {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sentence := regexp.MustCompile(`^[A-Z0-9].{20,}\.$`)
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), namespace) && !sentence.MatchString(f.GetHelp()) {
			t.Errorf("%s: %q explains little", f.GetName(), f.GetHelp())
		}
	}
}
