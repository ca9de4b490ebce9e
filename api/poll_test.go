package api_test

import (
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cirisai/orchestrator/api"
	"github.com/cirisai/orchestrator/internal/engine"
)

// polled is what a poll was answered, and how long it took.
type polled struct {
	*httptest.ResponseRecorder
	took time.Duration
}

// poll polls in the background.
func (h *house) poll(target string) <-chan polled {
	answered := make(chan polled, 1)
	began := time.Now()
	go func() {
		w := httptest.NewRecorder()
		h.handler.ServeHTTP(w, request(h.t.Context(), "GET", target, ""))
		answered <- polled{w, time.Since(began)}
	}()
	return answered
}

// wants looks at what a poll was answered: so many instructions, after so long.
func (h *house) wants(what string, p polled, instructions int, after time.Duration) {
	h.t.Helper()
	if p.Code != 200 {
		h.t.Fatalf("%s: %d %s", what, p.Code, p.Body)
	}
	if list := got[api.InstructionList](h, p.ResponseRecorder); len(list.Instructions) != instructions || p.took != after {
		h.t.Errorf("%s: after %s %s, want %d after %s", what, p.took, p.Body, instructions, after)
	}
}

// Rule 7.5 and section 10: a poll is answered at once when something is pending,
// otherwise as soon as something is, and after wait with an empty list; wait is 0s
// unless it is given, and at most 60s.
func TestPoll(t *testing.T) {
	bubble(t, nil, func(t *testing.T, h *house) {
		h.fleet("scout", "default", "scout-1")
		path := pollPath("scout", "default")
		h.wants("without wait", <-h.poll(path), 0, 0)
		h.wants("wait=0s", <-h.poll(path+"&wait=0s"), 0, 0)
		h.wants("wait=1500ms", <-h.poll(path+"&wait=1500ms"), 0, 1500*time.Millisecond)
		h.wants("wait=1m", <-h.poll(path+"&wait=1m"), 0, time.Minute)

		for _, l := range h.living { // a minute is more than the liveness timeout
			h.heartbeat("scout", l.boot[len("boot-"):], l)
		}
		waiting, other := h.poll(path+"&wait=60s"), h.poll(pollPath("scout", "scout-1")+"&wait=20s")
		<-time.After(7300 * time.Millisecond)
		synctest.Wait()
		r := h.shutdown("scout", "")
		h.wants("something comes", <-waiting, 1, 7300*time.Millisecond)
		h.wants("it is pending", <-h.poll(path+"&wait=60s"), 1, 0)
		h.wants("it is for somebody else", <-other, 0, 20*time.Second)

		h.claim(r, "default", bootOf("default"))
		waiting = h.poll(path + "&wait=60s")
		<-time.After(time.Second)
		post[api.Rollout](h, 200, rolloutPath(r)+"/decision", `{"verdict":"accept","reasoning":"r"}`)
		h.wants("accepted, and told to stop", <-waiting, 1, time.Second)
		if in := h.told("scout", "default"); in.Type != api.InstructionTypeStop {
			t.Errorf("told to %s", in.Type)
		}
	})
}

// Rule 2.5: a poll that waits ends when its boot is replaced, and with an answer.
func TestPollOfABootThatIsReplaced(t *testing.T) {
	bubble(t, nil, func(t *testing.T, h *house) {
		h.fleet("scout", "default")
		waiting := h.poll(pollPath("scout", "default") + "&wait=60s")
		<-time.After(5 * time.Second)
		h.register("scout", "default", "another", "starting")
		if p := <-waiting; p.Code != 409 || p.took > 6*time.Second || got[api.Problem](h, p.ResponseRecorder).Code != api.ErrorCodeBootReplaced {
			t.Errorf("after %s: %d %s", p.took, p.Code, p.Body)
		}
	})
}

// Rule 7.5: it makes no difference which replica has news, and over which store.
func TestPollSeesOtherReplicas(t *testing.T) {
	overStores(t, func(t *testing.T, open opener) {
		h := newHouse(t, open)
		h.fleet("scout", "default")
		waiting := h.poll(pollPath("scout", "default") + "&wait=60s")
		other := engine.New(h.store, engine.Options{})
		w := httptest.NewRecorder()
		serve(t, other).ServeHTTP(w, request(t.Context(), "POST", "/v1/agents/scout/shutdowns", `{"reason":"r"}`))
		if w.Code != 201 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		p := <-waiting
		if list := got[api.InstructionList](h, p.ResponseRecorder); len(list.Instructions) != 1 || p.took > 50*time.Second {
			t.Errorf("after %s: %s", p.took, p.Body)
		}
	})
}
