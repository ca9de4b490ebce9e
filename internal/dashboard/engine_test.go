package dashboard

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/memstore"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// The page of a real engine: what the fake answers is what the engine would. After
// an outage of an hour the page shows the times at which things were by the wall
// clock (rule 2.10).
func TestThePageOfAnEngine(t *testing.T) {
	now, ulids := began, 0
	e := engine.New(memstore.New(func() time.Time { return now }), engine.Options{NewULID: func() string {
		ulids++
		return fmt.Sprintf("%026d", ulids)
	}})
	ctx := t.Context()
	if err := e.Start(ctx, rollout.DefaultSettings()); err != nil {
		t.Fatal(err)
	}
	h := newHandler(e, func() time.Time { return now })
	page := func(path string) string {
		t.Helper()
		answer := get(t, h, "GET", path)
		if answer.Code != 200 {
			t.Fatalf("%s: %d\n%s", path, answer.Code, answer.Body)
		}
		return answer.Body.String()
	}
	contains(t, page("/"), "No agent is known yet.")

	now = now.Add(time.Hour) // nobody served
	if err := e.Beat(ctx); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "b"} {
		if _, err := e.Heartbeat(ctx, "scout", id, discovery.Heartbeat{Boot: "1", Sequence: 1, State: discovery.Work}); err != nil {
			t.Fatal(err)
		}
	}
	request := rollout.Request{Kind: rollout.Shutdown, Reason: "no reason", Actor: "operator:ann", Consent: rollout.ConsentRequired}
	aborted := 2*finishedShown + 1
	for range aborted {
		v, err := e.Request(ctx, "scout", request, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Order(ctx, rollout.Order{RolloutID: v.ID, Control: rollout.Abort, Reason: "changed my mind", Actor: "operator:ann"}, nil); err != nil {
			t.Fatal(err)
		}
	}
	v, err := e.Request(ctx, "scout", request, nil)
	if err != nil {
		t.Fatal(err)
	}
	main := page("/")
	contains(t, text(card(t, main, v.ID)), "Shutdown of scout deciding", "at 04:00:00 now", "waits for the verdict of occurrence a, which holds the claim since 04:00:00")
	contains(t, text(main), "scout all live 2 live shutdown deciding", "1 rollout unfinished")

	seen := 0
	for path, pages := "/", 0; path != "" && pages < 10; pages++ {
		p := page(path)
		seen += strings.Count(p, `class="card rollout quiet final"`)
		_, rest, more := strings.Cut(p, `href="/?before=`)
		next, _, _ := strings.Cut(rest, `"`)
		if path = ""; more {
			path = "/?before=" + next
		}
	}
	if seen != aborted {
		t.Errorf("the pages show %d aborted rollouts, want %d", seen, aborted)
	}
	contains(t, page("/?after="), `href="/v1/agents/scout/occurrences"`)
}
