package api_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/api"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/memstore"
)

func digits(n int64) string { return fmt.Sprint(n) }

// key is the header that makes a call happen once.
func key(k string) string { return "Idempotency-Key: " + k }

// replayed wants a second answer to be the first one, but for its request id.
func (h *house) replayed(what string, first, second *httptest.ResponseRecorder) {
	h.t.Helper()
	if first.Header().Get("Idempotency-Replayed") != "" || second.Header().Get("Idempotency-Replayed") != "true" {
		h.t.Errorf("%s: replayed %q, then %q", what, first.Header().Get("Idempotency-Replayed"), second.Header().Get("Idempotency-Replayed"))
	}
	if first.Code != second.Code || first.Body.String() != second.Body.String() {
		h.t.Errorf("%s: %d %s\nthen %d %s", what, first.Code, first.Body, second.Code, second.Body)
	}
	for _, header := range []string{"ETag", "Location", "Content-Type", "Cache-Control"} {
		if first.Header().Get(header) != second.Header().Get(header) {
			h.t.Errorf("%s: %s %q, then %q", what, header, first.Header().Get(header), second.Header().Get(header))
		}
	}
}

// Rule 10.7: a POST of an operator that is sent again with its key has no other
// effect, and is answered the same: status, body and headers. The answer survives a
// change of replica.
func TestOnce(t *testing.T) {
	overStores(t, func(t *testing.T, open opener) {
		h := newHouse(t, open)
		h.fleet("scout", "default", "scout-1")
		h.fleet("sage", "default")
		h.fleet("seer", "default")
		deciding := h.shutdown("scout", "")
		rolling := h.rolling("sage", `{"group":"all","rest":true}`)
		incident := h.incident("sage", "default")
		halted := h.halted("seer")
		for i, call := range []struct{ target, body string }{
			{rolloutPath(deciding) + "/decision", `{"verdict":"defer","reasoning":"r"}`},
			{rolloutPath(rolling) + "/pause", `{"reason":"r"}`},
			{rolloutPath(rolling) + "/resume", `{"reason":"r"}`},
			{rolloutPath(rolling) + "/promote", `{"reason":"r","wave":1}`},
			{rolloutPath(halted) + "/retry", `{"reason":"r"}`},
			{rolloutPath(halted) + "/abort", `{"reason":"r"}`},
			{"/v1/incidents/" + incident.IncidentID + "/resolve", `{"reason":"r"}`},
			{"/v1/agents/seer/wakeups", `{"reason":"r"}`},
			{"/v1/agents/seer/shutdowns", `{"reason":"r"}`},
			{"/v1/emergency/shutdown", `{"agent_id":"scout","reason":"r","confirm":true}`},
			{"/v1/emergency/shutdown", `{"reason":"r","confirm":true}`},
			{"/v1/agents/scout/release", `{"reason":"r"}`},
			{"/v1/emergency/release", `{"reason":"r"}`},
		} {
			k := key(fmt.Sprintf("key-%d", i))
			first := h.send("POST", call.target, call.body, k)
			if first.Code >= 300 {
				t.Fatalf("%s: %d %s", call.target, first.Code, first.Body)
			}
			before := h.dump()
			h.replayed(call.target, first, h.send("POST", call.target, " "+call.body+"\n", k))
			h.restart()
			h.replayed(call.target+", another replica", first, h.send("POST", call.target, call.body, k))
			if after := h.dump(); after != before {
				t.Errorf("%s, once more, changed\n%s", call.target, changed(before, after))
			}
		}
	})
}

