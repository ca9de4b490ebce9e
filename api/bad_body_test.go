package api_test

import (
	"slices"
	"strings"

	"github.com/cirisai/orchestrator/api"
)

const (
	registrations = "/v1/agents/scout/occurrences/default"
	heartbeats    = registrations + "/heartbeats"
	wakeups       = "/v1/agents/scout/wakeups"
	decisions     = "/v1/rollouts/{deciding}/decision"
)

// long is a text that is a character too long for a reason or a detail.
var long = strings.Repeat("ß", 4097)

// unacceptable is a list of requests that are 422.
func unacceptable(method, target string, all ...bad) []bad {
	for i := range all {
		all[i].method, all[i].target, all[i].status, all[i].code = method, target, 422, api.ErrorCodeValidationFailed
	}
	return all
}

// badBodies are JSON that is not what is wanted (rule 10.6).
func badBodies() []bad {
	return slices.Concat(badShutdowns(), badSettings(), badRegistrations(), badHeartbeats(), badForms())
}

// badShutdowns are shutdowns that cannot be requested: unknown fields, wrong types, null, and all
// constraints at once.
func badShutdowns() []bad {
	return unacceptable("POST", shutdowns,
		bad{name: "an array", body: `[]`},
		bad{name: "a string", body: `"reason"`},
		bad{name: "a number", body: `5`},
		bad{name: "true", body: `true`},
		bad{name: "a field is missing", body: `{}`, at: "/reason"},
		bad{name: "an unknown field", body: `{"reason":"r","reasons":"r"}`, at: "/reasons"},
		bad{name: "a field in another letter case", body: `{"Reason":"r"}`, at: "/Reason /reason"},
		bad{name: "many unknown fields", body: `{"reason":"r","a":1,"b/c":{"d":1},"~":[]}`, at: "/a /b~1c /~0"},
		bad{
			name: "wrong types", body: `{"reason":5,"consent":true,"terminal":"no","supersede":0,"plan":[],"not_before":1}`,
			at: "/reason /consent /terminal /supersede /plan /not_before",
		},
		bad{
			name: "null for all", body: `{"reason":null,"plan":null,"terminal":null,"until":null,"not_before":null}`,
			at: "/reason /plan /terminal /until /not_before",
		},
		bad{
			name: "constraints of a shutdown", body: `{"reason":"","consent":"maybe","on_decision_timeout":"panic","plan":{"waves":[]}}`,
			at: "/consent /on_decision_timeout /plan/waves /reason",
		},
		bad{name: "a reason that is too long", body: `{"reason":"` + long + `"}`, at: "/reason"},
		bad{
			name: "times that are none", body: `{"reason":"r","not_before":"tomorrow","expected_reactivation":"2026-02-30T00:00:00Z"}`,
			at: "/not_before /expected_reactivation",
		},
		bad{name: "a time without offset", body: `{"reason":"r","not_before":"2026-01-02T03:04:05"}`, at: "/not_before"},
		bad{name: "a time with a comma", body: `{"reason":"r","not_before":"2026-01-02T03:04:05,5Z"}`, at: "/not_before"},
		bad{name: "a leap hour", body: `{"reason":"r","not_before":"2026-01-02T24:00:00Z"}`, at: "/not_before"},
		bad{name: "a year beyond all", body: `{"reason":"r","not_before":"9999-12-31T23:59:59-14:00"}`, at: "/not_before"},
	)
}

// badSettings are settings that no agent can have.
func badSettings() []bad {
	return unacceptable("PUT", "/v1/agents/scout",
		bad{
			name: "constraints of an agent's settings",
			body: `{"expected_occurrences":0,"plans":{"wakeup":{"waves":[]},"sleep":{}},"messages":{"shutdown":"","wakeup":"{who}"},"x":1}`,
			at:   "/plans/sleep /x /expected_occurrences /messages/shutdown /plans/wakeup/waves",
		},
		bad{
			name: "a placeholder that nobody knows", body: `{"messages":{"shutdown":"{reason} {why}","wakeup":"{}"}}`,
			at: "/messages/wakeup /messages/shutdown",
		},
		bad{name: "more occurrences than there can be", body: `{"expected_occurrences":1000001}`, at: "/expected_occurrences"},
		bad{name: "half an occurrence", body: `{"expected_occurrences":1.5}`, at: "/expected_occurrences"},
		bad{name: "a message that is too long", body: `{"messages":{"wakeup":"` + strings.Repeat("x", 16385) + `"}}`, at: "/messages/wakeup"},
	)
}

