package api

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cirisai/orchestrator/internal/wire"
)

// complaints sends a body to an operation and lists what is wrong with it.
func complaints(t *testing.T, operation, body string) string {
	t.Helper()
	params := map[string]string{"agent_id": "scout", "occurrence_id": "o1", "rollout_id": "ro_1"}
	for _, rt := range routes(nil) {
		if rt.operation.ID != operation {
			continue
		}
		r := httptest.NewRequest(rt.operation.Method, "/", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		err, called := reached(t, rt, r, params)
		if called {
			return ""
		}
		return err.Error()
	}
	t.Fatalf("there is no operation %s", operation)
	return ""
}

// Rules 10.4 and 10.6: a plan is looked at as a whole, and all that is wrong with
// it is told, each at its place.
func TestPlanConstraints(t *testing.T) {
	for name, tc := range map[string]struct{ waves, want string }{
		"one wave":       {`{"group":"all","rest":true}`, ""},
		"the defaults":   {`{"group":"explorer","count":1},{"group":"early_adopter","percent":30},{"group":"general","rest":true}`, ""},
		"no rest at all": {`{"group":"a","count":1},{"group":"b","count":1}`, ""},
		"all bounds": {
			`{"group":"a","percent":100,"delay":"0s","timeout":"1ns","min_healthy":1,"stable_for":"720h","max_failed":0,"max_concurrent":"1%"},
			 {"group":"b","count":1,"delay":"720h","timeout":"720h","min_healthy":"100%","max_failed":"0%","max_concurrent":1,"allow_unclean":true,"on_failure":"continue"}`, "",
		},
		"no waves":    {``, "/plan/waves: at least 1 entry"},
		"too many":    {strings.Repeat(`{"group":"x","count":1},`, 50) + `{"group":"y","count":1}`, "/plan/waves: at most 50 entries"},
		"no size":     {`{"group":"a"}`, "/plan/waves/0: exactly one of count, percent and rest"},
		"two sizes":   {`{"group":"a","count":1,"rest":true}`, "/plan/waves/0: exactly one of count, percent and rest"},
		"a bad size":  {`{"group":"a","count":"1"}`, `/plan/waves/0/count: a whole number is wanted, not "1"`},
		"rest: false": {`{"group":"a","rest":false}`, "/plan/waves/0/rest: true"},
		"rest first":  {`{"group":"a","rest":true},{"group":"b","count":1}`, "/plan/waves/0/rest: another size: only the last wave takes the rest"},
		"names":       {`{"group":"a","count":1},{"group":"a","count":1},{"group":"a","rest":true}`, "/plan/waves/1/group: another name than that of wave 1; /plan/waves/2/group: another name than that of wave 1"},
		"a name":      {`{"group":"a b","count":1}`, `/plan/waves/0/group: letters, digits, ".", "_" and "-", at most 128, a letter or a digit first`},
		"no name":     {`{"count":1}`, "/plan/waves/0/group: missing; a string is wanted"},
		"numbers": {
			`{"group":"a","count":0,"min_healthy":0,"max_concurrent":"0%"},{"group":"b","percent":101,"max_failed":-1}`,
			`/plan/waves/1/max_failed: a whole number or a whole percentage like "80%" is wanted, not -1; /plan/waves/0/count: at least 1; ` +
				`/plan/waves/0/max_concurrent: at least 1; /plan/waves/0/min_healthy: at least 1; /plan/waves/1/percent: at most 100`,
		},
		"durations": {
			`{"group":"a","count":1,"delay":"-1s","timeout":"0s","stable_for":"721h"}`,
			"/plan/waves/0/delay: at least 0s; /plan/waves/0/stable_for: at most 720h; /plan/waves/0/timeout: more than 0s",
		},
		"choices":       {`{"group":"a","count":1,"on_failure":"explode"}`, "/plan/waves/0/on_failure: one of continue, fail, halt"},
		"misspelt":      {`{"group":"a","dealy":"3s"}`, "/plan/waves/0/dealy: unknown field; /plan/waves/0: exactly one of count, percent and rest"},
		"null":          {`null,{"group":"b","rest":true}`, "/plan/waves/0: null where an object is wanted"},
		"letter case":   {`{"Group":"a","count":1}`, `/plan/waves/0/Group: unknown field; letter case counts: "group"; /plan/waves/0/group: missing; a string is wanted`},
		"many mistakes": {`{"group":"","percent":0,"count":0}`, `/plan/waves/0/count: at least 1; /plan/waves/0/group: letters, digits, ".", "_" and "-", at most 128, a letter or a digit first; /plan/waves/0/percent: at least 1; /plan/waves/0: exactly one of count, percent and rest`},
	} {
		t.Run(name, func(t *testing.T) {
			got := complaints(t, "RequestShutdown", `{"reason":"r","plan":{"waves":[`+tc.waves+`]}}`)
			if name == "too many" { // they share a name too
				got, _, _ = strings.Cut(got, "; ")
			}
			if got != tc.want {
				t.Errorf("got\n%s\nwant\n%s", strings.ReplaceAll(got, "; ", "\n"), strings.ReplaceAll(tc.want, "; ", "\n"))
			}
		})
	}
}

// Section 10: each body has constraints of its own.
func TestBodyConstraints(t *testing.T) {
	long := strings.Repeat("é", 129)
	for _, tc := range []struct{ operation, body, want string }{
		// A registration: rules 3.4, 7.6.
		{"RegisterOccurrence", `{"boot_id":"b"}`, ""},
		{"RegisterOccurrence", `{"boot_id":"2026-01-02T03:04:05+00:00/4711","labels":{"ciris.ai/zone":"b"},"coordinated":false}`, ""},
		{"RegisterOccurrence", `{"boot_id":""}`, "/boot_id: 1 to 128 characters of printable ASCII without spaces"},
		{"RegisterOccurrence", `{"boot_id":"a b","version":""}`, "/boot_id: 1 to 128 characters of printable ASCII without spaces; /version: at least 1 character"},
		{"RegisterOccurrence", `{"boot_id":"b","version":"` + long + `"}`, "/version: at most 128 characters"},
		{"RegisterOccurrence", `{"boot_id":"b","version":"` + long[2:] + `"}`, ""},
		{"RegisterOccurrence", `{"boot_id":"b","callback_secret":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}`, ""},
		{"RegisterOccurrence", `{"boot_id":"b","callback_secret":"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}`, `/callback_secret: "whsec_" and a key in base64`},
		{"RegisterOccurrence", `{"boot_id":"b","callback_secret":"whsec_"}`, `/callback_secret: "whsec_" and a key in base64`},
		{"RegisterOccurrence", `{"boot_id":"b","callback_secret":"whsec_MfKQ\n9r8G"}`, `/callback_secret: "whsec_" and a key in base64`},
		{"RegisterOccurrence", `{"boot_id":"b","group":"","labels":{" ":"x","a":"` + strings.Repeat("x", 257) + `","b/c":5}}`, `/labels/b~1c: a string is wanted, not 5; /group: letters, digits, ".", "_" and "-", at most 128, a letter or a digit first; /labels/ : a name of letters, digits, ".", "_", "/" and "-", at most 128, a letter or a digit first; /labels/a: at most 256 characters`},
		// A heartbeat: rules 2.3, 2.7.
		{"Heartbeat", `{"boot_id":"b","sequence":9223372036854775807,"state":"dream","incidents":{},"detail":"","echo":"2026-01-02T03:04:05+14:00"}`, ""},
		{"Heartbeat", `{"boot_id":"b","sequence":0,"state":"Work","incidents":{"critical":-1,"low":1}}`, "/incidents/low: unknown field; /incidents/critical: at least 0; /sequence: at least 1; /state: one of dream, error, play, shutdown, solitude, starting, stopped, wakeup, work"},
		// Asking and requesting are two things: section 6.
		{"RequestWakeup", `{"occurrence_id":"o1","boot_id":"b"}`, ""},
		{"RequestWakeup", `{"reason":"r","supersede":false}`, ""},
		{"RequestWakeup", `{}`, "/reason: missing; a reason is wanted from an operator, occurrence_id and boot_id from an occurrence"},
		{"RequestWakeup", `{"supersede":true}`, "/reason: missing; a reason is wanted from an operator, occurrence_id and boot_id from an occurrence"},
		{"RequestWakeup", `{"occurrence_id":"o1"}`, "/boot_id: missing; wanted together with occurrence_id"},
		{"RequestWakeup", `{"boot_id":"b"}`, "/occurrence_id: missing; wanted together with boot_id"},
		{"RequestWakeup", `{"occurrence_id":"o1","boot_id":"b","reason":"r"}`, "/reason: not together with occurrence_id and boot_id: an occurrence asks, or an operator requests"},
		{"RequestWakeup", `{"occurrence_id":"__shared__","boot_id":"b","supersede":false,"plan":{"waves":[]}}`, `/occurrence_id: letters, digits, ".", "_" and "-", at most 128, a letter or a digit first; /plan/waves: at least 1 entry; /plan: not together with occurrence_id and boot_id: an occurrence asks, or an operator requests; /supersede: not together with occurrence_id and boot_id: an occurrence asks, or an operator requests`},
		{"RequestWakeup", `{"reason":5}`, "/reason: a string is wanted, not 5"},
		// A shutdown: section 10.
		{"RequestShutdown", `{"reason":"r","consent":"maybe","on_decision_timeout":"reject","not_before":"now"}`, `/not_before: an RFC 3339 time with an offset, like "2026-01-02T03:04:05Z" is wanted, not "now"; /consent: one of instant, required; /on_decision_timeout: one of accept, fail`},
		// A decision has three forms: rules 4.24, 5.4, 5.7.
		{"DecideRollout", `{"verdict":"reject","reasoning":"no"}`, ""},
		{"DecideRollout", `{"verdict":"defer","reasoning":"later","until":"2026-01-02T03:04:05Z"}`, ""},
		{"DecideRollout", `{"occurrence_id":"o1","claim_token":"t","verdict":"accept","reasoning":"yes"}`, ""},
		{"DecideRollout", `{"occurrence_id":"o1","instruction_id":"i","verdict":"reject","reasoning":"no"}`, ""},
		{"DecideRollout", `{"occurrence_id":"o1","verdict":"accept","reasoning":""}`, "/reasoning: at least 1 character; /claim_token: missing; wanted together with occurrence_id"},
		{"DecideRollout", `{"claim_token":"t","verdict":"agree","reasoning":"yes"}`, "/verdict: one of accept, defer, reject; /occurrence_id: missing; wanted together with claim_token or instruction_id"},
		{"DecideRollout", `{"occurrence_id":"o1","claim_token":"t","instruction_id":"i","verdict":"accept","reasoning":"yes","until":"2026-01-02T03:04:05Z"}`, "/instruction_id: not together with claim_token; /until: not wanted with this verdict, only with defer"},
		// Commands: rule 4.18.
		{"PromoteRollout", `{"reason":"r","wave":0}`, ""},
		{"PromoteRollout", `{"reason":"r"}`, "/wave: missing; a whole number is wanted"},
		{"PauseRollout", `{"reason":"r","wave":1}`, "/wave: unknown field"},
		{"PauseRollout", `{"reason":"` + strings.Repeat("x", 4097) + `"}`, "/reason: at most 4096 characters"},
	} {
		if got := complaints(t, tc.operation, tc.body); got != tc.want {
			t.Errorf("%s %s:\n got %s\nwant %s", tc.operation, tc.body, got, tc.want)
		}
	}
}

// A place in a request has one pointer, however it is named inside.
func TestPointerTo(t *testing.T) {
	for namespace, want := range map[string]string{
		"XRequestObject.agent_id":                          "/path/agent_id",
		"XRequestObject.Params.limit":                      "/query/limit",
		"XRequestObject.Params.If-None-Match":              "/header/If-None-Match",
		"XRequestObject.Body.reason":                       "/reason",
		"XRequestObject.Body.":                             "",
		"XRequestObject.Body.plans.wakeup.waves[10].group": "/plans/wakeup/waves/10/group",
		"XRequestObject.Body.plan.waves[0].":               "/plan/waves/0",
		"XRequestObject.Body.plan./waves/1/group":          "/plan/waves/1/group",
		"XRequestObject.Body./labels/a.b~1c[0]":            "/labels/a.b~1c[0]",
	} {
		if got := pointerTo(namespace, []string{"limit"}); string(got) != want {
			t.Errorf("%s is at %q, want %q", namespace, got, want)
		}
	}
}

// Rule 10.7: a key belongs to its principal, method and path, and the body counts
// as what it says, not as how it is written.
func TestOnceKey(t *testing.T) {
	of := func(actor, method, path, given, body string) (string, string) {
		c := &call{operation: operation{Method: method}, request: httptest.NewRequest(method, path, nil), principal: person{name: actor}, raw: []byte(body)}
		key, canonical, err := c.onceKey(given)
		if err != nil {
			t.Fatal(err)
		}
		if string(c.raw) != body {
			t.Errorf("the body was changed to %s", c.raw)
		}
		return key, string(canonical)
	}
	key, body := of("ann", "POST", "/a", "k", `{"reason":"r","version":1.0}`)
	for _, other := range [][4]string{{"eve", "POST", "/a", "k"}, {"ann", "PUT", "/a", "k"}, {"ann", "POST", "/b", "k"}, {"ann", "POST", "/a", "l"}, {"an", "POST", "/a", "nk"}} {
		if k, _ := of(other[0], other[1], other[2], other[3], `{}`); k == key {
			t.Errorf("%v has the same key", other)
		}
	}
	if k, b := of("ann", "POST", "/a", "k", ` { "version" : 1, "reason" : "\u0072" } `); k != key || b != body {
		t.Errorf("the same request: %s %s, then %s %s", key, body, k, b)
	}
	if _, b := of("ann", "POST", "/a", "k", ""); b != "{}" {
		t.Errorf("no body is %s", b)
	}
}

func TestCheckerLeavesGoodRequestsAlone(t *testing.T) {
	bad := wire.Invalid{{Pointer: "/x", Detail: "unknown field"}}
	if got := newChecker().check(&GetAgentRequestObject{AgentID: "scout"}, nil, bad); len(got) != 1 {
		t.Errorf("complaints %v", got)
	}
}
