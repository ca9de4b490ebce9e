package api

import (
	"context"

	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
	"github.com/cirisai/orchestrator/internal/wire"
)

// RequestWakeup is an occurrence asking whether it may wake up (section 6), or an
// operator requesting that the fleet is woken.
func (ops *Operations) RequestWakeup(ctx context.Context, request RequestWakeupRequestObject) (RequestWakeupResponseObject, error) {
	b := request.Body
	if b.OccurrenceID != nil {
		return ops.ask(ctx, request.AgentID, *b.OccurrenceID, *b.BootID)
	}
	if err := authorize(ctx, RightOperate, request.AgentID, ""); err != nil {
		return nil, err
	}
	groups, err := takePlanOf(b.Plan)
	if err != nil {
		return nil, err
	}
	v, once, err := ops.request(ctx, request.AgentID, request.Params.IdempotencyKey, rollout.Request{
		Kind: rollout.Wakeup, Reason: *b.Reason, Groups: groups, Supersede: or(b.Supersede, false),
		Consent: rollout.ConsentRequired, OnTimeout: rollout.TimeoutFails,
	})
	switch {
	case err != nil:
		return nil, err
	case once.replayed():
		return again{once}, nil
	}
	return RequestWakeup201JSONResponse{Body: showRollout(v)}, nil
}

func (ops *Operations) ask(ctx context.Context, agentID, occurrence, boot string) (RequestWakeupResponseObject, error) {
	if err := authorize(ctx, RightTakePart, agentID, occurrence); err != nil {
		return nil, err
	}
	a, err := ops.service.Ask(ctx, agentID, occurrence, boot)
	if err != nil {
		return nil, err
	}
	shown := WakeupAnswer{
		Directive: Directive(a.Directive), Reason: a.Reason, RolloutID: orNil(a.RolloutID), Message: orNil(a.Message),
		AskAgainAfter: orNil(wire.Duration(a.AskAgain)),
	}
	if a.Claim != nil {
		shown.Claim = &Claim{Token: a.Claim.Token, ExpiresAt: times{a.Clock}.at(a.Claim.ExpiresAt)}
	}
	if a.Created {
		return RequestWakeup201JSONResponse{Body: shown}, nil
	}
	return RequestWakeup200JSONResponse{Body: shown}, nil
}

// RequestShutdown requests that the fleet is shut down (section 4).
func (ops *Operations) RequestShutdown(ctx context.Context, request RequestShutdownRequestObject) (RequestShutdownResponseObject, error) {
	b := request.Body
	groups, err := takePlanOf(b.Plan)
	if err != nil {
		return nil, err
	}
	v, once, err := ops.request(ctx, request.AgentID, request.Params.IdempotencyKey, rollout.Request{
		Kind: rollout.Shutdown, Reason: b.Reason, Groups: groups, Supersede: or(b.Supersede, false), Terminal: or(b.Terminal, false),
		Consent: rollout.Consent(or(b.Consent, ConsentRequired)), OnTimeout: rollout.OnTimeout(or(b.OnDecisionTimeout, OnDecisionTimeoutFail)),
		ReactivateWall: wallOf(b.ExpectedReactivation), NotBeforeWall: wallOf(b.NotBefore),
	})
	switch {
	case err != nil:
		return nil, err
	case once.replayed():
		return again{once}, nil
	}
	return RequestShutdown201JSONResponse{Body: showRollout(v)}, nil
}

func (ops *Operations) request(ctx context.Context, agentID string, key *IdempotencyKey, c rollout.Request) (engine.RolloutView, *once, error) {
	c.Actor = principal(ctx).Actor()
	o, err := onceOf(ctx, key, 201, func(v engine.RolloutView) any { return showRollout(v) })
	if err != nil {
		return engine.RolloutView{}, nil, err
	}
	v, err := ops.service.Request(ctx, agentID, c, o.engine())
	return v, o, err
}

// ListRollouts lists rollouts, newest first.
func (ops *Operations) ListRollouts(ctx context.Context, request ListRolloutsRequestObject) (ListRolloutsResponseObject, error) {
	p := request.Params
	before, err := rolloutCursor.take(p.Cursor)
	if err != nil {
		return nil, err
	}
	limit := or(p.Limit, standardLimit)
	f := engine.RolloutFilter{AgentID: or(p.AgentID, ""), Kind: rollout.Kind(or(p.Kind, "")), Before: before, Limit: limit + 1}
	if p.State != nil {
		f.States = []rollout.Status{rollout.Status(*p.State)}
	}
	views, err := ops.service.Rollouts(ctx, f)
	if err != nil {
		return nil, err
	}
	list := RolloutList{Rollouts: []Rollout{}}
	for _, v := range views {
		if len(list.Rollouts) == limit {
			list.NextCursor = rolloutCursor.give(list.Rollouts[limit-1].RolloutID)
			break
		}
		list.Rollouts = append(list.Rollouts, showRollout(v))
	}
	return ListRollouts200JSONResponse{Body: list}, nil
}

// GetRollout reads one rollout.
func (ops *Operations) GetRollout(ctx context.Context, request GetRolloutRequestObject) (GetRolloutResponseObject, error) {
	v, err := ops.service.Rollout(ctx, request.RolloutID)
	if err != nil {
		return nil, err
	}
	if err := authorizeReading(ctx, v.AgentID); err != nil {
		return nil, err
	}
	return GetRollout200JSONResponse{Body: showRollout(v)}, nil
}

