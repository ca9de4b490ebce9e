package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/go-json-experiment/json"

	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/wire"
)

// once is what makes a POST of an operator happen once (rule 10.7). A nil once is
// a request without a key.
type once struct{ engine.Once }

// onceOf makes one for the call, if it brought a key. show makes the body of the
// answer of what the service returned.
func onceOf[T any](ctx context.Context, key *IdempotencyKey, status int, show func(T) any) (*once, error) {
	if key == nil {
		return nil, nil //nolint:nilnil // no key is the usual case, and every method takes a nil once
	}
	named, body, err := callOf(ctx).onceKey(*key)
	if err != nil {
		return nil, err
	}
	return &once{engine.Once{Key: named, Body: body, Render: func(result any) (int, []byte, error) {
		v, ok := result.(T)
		if !ok {
			return 0, nil, fail(ErrorCodeInternal, "an answer of another kind than was asked for")
		}
		raw, err := wire.Encode(show(v))
		return status, raw, err
	}}}, nil
}

func (o *once) engine() *engine.Once {
	if o == nil {
		return nil
	}
	return &o.Once
}

// replayed tells whether the answer is one that was kept.
func (o *once) replayed() bool { return o != nil && o.Replayed != nil }

// again is a kept answer, given once more: the status and the body that were kept,
// and the headers that the first answer had, which follow from its body.
type again struct{ *once }

func (a again) write(w http.ResponseWriter) error {
	w.Header().Set("Idempotency-Replayed", "true")
	return wire.WriteBody(w, a.Replayed.Status, "application/json", a.Replayed.Body)
}

// writeTagged is write for answers that have an ETag.
func (a again) writeTagged(w http.ResponseWriter) error {
	w.Header().Set("ETag", etag(a.Replayed.Body))
	return a.write(w)
}

// locate sets the Location of what the first answer made.
func (a again) locate(w http.ResponseWriter) error {
	var made struct {
		RolloutID string `json:"rollout_id"`
	}
	if err := json.Unmarshal(a.Replayed.Body, &made); err != nil {
		return fmt.Errorf("read a kept answer: %w", err)
	}
	setLocation(w, Rollout{RolloutID: made.RolloutID})
	return nil
}

// VisitReleaseAgentResponse writes the kept answer.
func (a again) VisitReleaseAgentResponse(w http.ResponseWriter) error { return a.write(w) }

// VisitReleaseAllResponse writes the kept answer.
func (a again) VisitReleaseAllResponse(w http.ResponseWriter) error { return a.write(w) }

// VisitRequestWakeupResponse writes the kept answer.
func (a again) VisitRequestWakeupResponse(w http.ResponseWriter) error {
	if err := a.locate(w); err != nil {
		return err
	}
	return a.write(w)
}

// VisitRequestShutdownResponse writes the kept answer.
func (a again) VisitRequestShutdownResponse(w http.ResponseWriter) error {
	if err := a.locate(w); err != nil {
		return err
	}
	return a.writeTagged(w)
}

// VisitDecideRolloutResponse writes the kept answer.
func (a again) VisitDecideRolloutResponse(w http.ResponseWriter) error { return a.writeTagged(w) }

// VisitResolveIncidentResponse writes the kept answer.
func (a again) VisitResolveIncidentResponse(w http.ResponseWriter) error { return a.write(w) }

// VisitEmergencyShutdownResponse writes the kept answer.
func (a again) VisitEmergencyShutdownResponse(w http.ResponseWriter) error { return a.write(w) }

// commanded answers any command of rule 4.18.
type commanded struct {
	once    *once
	rollout engine.RolloutView
}

func (c commanded) write(w http.ResponseWriter) error {
	if c.once.replayed() {
		return again{c.once}.writeTagged(w)
	}
	return writeTagged(w, http.StatusOK, showRollout(c.rollout))
}

// VisitPauseRolloutResponse writes the answer.
func (c commanded) VisitPauseRolloutResponse(w http.ResponseWriter) error { return c.write(w) }

// VisitResumeRolloutResponse writes the answer.
func (c commanded) VisitResumeRolloutResponse(w http.ResponseWriter) error { return c.write(w) }

// VisitPromoteRolloutResponse writes the answer.
func (c commanded) VisitPromoteRolloutResponse(w http.ResponseWriter) error { return c.write(w) }

// VisitRetryRolloutResponse writes the answer.
func (c commanded) VisitRetryRolloutResponse(w http.ResponseWriter) error { return c.write(w) }

// VisitAbortRolloutResponse writes the answer.
func (c commanded) VisitAbortRolloutResponse(w http.ResponseWriter) error { return c.write(w) }
