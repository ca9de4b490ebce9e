package api_test

import (
	"strings"

	"github.com/cirisai/orchestrator/api"
)

// badPaths are paths and methods that are not there, and bodies that are not read
// (rules 2.1 and 10.6).
func badPaths() []bad {
	var all []bad
	for _, path := range []string{
		"/v1", "/v1/", "/v2/agents", "/V1/agents", "/v1/agents/", "/v1/agent/scout", "/v1/agents/scout/", "/v1/agents/scout/pause", "/v1//agents",
		"/v1/agents/scout/occurrences/default/heartbeat", "/v1/rollouts/{deciding}/restart", "/v1/rollouts/{deciding}/", "/v1/emergency", "/favicon.ico",
	} {
		all = append(all, bad{name: "nothing at " + path, method: "GET", target: path, status: 404, code: api.ErrorCodeNotFound})
	}
	for _, m := range []struct{ method, target string }{
		{"POST", "/v1/agents"},
		{"DELETE", "/v1/agents/scout"},
		{"PATCH", "/v1/agents/scout"},
		{"GET", "/v1/agents/scout/shutdowns"},
		{"PUT", "/v1/agents/scout/wakeups"},
		{"POST", registrations},
		{"PATCH", registrations},
		{"GET", heartbeats},
		{"PUT", "/v1/rollouts/{deciding}"},
		{"GET", "/v1/rollouts/{deciding}/pause"},
		{"HEAD", "/v1/rollouts/{deciding}/pause"},
		{"DELETE", "/v1/incidents"},
		{"GET", "/v1/emergency/shutdown"},
		{"OPTIONS", "/v1/rollouts"},
		{"TRACE", "/v1/rollouts"},
		{"BREW", "/v1/agents"},
		{"POST", "/healthz"},
	} {
		all = append(all, bad{name: m.method + " " + m.target, method: m.method, target: m.target, status: 405, code: api.ErrorCodeMethodNotAllowed})
	}
	for _, id := range []string{
		"__shared__", "_scout", "-scout", ".scout", "%20", "a%20b", "a%2Fb", "..%2F..%2Fetc", "%00", "%FF", "sc%C3%B6ut", "a;b", "a,b", "a:b", "%5B1%5D",
		strings.Repeat("a", 129),
	} {
		all = append(all,
			invalid("the agent "+shortened(id), "/v1/agents/"+id, "/path/agent_id"),
			invalid("the occurrence "+shortened(id), "/v1/agents/scout/occurrences/"+id, "/path/occurrence_id"))
	}
	for _, id := range []string{"%20", "a%20b", "%00", "%0A", "%FF", strings.Repeat("a", 257)} {
		all = append(all,
			invalid("the rollout "+shortened(id), "/v1/rollouts/"+id, "/path/rollout_id"),
			bad{
				name: "the incident " + shortened(id), method: "POST", target: "/v1/incidents/" + id + "/resolve", body: `{"reason":"r"}`, status: 422,
				code: api.ErrorCodeValidationFailed, at: "/path/incident_id",
			},
			bad{
				name: "the instruction " + shortened(id), method: "POST", target: registrations + "/instructions/" + id + "/acknowledgement", body: `{"boot_id":"b"}`,
				status: 422, code: api.ErrorCodeValidationFailed, at: "/path/instruction_id",
			})
	}
	all = append(all, invalid("no agent at all", "/v1/agents//occurrences", "/path/agent_id"))
	return append(all, badContent()...)
}

// badContent are bodies that are refused unread: 413 and 415.
func badContent() []bad {
	large := `{"reason":"` + strings.Repeat("x", 64<<10-12) + `"}` // a byte more than 64 KiB
	var all []bad
	for _, op := range []struct{ method, target string }{
		{"POST", shutdowns},
		{"PUT", "/v1/agents/scout"},
		{"PUT", registrations},
		{"POST", heartbeats},
		{"POST", wakeups},
		{"POST", decisions},
		{"POST", "/v1/rollouts/{rolling}/abort"},
		{"POST", "/v1/emergency/shutdown"},
	} {
		all = append(all,
			bad{name: "64 KiB and a byte to " + op.target, method: op.method, target: op.target, body: large, status: 413, code: api.ErrorCodeBodyTooLarge},
			bad{
				name: "no content type to " + op.target, method: op.method, target: op.target, body: `{"reason":"r"}`, headers: []string{"Content-Type: "}, status: 415,
				code: api.ErrorCodeUnsupportedMediaType,
			})
	}
	for _, content := range []string{
		"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/json", "application/jsonp", "application/ld+json",
		"application/problem+json", "application/*", "json", "application/json; charset=latin1", "application/json; charset=utf-16", "application/json, text/plain",
		"application/json;;charset", "\"application/json\"",
	} {
		all = append(all, bad{
			name: "content of type " + content, method: "POST", target: shutdowns, body: `{"reason":"r"}`, headers: []string{"Content-Type: " + content},
			status: 415, code: api.ErrorCodeUnsupportedMediaType,
		})
	}
	return append(all,
		bad{
			name: "content that is compressed", method: "POST", target: shutdowns, body: `{"reason":"r"}`, headers: []string{"Content-Encoding: gzip"}, status: 415,
			code: api.ErrorCodeUnsupportedMediaType,
		},
		bad{name: "64 KiB and a byte of space", method: "PUT", target: "/v1/agents/scout", body: "{}" + strings.Repeat(" ", 64<<10-1), status: 413, code: api.ErrorCodeBodyTooLarge},
	)
}

