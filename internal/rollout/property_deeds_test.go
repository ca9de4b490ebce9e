package rollout_test

import (
	"fmt"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// deeds are what may happen in a model, by name.
var deeds = map[string]func(m *model){
	"run": func(m *model) {
		m.s.run(pick(m, "for", time.Second, 5*time.Second, 10*time.Second, 31*time.Second, time.Minute))
	},
	"quiet": func(m *model) {
		m.s.catchUp()
		m.s.quiet(pick(m, "for", time.Microsecond, time.Second, 29*time.Second, 30*time.Second, 31*time.Second, 2*time.Minute, 5*time.Minute, time.Hour, 25*time.Hour))
	},
	"obey":   func(m *model) { m.s.obey() },
	"boot":   func(m *model) { m.boot() },
	"report": func(m *model) { m.report() },
	"mute": func(m *model) {
		if id, runs := m.running(); runs {
			m.s.actors[id].mute = !m.s.actors[id].mute
		}
	},
	"deaf":     func(m *model) { a := m.s.actors[m.someone()]; a.deaf = !a.deaf },
	"takes":    func(m *model) { m.s.actors[m.someone()].takes = pick(m, "takes", 0, time.Second, 15*time.Second, -1) },
	"critical": func(m *model) { a := m.s.actors[m.someone()]; a.critical = 1 - a.critical },
	"register": func(m *model) { m.register() },
	"leave": func(m *model) {
		if id, runs := m.running(); runs {
			m.s.leave(id)
		}
	},
	"gone": func(m *model) { m.s.amend(m.someone(), func(o *discovery.Occurrence) { o.CallbackGone = true }) },
	"old beat": func(m *model) {
		if id, runs := m.running(); runs {
			m.heartbeat(id, pick(m, "sequence", 1, m.s.actors[id].seq), time.Time{})
		}
	},
	"late beat": func(m *model) {
		if id, runs := m.running(); runs {
			m.heartbeat(id, m.s.actors[id].seq+1, m.s.now.Add(-pick(m, "held up for", time.Second, 31*time.Second, time.Hour)))
		}
	},
	"former boot": func(m *model) {
		m.s.amend(m.someone(), func(o *discovery.Occurrence) { *o = discovery.Refused(*o, m.s.now) })
	},
	"ask": func(m *model) {
		if id, runs := m.running(); runs {
			m.s.ask(id)
		}
	},
	"request":     func(m *model) { _ = m.try(m.request()) },
	"claim":       func(m *model) { m.claim() },
	"verdict":     func(m *model) { m.verdict() },
	"overrule":    func(m *model) { m.overrule() },
	"command":     func(m *model) { m.command() },
	"acknowledge": func(m *model) { m.acknowledge() },
	"unreachable": func(m *model) { m.unreachable() },
	"emergency":   func(m *model) { m.s.emergency() },
	"release":     func(m *model) { m.s.release() },
	"outage":      func(m *model) { m.s.catchUp(); m.s.outage(pick(m, "for", time.Minute, time.Hour, 30*time.Hour)) },
	"expected": func(m *model) {
		m.s.catchUp()
		m.s.state.Profile.Expected = evenly(m.T, "expected", 8)
		m.s.must(nil)
	},
	"resolve":   func(m *model) { m.resolve() },
	"restarts":  func(m *model) { m.restarts() },
	"newcomers": func(m *model) { m.newcomers() },
}

func (m *model) boot() {
	id := m.someone()
	if a := m.s.actors[id]; a.mute {
		a.deaf = false
	}
	m.s.boot(id, func(r *discovery.Registration) {
		r.Coordinated = !m.sometimes("is uncoordinated", 10)
		r.Pin = pick(m, "pin", "", "", "g2", "g3")
	})
	if m.sometimes("reports", 60) {
		m.s.report(id, m.state())
	}
}

// restarts is something that restarts an occurrence again and again.
func (m *model) restarts() {
	id := m.someone()
	for range 1 + evenly(m.T, "times", 5) {
		m.s.boot(id)
		m.s.run(pick(m, "up for", 0, time.Second, 20*time.Second))
		if m.s.fleet.Get(id).HasStopped() {
			m.s.actors[id].arrives = time.Time{}
		}
	}
}

// newcomers are occurrences that nobody has heard of before.
func (m *model) newcomers() {
	for range pick(m, "newcomers", 1, 2, 12) {
		id := fmt.Sprintf("n%02d", len(m.s.actors))
		m.s.boot(id)
		m.s.actors[id].takes = time.Second
		if len(m.ids) < 8 {
			m.ids = append(m.ids, id)
		} else {
			m.s.actors[id].mute = true
		}
	}
}

func (m *model) report() {
	id, runs := m.running()
	if !runs {
		return
	}
	state := m.state()
	if m.sometimes("stops", 20) {
		state = discovery.Stopped
	}
	m.s.report(id, state)
}

// register repeats a boot's registration, with other words.
func (m *model) register() {
	id, runs := m.running()
	if !runs {
		return
	}
	m.s.catchUp()
	reg := discovery.Registration{
		Boot: m.s.actors[id].bootID(), Coordinated: !m.sometimes("is uncoordinated", 30), Pin: pick(m, "pin", "", "g1", "g2"),
		CallbackURL: pick(m, "callback", "", "http://a"),
	}
	o, _, refusal := discovery.Register(m.s.fleet.Get(id), id, reg, false, m.s.settings.Timing(), m.s.now)
	if refusal == nil {
		m.s.hear(o)
	}
}

func (m *model) amount(what string, unset bool) rollout.Amount {
	from := []rollout.Amount{rollout.Count(1), rollout.Count(2), rollout.Percent(50), rollout.Percent(100)}
	if unset {
		from = append(from, rollout.Amount{}, rollout.Amount{})
	}
	return pick(m, what, from...)
}

func (m *model) plan() []rollout.Group {
	n := evenly(m.T, "waves", 4) // 0: the default plan
	var plan []rollout.Group
	for i := range n {
		g := rollout.Defaults("g" + string(rune('1'+i)))
		g.Size = pick(m, "size", rollout.Size{Kind: rollout.SizeCount, N: 1}, rollout.Size{Kind: rollout.SizeCount, N: 2}, rollout.Size{Kind: rollout.SizePercent, N: 40})
		if i == n-1 {
			g.Size = rollout.Size{Kind: rollout.SizeRest}
		}
		g.Delay = pick(m, "delay", 0, time.Second, 30*time.Second)
		g.Timeout = pick(m, "timeout", 20*time.Second, time.Minute, 5*time.Minute)
		g.StableFor = pick(m, "stable", 0, 0, 10*time.Second, 40*time.Second)
		g.MinHealthy, g.MaxConcurrent = m.amount("min_healthy", false), m.amount("max_concurrent", true)
		g.MaxFailed = pick(m, "max_failed", rollout.Amount{}, rollout.Amount{}, rollout.Count(0), rollout.Percent(50))
		g.AllowUnclean = m.sometimes("allow_unclean", 30)
		g.OnFailure = pick(m, "on_failure", rollout.HaltRollout, rollout.GoOn, rollout.FailRollout)
		plan = append(plan, g)
	}
	return plan
}

func (m *model) request() rollout.Request {
	c := rollout.Request{
		ULID: m.s.ulid(), Kind: pick(m, "kind", rollout.Wakeup, rollout.Shutdown), Reason: "drawn", Actor: "operator:ann",
		Groups: m.plan(), Consent: rollout.ConsentRequired, OnTimeout: pick(m, "silence", rollout.TimeoutFails, rollout.TimeoutAccepts),
		Supersede: m.sometimes("supersede", 30),
	}
	if m.sometimes("not before", 20) {
		c.NotBeforeWall = m.s.wall().Add(pick(m, "in", -time.Hour, 20*time.Second, time.Hour))
	}
	if c.Kind == rollout.Shutdown {
		c.Terminal = m.sometimes("terminal", 20)
		if m.sometimes("instant", 60) {
			c.Consent = rollout.ConsentInstant
		}
		if m.sometimes("reactivation", 20) {
			c.ReactivateWall = m.s.wall().Add(time.Hour)
		}
	}
	return c
}

func (m *model) claim() {
	if id := m.recall(); id != "" {
		o := m.someone()
		_ = m.try(rollout.TakeClaim{RolloutID: id, OccurrenceID: o, Boot: m.s.actors[o].bootID()})
	}
}

// verdict is mostly the holder's, with its token; sometimes somebody else's, or
// with a token of yesterday.
func (m *model) verdict() {
	id := m.recall()
	if id == "" {
		return
	}
	c := rollout.GiveVerdict{
		RolloutID: id, OccurrenceID: m.someone(), Token: "none", Reasoning: "drawn",
		Verdict: pick(m, "verdict", rollout.Accept, rollout.Accept, rollout.Accept, rollout.Reject, rollout.Defer),
	}
	if r := m.s.state.Find(id); r.Claim != nil && !m.sometimes("a wrong token", 20) {
		c.OccurrenceID, c.Token = r.Claim.OccurrenceID, r.Claim.Token
	} else if len(m.tokens) > 0 {
		c.Token = pick(m, "token", m.tokens...)
	}
	if own := memberOf(m.s.state.Find(id), c.OccurrenceID); own != nil && own.InstructionID != "" {
		c.Token = own.InstructionID // each decides for itself (rule 4.24)
	}
	c.Actor = "occurrence:" + c.OccurrenceID
	c.UntilWall = m.until(c.Verdict)
	_ = m.try(c)
}

func (m *model) until(v rollout.Verdict) time.Time {
	if v != rollout.Defer || m.sometimes("no until", 30) {
		return time.Time{}
	}
	return m.s.wall().Add(pick(m, "until", -time.Second, 10*time.Second, time.Hour, 48*time.Hour))
}

func (m *model) overrule() {
	if id := m.recall(); id != "" {
		v := pick(m, "verdict", rollout.Accept, rollout.Reject, rollout.Defer)
		_ = m.try(rollout.GiveVerdict{RolloutID: id, Verdict: v, Actor: "operator:ann", Reasoning: "drawn", UntilWall: m.until(v)})
	}
}

func (m *model) command() {
	id := m.recall()
	if id == "" {
		return
	}
	c := rollout.Order{
		RolloutID: id, Reason: "drawn", Actor: "operator:ann", Wave: evenly(m.T, "wave", 5),
		Control: pick(m, "command", rollout.Pause, rollout.Pause, rollout.Resume, rollout.Resume, rollout.Promote, rollout.Retry, rollout.Retry, rollout.Abort),
	}
	if m.sometimes("with a version", 30) {
		version := m.s.state.Find(id).Version + int64(pick(m, "off by", 0, -1))
		c.Version = &version
	}
	_ = m.try(c)
}

// acknowledge takes up one of the latest instructions in its boot, and checks
// the fence: what was withdrawn, or is past its deadline, is refused.
func (m *model) acknowledge() {
	in, drawn := m.instruction()
	m.s.catchUp()
	if !drawn || m.s.fleet.Get(in.OccurrenceID).Boot != in.Boot {
		return
	}
	refused := in.AcknowledgedAt.IsZero() && !in.WithdrawnAt.IsZero()
	if err := m.try(rollout.Acknowledge{Issued: *in, OccurrenceID: in.OccurrenceID, Boot: in.Boot}); refused && err == nil {
		m.Fatalf("S3: %s was withdrawn, and its acknowledgement taken", in.ID)
	}
}

func (m *model) instruction() (*rollout.Issued, bool) {
	if len(m.s.made) == 0 {
		return nil, false
	}
	latest := m.s.made[max(0, len(m.s.made)-8):]
	return m.s.issued[pick(m, "instruction", latest...)], true
}

func (m *model) unreachable() {
	if in, drawn := m.instruction(); drawn {
		_ = m.try(rollout.Unreachable{
			RolloutID: in.RolloutID, OccurrenceID: in.OccurrenceID, InstructionID: in.ID, Cause: "refused",
			Final: !m.s.now.Before(in.Deadline),
		})
	}
}

func (m *model) resolve() {
	var open []string
	for _, i := range m.s.opened {
		open = append(open, i.ID)
	}
	if len(open) > 0 {
		_ = m.try(rollout.ResolveIncident{IncidentID: pick(m, "incident", open...), Reason: "drawn", Actor: "operator:ann"})
	}
}
