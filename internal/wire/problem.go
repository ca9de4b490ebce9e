package wire

import (
	"fmt"
	"net/http"
)

// Problem is an RFC 9457 problem document. Code is stable and what a client acts
// on; Errors is there for bad input only; Extensions are members of the document
// beside the standard ones, such as state, allowed or rollout_id.
type Problem struct {
	Type       string         `json:"type"`
	Title      string         `json:"title"`
	Status     int            `json:"status"`
	Detail     string         `json:"detail,omitempty"`
	Code       string         `json:"code"`
	Errors     []FieldError   `json:"errors,omitempty"`
	Extensions map[string]any `json:",embed"`
}

// Write answers with the problem.
func (p Problem) Write(w http.ResponseWriter) error {
	body, err := Encode(p)
	if err != nil {
		return fmt.Errorf("problem %s: %w", p.Code, err)
	}
	return WriteBody(w, p.Status, "application/problem+json", body)
}
