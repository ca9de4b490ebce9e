package demo

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/cirisai/orchestrator/client"
)

// operator does what a person with curl could do.
type operator struct {
	api   *client.Client
	agent string
}

func newOperator(baseURL, agent string) (*operator, error) {
	api, err := client.NewClient(baseURL, client.WithHTTPClient(&http.Client{Timeout: time.Minute}))
	if err != nil {
		return nil, err
	}
	return &operator{api: api, agent: agent}, nil
}

// prepare tells the service how large the fleet is meant to be and which plans it has.
func (o *operator) prepare(ctx context.Context, opts Options) error {
	n := opts.Occurrences
	settings := client.AgentSettings{
		ExpectedOccurrences: &n,
		Plans:               &client.AgentPlans{Wakeup: opts.asPlan(opts.plan()), Shutdown: opts.asPlan(opts.shutdownPlan())},
	}
	_, err := ask[client.Agent]("set the agent up", func() (*http.Response, error) { return o.api.PutAgent(ctx, o.agent, settings) })
	return err
}

// asPlan writes waves as the service wants to read them.
func (o Options) asPlan(waves []wave) *client.Plan {
	plan := &client.Plan{}
	for _, w := range waves {
		delay, timeout := o.real(w.delay).String(), w.timeout.String()
		onFailure := client.OnFailure(w.onFailure)
		p := client.WavePlan{Group: w.group, Delay: &delay, Timeout: &timeout, OnFailure: &onFailure}
		switch size := w.size; {
		case w.group == general:
			rest := true
			p.Rest = &rest
		case size > 0:
			p.Count = &size
		default:
			continue // a fleet of one has no early adopters
		}
		plan.Waves = append(plan.Waves, p)
	}
	return plan
}

func (o *operator) requestShutdown(ctx context.Context, reason string) (client.Rollout, error) {
	consent := client.ConsentRequired
	return ask[client.Rollout]("request the shutdown", func() (*http.Response, error) {
		return o.api.RequestShutdown(ctx, o.agent, nil, client.ShutdownRequest{Reason: reason, Consent: &consent})
	})
}

func (o *operator) rollout(ctx context.Context, id string) (client.Rollout, error) {
	return ask[client.Rollout]("look at the rollout", func() (*http.Response, error) { return o.api.GetRollout(ctx, id, nil) })
}

func (o *operator) abort(ctx context.Context, r client.Rollout, reason string) (client.Rollout, error) {
	return ask[client.Rollout]("abort the shutdown", func() (*http.Response, error) {
		return o.api.AbortRollout(ctx, r.RolloutID, nil, client.CommandRequest{Reason: reason, Version: &r.Version})
	})
}

func (o *operator) occurrences(ctx context.Context) ([]client.Occurrence, error) {
	limit := 1000
	list, err := ask[client.OccurrenceList]("list the occurrences", func() (*http.Response, error) {
		return o.api.ListOccurrences(ctx, o.agent, &client.ListOccurrencesParams{Limit: &limit})
	})
	return list.Occurrences, err
}

func (o *operator) incidents(ctx context.Context) ([]client.Incident, error) {
	open := client.IncidentStateOpen
	list, err := ask[client.IncidentList]("list the incidents", func() (*http.Response, error) {
		return o.api.ListIncidents(ctx, &client.ListIncidentsParams{AgentID: &o.agent, State: &open})
	})
	return list.Incidents, err
}

// ask makes one call and says what it was for where it fails.
func ask[T any](what string, send func() (*http.Response, error)) (T, error) {
	answer, err := client.Read[T](send()) //nolint:bodyclose // Read closes it
	if err != nil {
		return answer, fmt.Errorf("%s: %w", what, err)
	}
	return answer, nil
}
