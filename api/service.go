package api

import (
	"context"
	"time"

	"github.com/cirisai/orchestrator/internal/audit"
	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// Service is what the operations are carried out by; *engine.Engine is one. An
// error is a *discovery.Refusal, or wraps engine.ErrNotFound or
// engine.ErrUnavailable; anything else is internal.
type Service interface {
	Register(ctx context.Context, agentID, occurrence string, r discovery.Registration) (engine.OccurrenceView, bool, error)
	Heartbeat(ctx context.Context, agentID, occurrence string, hb discovery.Heartbeat) (engine.HeartbeatAnswer, error)
	Alive(ctx context.Context, agentID, occurrence string, hb discovery.Heartbeat) error
	Leave(ctx context.Context, agentID, occurrence, boot string) error
	Poll(ctx context.Context, agentID, occurrence, boot string, wait time.Duration) ([]engine.PendingInstruction, time.Time, error)
	Acknowledge(ctx context.Context, agentID, occurrence, instruction, boot string) (engine.Acknowledged, error)
	Ask(ctx context.Context, agentID, occurrence, boot string) (engine.AskAnswer, error)
	Claim(ctx context.Context, rolloutID, occurrence, boot string) (engine.ClaimAnswer, error)
	Decide(ctx context.Context, c rollout.GiveVerdict, once *engine.Once) (engine.RolloutView, error)

	Request(ctx context.Context, agentID string, c rollout.Request, once *engine.Once) (engine.RolloutView, error)
	Order(ctx context.Context, c rollout.Order, once *engine.Once) (engine.RolloutView, error)
	PutAgent(ctx context.Context, agentID string, p rollout.Profile, actor string) (engine.AgentView, error)
	ResolveIncident(ctx context.Context, c rollout.ResolveIncident, once *engine.Once) (engine.KeptIncident, error)
	Emergency(ctx context.Context, agentID, reason, actor string, once *engine.Once) ([]engine.Started, error)
	Release(ctx context.Context, agentID, reason, actor string, once *engine.Once) (engine.AgentView, error)
	ReleaseAll(ctx context.Context, reason, actor string, once *engine.Once) ([]string, error)

	Agents(ctx context.Context, after string, limit int) ([]engine.AgentView, error)
	Agent(ctx context.Context, agentID string) (engine.AgentView, error)
	Occurrences(ctx context.Context, agentID string) ([]engine.OccurrenceView, error)
	Occurrence(ctx context.Context, agentID, id string) (engine.OccurrenceView, error)
	Plan(ctx context.Context, agentID string, kind rollout.Kind) (engine.PlanView, error)
	SharedTask(ctx context.Context, agentID string, kind rollout.Kind, within time.Duration) (engine.TaskView, error)
	AgentOf(ctx context.Context, rolloutID string) (string, error)
	Rollout(ctx context.Context, id string) (engine.RolloutView, error)
	Rollouts(ctx context.Context, f engine.RolloutFilter) ([]engine.RolloutView, error)
	Events(ctx context.Context, f engine.EventFilter) ([]audit.Event, audit.Head, error)
	Incidents(ctx context.Context, f engine.IncidentFilter) ([]engine.KeptIncident, error)
	Incident(ctx context.Context, id string) (engine.KeptIncident, error)

	// News is closed at this replica's next commit for the agent; WaitForNews
	// waits for it, or until it is time to look for what other replicas did.
	News(agentID string) <-chan struct{}
	WaitForNews(ctx context.Context, news <-chan struct{}, d time.Duration)
	Ready(ctx context.Context) error
}

// Operations carries the operations out.
type Operations struct {
	service   Service
	callbacks CallbackPolicy
	now       func() time.Time
}

// CallbackPolicy says which callback addresses are refused at registration (rule
// 7.7).
type CallbackPolicy interface {
	CheckURL(raw string) error
}

// NewOperations makes the operations of a service. Now times keep-alives of
// streams and nothing else.
func NewOperations(service Service, callbacks CallbackPolicy, now func() time.Time) *Operations {
	return &Operations{service: service, callbacks: callbacks, now: now}
}

var _ StrictServerInterface = (*Operations)(nil)
