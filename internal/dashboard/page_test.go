package dashboard

import (
	"fmt"
	"html"
	"strings"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// section is the part of the page between two headings or anchors.
func section(t *testing.T, page, from, to string) string {
	t.Helper()
	_, rest, found := strings.Cut(page, from)
	if !found {
		t.Fatalf("the page lacks %s", from)
	}
	part, _, _ := strings.Cut(rest, to)
	return part
}

func card(t *testing.T, page, id string) string {
	t.Helper()
	return section(t, page, `id="`+id+`">`, "</article>")
}

// Who opens the page sees first what waits for a person.
func TestWhatWaitsForAPerson(t *testing.T) {
	f, now := night(t)
	page := open(t, f, now, "/")
	calls := text(section(t, page, `<ul class="calls"`, "</ul>"))
	contains(t, calls, "The wakeup of harbor is halted: retry, promote or abort it", fmt.Sprintf("%d incidents are open", len(f.incidents)))
	contains(t, page, "<title>(2) orchestrator</title>", "icon-alert.svg")
	var last int
	for _, part := range []string{`class="calls"`, `id="incidents"`, `id="agents"`, `id="rollouts"`} {
		at := strings.Index(page, part)
		if at < last {
			t.Errorf("%s comes too early", part)
		}
		last = at
	}
}

func TestIncidents(t *testing.T) {
	f, now := night(t)
	page := open(t, f, now, "/")
	incidents := section(t, page, `id="incidents"`, "</section>")
	readable := text(incidents)
	contains(t, readable,
		"Wave failed agent harbor , wave 2",
		"If its rollout is halted: retry, promote or abort it.",
		"Member stuck × 3 agent atlas", "o97", "o98", "o99",
		"dial tcp 10.7.0.14:9000: connect: connection refused",
		"opened 03:01:30 2 min ago",
	)
	contains(t, incidents, `href="#ro_01KHARBOR00000000000000R3"`)
	sorts := map[string]bool{}
	for _, i := range f.incidents {
		sorts[fmt.Sprint(i.AgentID, i.Type, i.RolloutID, i.Wave)] = true
	}
	if n := strings.Count(incidents, "<article"); n != len(sorts) || n == len(f.incidents) {
		t.Errorf("%d entries, want %d: those of one sort about one wave are one", n, len(sorts))
	}
}

// A network that is down is one entry, and a hundred sorts of trouble are cut.
func TestManyIncidents(t *testing.T) {
	f := newFake()
	for i := range 90 {
		f.incidents = append(f.incidents, engine.KeptIncident{AgentID: "scout", OpenedWall: began.Add(-time.Duration(i) * time.Second), Incident: rollout.Incident{
			ID: fmt.Sprintf("inc_%d", i), Type: rollout.IncidentUndeliverable, RolloutID: "ro_gone", Wave: 1, OccurrenceID: fmt.Sprintf("o%02d", i), Detail: "no route",
		}})
	}
	for i := range 40 {
		f.incidents = append(f.incidents, engine.KeptIncident{AgentID: fmt.Sprintf("agent%02d", i), OpenedWall: began, Incident: rollout.Incident{
			ID: fmt.Sprintf("inc_b%d", i), Type: rollout.IncidentBelowExpected, Detail: "1 of 2",
		}})
	}
	page := open(t, f, began, "/")
	incidents := section(t, page, `id="incidents"`, "</section>")
	if n := strings.Count(incidents, "<article"); n != incidentsShown {
		t.Errorf("%d entries, want %d", n, incidentsShown)
	}
	contains(t, text(incidents), "Undeliverable × 90", "and 78 more", "the first at 02:58:31 89 s ago", "And 21 below_expected")
	contains(t, incidents, `href="/v1/rollouts/ro_gone"`) // it is not on the page
	contains(t, text(page), "130 open incidents")
}

// Every sort of incident comes with what can be done about it.
func TestAdvice(t *testing.T) {
	for _, kind := range []rollout.IncidentType{
		rollout.IncidentWaveFailed, rollout.IncidentDecisionTimeout, rollout.IncidentDeferralLimit, rollout.IncidentWakeupRefused,
		rollout.IncidentMemberStuck, rollout.IncidentOccurrenceStuck, rollout.IncidentUndeliverable, rollout.IncidentKeepsRestarting,
		rollout.IncidentStraggler, rollout.IncidentIdentityConflict, rollout.IncidentPausedLong, rollout.IncidentRestartedWhileHeld,
		rollout.IncidentBelowExpected,
	} {
		if advice(kind) == "" {
			t.Errorf("no advice about %s", kind)
		}
	}
	if got := advice("from_a_later_version"); got != "" {
		t.Errorf("advice about what nobody knows: %q", got)
	}
}

func TestAgents(t *testing.T) {
	f, now := night(t)
	agents := section(t, open(t, f, now, "/"), `id="agents"`, "</section>")
	for agent, want := range map[string]string{
		"atlas":  "atlas all live 120 live",
		"harbor": "harbor below expected 9 live 1 stale 10 expected wakeup halted",
		"quill":  "quill nobody discovered 0 live 3 gone",
		"scout":  "scout shutting down 7 live 2 gone 9 expected shutdown rolling",
		"relay":  "relay held 0 live 1 stale 3 gone Held by an emergency stop of operator:chris since 03:01:15 2 min ago : posts secrets to a public channel emergency rolling",
	} {
		piece := section(t, agents, `<h3><a href="/v1/agents/`+agent+`/occurrences">`, "</article>")
		if got := text(piece); got != want {
			t.Errorf("%s reads\n%s\nwant\n%s", agent, got, want)
		}
	}
	contains(t, agents, `aria-label="9 live, 1 stale, 0 missing"`, `href="#ro_01KSCOUT0000000000000000R5"`)
}

func TestAgentTone(t *testing.T) {
	view := func(expected, live, discovered int, hold *rollout.Hold) *engine.AgentView {
		return &engine.AgentView{AgentSummary: engine.AgentSummary{Profile: rollout.Profile{Expected: expected}, Live: live, Discovered: discovered, Hold: hold}}
	}
	held := &rollout.Hold{Terminal: true}
	for _, c := range []struct {
		agent *engine.AgentView
		tone  tone
		words string
	}{
		{view(0, 3, 3, nil), good, "all live"},
		{view(3, 3, 3, nil), good, "all live"},
		{view(0, 2, 3, nil), warn, "some are stale"},
		{view(4, 3, 3, nil), warn, "below expected"},
		{view(4, 0, 0, nil), warn, "nobody discovered"},
		{view(4, 0, 0, held), warn, "held"},
		{view(4, 0, 2, held), warn, "held"},
		{view(4, 1, 1, held), bad, "held, but running"},
	} {
		if tone, words := agentTone(c.agent); tone != c.tone || words != c.words {
			t.Errorf("%+v is %s, %q; want %s, %q", c.agent.AgentSummary, tone, words, c.tone, c.words)
		}
	}
	if c := newAgentCard(view(4, 0, 0, held), began); c.Hold.Cause != "a terminal shutdown" {
		t.Errorf("held by %s", c.Hold.Cause)
	}
}

// Those in trouble are on the first page however many agents there are; all are a
// click away, page by page.
func TestManyAgents(t *testing.T) {
	f := newFake()
	for i := range 450 {
		a := engine.AgentView{AgentSummary: engine.AgentSummary{AgentID: fmt.Sprintf("agent%03d", i), Occurrences: 1, Live: 1, Discovered: 1}}
		if i == 444 {
			a.Live, a.Discovered = 0, 0
		}
		f.agents = append(f.agents, a)
	}
	page := open(t, f, began, "/")
	agents := section(t, page, `id="agents"`, "</section>")
	if n := strings.Count(agents, "<article"); n != agentsShown {
		t.Errorf("%d agents, want %d", n, agentsShown)
	}
	if first, _, _ := strings.Cut(agents, "</article>"); !strings.Contains(first, "agent444") {
		t.Error("the one in trouble is not the first")
	}
	contains(t, agents, "426 more agents, none of them in trouble", `href="/?after="`)
	contains(t, text(page), "450 agents", "449 occurrences live")

	seen := 0
	for path, pages := "/?after=", 0; path != "" && pages < 10; pages++ {
		page := open(t, f, began, path)
		seen += strings.Count(page, "<article")
		lacks(t, page, `id="incidents"`, `id="rollouts"`)
		_, rest, more := strings.Cut(page, `href="/?after=`)
		next, _, _ := strings.Cut(rest, `"`)
		if path = ""; more {
			path = "/?after=" + next
		}
	}
	if seen != 450 {
		t.Errorf("the pages show %d agents, want 450", seen)
	}
}

// A rollout says who wants what, who decided what and why, and for each wave who
// is where and what it waits for (rules 4.11 and 5.7).
func TestARollingShutdown(t *testing.T) {
	f, now := night(t)
	shutdown := card(t, open(t, f, now, "/"), "ro_01KSCOUT0000000000000000R5")
	contains(t, text(shutdown),
		"Shutdown of scout rolling",
		"kernel upgrade of the hosts in rack 7, ticket OPS-4411 asked for by operator:ann at 03:02:00 2 min ago",
		"accepted by occurrence o01 at 03:02:30 102 s ago : No conversation is open",
		"next looked at again at",
		"an operator may: pause, promote, abort",
		"1 explorer passed", "1 of 1 stopped",
		"2 early_adopter running", "1 of 3 stopped",
		"waits for 3 of 3 members to be stopped (min_healthy 80%): 1 are, 0 failed; since 03:03:30, until 03:08:30",
		"1 told, not acknowledged o04", "1 acknowledged, on the way o03", "1 stopped o02",
		"3 general pending", "waits for wave 2 (early_adopter) to be settled", "5 not told yet o05 o06 o07 o08 o09",
		"min_healthy 80% · max_concurrent 3 · delay 30s · timeout 5m · on_failure halt",
	)
	contains(t, shutdown, `href="/v1/rollouts/ro_01KSCOUT0000000000000000R5"`, `title="told 03:03:30, acknowledged 03:03:40, stopped 03:04:00, deadline 03:08:30"`)
}

func TestAHaltedWakeup(t *testing.T) {
	f, now := night(t)
	wakeup := text(card(t, open(t, f, now, "/"), "ro_01KHARBOR00000000000000R3"))
	contains(t, wakeup,
		"Wakeup of harbor halted", "accepted by operator:bo",
		"nothing by itself: somebody must act", "an operator may: retry, promote, abort",
		"0 of 3 awake, 3 failed", "waits for an operator to retry, promote or abort; halted since 03:01:30",
		"3 failed o02 past its deadline, still reporting wakeup",
	)
}

// A halted rollout has timers, of its members; none of them moves it on.
func TestAHaltedRolloutDoesNotMoveByItself(t *testing.T) {
	r := engine.RolloutView{Rollout: rollout.Rollout{ID: "ro_1", Kind: rollout.Wakeup, Status: rollout.Halted, CreatedAt: began}, NextAction: began.Add(time.Second)}
	if c := newRolloutCard(&r, began); c.Next != nil {
		t.Errorf("it is said to move at %s", c.Next.Clock)
	}
	r.Status = rollout.Rolling
	if c := newRolloutCard(&r, began); c.Next == nil {
		t.Error("a rolling one is not said to move")
	}
}

// Until wave 1 starts waves are a forecast, and it is the rollout that waits (rules
// 3.7 and 5.3).
func TestADecision(t *testing.T) {
	f, now := night(t)
	page := open(t, f, now, "/")
	shutdown := card(t, page, "ro_01KLUMEN00000000000000000R4")
	readable := text(shutdown)
	contains(t, readable,
		"waits for the verdict of occurrence o01, which holds the claim since 03:03:50, by 03:13:50",
		"As it would be now", "30 members", "69 in this wave", "and 9 more",
		"terminal: the agent is held when it has ended",
		"an operator may: decide, abort",
	)
	if n := strings.Count(readable, "waits for"); n != 1 {
		t.Errorf("it says %d times what it waits for, want once", n)
	}
}

// A claim's token is a right to decide: the page never shows one.
func TestTokensStaySecret(t *testing.T) {
	f, now := night(t)
	page := open(t, f, now, "/")
	shown := 0
	for i := range f.rollouts {
		r := &f.rollouts[i]
		if r.Claim != nil && r.Claim.Token != "" {
			shown++
			lacks(t, page, r.Claim.Token)
		}
		if r.Decision != nil && r.Decision.Token != "" {
			shown++
			lacks(t, page, r.Decision.Token)
		}
	}
	if shown == 0 {
		t.Fatal("there is no token that could be shown")
	}
}

func TestFinishedRollouts(t *testing.T) {
	f, now := night(t)
	page := open(t, f, now, "/")
	contains(t, text(card(t, page, "ro_01KQUILL00000000000000000R1")),
		"Shutdown of quill rejected", "took 35 s", "rejected by occurrence o01", "Two people are in the middle of a crisis conversation", "Nothing was carried out.")
	wakeup := text(card(t, page, "ro_01KATLAS00000000000000000R0"))
	contains(t, wakeup, "Wakeup of atlas partial", "116 of 119 awake, 3 failed", "116 awake", "and 99 more")
	lacks(t, wakeup, "an operator may", "next", "waits for")
	contains(t, text(card(t, page, "ro_01KRELAY00000000000000000R2")), "Emergency stop of relay", "ordered by operator:chris", "1 lost o04")
	if strings.Index(page, `id="ro_01KHARBOR00000000000000R3"`) > strings.Index(page, `id="ro_01KQUILL00000000000000000R1"`) {
		t.Error("a finished rollout comes before an unfinished one")
	}
}

// Who goes silent instead of saying "stopped" is shown apart (rule 4.11).
func TestUncleanStop(t *testing.T) {
	r := engine.RolloutView{Rollout: rollout.Rollout{ID: "ro_1", AgentID: "scout", Kind: rollout.Shutdown, Status: rollout.Partial, StartedAt: began, CreatedAt: began, FinishedAt: began.Add(time.Hour)}}
	r.Waves = []rollout.Wave{{Group: rollout.Defaults("all"), Status: rollout.WavePassed, StartedAt: began, FinishedAt: began, Promoted: true, Members: []rollout.Member{
		{OccurrenceID: "a", Status: rollout.MemberReached, Clean: true},
		{OccurrenceID: "b", Status: rollout.MemberReached},
		{OccurrenceID: "c", Status: rollout.MemberSkipped, Detail: "had left before the wave started"},
		{OccurrenceID: "d", Status: rollout.MemberInstructed, Unreachable: "no route", Detail: "unreachable: no route", Restarts: 2},
	}}}
	f := newFake()
	f.rollouts = []engine.RolloutView{r}
	got := text(card(t, open(t, f, began.Add(72*time.Hour), "/"), "ro_1"))
	contains(t, got, "1 all passed, promoted", "1 of 4 stopped, 1 silent", "1 went silent, did not say stopped b", "1 stopped a",
		"1 skipped c had left before the wave started", "1 told, not acknowledged d unreachable: no route", "1 Mar 03:00:00 3 days ago", "took 60 min")
}

// Rollouts are walked from the newest to the oldest, none twice and none left out.
func TestOlderRollouts(t *testing.T) {
	f := newFake()
	for i := 34; i >= 0; i-- {
		f.rollouts = append(f.rollouts, engine.RolloutView{Rollout: rollout.Rollout{
			ID: fmt.Sprintf("ro_%02d", i), AgentID: "scout", Kind: rollout.Wakeup, Status: rollout.Aborted, CreatedAt: began, FinishedAt: began,
		}})
	}
	seen := map[string]int{}
	pages := 0
	for path := "/"; path != "" && pages < 10; pages++ {
		page := open(t, f, began, path)
		for i := range f.rollouts {
			seen[f.rollouts[i].ID] += strings.Count(page, `id="`+f.rollouts[i].ID+`"`)
		}
		_, rest, more := strings.Cut(page, `href="/?before=`)
		next, _, _ := strings.Cut(rest, `"`)
		if path = ""; more {
			path = "/?before=" + next
		}
	}
	if pages != 4 {
		t.Errorf("%d pages, want 4", pages)
	}
	for i := range f.rollouts {
		if n := seen[f.rollouts[i].ID]; n != 1 {
			t.Errorf("%s was on the pages %d times", f.rollouts[i].ID, n)
		}
	}
}

// Whoever writes a reason, a detail or an id writes text and nothing else.
func TestHostileTexts(t *testing.T) {
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(2)>'{{.Secret}}`
	s := newScene(t, "scout", 2, discovery.Work)
	s.step(rollout.Request{ULID: "1", Kind: rollout.Shutdown, Actor: "operator:" + evil, Reason: evil, Consent: rollout.ConsentRequired})
	s.step(rollout.GiveVerdict{RolloutID: "ro_1", Verdict: rollout.Accept, Actor: "operator:" + evil, Reasoning: evil})
	f := newFake(s)
	f.agents[0].Hold = &rollout.Hold{Since: began, By: evil, Reason: evil, RolloutID: evil}
	f.agents[0].AgentID = evil
	f.agents[0].Unfinished = append(f.agents[0].Unfinished, evil)
	f.incidents = []engine.KeptIncident{{AgentID: evil, OpenedWall: began, Incident: rollout.Incident{
		ID: evil, Type: evil, RolloutID: "javascript:alert(1)", OccurrenceID: evil, Detail: evil,
	}}}
	f.rollouts[0].WaitingFor[0] = evil
	f.rollouts[0].Waves[0].Name = evil
	f.rollouts[0].Waves[0].Members[0].OccurrenceID = evil
	f.rollouts[0].Waves[0].Members[0].Detail, f.rollouts[0].Waves[0].Members[0].Status = evil, rollout.MemberFailed
	page := open(t, f, began, "/")
	lacks(t, page, "<script", "<img", "onerror=alert(2)>", `href="javascript:`)
	if n := strings.Count(page, html.EscapeString("<script>alert(1)</script>")); n < 10 {
		t.Errorf("the text is shown %d times, want it wherever it was written", n)
	}
}

// A page is no place for 64 KiB of reason, nor for what moves the text around it.
func TestLongTexts(t *testing.T) {
	s := newScene(t, "scout", 1, discovery.Work)
	s.step(rollout.Request{ULID: "1", Kind: rollout.Shutdown, Actor: "operator:ann", Reason: "line one\nline two\x00\x1b[31m " + strings.Repeat("é", 60_000), Consent: rollout.ConsentRequired})
	page := open(t, newFake(s), began, "/")
	contains(t, page, "<bdi>line one line two [31m é", "é…</bdi>")
	if len(page) > 20_000 {
		t.Errorf("the page has %d bytes", len(page))
	}
}

func TestWhatAnOperatorIsCalledFor(t *testing.T) {
	r := func(status rollout.Status, till time.Time) *engine.RolloutView {
		return &engine.RolloutView{Rollout: rollout.Rollout{AgentID: "scout", Kind: rollout.Shutdown, Status: status, DeferredTillWall: till}}
	}
	for _, c := range []struct {
		rollout *engine.RolloutView
		want    string
	}{
		{r(rollout.Halted, time.Time{}), "The shutdown of scout is halted: retry, promote or abort it"},
		{r(rollout.Paused, time.Time{}), "The shutdown of scout is paused: resume or abort it"},
		{r(rollout.Deferred, time.Time{}), "The shutdown of scout is deferred: decide or abort it"},
		{r(rollout.Deferred, began), ""},
		{r(rollout.Deciding, time.Time{}), ""},
		{r(rollout.Rolling, time.Time{}), ""},
		{r(rollout.Failed, time.Time{}), ""},
	} {
		if got := waitsForOperator(c.rollout); got != c.want {
			t.Errorf("%s: %q, want %q", c.rollout.Status, got, c.want)
		}
	}
}
