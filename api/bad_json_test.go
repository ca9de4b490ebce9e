package api_test

import (
	"strings"

	"github.com/cirisai/orchestrator/api"
)

const shutdowns = "/v1/agents/scout/shutdowns"

// deep is a body of brackets, nested deeper than anything reads.
var deep = strings.Repeat("[", 60_000)

// malformed are bodies that are no JSON value of the strict kind: 400 (rule 10.6).
func malformed() []bad {
	all := []bad{
		{name: "nothing"},
		{name: "white space alone", body: " \r\n\t"},
		{name: "null", body: "null"},
		{name: "null with space around", body: " null\n"},
		{name: "an open brace", body: "{"},
		{name: "a member without its value", body: `{"reason":`},
		{name: "no closing brace", body: `{"reason":"r"`},
		{name: "an open string", body: `{"reason":"r`},
		{name: "a comma at the end", body: `{"reason":"r",}`},
		{name: "no comma between", body: `{"reason":"r" "consent":"instant"}`},
		{name: "single quotes", body: `{'reason':'r'}`},
		{name: "a bare name", body: `{reason:"r"}`},
		{name: "a bare word", body: `{"reason":yes}`},
		{name: "NaN", body: `{"reason":"r","terminal":NaN}`},
		{name: "a number with a zero before", body: `{"reason":"r","terminal":01}`},
		{name: "a comment", body: `{"reason":"r"/* why */}`},
		{name: "something after the value", body: `{"reason":"r"} x`},
		{name: "a brace after the value", body: `{"reason":"r"}}`},
		{name: "two values", body: `{"reason":"r"}{"reason":"r"}`},
		{name: "two values, a line each", body: "{\"reason\":\"r\"}\n{\"reason\":\"r\"}"},
		{name: "a NUL after the value", body: "{\"reason\":\"r\"}\x00"},
		{name: "a doubled key", body: `{"reason":"r","reason":"r"}`},
		{name: "a doubled key, escaped once", body: `{"reason":"r","\u0072eason":"s"}`},
		{name: "a doubled key that nobody knows", body: `{"reason":"r","x":1,"x":2}`},
		{name: "a doubled key, deep inside", body: `{"reason":"r","plan":{"waves":[{"group":"a","count":1,"count":1}]}}`},
		{name: "a raw NUL", body: "{\"reason\":\"a\x00b\"}"},
		{name: "an escaped NUL", body: `{"reason":"a\u0000b"}`},
		{name: "an escaped NUL in a key", body: `{"reason":"r","a\u0000":1}`},
		{name: "an escaped NUL, deep inside", body: `{"reason":"r","plan":{"waves":[{"group":"\u0000","count":1}]}}`},
		{name: "a raw line break in a string", body: "{\"reason\":\"a\nb\"}"},
		{name: "a byte that is no UTF-8", body: "{\"reason\":\"\xff\"}"},
		{name: "UTF-8 that is longer than it need be", body: "{\"reason\":\"\xc0\xaf\"}"},
		{name: "a surrogate in UTF-8", body: "{\"reason\":\"\xed\xa0\x80\"}"},
		{name: "half a surrogate pair", body: `{"reason":"\ud83d"}`},
		{name: "half a surrogate pair, and more", body: `{"reason":"\ud83dx"}`},
		{name: "an escape that is none", body: `{"reason":"\x41"}`},
		{name: "a byte order mark", body: "\ufeff{\"reason\":\"r\"}"},
		{name: "UTF-16", body: "{\x00\"\x00r\x00\"\x00:\x001\x00}\x00"},
		{name: "brackets without end", body: deep},
		{name: "a wrong type before a syntax error", body: `{"reason":5,"x":`},
	}
	for i := range all {
		b := &all[i]
		b.method, b.target, b.status, b.code = "POST", shutdowns, 400, api.ErrorCodeInvalidJSON
	}
	return append(all, malformedElsewhere()...)
}

// malformedElsewhere sends the same to every other operation that takes a body.
func malformedElsewhere() []bad {
	var all []bad
	for _, op := range []struct{ method, target string }{
		{"PUT", "/v1/agents/scout"},
		{"POST", "/v1/agents/scout/release"},
		{"PUT", "/v1/agents/scout/occurrences/default"},
		{"POST", "/v1/agents/scout/occurrences/default/heartbeats"},
		{"POST", "/v1/agents/roller/occurrences/default/instructions/{told}/acknowledgement"},
		{"POST", "/v1/agents/scout/wakeups"},
		{"POST", "/v1/rollouts/{deciding}/claim"},
		{"POST", "/v1/rollouts/{deciding}/decision"},
		{"POST", "/v1/rollouts/{rolling}/pause"},
		{"POST", "/v1/rollouts/{paused}/resume"},
		{"POST", "/v1/rollouts/{rolling}/promote"},
		{"POST", "/v1/rollouts/{halted}/retry"},
		{"POST", "/v1/rollouts/{rolling}/abort"},
		{"POST", "/v1/incidents/inc_1/resolve"},
		{"POST", "/v1/emergency/shutdown"},
		{"POST", "/v1/emergency/release"},
	} {
		for what, body := range map[string]string{"null": "null", "half a body": `{"boot_id":"boot-default"`, "two bodies": `{} {}`} {
			all = append(all, bad{
				name: what + " to " + op.method + " " + op.target, method: op.method, target: op.target, body: body,
				status: 400, code: api.ErrorCodeInvalidJSON,
			})
		}
	}
	return all
}