// badRegistrations are registrations that are not taken.
func badRegistrations() []bad {
	return unacceptable("PUT", registrations,
		bad{
			name: "constraints of a registration",
			body: `{"boot_id":"a b","callback_secret":"x","version":"","group":"a b","labels":{"":"x"},"coordinated":"yes","state":"work"}`,
			at:   "/coordinated /state /boot_id /callback_secret /group /version /labels/",
		},
		bad{name: "no boot", body: `{}`, at: "/boot_id"},
		bad{name: "an empty boot", body: `{"boot_id":""}`, at: "/boot_id"},
		bad{name: "a boot that is too long", body: `{"boot_id":"` + strings.Repeat("b", 129) + `"}`, at: "/boot_id"},
		bad{name: "a boot that is no ASCII", body: `{"boot_id":"b\u00e9"}`, at: "/boot_id"},
		bad{name: "a secret without its prefix", body: `{"boot_id":"b","callback_secret":"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}`, at: "/callback_secret"},
		bad{name: "a secret without a key", body: `{"boot_id":"b","callback_secret":"whsec_"}`, at: "/callback_secret"},
		bad{name: "a secret that is no base64", body: `{"boot_id":"b","callback_secret":"whsec_a*b="}`, at: "/callback_secret"},
		bad{name: "a secret in base64url", body: `{"boot_id":"b","callback_secret":"whsec_MfKQ9r8GKYqr-wjU_D8ILPZIo2LaLaSw"}`, at: "/callback_secret"},
		bad{name: "a secret without padding", body: `{"boot_id":"b","callback_secret":"whsec_MfKQ9r8G4"}`, at: "/callback_secret"},
		bad{name: "a secret that is too long", body: `{"boot_id":"b","callback_secret":"whsec_` + strings.Repeat("AAAA", 127) + `"}`, at: "/callback_secret"},
		bad{
			name: "labels of all wrong kinds", body: `{"boot_id":"b","labels":{"a":1,"b":null,"-c":"x","d":"` + strings.Repeat("x", 257) + `"}}`,
			at: "/labels/a /labels/b /labels/-c /labels/d",
		},
		bad{name: "too many labels", body: `{"boot_id":"b","labels":{` + manyLabels(65) + `}}`, at: "/labels"},
	)
}

// badHeartbeats are heartbeats that are none.
func badHeartbeats() []bad {
	return unacceptable("POST", heartbeats,
		bad{
			name: "constraints of a heartbeat", body: `{"boot_id":"","sequence":0,"state":"happy","version":"","incidents":{"critical":-1,"high":1000001,"low":1}}`,
			at: "/incidents/low /boot_id /incidents/critical /incidents/high /sequence /state /version",
		},
		bad{name: "a heartbeat of nothing", body: `{}`, at: "/boot_id /sequence /state"},
		bad{name: "sequence 0", body: `{"boot_id":"boot-default","sequence":0,"state":"work"}`, at: "/sequence"},
		bad{name: "a sequence below", body: `{"boot_id":"boot-default","sequence":-1,"state":"work"}`, at: "/sequence"},
		bad{name: "a sequence beyond all", body: `{"boot_id":"boot-default","sequence":9223372036854775808,"state":"work"}`, at: "/sequence"},
		bad{name: "half a sequence", body: `{"boot_id":"boot-default","sequence":2.5,"state":"work"}`, at: "/sequence"},
		bad{name: "a sequence as a power", body: `{"boot_id":"boot-default","sequence":1e400,"state":"work"}`, at: "/sequence"},
		bad{name: "a sequence as a string", body: `{"boot_id":"boot-default","sequence":"2","state":"work"}`, at: "/sequence"},
		bad{name: "a state in capitals", body: `{"boot_id":"boot-default","sequence":2,"state":"WORK"}`, at: "/state"},
		bad{name: "an empty state", body: `{"boot_id":"boot-default","sequence":2,"state":""}`, at: "/state"},
		bad{name: "an echo without offset", body: `{"boot_id":"boot-default","sequence":2,"state":"work","echo":"2026-01-02T03:03:05"}`, at: "/echo"},
		bad{name: "an echo that is a number", body: `{"boot_id":"boot-default","sequence":2,"state":"work","echo":1767322985}`, at: "/echo"},
		bad{name: "a detail that is too long", body: `{"boot_id":"boot-default","sequence":2,"state":"work","detail":"` + long + `"}`, at: "/detail"},
		bad{name: "incidents as a list", body: `{"boot_id":"boot-default","sequence":2,"state":"work","incidents":[1,2]}`, at: "/incidents"},
	)
}

