package api_test

import (
	"strings"

	"github.com/cirisai/orchestrator/api"
)

// missing are ids that nobody has: 404 (rules 2.5, 6.1 and 10.6).
func missing() []bad {
	var all []bad
	add := func(code api.ErrorCode, method, target, body string) {
		all = append(all, bad{name: strings.TrimSpace(method + " " + target + " " + body), method: method, target: target, body: body, status: 404, code: code})
	}
	reason := `{"reason":"r"}`
	for _, target := range []string{
		"/v1/agents/nobody", "/v1/agents/nobody/plan", "/v1/agents/nobody/shared-tasks/wakeup", "/v1/agents/nobody/occurrences", "/v1/agents/nobody/occurrences/default",
		"/v1/agents/nobody/events", "/v1/agents/Scout", "/v1/agents/scout/occurrences/nobody", "/v1/agents/scout/occurrences/Default",
		"/v1/agents/scout/occurrences/nobody/instructions?boot_id=b", "/v1/agents/nobody/occurrences/default/instructions?boot_id=b&wait=60s",
		"/v1/rollouts/nothing", "/v1/rollouts/nothing/events", "/v1/rollouts/ro%2Fnothing",
	} {
		add(api.ErrorCodeNotFound, "GET", target, "")
	}
	add(api.ErrorCodeNotFound, "DELETE", "/v1/agents/scout/occurrences/nobody", "")
	add(api.ErrorCodeNotFound, "DELETE", "/v1/agents/nobody/occurrences/default", "")
	for _, target := range []string{
		"/v1/agents/nobody/release", "/v1/agents/nobody/shutdowns", "/v1/agents/nobody/wakeups", "/v1/rollouts/nothing/pause", "/v1/rollouts/nothing/resume",
		"/v1/rollouts/nothing/retry", "/v1/rollouts/nothing/abort", "/v1/incidents/nothing/resolve",
	} {
		add(api.ErrorCodeNotFound, "POST", target, reason)
	}
	add(api.ErrorCodeNotFound, "POST", "/v1/rollouts/nothing/promote", `{"reason":"r","wave":1}`)
	add(api.ErrorCodeNotFound, "POST", "/v1/rollouts/nothing/decision", `{"verdict":"accept","reasoning":"r"}`)
	add(api.ErrorCodeNotFound, "POST", "/v1/rollouts/nothing/claim", `{"occurrence_id":"default","boot_id":"boot-default"}`)
	add(api.ErrorCodeNotFound, "POST", "/v1/rollouts/{deciding}/claim", `{"occurrence_id":"nobody","boot_id":"b"}`)
	add(api.ErrorCodeNotFound, "POST", wakeups, `{"occurrence_id":"nobody","boot_id":"b"}`)
	add(api.ErrorCodeNotFound, "POST", "/v1/agents/nobody/wakeups", `{"occurrence_id":"default","boot_id":"b"}`)
	add(api.ErrorCodeNotFound, "POST", registrations+"/instructions/nothing/acknowledgement", `{"boot_id":"boot-default"}`)
	add(api.ErrorCodeNotFound, "POST", registrations+"/instructions/{told}/acknowledgement", `{"boot_id":"boot-default"}`)
	add(api.ErrorCodeNotFound, "POST", "/v1/agents/roller/occurrences/other/instructions/{told}/acknowledgement", `{"boot_id":"boot-other"}`)
	add(api.ErrorCodeNotFound, "POST", "/v1/agents/nobody/occurrences/default/instructions/{told}/acknowledgement", `{"boot_id":"boot-default"}`)
	add(api.ErrorCodeNotFound, "POST", "/v1/emergency/shutdown", `{"agent_id":"nobody","reason":"r","confirm":true}`)

	unknown := func(method, target, body string) { add(api.ErrorCodeUnknownBoot, method, target, body) }
	unknown("POST", heartbeats, `{"boot_id":"other","sequence":1,"state":"work"}`)
	unknown("POST", "/v1/agents/scout/occurrences/scout-2/heartbeats", `{"boot_id":"other","sequence":1,"state":"work"}`)
	unknown("GET", registrations+"/instructions?boot_id=other", "")
	unknown("GET", registrations+"/instructions?boot_id=Boot-default&wait=60s", "")
	unknown("DELETE", registrations+"?boot_id=other", "")
	unknown("POST", wakeups, `{"occurrence_id":"default","boot_id":"other"}`)
	unknown("POST", "/v1/rollouts/{deciding}/claim", `{"occurrence_id":"default","boot_id":"other"}`)
	unknown("POST", "/v1/agents/roller/occurrences/default/instructions/{told}/acknowledgement", `{"boot_id":"other"}`)
	return all
}

