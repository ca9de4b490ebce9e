package api

import (
	"context"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
	"github.com/cirisai/orchestrator/internal/wire"
)

// ListAgents lists agents by id.
func (ops *Operations) ListAgents(ctx context.Context, request ListAgentsRequestObject) (ListAgentsResponseObject, error) {
	after, err := agentCursor.take(request.Params.Cursor)
	if err != nil {
		return nil, err
	}
	limit := or(request.Params.Limit, standardLimit)
	views, err := ops.service.Agents(ctx, after, limit+1)
	if err != nil {
		return nil, err
	}
	list := AgentList{Agents: []Agent{}}
	for _, v := range views {
		if len(list.Agents) == limit {
			list.NextCursor = agentCursor.give(list.Agents[limit-1].AgentID)
			break
		}
		list.Agents = append(list.Agents, showAgent(v))
	}
	return ListAgents200JSONResponse{Body: list}, nil
}

// GetAgent reads one agent.
func (ops *Operations) GetAgent(ctx context.Context, request GetAgentRequestObject) (GetAgentResponseObject, error) {
	v, err := ops.service.Agent(ctx, request.AgentID)
	if err != nil {
		return nil, err
	}
	return GetAgent200JSONResponse{Body: showAgent(v)}, nil
}

// PutAgent replaces an agent's settings.
func (ops *Operations) PutAgent(ctx context.Context, request PutAgentRequestObject) (PutAgentResponseObject, error) {
	profile, err := takeProfile(*request.Body)
	if err != nil {
		return nil, err
	}
	v, err := ops.service.PutAgent(ctx, request.AgentID, profile, principal(ctx).Actor())
	if err != nil {
		return nil, err
	}
	return PutAgent200JSONResponse{Body: showAgent(v)}, nil
}

// ReleaseAgent ends an agent's hold (rule 8.4).
func (ops *Operations) ReleaseAgent(ctx context.Context, request ReleaseAgentRequestObject) (ReleaseAgentResponseObject, error) {
	once, err := onceOf(ctx, request.Params.IdempotencyKey, 200, func(v engine.AgentView) any { return showAgent(v) })
	if err != nil {
		return nil, err
	}
	v, err := ops.service.Release(ctx, request.AgentID, request.Body.Reason, principal(ctx).Actor(), once.engine())
	switch {
	case err != nil:
		return nil, err
	case once.replayed():
		return again{once}, nil
	}
	return ReleaseAgent200JSONResponse{Body: showAgent(v)}, nil
}

// ReleaseAll ends every hold (rule 8.4).
func (ops *Operations) ReleaseAll(ctx context.Context, request ReleaseAllRequestObject) (ReleaseAllResponseObject, error) {
	once, err := onceOf(ctx, request.Params.IdempotencyKey, 200, func(released []string) any { return ReleaseAnswer{Released: released} })
	if err != nil {
		return nil, err
	}
	released, err := ops.service.ReleaseAll(ctx, request.Body.Reason, principal(ctx).Actor(), once.engine())
	switch {
	case err != nil:
		return nil, err
	case once.replayed():
		return again{once}, nil
	}
	return ReleaseAll200JSONResponse{Body: ReleaseAnswer{Released: released}}, nil
}

// GetPlan shows what a rollout asked for now would do.
func (ops *Operations) GetPlan(ctx context.Context, request GetPlanRequestObject) (GetPlanResponseObject, error) {
	kind := rollout.Kind(or(request.Params.Kind, TaskKindShutdown))
	v, err := ops.service.Plan(ctx, request.AgentID, kind)
	if err != nil {
		return nil, err
	}
	shown := PlanForecast{Kind: TaskKind(v.Kind), Delays: wire.Duration(v.Delays), AtMost: wire.Duration(v.AtMost), Waves: []Wave{}}
	for i := range v.Waves {
		shown.Waves = append(shown.Waves, showWave(v.Waves[i], i+1, v.Kind, times{}))
	}
	return GetPlan200JSONResponse{Body: shown}, nil
}

// standardWithin is how far back a shared task is looked for.
const standardWithin = 24 * time.Hour

// GetSharedTask answers the FSD's questions about the shared task (rule 6.5).
func (ops *Operations) GetSharedTask(ctx context.Context, request GetSharedTaskRequestObject) (GetSharedTaskResponseObject, error) {
	within := time.Duration(or(request.Params.Within, wire.Duration(standardWithin)))
	if within <= 0 {
		return nil, invalid([]discovery.FieldError{{Pointer: "/query/within", Detail: "a duration of more than 0s is wanted"}})
	}
	v, err := ops.service.SharedTask(ctx, request.AgentID, rollout.Kind(request.Kind), within)
	if err != nil {
		return nil, err
	}
	shown := SharedTask{Completed: v.Completed}
	if v.Rollout != nil {
		shown.Task = showTask(*v.Rollout)
		shown.Status = &shown.Task.Status
	}
	return GetSharedTask200JSONResponse{Body: shown}, nil
}
