package api

import (
	"context"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/wire"
)

// maxWait is the longest long poll (section 10).
const maxWait = time.Minute

// RegisterOccurrence registers a boot (rules 2.2 and 2.3).
func (ops *Operations) RegisterOccurrence(ctx context.Context, request RegisterOccurrenceRequestObject) (RegisterOccurrenceResponseObject, error) {
	b := request.Body
	if b.CallbackURL != nil {
		if err := ops.callbacks.CheckURL(*b.CallbackURL); err != nil {
			return nil, invalid([]discovery.FieldError{{Pointer: "/callback_url", Detail: err.Error()}})
		}
	}
	v, created, err := ops.service.Register(ctx, request.AgentID, request.OccurrenceID, discovery.Registration{
		Boot: b.BootID, CallbackURL: or(b.CallbackURL, ""), CallbackSecret: b.CallbackSecret, Version: or(b.Version, ""),
		Pin: or(b.Group, ""), Coordinated: or(b.Coordinated, true), Labels: b.Labels,
	})
	switch {
	case err != nil:
		return nil, err
	case created:
		return RegisterOccurrence201JSONResponse{Body: showOccurrence(v)}, nil
	}
	return RegisterOccurrence200JSONResponse{Body: showOccurrence(v)}, nil
}

// Heartbeat takes a heartbeat (section 2). One that came too often is a sign of
// life and no more (rule 10.9).
func (ops *Operations) Heartbeat(ctx context.Context, request HeartbeatRequestObject) (HeartbeatResponseObject, error) {
	b := request.Body
	hb := discovery.Heartbeat{
		Boot: b.BootID, Sequence: b.Sequence, State: discovery.State(b.State), Version: or(b.Version, ""),
		Detail: or(b.Detail, ""), Echo: wallOf(b.Echo),
	}
	if b.Incidents != nil {
		hb.Critical, hb.High = or(b.Incidents.Critical, 0), or(b.Incidents.High, 0)
	}
	if callOf(ctx).throttled > 0 {
		return Heartbeat200JSONResponse{}, ops.service.Alive(ctx, request.AgentID, request.OccurrenceID, hb)
	}
	a, err := ops.service.Heartbeat(ctx, request.AgentID, request.OccurrenceID, hb)
	if err != nil {
		return nil, err
	}
	return Heartbeat200JSONResponse{Body: HeartbeatAnswer{
		Accepted: a.Accepted, Sequence: a.Sequence, ServerTime: wire.Time(a.ServerTime), Instructions: showInstructions(a.Pending),
		HeartbeatInterval: wire.Duration(a.Settings.HeartbeatInterval), LivenessTimeout: wire.Duration(a.Settings.LivenessTimeout),
	}}, nil
}

// PollInstructions waits for what a boot has to carry out (rule 7.5).
func (ops *Operations) PollInstructions(ctx context.Context, request PollInstructionsRequestObject) (PollInstructionsResponseObject, error) {
	wait := time.Duration(or(request.Params.Wait, 0))
	if wait < 0 || wait > maxWait {
		return nil, invalid([]discovery.FieldError{{Pointer: "/query/wait", Detail: "a duration from 0s to 60s is wanted"}})
	}
	pending, server, err := ops.service.Poll(ctx, request.AgentID, request.OccurrenceID, request.Params.BootID, wait)
	if err != nil {
		return nil, err
	}
	return PollInstructions200JSONResponse{Body: InstructionList{Instructions: showInstructions(pending), ServerTime: wire.Time(server)}}, nil
}

// AcknowledgeInstruction is the fence before an instruction is acted on (rule 7.3).
func (ops *Operations) AcknowledgeInstruction(ctx context.Context, request AcknowledgeInstructionRequestObject) (AcknowledgeInstructionResponseObject, error) {
	a, err := ops.service.Acknowledge(ctx, request.AgentID, request.OccurrenceID, request.InstructionID, request.Body.BootID)
	if err != nil {
		return nil, err
	}
	return AcknowledgeInstruction200JSONResponse{Body: Acknowledgement{
		InstructionID:  request.InstructionID,
		AcknowledgedAt: wire.Time(a.At), ServerTime: wire.Time(a.ServerTime),
	}}, nil
}

// GetOccurrence reads one occurrence.
func (ops *Operations) GetOccurrence(ctx context.Context, request GetOccurrenceRequestObject) (GetOccurrenceResponseObject, error) {
	v, err := ops.service.Occurrence(ctx, request.AgentID, request.OccurrenceID)
	if err != nil {
		return nil, err
	}
	return GetOccurrence200JSONResponse{Body: showOccurrence(v)}, nil
}

// DeregisterOccurrence is a clean leave (rule 2.6).
func (ops *Operations) DeregisterOccurrence(ctx context.Context, request DeregisterOccurrenceRequestObject) (DeregisterOccurrenceResponseObject, error) {
	if err := ops.service.Leave(ctx, request.AgentID, request.OccurrenceID, or(request.Params.BootID, "")); err != nil {
		return nil, err
	}
	return DeregisterOccurrence204Response{}, nil
}

// ListOccurrences lists occurrences in the order of rule 3.1.
func (ops *Operations) ListOccurrences(ctx context.Context, request ListOccurrencesRequestObject) (ListOccurrencesResponseObject, error) {
	p := request.Params
	after, err := occurrenceCursor.take(p.Cursor)
	if err != nil {
		return nil, err
	}
	views, err := ops.service.Occurrences(ctx, request.AgentID)
	if err != nil {
		return nil, err
	}
	views = engine.FilterOccurrences(views, discovery.Liveness(or(p.Liveness, "")), or(p.Group, ""))
	list, limit := OccurrenceList{Occurrences: []Occurrence{}}, or(p.Limit, standardLimit)
	for _, v := range views {
		if after != "" && discovery.CompareIDs(v.ID, after) <= 0 {
			continue
		}
		if len(list.Occurrences) == limit {
			list.NextCursor = occurrenceCursor.give(list.Occurrences[limit-1].OccurrenceID)
			break
		}
		list.Occurrences = append(list.Occurrences, showOccurrence(v))
	}
	return ListOccurrences200JSONResponse{Body: list}, nil
}
