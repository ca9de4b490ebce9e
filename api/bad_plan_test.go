package api_test

import (
	"strconv"
	"strings"
)

// badAmounts are numbers and percentages of rule 10.4 that are none: each is sent as
// min_healthy, max_failed and max_concurrent.
func badAmounts() []bad {
	var all []bad
	for _, amount := range []string{
		`"80 %"`, `" 80%"`, `"080%"`, `"+80%"`, `"101%"`, `"-1%"`, `"1.5%"`, `"80"`, `"%"`, `""`, `"eighty%"`, `1.5`, `-1`, `1e1`, `2147483648`,
		`true`, `null`, `["80%"]`, `{"percent":80}`,
	} {
		all = append(all, bad{
			name: "an amount of " + amount,
			body: `{"reason":"r","plan":{"waves":[{"group":"a","rest":true,"min_healthy":` + amount + `,"max_failed":` + amount + `,"max_concurrent":` + amount + `}]}}`,
			at:   "/plan/waves/0/min_healthy /plan/waves/0/max_failed /plan/waves/0/max_concurrent",
		})
	}
	for _, amount := range []string{`0`, `"0%"`} { // but max_failed may be 0
		all = append(all, bad{
			name: "an amount of " + amount,
			body: `{"reason":"r","plan":{"waves":[{"group":"a","rest":true,"min_healthy":` + amount + `,"max_failed":` + amount + `,"max_concurrent":` + amount + `}]}}`,
			at:   "/plan/waves/0/max_concurrent /plan/waves/0/min_healthy",
		})
	}
	return unacceptable("POST", shutdowns, all...)
}

// badPlans are plans that break rule 10.4, in a request and in an agent's settings.
func badPlans() []bad {
	many := strings.Repeat(`{"group":"a","count":1},`, 50)
	type plan struct{ name, waves, at string }
	plans := []plan{
		{"no wave", ``, "/waves"},
		{"51 waves", many + `{"group":"b","rest":true}`, "/waves" + repeated(49)},
		{"a group without a size", `{"group":"a"}`, "/waves/0"},
		{"two sizes", `{"group":"a","count":1,"percent":50}`, "/waves/0"},
		{"three sizes", `{"group":"a","count":1,"percent":50,"rest":true}`, "/waves/0"},
		{"no rest", `{"group":"a","rest":false}`, "/waves/0/rest"},
		{"rest before others", `{"group":"a","rest":true},{"group":"b","count":1}`, "/waves/0/rest"},
		{"rest twice", `{"group":"a","rest":true},{"group":"b","rest":true}`, "/waves/0/rest"},
		{"a name twice", `{"group":"a","count":1},{"group":"a","rest":true}`, "/waves/1/group"},
		{"no name", `{"count":1}`, "/waves/0/group"},
		{"an empty name", `{"group":"","count":1}`, "/waves/0/group"},
		{"a name with a space", `{"group":"a b","count":1}`, "/waves/0/group"},
		{"a name that is too long", `{"group":"` + strings.Repeat("g", 129) + `","count":1}`, "/waves/0/group"},
		{"no members", `{"group":"a","count":0},{"group":"b","percent":0}`, "/waves/0/count /waves/1/percent"},
		{"fewer than no members", `{"group":"a","count":-1},{"group":"b","percent":-5}`, "/waves/0/count /waves/1/percent"},
		{"more than all", `{"group":"a","percent":101}`, "/waves/0/percent"},
		{"half a member", `{"group":"a","count":1.5},{"group":"b","percent":"30%"}`, "/waves/0/count /waves/1/percent"},
		{
			"durations below nothing", `{"group":"a","count":1,"delay":"-1s","timeout":"-1s","stable_for":"-1ns"}`,
			"/waves/0/delay /waves/0/stable_for /waves/0/timeout",
		},
		{"no time at all", `{"group":"a","count":1,"timeout":"0s"}`, "/waves/0/timeout"},
		{
			"durations of more than 30 days", `{"group":"a","count":1,"delay":"720h0m1s","timeout":"721h","stable_for":"10000h"}`,
			"/waves/0/delay /waves/0/stable_for /waves/0/timeout",
		},
		{
			"durations that are none", `{"group":"a","count":1,"delay":"30","timeout":300,"stable_for":"1 day"}`,
			"/waves/0/delay /waves/0/timeout /waves/0/stable_for",
		},
		{"a duration beyond all", `{"group":"a","count":1,"delay":"9999999999h"}`, "/waves/0/delay"},
		{"an unknown way to fail", `{"group":"a","count":1,"on_failure":"explode","allow_unclean":"yes"}`, "/waves/0/allow_unclean /waves/0/on_failure"},
		{"an unknown field in a wave", `{"group":"a","count":1,"dealy":"3s"}`, "/waves/0/dealy"},
		{"a wave that is null", `null,{"group":"b","rest":true}`, "/waves/0"},
		{"a wave that is a name", `"explorer"`, "/waves/0"},
	}
	var all []bad
	for _, p := range plans {
		all = append(all, unacceptable("POST", shutdowns, bad{
			name: "a plan with " + p.name, body: `{"reason":"r","plan":{"waves":[` + p.waves + `]}}`, at: strings.ReplaceAll(p.at, "/waves", "/plan/waves"),
		})...)
		all = append(all, unacceptable("PUT", "/v1/agents/empty", bad{
			name: "settings with " + p.name, body: `{"plans":{"wakeup":{"waves":[` + p.waves + `]}}}`, at: strings.ReplaceAll(p.at, "/waves", "/plans/wakeup/waves"),
		})...)
	}
	return append(all, unacceptable("POST", wakeups,
		bad{name: "a plan without waves", body: `{"reason":"r","plan":{}}`, at: "/plan/waves"},
		bad{name: "a plan with unknown fields", body: `{"reason":"r","plan":{"Waves":[]}}`, at: "/plan/Waves /plan/waves"},
	)...)
}

// repeated are the pointers of n groups that have the name of the first.
func repeated(n int) string {
	var at strings.Builder
	for i := range n {
		at.WriteString(" /waves/" + strconv.Itoa(i+1) + "/group")
	}
	return at.String()
}