// badAccess are requests of those who are not known, may not, come too often, or
// cannot be looked up (rules 10.6, 10.9 and section 12).
func badAccess() []bad {
	var all []bad
	add := func(status int, code api.ErrorCode, who, method, target, body string) {
		all = append(all, bad{name: strings.TrimSpace(who + " " + method + " " + target + " " + body), method: method, target: target, body: body, headers: []string{who}, status: status, code: code})
	}
	reason, beat := `{"reason":"r"}`, `{"boot_id":"boot-default","sequence":2,"state":"work"}`
	for _, who := range []string{"Authorization: ", by("nobody"), "Authorization: Basic cm9vdDpyb290", "Authorization: root"} {
		add(401, api.ErrorCodeUnauthorized, who, "GET", "/v1/agents", "")
		add(401, api.ErrorCodeUnauthorized, who, "POST", heartbeats, beat)
		add(401, api.ErrorCodeUnauthorized, who, "POST", "/v1/emergency/shutdown", `{"reason":"r","confirm":true}`)
	}
	forbidden := func(who, method, target, body string) {
		add(403, api.ErrorCodeForbidden, by(who), method, target, body)
	}
	forbidden("viewer", "PUT", "/v1/agents/scout", `{}`)
	forbidden("viewer", "POST", shutdowns, reason)
	forbidden("viewer", "POST", heartbeats, beat)
	forbidden("viewer", "POST", "/v1/emergency/shutdown", `{"reason":"r","confirm":true}`)
	forbidden("alarm", "GET", "/v1/agents", "")
	forbidden("alarm", "POST", "/v1/emergency/release", reason)
	forbidden("ann", "PUT", registrations, `{"boot_id":"b"}`)
	forbidden("ann", "POST", heartbeats, beat)
	forbidden("ann", "POST", wakeups, `{"occurrence_id":"default","boot_id":"boot-default"}`)
	forbidden("ann", "POST", "/v1/rollouts/{deciding}/claim", `{"occurrence_id":"default","boot_id":"boot-default"}`)
	forbidden("ann", "POST", decisions, `{"occurrence_id":"default","claim_token":"{token}","verdict":"accept","reasoning":"r"}`)
	forbidden("default", "POST", decisions, `{"verdict":"accept","reasoning":"r"}`)
	forbidden("default", "POST", wakeups, reason)
	forbidden("default", "POST", shutdowns, reason)
	forbidden("default", "GET", "/v1/agents/scout/events", "")
	forbidden("scout-1", "POST", heartbeats, beat)
	forbidden("scout-1", "DELETE", registrations, "")
	forbidden("scout-1", "POST", "/v1/rollouts/{deciding}/claim", `{"occurrence_id":"default","boot_id":"boot-default"}`)
	forbidden("scout-1", "POST", wakeups, `{"occurrence_id":"default","boot_id":"boot-default"}`)
	forbidden("default", "GET", "/v1/rollouts/{rolling}", "")
	forbidden("bob", "GET", "/v1/rollouts", "")
	forbidden("bob", "POST", "/v1/emergency/shutdown", `{"reason":"r","confirm":true}`)
	forbidden("bob", "POST", "/v1/emergency/shutdown", `{"agent_id":"roller","reason":"r","confirm":true}`)
	forbidden("bob", "POST", "/v1/agents/held/release", reason)
	forbidden("bob", "POST", "/v1/emergency/release", reason)
	forbidden("bob", "POST", "/v1/rollouts/{rolling}/pause", reason)
	forbidden("bob", "POST", "/v1/rollouts/{paused}/resume", reason)
	forbidden("bob", "POST", "/v1/rollouts/{rolling}/promote", `{"reason":"r","wave":1}`)
	forbidden("bob", "POST", "/v1/rollouts/{halted}/retry", reason)
	forbidden("bob", "POST", "/v1/rollouts/{rolling}/abort", reason)
	forbidden("bob", "POST", "/v1/rollouts/{rolling}/decision", `{"verdict":"accept","reasoning":"r"}`)
	add(429, api.ErrorCodeRateLimited, by("slow"), "GET", "/v1/agents", "")
	add(429, api.ErrorCodeRateLimited, by("slow"), "POST", shutdowns, reason)
	add(503, api.ErrorCodeUnavailable, by("away"), "GET", "/v1/agents", "")
	add(503, api.ErrorCodeUnavailable, by("away"), "POST", shutdowns, reason)
	return append(all,
		bad{
			name: "a signed command without a key that is known", method: "POST", target: "/v1/emergency/shutdown", headers: []string{"Authorization: "},
			body: `{"command_id":"c","command_type":"SHUTDOWN_NOW"}`, status: 403, code: api.ErrorCodeForbidden,
		},
		bad{
			name: "a page of another origin", method: "POST", target: shutdowns, body: reason, headers: []string{"Sec-Fetch-Site: cross-site"}, status: 403,
			code: api.ErrorCodeForbidden,
		},
	)
}
