package api_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/api"
	"github.com/cirisai/orchestrator/internal/discovery"
)

// page is a page of any list, read by the names of its members.
type page struct {
	ids  []string
	next *string
}

// walk is a list that is walked: where it is, what its entries are called, and what
// names a place in it.
type walk struct {
	target, list, id, place string
}

var walks = []walk{
	{"/v1/agents", "agents", "agent_id", "cursor"},
	{"/v1/agents/scout/occurrences", "occurrences", "occurrence_id", "cursor"},
	{"/v1/agents/scout/occurrences?liveness=live", "occurrences", "occurrence_id", "cursor"},
	{"/v1/rollouts", "rollouts", "rollout_id", "cursor"},
	{"/v1/rollouts?agent_id=scout&kind=shutdown&state=superseded", "rollouts", "rollout_id", "cursor"},
	{"/v1/incidents", "incidents", "incident_id", "cursor"},
	{"/v1/incidents?agent_id=scout&state=open", "incidents", "incident_id", "cursor"},
	{"/v1/agents/scout/events", "events", "seq", "after"},
	{"/v1/rollouts/{rollout}/events", "events", "seq", "after"},
}

// page reads one page of a walk.
func (h *house) page(w walk, limit int, place *string) page {
	h.t.Helper()
	query := url.Values{}
	if limit > 0 {
		query.Set("limit", fmt.Sprint(limit))
	}
	if place != nil {
		query.Set(w.place, *place)
	}
	joint := "?"
	if strings.Contains(w.target, "?") {
		joint = "&"
	}
	answer := h.want(200, "GET", w.target+joint+query.Encode(), "")
	var p page
	var members map[string]json.RawMessage
	var entries []map[string]json.RawMessage
	for _, read := range []func() error{
		func() error { return json.Unmarshal(answer.Body.Bytes(), &members) },
		func() error { return json.Unmarshal(members["next_cursor"], &p.next) },
		func() error { return json.Unmarshal(members[w.list], &entries) },
	} {
		if err := read(); err != nil {
			h.t.Fatalf("%s: %v", answer.Body, err)
		}
	}
	for _, e := range entries {
		p.ids = append(p.ids, strings.Trim(string(e[w.id]), `"`))
	}
	return p
}

// through walks a list to its end, and calls between after each of the first pages:
// a list that grows faster than it is read has no end.
func (h *house) through(w walk, limit int, between func()) []string {
	h.t.Helper()
	var ids []string
	var place *string
	for pages := range 1000 {
		p := h.page(w, limit, place)
		if len(p.ids) > limit || len(p.ids) < limit && p.next != nil {
			h.t.Errorf("a page of %d, limit %d, next %v", len(p.ids), limit, p.next)
		}
		ids = append(ids, p.ids...)
		if p.next == nil {
			return ids
		}
		place = p.next
		if pages < 3 {
			between()
		}
	}
	h.t.Fatalf("%s has no end", w.target)
	return nil
}

// crowd fills all lists.
type crowd struct {
	*house
	n       int
	rollout api.Rollout
}

func newCrowd(t *testing.T, open opener) *crowd {
	t.Helper()
	c := &crowd{house: newHouse(t, open)}
	c.fleet("scout", "default", "m")
	c.rollout = c.shutdown("scout", "")
	for range 3 {
		c.grow()
	}
	return c
}

// grow adds something to every list, in front of what is there and behind it.
func (c *crowd) grow() {
	c.t.Helper()
	c.n++
	c.clock.Advance(time.Millisecond)
	for _, name := range []string{"a", "z"} {
		id := fmt.Sprintf("%s%d", name, c.n)
		c.fleet("scout", id)
		c.want(200, "PUT", "/v1/agents/"+id, "")
		c.conflict(id)
	}
	c.shutdown("scout", `,"supersede":true`)
	c.claim(c.rolloutNow(), "default", bootOf("default"))
}

// rolloutNow is the unfinished rollout of scout.
func (c *crowd) rolloutNow() api.Rollout {
	c.t.Helper()
	return get[api.RolloutList](c.house, "/v1/rollouts?agent_id=scout&state=deciding&limit=1").Rollouts[0]
}

