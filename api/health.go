package api

import (
	"context"
	"fmt"

	"github.com/cirisai/orchestrator/internal/engine"
)

// GetHealth says that the process is alive.
func (ops *Operations) GetHealth(context.Context, GetHealthRequestObject) (GetHealthResponseObject, error) {
	return GetHealth200JSONResponse{Body: Health{Status: "ok"}}, nil
}

// GetReadiness says whether the database can be used.
func (ops *Operations) GetReadiness(ctx context.Context, _ GetReadinessRequestObject) (GetReadinessResponseObject, error) {
	if err := ops.service.Ready(ctx); err != nil {
		return nil, fmt.Errorf("%w: %w", engine.ErrUnavailable, err)
	}
	return GetReadiness200JSONResponse{Body: Health{Status: "ok"}}, nil
}

// GetWebhookKeys lists the public keys that deliveries are signed with. Deliveries
// carry v1 only, which needs none, until the service has a key of its own.
func (ops *Operations) GetWebhookKeys(context.Context, GetWebhookKeysRequestObject) (GetWebhookKeysResponseObject, error) {
	return GetWebhookKeys200JSONResponse{Body: WebhookKeys{Keys: []WebhookKey{}}}, nil
}