// badForms mix the forms of bodies that have more than one.
func badForms() []bad {
	var all []bad
	add := func(more []bad) { all = append(all, more...) }
	add(unacceptable("POST", wakeups,
		bad{name: "neither an occurrence nor an operator", body: `{}`, at: "/reason"},
		bad{name: "an occurrence without its boot", body: `{"occurrence_id":"default"}`, at: "/boot_id"},
		bad{name: "a boot without its occurrence", body: `{"boot_id":"boot-default"}`, at: "/occurrence_id"},
		bad{name: "an occurrence with a reason", body: `{"occurrence_id":"default","boot_id":"boot-default","reason":"r"}`, at: "/reason"},
		bad{
			name: "an occurrence with a plan", body: `{"occurrence_id":"default","boot_id":"boot-default","supersede":true,"plan":{"waves":[{"group":"a","count":1}]}}`,
			at: "/plan /supersede",
		},
		bad{name: "an operator without a reason", body: `{"supersede":true}`, at: "/reason"},
		bad{name: "the occurrence that all share", body: `{"occurrence_id":"__shared__","boot_id":"b"}`, at: "/occurrence_id"},
		bad{name: "a wakeup with consent", body: `{"reason":"r","consent":"instant"}`, at: "/consent"},
	))
	add(unacceptable("POST", decisions,
		bad{name: "a decision of nothing", body: `{}`, at: "/reasoning /verdict"},
		bad{name: "an unknown verdict", body: `{"verdict":"agree","reasoning":"r"}`, at: "/verdict"},
		bad{name: "a verdict without reasoning", body: `{"verdict":"accept","reasoning":""}`, at: "/reasoning"},
		bad{name: "until with another verdict", body: `{"verdict":"reject","reasoning":"r","until":"2026-01-03T00:00:00Z"}`, at: "/until"},
		bad{name: "until in the past", body: `{"verdict":"defer","reasoning":"r","until":"2026-01-02T03:03:05Z"}`, at: "/until"},
		bad{name: "until in the past, far to the east", body: `{"verdict":"defer","reasoning":"r","until":"2026-01-02T17:03:00+14:00"}`, at: "/until"},
		bad{name: "until as a duration", body: `{"verdict":"defer","reasoning":"r","until":"2h"}`, at: "/until"},
		bad{name: "a token without its occurrence", body: `{"claim_token":"{token}","verdict":"accept","reasoning":"r"}`, at: "/occurrence_id"},
		bad{name: "an occurrence without its token", body: `{"occurrence_id":"default","verdict":"accept","reasoning":"r"}`, at: "/claim_token"},
		bad{
			name: "a token and an instruction", body: `{"occurrence_id":"default","claim_token":"{token}","instruction_id":"{told}","verdict":"accept","reasoning":"r"}`,
			at: "/instruction_id",
		},
		bad{name: "a token with spaces", body: `{"occurrence_id":"default","claim_token":"a b","verdict":"accept","reasoning":"r"}`, at: "/claim_token"},
		bad{name: "a reasoning that is too long", body: `{"verdict":"accept","reasoning":"` + strings.Repeat("x", 16385) + `"}`, at: "/reasoning"},
	))
	add(unacceptable("POST", "/v1/rollouts/{rolling}/pause",
		bad{name: "a command of nothing", body: `{}`, at: "/reason"},
		bad{name: "constraints of a command", body: `{"reason":"","version":-1,"wave":1}`, at: "/wave /reason /version"},
		bad{name: "a version that is none", body: `{"reason":"r","version":"2"}`, at: "/version"},
	))
	add(unacceptable("POST", "/v1/rollouts/{rolling}/promote",
		bad{name: "past no wave", body: `{"reason":"r"}`, at: "/wave"},
		bad{name: "past a wave that cannot be", body: `{"reason":"r","wave":-1,"version":1.5}`, at: "/version /wave"},
		bad{name: "past more waves than a plan has", body: `{"reason":"r","wave":51}`, at: "/wave"},
	))
	add(unacceptable("POST", "/v1/rollouts/{deciding}/claim",
		bad{name: "constraints of a claim", body: `{"occurrence_id":"a/b","boot_id":"a b","token":"x"}`, at: "/token /boot_id /occurrence_id"},
	))
	add(unacceptable("POST", "/v1/agents/roller/occurrences/default/instructions/{told}/acknowledgement",
		bad{name: "an acknowledgement by nobody", body: `{"boot":"boot-default"}`, at: "/boot /boot_id"},
	))
	add(unacceptable("POST", "/v1/emergency/shutdown",
		bad{name: "an alarm by slip", body: `{"reason":"r"}`, at: "/confirm"},
		bad{name: "an alarm that is not meant", body: `{"reason":"r","confirm":false}`, at: "/confirm"},
		bad{
			name: "constraints of an emergency stop", body: `{"agent_id":"__shared__","reason":"","confirm":"yes","drill":"maybe"}`,
			at: "/confirm /agent_id /drill /reason",
		},
		bad{name: "a signature beside a confirmation", body: `{"reason":"r","confirm":true,"signature":"x"}`, at: "/signature"},
	))
	add(unacceptable("POST", "/v1/agents/held/release", bad{name: "a release without a reason", body: `{}`, at: "/reason"}))
	add(unacceptable("POST", "/v1/emergency/release", bad{name: "a release of all with an agent", body: `{"reason":"r","agent_id":"held"}`, at: "/agent_id"}))
	return all
}

func manyLabels(n int) string {
	labels := make([]string, n)
	for i := range labels {
		labels[i] = `"l` + strings.Repeat("x", i) + `":""`
	}
	return strings.Join(labels, ",")
}
