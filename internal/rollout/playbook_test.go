package rollout_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// playbook is what a transcript may say. Words are ids, or key=value.
func playbook() map[string]func(p *player, words []string) error {
	each := func(do func(p *player, id string)) func(p *player, words []string) error {
		return func(p *player, words []string) error {
			for _, id := range words {
				do(p, id)
			}
			return nil
		}
	}
	return map[string]func(p *player, words []string) error{
		// The occurrences.
		"fleet":  (*player).bootFleet, // fleet o1 o2 state=work: boot and report
		"boot":   (*player).bootFleet, // the same for a new boot; uncoordinated, pin=explorer
		"report": (*player).reports,   // report o1 state=work critical=1
		"takes":  (*player).takes,     // takes 30s o1 o2: how long they need to do as told; never
		"mute":   each(func(p *player, id string) { p.actors[id].mute = true }),
		"unmute": each(func(p *player, id string) { p.catchUp(); p.back(id) }),
		"deaf":   each(func(p *player, id string) { p.actors[id].deaf = true }),
		"leave":  each(func(p *player, id string) { p.leave(id) }),
		"ask":    (*player).asks,   // ask o1: may it wake up?
		"claim":  (*player).claims, // claim o1
		// The decision.
		"accept": func(p *player, _ []string) error { return p.verdictOfHolder(rollout.Accept) },
		"reject": func(p *player, _ []string) error { return p.verdictOfHolder(rollout.Reject) },
		"defer":  (*player).defers, // defer until=30m, an offset in wall time
		"operator": func(p *player, words []string) error { // operator accept
			return p.overrule(p.id, rollout.Verdict(words[0]))
		},
		// The operators.
		"shutdown": func(p *player, words []string) error { return p.begin(rollout.Shutdown, words) },
		"wakeup":   func(p *player, words []string) error { return p.begin(rollout.Wakeup, words) },
		"pause":    commandOf(rollout.Pause),
		"resume":   commandOf(rollout.Resume),
		"promote":  commandOf(rollout.Promote), // promote 1
		"retry":    commandOf(rollout.Retry),
		"abort":    commandOf(rollout.Abort),
		"set":      (*player).sets, // set canary=off coordination=off expected=9
		// Time.
		"run":    func(p *player, words []string) error { p.run(duration(p.t, words[0])); return nil },
		"outage": func(p *player, words []string) error { p.outage(duration(p.t, words[0])); return nil },
		"show":   func(p *player, _ []string) error { p.events(); p.show(); return nil },
	}
}

