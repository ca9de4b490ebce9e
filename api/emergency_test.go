package api

import (
	"context"
	"testing"
)

// Rule 8.6: a signed command is its own credential; an operator's request needs
// one, and is answered as every other request is.
func TestEmergencyStopHasTwoForms(t *testing.T) {
	h := NewHandler(fake{stop: func(ctx context.Context, r EmergencyShutdownRequestObject) (EmergencyShutdownResponseObject, error) {
		if isSigned(*r.Body) {
			return EmergencyShutdown200JSONResponse{}, nil
		}
		if _, err := operatorsStop(ctx, *r.Body); err != nil {
			return nil, err
		}
		return EmergencyShutdown202JSONResponse{}, nil
	}}, Options{Authenticate: byToken(map[string]person{
		"ann": {name: "ann", rights: []Right{RightEmergency}}, "eve": {name: "eve", rights: []Right{RightRead}},
		"bob": {name: "bob", agent: "scout", rights: []Right{RightEmergency}},
	})})
	const path, signed = "/v1/emergency/shutdown", `{"command_id":"c","command_type":"SHUTDOWN_NOW"}`
	ann, eve, bob := "Authorization: Bearer ann", "Authorization: Bearer eve", "Authorization: Bearer bob"
	for _, tc := range []struct {
		body   string
		header string
		status int
		code   ErrorCode
	}{
		{signed, "X: y", 200, ""},
		{signed, eve, 200, ""},
		{signed, ann, 200, ""},
		{`{"signature":5}`, "X: y", 200, ""},
		{`{"reason":"r","confirm":true}`, ann, 202, ""},
		{`{"reason":"r","confirm":true,"agent_id":"scout","drill":"plan"}`, bob, 202, ""},
		{`{"reason":"r","confirm":true,"agent_id":"sage"}`, bob, 403, ErrorCodeForbidden},
		{`{"reason":"r","confirm":true}`, bob, 403, ErrorCodeForbidden},
		{`{"reason":"r","confirm":true}`, "X: y", 401, ErrorCodeUnauthorized},
		{`{"reason":"r","confirm":true}`, eve, 403, ErrorCodeForbidden},
		{`{}`, "X: y", 401, ErrorCodeUnauthorized},
		{`{"reason":`, "X: y", 401, ErrorCodeUnauthorized},
		{`{"reason":`, ann, 400, ErrorCodeInvalidJSON},
		{`null`, ann, 400, ErrorCodeInvalidJSON},
		{``, ann, 400, ErrorCodeInvalidJSON},
		{`[]`, ann, 422, ErrorCodeValidationFailed},
		{signed, "Content-Type: text/plain", 401, ErrorCodeUnauthorized},
	} {
		w := send(h, "POST", path, tc.body, tc.header)
		if tc.code == "" {
			if w.Code != tc.status {
				t.Errorf("%s with %s: %d %s", tc.body, tc.header, w.Code, w.Body)
			}
			continue
		}
		expect(t, w, tc.status, tc.code)
	}
	p := expect(t, send(h, "POST", path, `{"target_agent_id":"scout","confirm":false,"drill":"x","agent_id":"a b"}`, ann), 422, ErrorCodeValidationFailed)
	got := ""
	for _, e := range p.Errors {
		got += string(e.Pointer) + ": " + e.Detail + "; "
	}
	want := `/target_agent_id: unknown field; /reason: missing; a string is wanted; /agent_id: letters, digits, ".", "_" and "-", at most 128, a letter or a digit first; /confirm: true; /drill: one of deliver, plan; `
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
