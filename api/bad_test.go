package api_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/cirisai/orchestrator/api"
	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/memstore"
)

// bad is a request that is refused. What stands in braces in its target and body is
// put in from the stage.
type bad struct {
	name           string
	method, target string
	body           string
	headers        []string
	status         int
	code           api.ErrorCode
	at             string // the pointers of what is wrong, in their order
}

// stage is a house in which every refusal can be met.
type stage struct {
	*house
	names *strings.Replacer
}

// newStage sets the scene: agents with rollouts in all kinds of states.
func newStage(t *testing.T, open opener) *stage {
	t.Helper()
	h := newHouse(t, open)
	h.register("scout", "scout-1", "old-scout-1", discovery.Work)
	h.fleet("scout", "default", "scout-1", "scout-2")
	h.stop("scout", "scout-2")
	h.register("scout", "scout-3", bootOf("scout-3"), discovery.Error)
	deciding := h.shutdown("scout", "")
	token := h.claim(deciding, "default", bootOf("default"))

	h.fleet("roller", "default", "other")
	rolling := h.rolling("roller", `{"group":"a","count":1},{"group":"b","rest":true}`)
	told := h.told("roller", "default").InstructionID

	h.fleet("rest", "default")
	aborted := h.rolling("rest", `{"group":"a","rest":true}`)
	withdrawn := h.told("rest", "default").InstructionID
	h.command(aborted, "abort", "")

	h.fleet("pauser", "default")
	paused := h.command(h.rolling("pauser", `{"group":"a","rest":true}`), "pause", "")

	h.fleet("sleeper", "default")
	finished := h.rolling("sleeper", `{"group":"a","rest":true}`)
	h.stop("sleeper", "default")

	h.fleet("held", "default")
	stopped := post[api.EmergencyAnswer](h, 202, "/v1/emergency/shutdown", `{"agent_id":"held","reason":"fire","confirm":true}`)
	h.want(200, "PUT", "/v1/agents/empty", "")

	h.fleet("halter", "default", "other")
	halted := h.rolling("halter", briefly)
	expired := h.told("halter", "default").InstructionID
	h.pass(2e6)
	h.unreachable("halter", "default")
	h.work()
	return &stage{h, strings.NewReplacer(
		"{deciding}", deciding.RolloutID, "{token}", token, "{rolling}", rolling.RolloutID, "{told}", told, "{aborted}", aborted.RolloutID,
		"{withdrawn}", withdrawn, "{paused}", paused.RolloutID, "{finished}", finished.RolloutID, "{stopped}", *stopped.RolloutID,
		"{halted}", halted.RolloutID, "{expired}", expired,
	)}
}

// badRequests are all of them.
func badRequests() []bad {
	return slices.Concat(
		malformed(), badBodies(), badAmounts(), badPlans(), badCallbacks(), badParameters(), badHeaders(), badPaths(), badAccess(),
		missing(), conflicts(), twoWrongs(),
	)
}

// Rule 10.6: a bad request is answered with its status, its code and everything
// that is wrong with it, and changes nothing.
func TestBadRequests(t *testing.T) {
	overStores(t, func(t *testing.T, open opener) {
		s := newStage(t, open)
		look := s.dump
		if _, inMemory := s.store.(*memstore.Store); !inMemory {
			look = s.glance // and a dump before and after all of them
		}
		begin, before := s.dump(), look()
		names := map[string]bool{}
		for _, b := range badRequests() {
			if names[b.name] {
				t.Errorf("two requests are called %q", b.name)
			}
			names[b.name] = true
			t.Run(b.name, func(t *testing.T) {
				s.t = t
				s.refuses(b)
				after := look()
				if after != before {
					t.Errorf("it was refused, and something changed:\n%s", changed(before, after))
				}
				before = after
			})
		}
		s.t = t
		if end := s.dump(); end != begin {
			t.Errorf("they were refused, and something changed:\n%s", changed(begin, end))
		}
		if len(names) < 800 {
			t.Errorf("only %d bad requests were sent", len(names))
		}
	})
}

// Rule 2.5: what a replaced boot sends is refused; that is counted, and the third
// time within a minute it is an incident.
func TestReplacedBoots(t *testing.T) {
	overStores(t, func(t *testing.T, open opener) {
		s := newStage(t, open)
		for i, b := range replaced() {
			s.refuses(b)
			w := s.want(200, "GET", "/v1/incidents?agent_id=scout", "")
			if open := len(got[api.IncidentList](s.house, w).Incidents); (open == 1) != (i >= 2) {
				t.Errorf("%s: %d incidents", b.name, open)
			}
		}
	})
}

// refuses sends a bad request and looks at how it is refused.
func (s *stage) refuses(b bad) {
	s.t.Helper()
	w := s.send(b.method, s.names.Replace(b.target), s.names.Replace(b.body), b.headers...)
	if b.method == "HEAD" {
		if w.Code != b.status {
			s.t.Errorf("%d, want %d", w.Code, b.status)
		}
		return
	}
	p := got[api.Problem](s.house, w)
	at := make([]string, len(p.Errors))
	for i, e := range p.Errors {
		at[i] = e.Pointer
	}
	if w.Code != b.status || p.Code != b.code || strings.Join(at, " ") != b.at {
		s.t.Errorf("%s %s: %d %s at %q, want %d %s at %q: %s", b.method, b.target, w.Code, p.Code, strings.Join(at, " "), b.status, b.code, b.at, w.Body)
	}
}