// conflicts are refused because of the state that something is in: 409 (rules 2.5,
// 2.6, 4.1 to 4.3, 4.18, 5.2, 5.4, 7.3, 7.5, 8.2 and 8.4).
func conflicts() []bad {
	var all []bad
	add := func(code api.ErrorCode, target, body string) {
		all = append(all, bad{name: string(code) + ": " + target + " " + body, method: "POST", target: target, body: body, status: 409, code: code})
	}
	reason := `{"reason":"r"}`
	add(api.ErrorCodeRolloutInProgress, shutdowns, reason)
	add(api.ErrorCodeRolloutInProgress, shutdowns, `{"reason":"r","supersede":false}`)
	add(api.ErrorCodeRolloutInProgress, "/v1/agents/roller/wakeups", reason)
	add(api.ErrorCodeNoLiveOccurrence, "/v1/agents/empty/shutdowns", reason)
	add(api.ErrorCodeNoLiveOccurrence, "/v1/agents/empty/shutdowns", `{"reason":"r","supersede":true,"not_before":"2026-01-03T00:00:00Z"}`)
	add(api.ErrorCodeNoLiveOccurrence, "/v1/agents/empty/wakeups", reason)
	add(api.ErrorCodeNoLiveOccurrence, "/v1/agents/sleeper/shutdowns", `{"reason":"r","consent":"instant"}`)
	add(api.ErrorCodeHeld, "/v1/agents/held/shutdowns", reason)
	add(api.ErrorCodeHeld, "/v1/agents/held/shutdowns", `{"reason":"r","supersede":true}`)
	add(api.ErrorCodeHeld, "/v1/agents/held/wakeups", `{"reason":"r","supersede":true}`)

	for _, rollout := range []string{"{deciding}", "{aborted}", "{finished}", "{halted}", "{stopped}"} {
		add(api.ErrorCodeNotAllowed, "/v1/rollouts/"+rollout+"/pause", reason)
	}
	for _, rollout := range []string{"{deciding}", "{aborted}", "{finished}", "{halted}", "{stopped}"} {
		add(api.ErrorCodeNotAllowed, "/v1/rollouts/"+rollout+"/resume", reason)
	}
	for _, rollout := range []string{"{deciding}", "{rolling}", "{paused}", "{aborted}", "{stopped}"} {
		add(api.ErrorCodeNotAllowed, "/v1/rollouts/"+rollout+"/retry", reason)
	}
	for _, rollout := range []string{"{finished}", "{stopped}"} {
		add(api.ErrorCodeNotAllowed, "/v1/rollouts/"+rollout+"/abort", reason)
	}
	add(api.ErrorCodeNotAllowed, "/v1/rollouts/{deciding}/promote", `{"reason":"r","wave":1}`)
	add(api.ErrorCodeNotAllowed, "/v1/rollouts/{rolling}/promote", `{"reason":"r","wave":2}`)
	add(api.ErrorCodeNotAllowed, "/v1/rollouts/{rolling}/promote", `{"reason":"r","wave":50}`)
	add(api.ErrorCodeNotAllowed, "/v1/rollouts/{finished}/promote", `{"reason":"r","wave":1}`)
	add(api.ErrorCodeNotAllowed, "/v1/rollouts/{stopped}/promote", `{"reason":"r","wave":0}`)
	add(api.ErrorCodeStaleVersion, "/v1/rollouts/{rolling}/pause", `{"reason":"r","version":0}`)
	add(api.ErrorCodeStaleVersion, "/v1/rollouts/{rolling}/pause", `{"reason":"r","version":9223372036854775807}`)
	add(api.ErrorCodeStaleVersion, "/v1/rollouts/{paused}/resume", `{"reason":"r","version":1}`)
	add(api.ErrorCodeStaleVersion, "/v1/rollouts/{rolling}/promote", `{"reason":"r","version":1,"wave":1}`)
	add(api.ErrorCodeStaleVersion, "/v1/rollouts/{halted}/retry", `{"reason":"r","version":1}`)
	add(api.ErrorCodeNothingToRetry, "/v1/rollouts/{halted}/retry", reason)

	add(api.ErrorCodeClaimHeld, "/v1/rollouts/{deciding}/claim", `{"occurrence_id":"scout-1","boot_id":"boot-scout-1"}`)
	add(api.ErrorCodeNotACandidate, "/v1/rollouts/{deciding}/claim", `{"occurrence_id":"scout-3","boot_id":"boot-scout-3"}`)
	add(api.ErrorCodeBootStopped, "/v1/rollouts/{deciding}/claim", `{"occurrence_id":"scout-2","boot_id":"boot-scout-2"}`)
	add(api.ErrorCodeAlreadyDecided, "/v1/rollouts/{rolling}/claim", `{"occurrence_id":"other","boot_id":"boot-other"}`)
	add(api.ErrorCodeClaimLost, decisions, `{"occurrence_id":"default","claim_token":"x","verdict":"accept","reasoning":"r"}`)
	add(api.ErrorCodeClaimLost, decisions, `{"occurrence_id":"scout-1","claim_token":"{token}","verdict":"accept","reasoning":"r"}`)
	add(api.ErrorCodeClaimLost, decisions, `{"occurrence_id":"default","instruction_id":"{told}","verdict":"reject","reasoning":"r"}`)
	add(api.ErrorCodeAlreadyDecided, "/v1/rollouts/{rolling}/decision", `{"verdict":"accept","reasoning":"r"}`)
	add(api.ErrorCodeAlreadyDecided, "/v1/rollouts/{aborted}/decision", `{"occurrence_id":"default","claim_token":"x","verdict":"accept","reasoning":"r"}`)

	add(api.ErrorCodeWithdrawn, "/v1/agents/rest/occurrences/default/instructions/{withdrawn}/acknowledgement", `{"boot_id":"boot-default"}`)
	add(api.ErrorCodeExpired, "/v1/agents/halter/occurrences/default/instructions/{expired}/acknowledgement", `{"boot_id":"boot-default"}`)
	add(api.ErrorCodeBootStopped, "/v1/agents/scout/occurrences/scout-2/heartbeats", `{"boot_id":"boot-scout-2","sequence":9,"state":"work"}`)
	add(api.ErrorCodeBootStopped, wakeups, `{"occurrence_id":"scout-2","boot_id":"boot-scout-2"}`)
	return append(all,
		bad{
			name: "a stopped boot registers", method: "PUT", target: "/v1/agents/scout/occurrences/scout-2", body: `{"boot_id":"boot-scout-2"}`, status: 409,
			code: api.ErrorCodeBootStopped,
		},
		bad{
			name: "a stopped boot polls", method: "GET", target: "/v1/agents/scout/occurrences/scout-2/instructions?boot_id=boot-scout-2&wait=60s", status: 409,
			code: api.ErrorCodeBootStopped,
		},
	)
}