// authorizeReading lets those read who read everything, and those of the agent.
func authorizeReading(ctx context.Context, agentID string) error {
	if authorize(ctx, RightRead, agentID, "") == nil {
		return nil
	}
	return authorize(ctx, RightReadOwn, agentID, "")
}

// ClaimDecision asks for the right to decide (rules 5.2 and 5.3).
func (ops *Operations) ClaimDecision(ctx context.Context, request ClaimDecisionRequestObject) (ClaimDecisionResponseObject, error) {
	if err := ops.authorizeFor(ctx, RightTakePart, request.RolloutID, request.Body.OccurrenceID); err != nil {
		return nil, err
	}
	a, err := ops.service.Claim(ctx, request.RolloutID, request.Body.OccurrenceID, request.Body.BootID)
	if err != nil {
		return nil, err
	}
	return ClaimDecision200JSONResponse{Body: ClaimAnswer{
		Message: a.Message,
		Claim:   Claim{Token: a.Claim.Token, ExpiresAt: times{a.Clock}.at(a.Claim.ExpiresAt)},
	}}, nil
}

// authorizeFor checks a right for the agent of a rollout.
func (ops *Operations) authorizeFor(ctx context.Context, right Right, rolloutID, occurrence string) error {
	agentID, err := ops.service.AgentOf(ctx, rolloutID)
	if err != nil {
		return err
	}
	return authorize(ctx, right, agentID, occurrence)
}

// DecideRollout gives a verdict (rules 5.4 to 5.7).
func (ops *Operations) DecideRollout(ctx context.Context, request DecideRolloutRequestObject) (DecideRolloutResponseObject, error) {
	b := request.Body
	occurrence := or(b.OccurrenceID, "")
	c := rollout.GiveVerdict{
		RolloutID: request.RolloutID, OccurrenceID: occurrence, Token: or(b.ClaimToken, or(b.InstructionID, "")),
		Verdict: rollout.Verdict(b.Verdict), Reasoning: b.Reasoning, UntilWall: wallOf(b.Until),
	}
	var once *once
	if occurrence == "" {
		var err error
		if once, err = onceOf(ctx, request.Params.IdempotencyKey, 200, func(v engine.RolloutView) any { return showRollout(v) }); err != nil {
			return nil, err
		}
		c.Actor = principal(ctx).Actor()
		if err := ops.authorizeFor(ctx, RightOperate, request.RolloutID, ""); err != nil {
			return nil, err
		}
	} else {
		c.Actor = "occurrence:" + occurrence
		if err := ops.authorizeFor(ctx, RightTakePart, request.RolloutID, occurrence); err != nil {
			return nil, err
		}
	}
	v, err := ops.service.Decide(ctx, c, once.engine())
	switch {
	case err != nil:
		return nil, err
	case once.replayed():
		return again{once}, nil
	}
	return DecideRollout200JSONResponse{Body: showRollout(v)}, nil
}

// PauseRollout stops a rollout's clocks (rule 4.19).
func (ops *Operations) PauseRollout(ctx context.Context, request PauseRolloutRequestObject) (PauseRolloutResponseObject, error) {
	return ops.command(ctx, request.RolloutID, rollout.Pause, *request.Body, request.Params.IdempotencyKey)
}

// ResumeRollout lets them run on.
func (ops *Operations) ResumeRollout(ctx context.Context, request ResumeRolloutRequestObject) (ResumeRolloutResponseObject, error) {
	return ops.command(ctx, request.RolloutID, rollout.Resume, *request.Body, request.Params.IdempotencyKey)
}

// RetryRollout runs the halted wave again.
func (ops *Operations) RetryRollout(ctx context.Context, request RetryRolloutRequestObject) (RetryRolloutResponseObject, error) {
	return ops.command(ctx, request.RolloutID, rollout.Retry, *request.Body, request.Params.IdempotencyKey)
}

// AbortRollout ends a rollout.
func (ops *Operations) AbortRollout(ctx context.Context, request AbortRolloutRequestObject) (AbortRolloutResponseObject, error) {
	return ops.command(ctx, request.RolloutID, rollout.Abort, *request.Body, request.Params.IdempotencyKey)
}

// PromoteRollout goes past a wave.
func (ops *Operations) PromoteRollout(ctx context.Context, request PromoteRolloutRequestObject) (PromoteRolloutResponseObject, error) {
	b := request.Body
	return ops.order(ctx, rollout.Order{RolloutID: request.RolloutID, Control: rollout.Promote, Reason: b.Reason, Version: b.Version, Wave: b.Wave}, request.Params.IdempotencyKey)
}

func (ops *Operations) command(ctx context.Context, id string, control rollout.Control, b CommandRequest, key *IdempotencyKey) (commanded, error) {
	return ops.order(ctx, rollout.Order{RolloutID: id, Control: control, Reason: b.Reason, Version: b.Version}, key)
}

// order carries a command out (rule 4.18).
func (ops *Operations) order(ctx context.Context, c rollout.Order, key *IdempotencyKey) (commanded, error) {
	if err := ops.authorizeFor(ctx, RightOperate, c.RolloutID, ""); err != nil {
		return commanded{}, err
	}
	once, err := onceOf(ctx, key, 200, func(v engine.RolloutView) any { return showRollout(v) })
	if err != nil {
		return commanded{}, err
	}
	c.Actor = principal(ctx).Actor()
	v, err := ops.service.Order(ctx, c, once.engine())
	if err != nil {
		return commanded{}, err
	}
	return commanded{once: once, rollout: v}, nil
}