func duration(t testing.TB, s string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// options splits words into plain ones and key=value.
func options(words []string) (plain []string, values map[string]string) {
	values = map[string]string{}
	for _, word := range words {
		if key, value, is := strings.Cut(word, "="); is {
			values[key] = value
		} else {
			plain = append(plain, word)
		}
	}
	return plain, values
}

func (p *player) bootFleet(words []string) error {
	names, values := options(words)
	for _, id := range names {
		if id == "uncoordinated" {
			continue
		}
		a := p.boot(id, func(r *discovery.Registration) {
			r.Pin = values["pin"]
			r.Coordinated = names[len(names)-1] != "uncoordinated"
		})
		if takes := values["takes"]; takes != "" {
			a.takes = duration(p.t, takes)
		}
		if state := values["state"]; state != "" {
			p.report(id, discovery.State(state))
		}
	}
	return nil
}

func (p *player) reports(words []string) error {
	names, values := options(words)
	for _, id := range names {
		a := p.actors[id]
		a.critical = 0
		if n := values["critical"]; n != "" {
			a.critical = number(p.t, n)
		}
		if state := values["state"]; state != "" {
			a.state = discovery.State(state)
		}
		p.beat(id)
	}
	return nil
}

func number(t testing.TB, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (p *player) takes(words []string) error {
	d := time.Duration(-1)
	if words[0] != "never" {
		d = duration(p.t, words[0])
	}
	for _, id := range words[1:] {
		p.actors[id].takes = d
	}
	return nil
}

func (p *player) asks(words []string) error {
	for _, id := range words {
		a := p.ask(id)
		if a.RolloutID != "" {
			p.id = a.RolloutID
		}
		p.events()
		p.say("%s is told: %s (%s)", id, a.Directive, a.Reason)
	}
	return nil
}

func (p *player) claims(words []string) error {
	if err := p.takeClaim(p.id, words[0]); err != nil {
		return err
	}
	p.events()
	p.say("%s holds claim %d", words[0], p.last.Claim.Number)
	return nil
}

func (p *player) verdictOfHolder(v rollout.Verdict) error {
	p.catchUp()
	c := p.claimOf(p.id)
	if a := p.actors[c.OccurrenceID]; v == rollout.Accept && p.rollout(p.id).Kind == rollout.Wakeup && a.takes >= 0 {
		a.becomes, a.arrives = discovery.Work, p.now.Add(a.takes) // to affirm is its instruction: it goes on to work
	}
	return p.verdict(p.id, c.OccurrenceID, c.Token, v)
}

func (p *player) defers(words []string) error {
	until := time.Time{}
	if _, values := options(words); values["until"] != "" {
		until = epoch.Add(duration(p.t, values["until"]))
	}
	return p.postpone(p.id, until)
}

// commandOf makes the word for a command of an operator.
func commandOf(c rollout.Control) func(p *player, words []string) error {
	return func(p *player, words []string) error {
		wave := 0
		if len(words) > 0 {
			wave = number(p.t, words[0])
		}
		version := p.rollout(p.id).Version
		if err := p.order(p.id, c, wave); err != nil {
			return err
		}
		if p.rollout(p.id).Version == version {
			p.say("already so")
		}
		return nil
	}
}

// begin asks for a rollout: plan=1,30%,rest with /key=value behind a wave, instant,
// terminal, supersede, not_before=, reactivate=.
func (p *player) begin(kind rollout.Kind, words []string) error {
	p.catchUp()
	c := rollout.Request{ULID: p.ulid(), Kind: kind, Reason: "upgrade", Actor: "operator:ann", Consent: rollout.ConsentRequired, OnTimeout: rollout.TimeoutFails}
	plain, values := options(words)
	for _, word := range words {
		if text, is := strings.CutPrefix(word, "plan="); is {
			c.Groups = parsePlan(p.t, text)
		}
	}
	for _, word := range plain {
		switch word {
		case "instant":
			c.Consent = rollout.ConsentInstant
		case "supersede":
			c.Supersede = true
		case "terminal":
			c.Terminal = true
		case "silence_accepts":
			c.OnTimeout = rollout.TimeoutAccepts
		default:
			p.t.Fatalf("what is %q?", word)
		}
	}
	if at := values["not_before"]; at != "" {
		c.NotBeforeWall = epoch.Add(duration(p.t, at))
	}
	if at := values["reactivate"]; at != "" {
		c.ReactivateWall = epoch.Add(duration(p.t, at))
	}
	if err := p.step(c); err != nil {
		return err
	}
	p.id = p.last.RolloutID
	return nil
}

// parsePlan reads 1,30%,rest; a name may stand before a size, and settings behind
// it: pilot:2/delay=10s/need=50%.
func parsePlan(t testing.TB, text string) []rollout.Group {
	t.Helper()
	names := []string{rollout.Explorer, rollout.EarlyAdopter, rollout.General}
	var plan []rollout.Group
	for i, part := range strings.Split(text, ",") {
		fields := strings.Split(part, "/")
		name, size, named := strings.Cut(fields[0], ":")
		if !named {
			name, size = names[i], fields[0]
		}
		g := groupOf(name, remaining())
		if n, is := strings.CutSuffix(size, "%"); is {
			g.Size = share(number(t, n))
		} else if size != "rest" {
			g.Size = sized(number(t, size))
		}
		for _, field := range fields[1:] {
			key, value, _ := strings.Cut(field, "=")
			setGroup(t, &g, key, value)
		}
		plan = append(plan, g)
	}
	return plan
}

func setGroup(t testing.TB, g *rollout.Group, key, value string) {
	t.Helper()
	amount := func() rollout.Amount {
		if n, is := strings.CutSuffix(value, "%"); is {
			return rollout.Percent(number(t, n))
		}
		return rollout.Count(number(t, value))
	}
	switch key {
	case "delay":
		g.Delay = duration(t, value)
	case "timeout":
		g.Timeout = duration(t, value)
	case "stable":
		g.StableFor = duration(t, value)
	case "need":
		g.MinHealthy = amount()
	case "max_failed":
		g.MaxFailed = amount()
	case "at_once":
		g.MaxConcurrent = amount()
	case "on":
		g.OnFailure = rollout.OnFailure(value)
	case "unclean":
		g.AllowUnclean = true
	default:
		t.Fatalf("a wave has no setting %q", key)
	}
}

func (p *player) sets(words []string) error {
	_, values := options(words)
	for key, value := range values {
		switch key {
		case "canary":
			p.settings.Canary = value == "on"
		case "coordination":
			p.settings.Coordination = value == "on"
		case "expected":
			p.state.Profile.Expected = number(p.t, value)
		default:
			p.t.Fatalf("there is no setting %q", key)
		}
	}
	return nil
}
