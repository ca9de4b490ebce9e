package rollout_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// TestDefaults is the table after rule 4.10.
func TestDefaults(t *testing.T) {
	for _, c := range []struct {
		name      string
		delay     time.Duration
		onFailure rollout.OnFailure
	}{
		{rollout.Explorer, 0, rollout.FailRollout},
		{rollout.EarlyAdopter, 30 * time.Second, rollout.HaltRollout},
		{rollout.General, 60 * time.Second, rollout.GoOn},
		{"any other", 0, rollout.HaltRollout},
	} {
		want := rollout.Group{Name: c.name, Delay: c.delay, Timeout: 300 * time.Second, MinHealthy: rollout.Count(1), OnFailure: c.onFailure}
		if got := rollout.Defaults(c.name); got != want {
			t.Errorf("%s: %+v, want %+v", c.name, got, want)
		}
	}
	for i, want := range []rollout.Group{groupOf("explorer", sized(1)), groupOf("early_adopter", share(30)), groupOf("general", remaining())} {
		if got := rollout.DefaultPlan()[i]; got != want {
			t.Errorf("wave %d of the default plan is %+v", i+1, got)
		}
	}
}

// TestAmounts is rule 10.4: a number or a whole percentage; max_failed rounds
// down, the others up (rule 4.7).
func TestAmounts(t *testing.T) {
	for _, c := range []struct {
		amount          rollout.Amount
		total, up, down int
		text            string
	}{
		{rollout.Count(3), 2, 3, 3, "3"},
		{rollout.Percent(80), 5, 4, 4, "80%"},
		{rollout.Percent(80), 9, 8, 7, "80%"},
		{rollout.Percent(1), 1, 1, 0, "1%"},
		{rollout.Percent(100), 7, 7, 7, "100%"},
		{rollout.Percent(0), 7, 0, 0, "0%"},
		{rollout.Percent(50), 0, 0, 0, "50%"},
	} {
		if c.amount.Up(c.total) != c.up || c.amount.Down(c.total) != c.down || c.amount.String() != c.text || !c.amount.Set {
			t.Errorf("%s of %d: up %d, down %d", c.amount, c.total, c.amount.Up(c.total), c.amount.Down(c.total))
		}
	}
}

// TestPlanOfARequest is rules 3.3 and 4.24: the request's plan, else the
// agent's for that kind, else the default; with canaries off one wave "all" and
// with coordination off one wave "independent", whatever was configured.
func TestPlanOfARequest(t *testing.T) {
	agents := map[rollout.Kind][]rollout.Group{rollout.Shutdown: {groupOf("ours", remaining())}}
	own := []rollout.Group{groupOf("mine", remaining())}
	for _, c := range []struct {
		name                 string
		kind                 rollout.Kind
		plans                map[rollout.Kind][]rollout.Group
		own                  []rollout.Group
		coordination, canary bool
		want                 string
		onFailure            rollout.OnFailure
	}{
		{"the default", rollout.Shutdown, nil, nil, true, true, "explorer early_adopter general", rollout.FailRollout},
		{"the agent's", rollout.Shutdown, agents, nil, true, true, "ours", rollout.HaltRollout},
		{"the agent's is of the other kind", rollout.Wakeup, agents, nil, true, true, "explorer early_adopter general", rollout.FailRollout},
		{"the request's", rollout.Shutdown, agents, own, true, true, "mine", rollout.HaltRollout},
		{"canaries off", rollout.Shutdown, agents, own, true, false, "all", rollout.HaltRollout},
		{"canaries off, waking", rollout.Wakeup, agents, own, true, false, "all", rollout.HaltRollout},
		{"coordination off", rollout.Shutdown, agents, own, false, true, "independent", rollout.GoOn},
		{"both off", rollout.Shutdown, agents, own, false, false, "independent", rollout.GoOn},
	} {
		s := newStage(t)
		s.settings.Coordination, s.settings.Canary = c.coordination, c.canary
		s.state.Profile.Plans = c.plans
		s.fleetOf(discovery.Work, "o1")
		r := s.rollout(s.request(c.kind, withPlan(c.own...)))
		var names []string
		for _, g := range r.Groups {
			names = append(names, g.Name)
		}
		if got := strings.Join(names, " "); got != c.want || r.Groups[0].OnFailure != c.onFailure {
			t.Errorf("%s: waves %s, the first on failure %s", c.name, got, r.Groups[0].OnFailure)
		}
		if c.own == nil && !slices.Equal(s.state.Profile.PlanFor(c.kind, s.settings), r.Groups) {
			t.Errorf("%s: the plan that is shown is another: %v", c.name, s.state.Profile.PlanFor(c.kind, s.settings))
		}
	}
}