// Rule 10.7: a key belongs to its principal, method and path; with another body it
// is refused; only answers that were 2xx are kept, and for 24 hours.
func TestWhoseKeyItIs(t *testing.T) {
	overStores(t, func(t *testing.T, open opener) {
		h := newHouse(t, open)
		const shutdowns, reason = "/v1/agents/scout/shutdowns", `{"reason":"r","supersede":true}`
		h.want(200, "PUT", "/v1/agents/scout", "")
		for range 2 {
			if p := post[api.Problem](h, 409, shutdowns, reason, key("k")); p.Code != api.ErrorCodeNoLiveOccurrence {
				t.Errorf("nobody is live: %+v", p)
			}
		}
		h.fleet("scout", "default")
		h.fleet("sage", "default")
		first := h.want(201, "POST", shutdowns, reason, key("k"))
		for what, other := range map[string]*httptest.ResponseRecorder{
			"another principal": h.want(201, "POST", shutdowns, reason, key("k"), by("ann")),
			"another path":      h.want(201, "POST", "/v1/agents/sage/shutdowns", reason, key("k")),
			"another key":       h.want(201, "POST", shutdowns, reason, key("K")),
			"no key":            h.want(201, "POST", shutdowns, reason),
		} {
			if other.Header().Get("Idempotency-Replayed") != "" || got[api.Rollout](h, other).RolloutID == got[api.Rollout](h, first).RolloutID {
				t.Errorf("%s was given the first answer", what)
			}
		}
		before := h.dump()
		for _, body := range []string{`{"reason":"s","supersede":true}`, `{"reason":"r"}`, `{"reason":"r","supersede":true,"terminal":false}`} {
			if p := post[api.Problem](h, 422, shutdowns, body, key("k")); p.Code != api.ErrorCodeIdempotencyKeyReused {
				t.Errorf("another body: %+v", p)
			}
		}
		if after := h.dump(); after != before {
			t.Errorf("what was refused changed\n%s", changed(before, after))
		}
		h.replayed("the same body, in another order", first, h.want(201, "POST", shutdowns, `{"supersede":true,"reason":"\u0072"}`, key("k")))
		h.clock.Advance(24*time.Hour - time.Microsecond)
		h.replayed("after almost a day", first, h.want(201, "POST", shutdowns, reason, key("k")))
		h.clock.Advance(time.Microsecond)
		if w := h.want(201, "POST", shutdowns, reason, key("k")); w.Header().Get("Idempotency-Replayed") != "" {
			t.Error("a key was known after a day")
		}
	})
}

// Rule 10.7: while the first call runs, the second is 409 in_progress.
func TestOnceWhileTheFirstRuns(t *testing.T) {
	overStores(t, func(t *testing.T, open opener) {
		h := newHouse(t, open)
		h.fleet("scout", "default")
		locked, release, unlocked := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		go func() {
			unlocked <- h.store.Update(t.Context(), "scout", false, func(engine.Tx) error {
				select {
				case locked <- struct{}{}:
				default: // a second run
				}
				<-release
				return nil
			})
		}()
		<-locked
		answers := make(chan *httptest.ResponseRecorder, 2)
		for range 2 {
			go func() {
				w := httptest.NewRecorder()
				h.handler.ServeHTTP(w, request(t.Context(), "POST", "/v1/agents/scout/shutdowns", `{"reason":"r"}`, key("k")))
				answers <- w
			}()
		}
		if w := <-answers; w.Code != 409 || !strings.Contains(w.Body.String(), `"in_progress"`) {
			t.Errorf("while the first runs: %d %s", w.Code, w.Body)
		}
		close(release)
		first := <-answers
		if err := <-unlocked; err != nil {
			t.Fatal(err)
		}
		if first.Code != 201 {
			t.Fatalf("the first: %d %s", first.Code, first.Body)
		}
		h.replayed("afterwards", first, h.want(201, "POST", "/v1/agents/scout/shutdowns", `{"reason":"r"}`, key("k")))
	})
}

