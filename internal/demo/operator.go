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

// prepare tells the service how large the fleet is meant to be and which plan it has.
func (o *operator) prepare(ctx context.Context, opts Options) error {
	plan := client.Plan{}
	for _, w := range opts.plan() {
		delay, timeout := opts.real(w.delay).String(), w.timeout.String()
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
	n := opts.Occurrences
	_, err := client.Read[client.Agent](o.api.PutAgent(ctx, o.agent, client.AgentSettings{
		ExpectedOccurrences: &n, Plans: &client.AgentPlans{Wakeup: &plan, Shutdown: &plan},
	}))
	if err != nil {
		return fmt.Errorf("set the agent up: %w", err)
	}
	return nil
}

func (o *operator) requestShutdown(ctx context.Context, reason string) (client.Rollout, error) {
	consent := client.ConsentRequired
	r, err := client.Read[client.Rollout](o.api.RequestShutdown(ctx, o.agent, nil, client.ShutdownRequest{Reason: reason, Consent: &consent}))
	if err != nil {
		return r, fmt.Errorf("request the shutdown: %w", err)
	}
	return r, nil
}

func (o *operator) rollout(ctx context.Context, id string) (client.Rollout, error) {
	r, err := client.Read[client.Rollout](o.api.GetRollout(ctx, id, nil))
	if err != nil {
		return r, fmt.Errorf("look at rollout %s: %w", id, err)
	}
	return r, nil
}

func (o *operator) abort(ctx context.Context, r client.Rollout, reason string) (client.Rollout, error) {
	r, err := client.Read[client.Rollout](o.api.AbortRollout(ctx, r.RolloutID, nil, client.CommandRequest{Reason: reason, Version: &r.Version}))
	if err != nil {
		return r, fmt.Errorf("abort the shutdown: %w", err)
	}
	return r, nil
}

func (o *operator) occurrences(ctx context.Context) ([]client.Occurrence, error) {
	limit := 1000
	list, err := client.Read[client.OccurrenceList](o.api.ListOccurrences(ctx, o.agent, &client.ListOccurrencesParams{Limit: &limit}))
	if err != nil {
		return nil, fmt.Errorf("list the occurrences: %w", err)
	}
	return list.Occurrences, nil
}

func (o *operator) incidents(ctx context.Context) ([]client.Incident, error) {
	open := client.IncidentStateOpen
	list, err := client.Read[client.IncidentList](o.api.ListIncidents(ctx, &client.ListIncidentsParams{AgentID: &o.agent, State: &open}))
	if err != nil {
		return nil, fmt.Errorf("list the incidents: %w", err)
	}
	return list.Incidents, nil
}
