package api_test

import (
	"net/http/httptest"
	"testing"

	"github.com/cirisai/orchestrator/api"
)

// tagOf is the ETag of an answer that must have one.
func (h *house) tagOf(w *httptest.ResponseRecorder) string {
	h.t.Helper()
	tag := w.Header().Get("ETag")
	if len(tag) < 3 || tag[0] != '"' || tag[len(tag)-1] != '"' {
		h.t.Fatalf("ETag %q", tag)
	}
	return tag
}

// Rule 10.2: a rollout's ETag is the same as long as the same is shown, whichever
// call shows it, and changes with whatever is shown, members included.
func TestETagChangesWithWhatIsShown(t *testing.T) {
	overStores(t, func(t *testing.T, open opener) {
		h := newHouse(t, open)
		h.fleet("scout", "default", "scout-1")
		made := h.want(201, "POST", "/v1/agents/scout/shutdowns", `{"reason":"r","consent":"instant","plan":{"waves":[{"group":"all","rest":true}]}}`)
		r := got[api.Rollout](h, made)
		told := h.told("scout", "default").InstructionID
		tag, version := h.tagOf(made), r.Version
		for _, step := range []struct {
			what, method, target, body string
			status                     int
			moves                      bool // the version
		}{
			{"an acknowledgement", "POST", occurrencePath("scout", "default") + "/instructions/" + told + "/acknowledgement", `{"boot_id":"boot-default"}`, 200, false},
			{"a member that stops", "POST", occurrencePath("scout", "default") + "/heartbeats", `{"boot_id":"boot-default","sequence":9,"state":"stopped"}`, 200, true},
			{"a pause", "POST", rolloutPath(r) + "/pause", `{"reason":"r"}`, 200, true},
			{"an end", "POST", rolloutPath(r) + "/abort", `{"reason":"r"}`, 200, true},
		} {
			h.want(304, "GET", rolloutPath(r), "", "If-None-Match: "+tag)
			list := h.tagOf(h.want(200, "GET", "/v1/rollouts", ""))
			h.want(304, "GET", "/v1/rollouts", "", "If-None-Match: "+list)
			answer := h.want(step.status, step.method, step.target, step.body)
			w := h.want(200, "GET", rolloutPath(r), "", "If-None-Match: "+tag)
			h.want(200, "GET", "/v1/rollouts", "", "If-None-Match: "+list)
			if now := got[api.Rollout](h, w).Version; (now != version) != step.moves {
				t.Errorf("%s: version %d, before %d", step.what, now, version)
			} else {
				version = now
			}
			tag = h.tagOf(w)
			if own := answer.Header().Get("ETag"); own != "" && own != tag {
				t.Errorf("%s is answered with the ETag %s, the rollout has %s", step.what, own, tag)
			}
		}
	})
}

// Rule 10.2: If-None-Match is compared weakly, with each of its tags; a 304 has the
// ETag and no body.
func TestIfNoneMatch(t *testing.T) {
	h := newHouse(t, openMemory)
	h.fleet("scout", "default")
	r := h.shutdown("scout", "")
	whole := h.want(200, "GET", rolloutPath(r), "")
	tag := h.tagOf(whole)
	for _, known := range []string{tag, "W/" + tag, "*", ` "a" ,"b",` + tag, `W/"a", W/` + tag, `"a,b", ` + tag} {
		w := h.want(304, "GET", rolloutPath(r), "", "If-None-Match: "+known)
		if w.Body.Len() > 0 || w.Header().Get("ETag") != tag || w.Header().Get("Content-Type") != "" {
			t.Errorf("If-None-Match %s: %q %v", known, w.Body, w.Header())
		}
		if w := h.want(304, "HEAD", rolloutPath(r), "", "If-None-Match: "+known); w.Header().Get("ETag") != tag {
			t.Errorf("HEAD, If-None-Match %s: %v", known, w.Header())
		}
	}
	for _, other := range []string{`"a"`, "W/", tag[1 : len(tag)-1], `"` + tag + `"`, "w/" + tag, `W/ ` + tag, tag + tag} {
		if w := h.want(200, "GET", rolloutPath(r), "", "If-None-Match: "+other); w.Body.String() != whole.Body.String() {
			t.Errorf("If-None-Match %s: %s", other, w.Body)
		}
	}
	two := request(t.Context(), "GET", rolloutPath(r), "", `If-None-Match: "a"`)
	two.Header.Add("If-None-Match", tag)
	w := httptest.NewRecorder()
	if h.handler.ServeHTTP(w, two); w.Code != 304 {
		t.Errorf("two lines of If-None-Match: %d %s", w.Code, w.Body)
	}
	// It says nothing to calls that change something, or that have no ETag.
	if w := h.want(200, "POST", rolloutPath(r)+"/abort", `{"reason":"r"}`, "If-None-Match: *"); h.tagOf(w) == tag {
		t.Error("an abort changed nothing")
	}
	h.want(200, "GET", "/v1/agents/scout", "", "If-None-Match: *")
}

// Rule 4.18: a command that was held up does not overtake a later one. What is
// already so is 200 and what is not allowed 409, before the version is looked at;
// abort ignores it. A 409 names the state and what is allowed.
func TestStaleVersion(t *testing.T) {
	overStores(t, func(t *testing.T, open opener) {
		h := newHouse(t, open)
		h.fleet("scout", "default", "scout-1")
		r := h.shutdown("scout", `,"consent":"instant"`)
		before := h.read(r)
		old := `{"reason":"r","version":` + digits(before.Version) + `}`
		paused := post[api.Rollout](h, 200, rolloutPath(r)+"/pause", old)
		if paused.State != api.RolloutStatePaused || paused.Version <= before.Version {
			t.Fatalf("paused: %s at version %d, before %d", paused.State, paused.Version, before.Version)
		}
		if again := post[api.Rollout](h, 200, rolloutPath(r)+"/pause", old); again.Version != paused.Version {
			t.Errorf("what is already so changed version %d to %d", paused.Version, again.Version)
		}
		h.command(r, "resume", `,"version":`+digits(paused.Version))
		problem := post[api.Problem](h, 409, rolloutPath(r)+"/pause", old)
		if problem.Code != api.ErrorCodeStaleVersion || problem.State == nil || *problem.State != api.RolloutStateRolling || len(problem.Allowed) != 3 {
			t.Errorf("a pause that was held up: %+v", problem)
		}
		problem = post[api.Problem](h, 409, rolloutPath(r)+"/retry", old)
		if problem.Code != api.ErrorCodeNotAllowed || problem.State == nil || len(problem.Allowed) != 3 {
			t.Errorf("a retry of what is rolling: %+v", problem)
		}
		if ended := post[api.Rollout](h, 200, rolloutPath(r)+"/abort", old); ended.State != api.RolloutStateAborted {
			t.Errorf("aborted: %s", ended.State)
		}
		problem = post[api.Problem](h, 409, rolloutPath(r)+"/pause", old)
		if problem.Code != api.ErrorCodeNotAllowed || problem.Allowed == nil || len(problem.Allowed) != 0 {
			t.Errorf("a pause of what has ended: %+v", problem)
		}
	})
}
