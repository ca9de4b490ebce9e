package api

import (
	"context"
	"net/http"
	"strconv"

	"github.com/cirisai/orchestrator/internal/engine"
)

// ListAgentEvents reads, or streams, an agent's trail (rules 9.1 and 10.8).
func (ops *Operations) ListAgentEvents(ctx context.Context, request ListAgentEventsRequestObject) (ListAgentEventsResponseObject, error) {
	p := request.Params
	return ops.events(ctx, engine.EventFilter{AgentID: request.AgentID}, p.After, p.Limit, p.LastEventID)
}

// ListRolloutEvents reads, or streams, the part of it that is about a rollout.
func (ops *Operations) ListRolloutEvents(ctx context.Context, request ListRolloutEventsRequestObject) (ListRolloutEventsResponseObject, error) {
	agentID, err := ops.service.AgentOf(ctx, request.RolloutID)
	if err != nil {
		return nil, err
	}
	if err := authorizeReading(ctx, agentID); err != nil {
		return nil, err
	}
	p := request.Params
	return ops.events(ctx, engine.EventFilter{AgentID: agentID, RolloutID: request.RolloutID}, p.After, p.Limit, p.LastEventID)
}

func (ops *Operations) events(ctx context.Context, f engine.EventFilter, after *After, limit *Limit, last *LastEventID) (trail, error) {
	f.After, f.Limit = or(after, 0), or(limit, standardLimit)+1
	events, head, err := ops.service.Events(ctx, f)
	if err != nil {
		return trail{}, err
	}
	if wantsStream(ctx) {
		if f.After, err = resumeAfter(last, after, head.Seq); err != nil {
			return trail{}, err
		}
		return trail{stream: func(w http.ResponseWriter) error { return ops.stream(ctx, w, f) }}, nil
	}
	t := trail{list: EventList{Events: make([]Event, 0, len(events))}}
	for _, e := range events {
		if len(t.list.Events) == f.Limit-1 {
			next := strconv.FormatInt(t.list.Events[f.Limit-2].Seq, 10)
			t.list.NextCursor = &next
			break
		}
		t.list.Events = append(t.list.Events, showEvent(e))
	}
	return t, nil
}

// trail answers with a page of events, or with a stream of them.
type trail struct {
	list   EventList
	stream func(w http.ResponseWriter) error
}

func (t trail) write(w http.ResponseWriter) error {
	if t.stream != nil {
		return t.stream(w)
	}
	return writeJSON(w, http.StatusOK, t.list)
}

// VisitListAgentEventsResponse writes the answer.
func (t trail) VisitListAgentEventsResponse(w http.ResponseWriter) error { return t.write(w) }

// VisitListRolloutEventsResponse writes the answer.
func (t trail) VisitListRolloutEventsResponse(w http.ResponseWriter) error { return t.write(w) }

// streamBatch is how many events are read at once for a stream.
const streamBatch = 500

// stream writes the events after f.After, and those that come, until the client
// leaves or the service stops. What it delivers is the log: ordered and complete.
// Once it has begun an error can but end it; the client resumes.
func (ops *Operations) stream(ctx context.Context, w http.ResponseWriter, f engine.EventFilter) error {
	s, err := openStream(w, ops.now)
	if err != nil {
		return err
	}
	f.Limit = streamBatch
	comment := ops.now().Add(keepAlive)
	for ctx.Err() == nil {
		news := ops.service.News(f.AgentID)
		events, _, err := ops.service.Events(ctx, f)
		if err != nil {
			return err
		}
		for _, e := range events {
			if err := s.event(e.Seq, e.Type, showEvent(e)); err != nil {
				return err
			}
			f.After = e.Seq
		}
		now := ops.now()
		if !now.Before(comment) {
			comment = now.Add(keepAlive)
			if err := s.comment(); err != nil {
				return err
			}
		}
		if len(events) < streamBatch {
			ops.service.WaitForNews(ctx, news, comment.Sub(now))
		}
	}
	return nil
}