// replaced are what a replaced boot sends. Each answer is counted (rule 2.5).
func replaced() []bad {
	const occurrence, boot = "/v1/agents/scout/occurrences/scout-1", `"boot_id":"old-scout-1"`
	all := []bad{
		{method: "PUT", target: occurrence, body: `{` + boot + `}`},
		{method: "POST", target: occurrence + "/heartbeats", body: `{` + boot + `,"sequence":99,"state":"stopped"}`},
		{method: "GET", target: occurrence + "/instructions?boot_id=old-scout-1&wait=60s"},
		{method: "DELETE", target: occurrence + "?boot_id=old-scout-1"},
		{method: "POST", target: wakeups, body: `{"occurrence_id":"scout-1",` + boot + `}`},
		{method: "POST", target: "/v1/rollouts/{deciding}/claim", body: `{"occurrence_id":"scout-1",` + boot + `}`},
		{method: "POST", target: occurrence + "/instructions/nothing/acknowledgement", body: `{` + boot + `}`},
	}
	for i := range all {
		b := &all[i]
		b.name, b.status, b.code = "a replaced boot: "+b.method+" "+b.target, 409, api.ErrorCodeBootReplaced
	}
	return all
}

// twoWrongs are requests that are wrong in two ways, of which the one that is looked
// at first is told (rules 4.18, 5.4, 8.4 and 10.6).
func twoWrongs() []bad {
	nobody, eve := "Authorization: ", by("viewer")
	return []bad{
		{name: "no path before no method", method: "BREW", target: "/v1/nothing", status: 404, code: api.ErrorCodeNotFound},
		{name: "no path before no credentials", method: "POST", target: "/v1/nothing", headers: []string{nobody}, status: 404, code: api.ErrorCodeNotFound},
		{name: "no method before no credentials", method: "PATCH", target: "/v1/agents/scout", headers: []string{nobody}, status: 405, code: api.ErrorCodeMethodNotAllowed},
		{name: "no credentials before a bad id", method: "GET", target: "/v1/agents/__shared__", headers: []string{nobody}, status: 401, code: api.ErrorCodeUnauthorized},
		{name: "no credentials before a bad body", method: "POST", target: shutdowns, body: "{", headers: []string{nobody}, status: 401, code: api.ErrorCodeUnauthorized},
		{name: "no rights before a bad body", method: "POST", target: shutdowns, body: "{", headers: []string{eve}, status: 403, code: api.ErrorCodeForbidden},
		{name: "no rights before a bad parameter", method: "GET", target: "/v1/agents?limit=0", headers: []string{by("alarm")}, status: 403, code: api.ErrorCodeForbidden},
		{name: "no rights before no such thing", method: "PUT", target: "/v1/agents/nobody", body: "{}", headers: []string{eve}, status: 403, code: api.ErrorCodeForbidden},
		{name: "no rights to stop before a bad body", method: "POST", target: "/v1/emergency/shutdown", body: "{", headers: []string{eve}, status: 403, code: api.ErrorCodeForbidden},
		{name: "a bad body before no such thing", method: "POST", target: "/v1/rollouts/nothing/pause", body: "{", status: 400, code: api.ErrorCodeInvalidJSON},
		{
			name: "another content type before a bad body", method: "POST", target: shutdowns, body: "{", headers: []string{"Content-Type: text/plain"}, status: 415,
			code: api.ErrorCodeUnsupportedMediaType,
		},
		{
			name: "a size before a content type", method: "POST", target: shutdowns, body: strings.Repeat(" ", 64<<10+1), headers: []string{"Content-Type: text/plain"}, status: 413,
			code: api.ErrorCodeBodyTooLarge,
		},
		{
			name: "a bad field before no such thing", method: "POST", target: "/v1/rollouts/nothing/pause", body: `{"reason":""}`, status: 422,
			code: api.ErrorCodeValidationFailed, at: "/reason",
		},
		{
			name: "a bad plan before no such thing", method: "POST", target: "/v1/agents/nobody/shutdowns", body: `{"reason":"r","plan":{"waves":[]}}`, status: 422,
			code: api.ErrorCodeValidationFailed, at: "/plan/waves",
		},
		{
			name: "a bad parameter before no such thing", method: "GET", target: "/v1/agents/nobody/occurrences?limit=0", status: 422, code: api.ErrorCodeValidationFailed,
			at: "/query/limit",
		},
		{
			name: "a bad id and a bad field", method: "POST", target: "/v1/rollouts/a%20b/pause", body: `{"reason":""}`, status: 422, code: api.ErrorCodeValidationFailed,
			at: "/path/rollout_id /reason",
		},
		{name: "a bad field before a conflict", method: "POST", target: shutdowns, body: `{"reason":""}`, status: 422, code: api.ErrorCodeValidationFailed, at: "/reason"},
		{
			name: "no such thing before a conflict", method: "POST", target: "/v1/rollouts/{deciding}/claim", body: `{"occurrence_id":"nobody","boot_id":"b"}`, status: 404,
			code: api.ErrorCodeNotFound,
		},
		{name: "a hold before no live occurrence", method: "POST", target: "/v1/agents/held/wakeups", body: `{"reason":"r"}`, status: 409, code: api.ErrorCodeHeld},
		{
			name: "not allowed before a stale version", method: "POST", target: "/v1/rollouts/{finished}/pause", body: `{"reason":"r","version":0}`, status: 409,
			code: api.ErrorCodeNotAllowed,
		},
		{
			name: "already decided before a lost claim", method: "POST", target: "/v1/rollouts/{rolling}/decision",
			body: `{"occurrence_id":"default","claim_token":"x","verdict":"reject","reasoning":"r"}`, status: 409, code: api.ErrorCodeAlreadyDecided,
		},
		{
			name: "a stale version before nothing to retry", method: "POST", target: "/v1/rollouts/{halted}/retry", body: `{"reason":"r","version":0}`, status: 409,
			code: api.ErrorCodeStaleVersion,
		},
	}
}