// Rule 10.7: the answer is kept in the transaction of the effect. When it was lost
// on the way, so that the caller was told 503, the key finds it.
func TestOnceAfterALostAnswer(t *testing.T) {
	store := memstore.New(time.Now)
	lost := false
	store.Fault = func(op string) memstore.FaultKind {
		if lost && op == "Update" {
			return memstore.FaultAfter
		}
		return memstore.NoFault
	}
	h := newHouse(t, func(*testing.T, func() time.Time) engine.Store { return store })
	h.fleet("scout", "default")
	lost = true
	h.want(503, "POST", "/v1/agents/scout/shutdowns", `{"reason":"r"}`, key("k"))
	lost = false
	made := get[api.RolloutList](h, "/v1/rollouts").Rollouts
	w := h.want(201, "POST", "/v1/agents/scout/shutdowns", `{"reason":"r"}`, key("k"))
	if len(made) != 1 || got[api.Rollout](h, w).RolloutID != made[0].RolloutID || w.Header().Get("Idempotency-Replayed") != "true" {
		t.Errorf("made %+v, then answered %s", made, w.Body)
	}
	if w.Header().Get("Location") != rolloutPath(made[0]) {
		t.Errorf("Location %q", w.Header().Get("Location"))
	}
}

// Rule 10.7: what an occurrence posts is idempotent by itself, and a key is ignored:
// the same one may come with anything.
func TestKeysOfOccurrencesAreIgnored(t *testing.T) {
	h := newHouse(t, openMemory)
	h.fleet("scout", "default")
	beats := occurrencePath("scout", "default") + "/heartbeats"
	for i, body := range []string{`{"boot_id":"boot-default","sequence":7,"state":"work"}`, `{"boot_id":"boot-default","sequence":8,"state":"wakeup"}`} {
		if a := post[api.HeartbeatAnswer](h, 200, beats, body, key("k")); !a.Accepted || a.Sequence != int64(7+i) {
			t.Errorf("heartbeat %d: %+v", i, a)
		}
	}
	ask := `{"occurrence_id":"default","boot_id":"boot-default"}`
	h.want(201, "POST", "/v1/agents/scout/wakeups", ask, key("k"))
	again := h.want(200, "POST", "/v1/agents/scout/wakeups", ask, key("k"))
	r := api.Rollout{RolloutID: *got[api.WakeupAnswer](h, again).RolloutID}
	token := post[api.ClaimAnswer](h, 200, rolloutPath(r)+"/claim", ask, key("k")).Claim.Token
	decide := func(verdict string) string {
		return `{"occurrence_id":"default","claim_token":"` + token + `","verdict":"` + verdict + `","reasoning":"r"}`
	}
	h.want(200, "POST", rolloutPath(r)+"/decision", decide("accept"), key("k"))
	h.want(409, "POST", rolloutPath(r)+"/decision", decide("reject"), key("k"))
	if w := h.want(200, "POST", rolloutPath(r)+"/decision", decide("accept"), key("k")); w.Header().Get("Idempotency-Replayed") != "" {
		t.Error("an occurrence's decision was kept")
	}
}

// Rule 10.7, and promise 6: of many calls at once with one key, on two replicas, one
// has its effect; the others are told so, or that it still runs.
func TestOnceAmongMany(t *testing.T) {
	overStores(t, func(t *testing.T, open opener) {
		h := newHouse(t, open)
		h.fleet("scout", "default", "scout-1")
		replicas := []*house{h, h.replica()}
		answers := make([]*httptest.ResponseRecorder, 12)
		var calls sync.WaitGroup
		for i := range answers {
			calls.Go(func() {
				answers[i] = replicas[i%2].send("POST", "/v1/agents/scout/shutdowns", `{"reason":"r","supersede":true}`, key("k"))
			})
		}
		calls.Wait()
		first := 0
		for _, w := range answers {
			switch {
			case w.Code == 201 && w.Header().Get("Idempotency-Replayed") == "":
				first++
			case w.Code == 201:
			case w.Code != 409 || got[api.Problem](h, w).Code != api.ErrorCodeInProgress:
				t.Errorf("%d %s", w.Code, w.Body)
			}
		}
		if made := get[api.RolloutList](h, "/v1/rollouts").Rollouts; first != 1 || len(made) != 1 {
			t.Errorf("%d calls were the first, %d rollouts were made", first, len(made))
		}
	})
}
