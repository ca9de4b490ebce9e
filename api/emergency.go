package api

import (
	"context"
	"errors"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/cirisai/orchestrator/internal/wire"
)

// signedMembers are members that a signed command has and an operator's request for
// an emergency stop has not.
var signedMembers = []string{
	"command_id", "command_type", "wa_id", "wa_public_key", "issued_at", "expires_at", "target_agent_id", "target_tree_path", "signature",
}

// isSigned reports whether the body of an emergency stop is a signed command (rule
// 8.6). One that says confirm is an operator's, whatever else it says: there a slip
// is worth a helpful answer, here there is one constant answer for all.
func isSigned(body EmergencyCommand) bool {
	var members map[string]jsontext.Value
	if json.Unmarshal(body, &members) != nil {
		return false
	}
	if _, ok := members["confirm"]; ok {
		return false
	}
	for _, name := range signedMembers {
		if _, ok := members[name]; ok {
			return true
		}
	}
	return false
}

// emergencyForm gives the checker the body where it looks for one.
type emergencyForm struct{ Body *EmergencyRequest }

// operatorsStop reads the body of an emergency stop as an operator's request. It is
// refused to a caller without the right before anything is said of the body.
func operatorsStop(ctx context.Context, body EmergencyCommand) (EmergencyRequest, error) {
	c := callOf(ctx)
	if c.refused != nil {
		return EmergencyRequest{}, c.refused
	}
	var request EmergencyRequest
	var bad wire.Invalid
	if err := wire.Decode(body, &request); err != nil && !errors.As(err, &bad) {
		return EmergencyRequest{}, err
	}
	if bad = c.checker.check(emergencyForm{&request}, nil, bad); len(bad) > 0 {
		return EmergencyRequest{}, bad
	}
	agent := ""
	if request.AgentID != nil {
		agent = *request.AgentID
	}
	return request, authorize(ctx, RightEmergency, agent, "")
}