// TestValidatePlan is rule 10.4: every field that fails, all at once.
func TestValidatePlan(t *testing.T) {
	good := groupOf("a", sized(1), spares(rollout.Count(0)), atOnce(rollout.Percent(50)), stable(time.Second))
	ok := []rollout.Group{good, groupOf("b", share(100), spares(rollout.Percent(0))), groupOf("c", remaining(), within(720*time.Hour))}
	if errs := rollout.ValidatePlan(ok, "/waves"); len(errs) != 0 {
		t.Errorf("a good plan: %v", errs)
	}
	set := func(change func(*rollout.Group)) []rollout.Group {
		return []rollout.Group{groupOf("a", sized(1), change)}
	}
	for _, c := range []struct {
		name string
		plan []rollout.Group
		want string
	}{
		{"no wave", nil, ""},
		{"no name", set(func(g *rollout.Group) { g.Name = "" }), "/0/group"},
		{"a name with a space", set(func(g *rollout.Group) { g.Name = "a b" }), "/0/group"},
		{"two of a name", []rollout.Group{groupOf("a", sized(1)), groupOf("a", sized(1))}, "/1/group"},
		{"rest before the end", []rollout.Group{groupOf("a", remaining()), groupOf("b", sized(1))}, "/0/rest"},
		{"count 0", set(func(g *rollout.Group) { g.Size.N = 0 }), "/0/count"},
		{"percent 0", set(func(g *rollout.Group) { g.Size = share(0) }), "/0/percent"},
		{"percent 101", set(func(g *rollout.Group) { g.Size = share(101) }), "/0/percent"},
		{"negative delay", set(delayed(-1)), "/0/delay"},
		{"delay over 30 days", set(delayed(720*time.Hour + 1)), "/0/delay"},
		{"timeout 0", set(within(0)), "/0/timeout"},
		{"timeout over 30 days", set(within(721 * time.Hour)), "/0/timeout"},
		{"negative stable_for", set(stable(-time.Second)), "/0/stable_for"},
		{"min_healthy 0", set(needs(rollout.Count(0))), "/0/min_healthy"},
		{"min_healthy 101%", set(needs(rollout.Percent(101))), "/0/min_healthy"},
		{"max_failed -1", set(spares(rollout.Count(-1))), "/0/max_failed"},
		{"max_concurrent 0", set(atOnce(rollout.Count(0))), "/0/max_concurrent"},
		{"max_concurrent 0%", set(atOnce(rollout.Percent(0))), "/0/max_concurrent"},
		{"on_failure", set(onFailure("retry")), "/0/on_failure"},
	} {
		errs := rollout.ValidatePlan(c.plan, "/waves")
		if len(errs) != 1 || errs[0].Pointer != "/waves"+c.want || errs[0].Detail == "" {
			t.Errorf("%s: %v", c.name, errs)
		}
	}
	bad := rollout.Group{Name: "-", Size: sized(-1), Delay: -1, MinHealthy: rollout.Percent(900), OnFailure: ""}
	if errs := rollout.ValidatePlan([]rollout.Group{bad}, ""); len(errs) != 6 {
		t.Errorf("six fields fail, reported are %v", errs)
	}
	var many []rollout.Group
	for i := range 51 {
		many = append(many, groupOf(fmt.Sprintf("g%d", i), sized(1)))
	}
	if errs := rollout.ValidatePlan(many[:50], ""); len(errs) != 0 {
		t.Errorf("50 waves: %v", errs)
	}
	if errs := rollout.ValidatePlan(many, "/waves"); len(errs) != 1 || errs[0].Pointer != "/waves" {
		t.Errorf("51 waves: %v", errs)
	}
}

// TestStatesAreFinalOrNot is the table of states: which are final, and which
// commands each allows.
func TestStatesAreFinalOrNot(t *testing.T) {
	for state, want := range map[rollout.Status]string{
		rollout.Deciding: "decide abort", rollout.Deferred: "decide abort", rollout.Rolling: "pause promote abort",
		rollout.Paused: "resume abort", rollout.Halted: "retry promote abort",
		rollout.Succeeded: "", rollout.Partial: "", rollout.Rejected: "", rollout.Failed: "", rollout.Aborted: "", rollout.Superseded: "",
	} {
		if got := strings.Join(rollout.Allowed(rollout.Rollout{Kind: rollout.Shutdown, Status: state}), " "); got != want {
			t.Errorf("%s allows %q, want %q", state, got, want)
		}
		if state.Final() != (want == "") {
			t.Errorf("%s is final: %v", state, state.Final())
		}
	}
	if got := rollout.Allowed(rollout.Rollout{Kind: rollout.Emergency, Status: rollout.Rolling}); got == nil || len(got) != 0 {
		t.Errorf("an emergency allows %v (rule 8.2)", got)
	}
	if rollout.Status("unheard of").Final() {
		t.Error("an unknown state is final")
	}
}
