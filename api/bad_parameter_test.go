package api_test

import (
	"encoding/base64"
	"net/url"
	"strings"

	"github.com/cirisai/orchestrator/api"
)

// invalid is a request without a body that is 422.
func invalid(name, target, at string, headers ...string) bad {
	return bad{name: name, method: "GET", target: target, headers: headers, status: 422, code: api.ErrorCodeValidationFailed, at: at}
}

// lists are the calls that answer in pages, and what names a place in them.
var lists = []struct{ target, place string }{
	{"/v1/agents", "cursor"},
	{"/v1/agents/scout/occurrences", "cursor"},
	{"/v1/rollouts", "cursor"},
	{"/v1/incidents", "cursor"},
	{"/v1/agents/scout/events", "after"},
	{"/v1/rollouts/{deciding}/events", "after"},
}

// badParameters are bad limits, cursors, filters and waits (rules 10.1 and 10.6).
func badParameters() []bad {
	var all []bad
	for _, list := range lists {
		for _, limit := range []string{"0", "1001", "-1", "abc", "1.5", "", "1e2", "0x10", " 5", "99999999999999999999"} {
			all = append(all, invalid("limit="+limit+" of "+list.target, list.target+"?limit="+url.QueryEscape(limit), "/query/limit"))
		}
		for _, place := range badPlaces(list.place) {
			all = append(all, invalid(list.place+"="+shortened(place)+" of "+list.target, list.target+"?"+list.place+"="+url.QueryEscape(place), "/query/"+list.place))
		}
		all = append(all,
			invalid("two limits of "+list.target, list.target+"?limit=1&limit=2", "/query/limit"),
			invalid("a parameter that nobody asked for of "+list.target, list.target+"?limits=1&Limit=2", "/query/Limit /query/limits"))
	}
	poll := "/v1/agents/scout/occurrences/default/instructions"
	for _, wait := range []string{"61s", "60.001s", "2m", "-1s", "-1ns", "10", "soon", "", "1h", "10s,", "∞"} {
		all = append(all, invalid("wait="+wait, poll+"?boot_id=boot-default&wait="+url.QueryEscape(wait), "/query/wait"))
	}
	return append(all,
		invalid("a poll without a boot", poll, "/query/boot_id"),
		invalid("a poll with an empty boot", poll+"?boot_id=", "/query/boot_id"),
		invalid("a poll with a boot that is none", poll+"?boot_id=a%20b&wait=1s", "/query/boot_id"),
		invalid("a poll with everything wrong", poll+"?boot=b&wait=1d", "/query/boot_id /query/wait /query/boot"),
		invalid("an unknown liveness", "/v1/agents/scout/occurrences?liveness=dead", "/query/liveness"),
		invalid("liveness in capitals", "/v1/agents/scout/occurrences?liveness=LIVE", "/query/liveness"),
		invalid("an empty liveness", "/v1/agents/scout/occurrences?liveness=", "/query/liveness"),
		invalid("a group that is none", "/v1/agents/scout/occurrences?group=a%2Fb", "/query/group"),
		invalid("an empty group", "/v1/agents/scout/occurrences?group=", "/query/group"),
		invalid("an unknown kind of rollout", "/v1/rollouts?kind=restart", "/query/kind"),
		invalid("an unknown state of rollout", "/v1/rollouts?state=running", "/query/state"),
		invalid("a filter that is no agent", "/v1/rollouts?agent_id=__shared__", "/query/agent_id"),
		invalid("an unknown state of incident", "/v1/incidents?state=closed", "/query/state"),
		invalid("a filter of incidents that is no agent", "/v1/incidents?agent_id=a%20b&state=OPEN", "/query/agent_id /query/state"),
		invalid("a plan of an emergency", "/v1/agents/scout/plan?kind=emergency", "/query/kind"),
		invalid("an empty kind of plan", "/v1/agents/scout/plan?kind=", "/query/kind"),
		invalid("a shared task of an emergency", "/v1/agents/scout/shared-tasks/emergency", "/path/kind"),
		invalid("within nothing", "/v1/agents/scout/shared-tasks/shutdown?within=0s", "/query/within"),
		invalid("within less than nothing", "/v1/agents/scout/shared-tasks/shutdown?within=-24h", "/query/within"),
		invalid("within a day, in words", "/v1/agents/scout/shared-tasks/shutdown?within=1d", "/query/within"),
		invalid("a rollout with a parameter", "/v1/rollouts/{deciding}?verbose=1", "/query/verbose"),
		bad{
			name: "a leave of a boot that is none", method: "DELETE", target: "/v1/agents/scout/occurrences/default?boot_id=a%20b", status: 422,
			code: api.ErrorCodeValidationFailed, at: "/query/boot_id",
		},
	)
}