// conflict opens an incident: replaced boots of an occurrence keep talking.
func (c *crowd) conflict(occurrence string) {
	c.t.Helper()
	c.register("scout", occurrence, "another", discovery.Work)
	for range 3 {
		c.want(409, "POST", occurrencePath("scout", occurrence)+"/heartbeats", `{"boot_id":"`+bootOf(occurrence)+`","sequence":1,"state":"work"}`)
	}
}

// Rule 10.1: a walk shows what was there from its first to its last page exactly
// once, while entries are added before, behind and between; every list does.
func TestWalks(t *testing.T) {
	overStores(t, func(t *testing.T, open opener) {
		c := newCrowd(t, open)
		for _, w := range walks {
			w.target = strings.ReplaceAll(w.target, "{rollout}", c.rollout.RolloutID)
			t.Run(w.target, func(t *testing.T) {
				c.t = t
				all := c.through(w, 1000, func() {})
				if len(all) < 3 && !strings.Contains(w.target, c.rollout.RolloutID) {
					t.Fatalf("only %v are there", all)
				}
				walked := c.through(w, 2, c.grow)
				for _, id := range all {
					if n := count(walked, id); n != 1 {
						t.Errorf("%s was shown %d times: %v", id, n, walked)
					}
				}
				for _, id := range walked {
					if n := count(walked, id); n != 1 {
						t.Errorf("%s was shown %d times: %v", id, n, walked)
					}
				}
				if !sortedAs(w, walked) {
					t.Errorf("in what order is that: %v", walked)
				}
			})
		}
	})
}

func count(ids []string, id string) (n int) {
	for _, other := range ids {
		if other == id {
			n++
		}
	}
	return n
}

// sortedAs reports whether ids are in their list's order: rollouts are newest first
// as their ids are, events by seq, occurrences as rule 3.1 has them. Incidents have
// ids without an order.
func sortedAs(w walk, ids []string) bool {
	return slices.IsSortedFunc(ids, func(a, b string) int {
		switch w.list {
		case "rollouts":
			return strings.Compare(b, a)
		case "occurrences":
			return discovery.CompareIDs(a, b)
		case "events":
			return len(a)*100 + strings.Compare(a, b) - len(b)*100
		case "incidents":
			return 0
		}
		return strings.Compare(a, b)
	})
}

// Rule 10.1: limit is 100 unless it is given, and may be 1 to 1000; a page that is
// full and the last one says so.
func TestLimits(t *testing.T) {
	h := newHouse(t, openMemory)
	for i := range 101 {
		h.want(200, "PUT", fmt.Sprintf("/v1/agents/a%03d", i), "")
	}
	agents := walks[0]
	for _, tc := range []struct {
		limit, entries int
		more           bool
	}{{0, 100, true}, {1, 1, true}, {100, 100, true}, {101, 101, false}, {1000, 101, false}} {
		if p := h.page(agents, tc.limit, nil); len(p.ids) != tc.entries || (p.next != nil) != tc.more {
			t.Errorf("limit %d: %d entries, next %v", tc.limit, len(p.ids), p.next)
		}
	}
	if p := h.page(agents, 0, h.page(agents, 0, nil).next); len(p.ids) != 1 || p.ids[0] != "a100" || p.next != nil {
		t.Errorf("the second page: %+v", p)
	}
	if p := h.page(walk{"/v1/rollouts?agent_id=nobody", "rollouts", "rollout_id", "cursor"}, 0, nil); len(p.ids) != 0 || p.next != nil {
		t.Errorf("an empty list: %+v", p)
	}
}

// Rule 10.1: incidents are newest first.
func TestIncidentsAreNewestFirst(t *testing.T) {
	overStores(t, func(t *testing.T, open opener) {
		c := newCrowd(t, open)
		var last time.Time
		incidents := get[api.IncidentList](c.house, "/v1/incidents").Incidents
		for i, in := range incidents {
			if opened := time.Time(in.OpenedAt); i > 0 && opened.After(last) {
				t.Errorf("%s was opened %s, before one of %s", in.IncidentID, opened, last)
			}
			last = time.Time(in.OpenedAt)
		}
		if len(incidents) != 6 {
			t.Errorf("%d incidents", len(incidents))
		}
	})
}
