package api

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
	"github.com/cirisai/orchestrator/internal/wire"
)

// ListIncidents lists incidents, newest first.
func (ops *Operations) ListIncidents(ctx context.Context, request ListIncidentsRequestObject) (ListIncidentsResponseObject, error) {
	p := request.Params
	limit := or(p.Limit, standardLimit)
	f := engine.IncidentFilter{AgentID: or(p.AgentID, ""), Limit: limit + 1}
	if p.Cursor != nil {
		before, err := placeOf(p.Cursor)
		if err != nil {
			return nil, err
		}
		f.Before = &before
	}
	if p.State != nil {
		open := *p.State == IncidentStateOpen
		f.Open = &open
	}
	found, err := ops.service.Incidents(ctx, f)
	if err != nil {
		return nil, err
	}
	list := IncidentList{Incidents: []Incident{}}
	for i := range found {
		if len(list.Incidents) == limit {
			last := found[i-1].Place()
			list.NextCursor = incidentCursor.give(strconv.FormatInt(last.OpenedAt.UnixMicro(), 10) + "." + last.ID)
			break
		}
		list.Incidents = append(list.Incidents, showIncident(found[i]))
	}
	return ListIncidents200JSONResponse{Body: list}, nil
}

// placeOf reads the cursor of a walk through incidents. It says where the walk is,
// so that it goes on though the incident there has been purged meanwhile.
func placeOf(given *Cursor) (engine.IncidentPlace, error) {
	place, err := incidentCursor.take(given)
	if err != nil {
		return engine.IncidentPlace{}, err
	}
	opened, id, found := strings.Cut(place, ".")
	us, err := strconv.ParseInt(opened, 10, 64)
	if !found || err != nil {
		return engine.IncidentPlace{}, badCursor()
	}
	return engine.IncidentPlace{OpenedAt: time.UnixMicro(us), ID: id}, nil
}

// ResolveIncident closes an incident.
func (ops *Operations) ResolveIncident(ctx context.Context, request ResolveIncidentRequestObject) (ResolveIncidentResponseObject, error) {
	found, err := ops.service.Incident(ctx, request.IncidentID)
	if err != nil {
		return nil, err
	}
	if err := authorize(ctx, RightOperate, found.AgentID, ""); err != nil {
		return nil, err
	}
	once, err := onceOf(ctx, request.Params.IdempotencyKey, 200, func(i engine.KeptIncident) any { return showIncident(i) })
	if err != nil {
		return nil, err
	}
	i, err := ops.service.ResolveIncident(ctx, rollout.ResolveIncident{
		IncidentID: request.IncidentID, Reason: request.Body.Reason,
		Actor: principal(ctx).Actor(),
	}, once.engine())
	switch {
	case err != nil:
		return nil, err
	case once.replayed():
		return again{once}, nil
	}
	return ResolveIncident200JSONResponse{Body: showIncident(i)}, nil
}

// EmergencyShutdown stops one agent, or all, at once (section 8). No key for signed
// commands can be configured yet, so none is trusted: each gets the one constant
// answer of rule 8.6. A drill that became a real stop would be worse than none, so
// drills are refused until there are any (rule 8.5).
func (ops *Operations) EmergencyShutdown(ctx context.Context, request EmergencyShutdownRequestObject) (EmergencyShutdownResponseObject, error) {
	if isSigned(*request.Body) {
		return nil, fail(ErrorCodeForbidden, "this command is not accepted")
	}
	b, err := operatorsStop(ctx, *request.Body)
	if err != nil {
		return nil, err
	}
	if b.Drill != nil {
		return nil, wire.Invalid{{Pointer: "/drill", Detail: "drills are not in this version yet; without it this is a real stop"}}
	}
	once, err := onceOf(ctx, request.Params.IdempotencyKey, 202, func(s []engine.Started) any { return showStarted(s) })
	if err != nil {
		return nil, err
	}
	started, err := ops.service.Emergency(ctx, or(b.AgentID, ""), b.Reason, principal(ctx).Actor(), once.engine())
	switch {
	case err != nil:
		return nil, err
	case once.replayed():
		return again{once}, nil
	}
	return EmergencyShutdown202JSONResponse{Body: showStarted(started)}, nil
}

func showStarted(started []engine.Started) EmergencyAnswer {
	a := EmergencyAnswer{Rollouts: []EmergencyRollout{}}
	for _, s := range started {
		a.Rollouts = append(a.Rollouts, EmergencyRollout{AgentID: s.AgentID, RolloutID: s.RolloutID})
	}
	if len(started) > 0 {
		a.RolloutID = &started[0].RolloutID
	}
	return a
}
