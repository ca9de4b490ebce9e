package api_test

import (
	"testing"
	"time"

	"github.com/cirisai/orchestrator/api"
	"github.com/cirisai/orchestrator/internal/wire"
)

// Rule 10.5: a time is taken with any offset, as the instant it is, and answered in
// UTC.
func TestOffsetsAreTaken(t *testing.T) {
	overStores(t, func(t *testing.T, open opener) {
		h := newHouse(t, open)
		h.fleet("scout", "default")
		const inAnHour = "2026-01-02T04:03:05Z"
		for _, written := range []string{
			"2026-01-02T04:03:05Z", "2026-01-02T04:03:05.000Z", "2026-01-02T05:03:05+01:00", "2026-01-01T16:03:05-12:00", "2026-01-02T18:03:05+14:00",
			"2026-01-02T09:48:05.000000000+05:45", "2026-01-02T04:03:05-00:00",
		} {
			r := h.shutdown("scout", `,"supersede":true,"consent":"instant","not_before":"`+written+`"`)
			if at := r.NextActionAt; r.State != api.RolloutStateRolling || r.Waves[0].State != api.WaveStateDelayed || at == nil || at.String() != inAnHour {
				t.Errorf("not_before %s: %s, wave 1 %s, next action at %v", written, r.State, r.Waves[0].State, at)
			}
			deferred := h.shutdown("scout", `,"supersede":true`)
			after := post[api.Rollout](h, 200, rolloutPath(deferred)+"/decision", `{"verdict":"defer","reasoning":"r","until":"`+written+`"}`)
			if at := after.NextActionAt; after.State != api.RolloutStateDeferred || at == nil || at.String() != inAnHour {
				t.Errorf("until %s: %s, next action at %v", written, after.State, at)
			}
		}
		// One that has passed, though its clock shows more, holds nothing up (rule 4.3).
		r := h.shutdown("scout", `,"supersede":true,"consent":"instant","not_before":"2026-01-02T17:03:04+14:00"`)
		if r.Waves[0].State != api.WaveStateRunning {
			t.Errorf("wave 1 is %s", r.Waves[0].State)
		}
	})
}

// Rules 2.8 and 10.5: an echo is taken with any offset; one ahead of now is now.
func TestEchoesWithOffsets(t *testing.T) {
	overStores(t, func(t *testing.T, open opener) {
		h := newHouse(t, open)
		h.fleet("scout", "default")
		h.silence("scout", "default")
		path := occurrencePath("scout", "default")
		h.pass(35 * time.Second) // stale
		sequence := int64(10)
		for _, tc := range []struct {
			echo string
			live api.Liveness
		}{
			{"2026-01-02T03:03:05Z", api.LivenessStale},
			{"2026-01-02T17:03:05+14:00", api.LivenessStale},
			{"2026-01-01T22:03:35-05:00", api.LivenessLive},
			{"2036-01-01T00:00:00Z", api.LivenessLive},
		} {
			sequence++
			body := `{"boot_id":"boot-default","sequence":` + digits(sequence) + `,"state":"work","echo":"` + tc.echo + `"}`
			if a := post[api.HeartbeatAnswer](h, 200, path+"/heartbeats", body); !a.Accepted || a.Sequence != sequence {
				t.Errorf("echo %s: %+v", tc.echo, a)
			}
			if o := get[api.Occurrence](h, path); o.Liveness != tc.live || o.Sequence != sequence {
				t.Errorf("echo %s: %s at sequence %d, want %s", tc.echo, o.Liveness, o.Sequence, tc.live)
			}
		}
		if o := get[api.Occurrence](h, path); o.LastSeenAt != wire.Time(h.clock.Now()) {
			t.Errorf("last seen %s, now it is %s", o.LastSeenAt, h.clock.Now())
		}
	})
}

// Rule 10.5: calls that need no field take {} or no body at all.
func TestBodiesThatAreNotNeeded(t *testing.T) {
	h := newHouse(t, openMemory)
	settings := `{"expected_occurrences":3,"messages":{"wakeup":"{reason}"},"plans":{"shutdown":{"waves":[{"group":"a","rest":true,"max_failed":"10%"}]}}}`
	for _, body := range []string{"{}", "", "\t{ }\n"} {
		for _, content := range []string{"Content-Type: ", "Content-Type: application/json", "Content-Type: text/plain"} {
			a := got[api.Agent](h, h.want(200, "PUT", "/v1/agents/scout", settings))
			if a.ExpectedOccurrences == nil || a.Messages.Wakeup == nil || a.Plans.Shutdown == nil {
				t.Fatalf("settings %+v", a)
			}
			if body != "" && content != "Content-Type: application/json" {
				h.want(415, "PUT", "/v1/agents/scout", body, content)
				continue
			}
			a = got[api.Agent](h, h.want(200, "PUT", "/v1/agents/scout", body, content))
			if a.ExpectedOccurrences != nil || a.Messages != (api.AgentMessages{}) || a.Plans != (api.AgentPlans{}) {
				t.Errorf("%q with %s: %+v", body, content, a)
			}
		}
	}
	for _, content := range []string{"application/json; charset=utf-8", "application/json;charset=UTF-8", "Application/JSON", `application/json; charset="utf-8"`} {
		h.want(200, "PUT", "/v1/agents/scout", `{}`, "Content-Type: "+content)
	}
}

// Rule 10.4: what a plan leaves open has the default of its group, and amounts are
// shown as they were given.
func TestPlansAreFilledIn(t *testing.T) {
	h := newHouse(t, openMemory)
	body := `{"plans":{"wakeup":{"waves":[{"group":"explorer","count":1},{"group":"early_adopter","percent":30},
		{"group":"x","count":2,"delay":"1.5s","timeout":"1m","stable_for":"90s","min_healthy":"80%","max_failed":0,"max_concurrent":2147483647,"allow_unclean":true,"on_failure":"fail"},
		{"group":"general","rest":true,"max_failed":"0%"}]}}}`
	h.want(200, "PUT", "/v1/agents/scout", body)
	want := `[{"allow_unclean":false,"count":1,"delay":"0s","group":"explorer","min_healthy":1,"on_failure":"fail","stable_for":"0s","timeout":"5m0s"},` +
		`{"allow_unclean":false,"delay":"30s","group":"early_adopter","min_healthy":1,"on_failure":"halt","percent":30,"stable_for":"0s","timeout":"5m0s"},` +
		`{"allow_unclean":true,"count":2,"delay":"1.5s","group":"x","max_concurrent":2147483647,"max_failed":0,"min_healthy":"80%","on_failure":"fail","stable_for":"1m30s","timeout":"1m0s"},` +
		`{"allow_unclean":false,"delay":"1m0s","group":"general","max_failed":"0%","min_healthy":1,"on_failure":"continue","rest":true,"stable_for":"0s","timeout":"5m0s"}]` + "\n"
	shown, err := wire.Encode(get[api.Agent](h, "/v1/agents/scout").Plans.Wakeup.Waves)
	if err != nil || string(shown) != want {
		t.Errorf("got  %swant %s(%v)", shown, want, err)
	}
	// What is shown may be sent back.
	h.want(200, "PUT", "/v1/agents/sage", `{"plans":{"shutdown":{"waves":`+string(shown)+`}}}`)
}