// badPlaces are places in a list that no page gave. Each list's cursors are its own.
func badPlaces(name string) []string {
	if name == "after" {
		return []string{"-1", "abc", "1.5", "", "9223372036854775808"}
	}
	cursor := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	return []string{
		"", "!", "nonsense", "a b", "AA", cursor("scout"), cursor("nothing/scout"), cursor("agents/"), cursor("rollouts/\x00"), cursor("incidents/\xff"),
		cursor("occurrences/a b"), cursor("agents/" + strings.Repeat("x", 257)), cursor("rollouts/x") + "=", strings.Repeat("A", 513),
	}
}

// badHeaders are headers that are refused (rules 10.2, 10.7 and 10.8).
func badHeaders() []bad {
	stream := "Accept: text/event-stream"
	events := "/v1/agents/scout/events"
	all := []bad{
		invalid("Last-Event-ID that is no number", events, "/header/Last-Event-ID", "Accept: text/event-stream", "Last-Event-ID: x"),
		invalid("If-None-Match that is too long", "/v1/rollouts/{deciding}", "/header/If-None-Match", `If-None-Match: "`+strings.Repeat("x", 4096)+`"`),
	}
	for _, id := range []string{"-1", "1.5", "1e1", "0x1", "seq-1", "1000000", "9223372036854775808", "123456789012345678901"} {
		all = append(all,
			invalid("Last-Event-ID: "+id+" of an agent", events, "/header/Last-Event-ID", stream, "Last-Event-ID: "+id),
			invalid("Last-Event-ID: "+id+" of a rollout", "/v1/rollouts/{deciding}/events", "/header/Last-Event-ID", stream, "Last-Event-ID: "+id))
	}
	for _, op := range []struct{ target, body string }{
		{"/v1/agents/held/release", `{"reason":"r"}`},
		{"/v1/agents/scout/wakeups", `{"reason":"r"}`},
		{shutdowns, `{"reason":"r"}`},
		{decisions, `{"verdict":"accept","reasoning":"r"}`},
		{"/v1/rollouts/{rolling}/pause", `{"reason":"r"}`},
		{"/v1/rollouts/{paused}/resume", `{"reason":"r"}`},
		{"/v1/rollouts/{rolling}/promote", `{"reason":"r","wave":1}`},
		{"/v1/rollouts/{halted}/retry", `{"reason":"r"}`},
		{"/v1/rollouts/{rolling}/abort", `{"reason":"r"}`},
		{"/v1/incidents/inc_1/resolve", `{"reason":"r"}`},
		{"/v1/emergency/shutdown", `{"reason":"r","confirm":true}`},
		{"/v1/emergency/release", `{"reason":"r"}`},
	} {
		for what, key := range map[string]string{"that is too long": strings.Repeat("k", 256), "with a space": "a b", "that is no ASCII": "schlüssel"} {
			all = append(all, unacceptable("POST", op.target, bad{
				name: "a key " + what + " to " + op.target, body: op.body, headers: []string{"Idempotency-Key: " + key}, at: "/header/Idempotency-Key",
			})...)
		}
	}
	return all
}
