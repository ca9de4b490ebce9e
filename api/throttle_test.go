package api_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/api"
)

// Rule 10.9: a throttled heartbeat is 429, with Retry-After, and a sign of life; it
// is nothing more: its state is not taken, it is no event, and its sequence stays
// free.
func TestThrottledHeartbeat(t *testing.T) {
	overStores(t, func(t *testing.T, open opener) {
		h := newHouse(t, open)
		h.fleet("scout", "default")
		h.silence("scout", "default")
		path := occurrencePath("scout", "default")
		h.pass(20 * time.Second)
		before := get[api.Occurrence](h, path)
		events := get[api.EventList](h, "/v1/agents/scout/events").Events
		for _, state := range []string{"work", "dream", "stopped"} {
			w := h.want(429, "POST", path+"/heartbeats", `{"boot_id":"boot-default","sequence":7,"state":"`+state+`","detail":"x","version":"2"}`, by("slow"))
			if after := w.Header().Get("Retry-After"); after != "2" {
				t.Errorf("Retry-After %q, want 2 for 1.2 s", after)
			}
		}
		alive := get[api.Occurrence](h, path)
		if seen := time.Time(alive.LastSeenAt); seen != h.clock.Now() {
			t.Errorf("last seen %s, now it is %s", seen, h.clock.Now())
		}
		alive.LastSeenAt = before.LastSeenAt
		if !reflect.DeepEqual(before, alive) {
			t.Errorf("it was %+v\nand is %+v", before, alive)
		}
		if now := get[api.EventList](h, "/v1/agents/scout/events").Events; len(now) != len(events) {
			t.Errorf("%d events, then %d", len(events), len(now))
		}
		h.pass(20 * time.Second)
		if o := get[api.Occurrence](h, path); o.Liveness != api.LivenessLive {
			t.Errorf("20 s later it is %s", o.Liveness)
		}
		if a := post[api.HeartbeatAnswer](h, 200, path+"/heartbeats", `{"boot_id":"boot-default","sequence":7,"state":"dream"}`); !a.Accepted {
			t.Error("its sequence was taken")
		}
	})
}

// Rules 2.4 to 2.8 and 10.9: what would not be a sign of life is none when it is
// throttled; what is no heartbeat at all is refused as such.
func TestThrottledHeartbeatThatIsNone(t *testing.T) {
	overStores(t, func(t *testing.T, open opener) {
		h := newHouse(t, open)
		h.register("scout", "default", "old", "work")
		h.fleet("scout", "default", "stopped")
		h.silence("scout", "default")
		h.stop("scout", "stopped")
		old := h.clock.Now().Add(-time.Second).Format(time.RFC3339Nano)
		h.pass(30 * time.Second)
		before := h.dump()
		path := occurrencePath("scout", "default") + "/heartbeats"
		for what, body := range map[string]string{
			"of a replaced boot":       `{"boot_id":"old","sequence":9,"state":"work"}`,
			"of a boot never heard":    `{"boot_id":"new","sequence":9,"state":"work"}`,
			"that is not newer":        `{"boot_id":"boot-default","sequence":1,"state":"work"}`,
			"that was held up":         `{"boot_id":"boot-default","sequence":9,"state":"work","echo":"` + old + `"}`,
			"of another letter case":   `{"boot_id":"Boot-default","sequence":9,"state":"work"}`,
			"of a boot that has ended": "",
		} {
			target := path
			if body == "" {
				target, body = occurrencePath("scout", "stopped")+"/heartbeats", `{"boot_id":"boot-stopped","sequence":9,"state":"work"}`
			}
			h.want(429, "POST", target, body, by("slow"))
			if after := h.dump(); after != before {
				t.Errorf("a heartbeat %s changed\n%s", what, changed(before, after))
			}
		}
		h.want(429, "POST", occurrencePath("scout", "unknown")+"/heartbeats", `{"boot_id":"b","sequence":1,"state":"work"}`, by("slow"))
		h.want(404, "GET", occurrencePath("scout", "unknown"), "")
		h.want(422, "POST", path, `{"boot_id":"boot-default","sequence":0,"state":"work"}`, by("slow"))
		h.want(400, "POST", path, `{`, by("slow"))
	})
}

// Rule 10.9: the emergency stop is never throttled; everything else is, and what
// is outside /v1 belongs to nobody.
func TestWhatIsThrottled(t *testing.T) {
	h := newHouse(t, openMemory)
	h.fleet("scout", "default")
	before := h.dump()
	h.want(429, "POST", "/v1/agents/scout/shutdowns", `{"reason":"r"}`, by("slow"))
	h.want(429, "DELETE", occurrencePath("scout", "default"), "", by("slow"))
	if after := h.dump(); after != before {
		t.Errorf("what was throttled changed\n%s", changed(before, after))
	}
	for range 3 {
		h.want(202, "POST", "/v1/emergency/shutdown", `{"reason":"r","confirm":true}`, by("slow"))
	}
	h.want(200, "GET", "/healthz", "", by("slow"))
	h.want(200, "GET", "/metrics", "", by("slow"))
}
