package engine

import (
	"context"
	"errors"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// arrival is something that an occurrence says and that must go through its
// agent's door: exactly one of the fields after occurrence is set.
type arrival struct {
	occurrence string
	register   *discovery.Registration
	beat       *discovery.Heartbeat // its Echo is wall time
	leave      *leaving
	ask        *asking
	ack        *acknowledging
}

type leaving struct{ boot string }

type asking struct{ boot, ulid string }

type acknowledging struct{ boot, instruction string }

// arrived is what an arrival is answered; which field is set follows from what it
// was.
type arrived struct {
	err        error
	occurrence OccurrenceView
	created    bool
	beat       HeartbeatAnswer
	ask        AskAnswer
	ack        Acknowledged
}

// creates tells whether the arrival makes an agent that is not there.
func (a arrival) creates() bool { return a.register != nil || a.beat != nil }

// through takes an arrival through the door, together with all others that have
// gathered there meanwhile.
func (h *heartbeats) through(ctx context.Context, agentID string, a arrival) arrived {
	r, err := h.door(agentID).submit(ctx, a) //nolint:contextcheck // a batch belongs to many requests; none of them may end it
	if err != nil {
		return arrived{err: err}
	}
	return r
}

// takeAll takes a batch of one agent through the door: one Update, one step.
func (h *heartbeats) takeAll(agentID string, batch []arrival) []arrived {
	ctx, cancel := context.WithTimeout(context.Background(), batchTimeout)
	defer cancel()
	create := false
	for _, a := range batch {
		create = create || a.creates()
	}
	var results []arrived
	err := h.e.update(ctx, agentID, create, func(d *door) error {
		results = make([]arrived, len(batch)) // fn may run again
		g := &gathering{door: d, agentID: agentID, batch: batch, results: results}
		return g.take()
	})
	if err != nil {
		results = make([]arrived, len(batch))
		for i := range results {
			results[i].err = err
		}
	}
	return results
}

// gathering is a batch at the door.
type gathering struct {
	*door
	agentID string
	batch   []arrival
	results []arrived
	round
}

// round is a part of a batch that is written and stepped at once. Two arrivals of
// one occurrence are in the same round only if the second can be judged by what the
// first has changed of the occurrence, and by nothing else.
type round struct {
	changed     []discovery.Occurrence
	at          map[string]int // where an occurrence is in changed
	commands    rollout.Several
	commanding  []int           // the arrivals whose commands they are
	registering []int           // the arrivals that are answered with a view
	closed      map[string]bool // occurrences that have no more to say in this round
}

func newRound(size int) round {
	return round{changed: make([]discovery.Occurrence, 0, size), at: make(map[string]int, size), closed: map[string]bool{}}
}

// take lets discovery judge every arrival in order, and then answers all. What an
// occurrence says after it has asked for something or was registered is judged by
// what has become of that.
func (g *gathering) take() error {
	g.round = newRound(len(g.batch))
	for i, a := range g.batch {
		if g.closed[a.occurrence] {
			if err := g.finish(); err != nil {
				return err
			}
			g.round = newRound(len(g.batch) - i)
		}
		c, err := g.judge(i, a)
		if err != nil {
			return err
		}
		if c != nil {
			g.commands, g.commanding = append(g.commands, c), append(g.commanding, i)
		}
		if a.register != nil {
			g.registering = append(g.registering, i)
		}
		if c != nil || a.register != nil { // nothing else begins another boot
			g.closed[a.occurrence] = true
		}
	}
	if err := g.finish(); err != nil {
		return err
	}
	return g.answer()
}

// finish ends a round: it writes who has changed, and steps once with all commands.
func (g *gathering) finish() error {
	if err := g.save(g.changed...); err != nil {
		return err
	}
	switch {
	case len(g.commands) > 0:
		outcomes, err := g.several(g.commands)
		if err != nil {
			return err
		}
		for j, i := range g.commanding {
			g.results[i].err = outcomes[j].Err
			g.results[i].ask = AskAnswer{Answer: outcomes[j].Answer, Clock: g.clock}
		}
	case len(g.changed) > 0:
		if err := g.step(nil); err != nil {
			return err
		}
	}
	g.show()
	return nil
}

// show answers registrations with how the occurrence looks after the round.
func (g *gathering) show() {
	var views map[string]OccurrenceView
	for _, i := range g.registering {
		if g.results[i].err != nil {
			continue
		}
		if views == nil {
			views = map[string]OccurrenceView{}
			for _, v := range occurrenceViews(g.lens(), g.agentID) {
				views[v.ID] = v
			}
		}
		g.results[i].occurrence = views[g.batch[i].occurrence]
	}
}

// present is an occurrence as the arrivals before this one have left it.
func (g *gathering) present(id string) *discovery.Occurrence {
	if i, changed := g.at[id]; changed {
		return &g.changed[i]
	}
	return g.fleet.Get(id)
}

func (g *gathering) change(o discovery.Occurrence) {
	if i, changed := g.at[o.ID]; changed {
		g.changed[i] = o
		return
	}
	g.at[o.ID] = len(g.changed)
	g.changed = append(g.changed, o)
}

// refused keeps a refusal as the arrival's answer; boot_replaced is counted (2.5).
func (g *gathering) refused(i int, o *discovery.Occurrence, refusal *discovery.Refusal) {
	g.results[i].err = refusal
	if refusal.Code == discovery.CodeBootReplaced {
		g.change(discovery.Refused(*o, g.now))
	}
}

// judge lets discovery judge one arrival. What asks the core for something is
// returned as a command. An error is the database's.
func (g *gathering) judge(i int, a arrival) (rollout.Command, error) {
	o := g.present(a.occurrence)
	former, err := g.former(g.agentID, o, a.boot())
	if err != nil {
		return nil, err
	}
	speaks := discovery.Speaker{Boot: a.boot(), Former: former}.Check(o)
	switch {
	case a.register != nil:
		next, _, refusal := discovery.Register(o, a.occurrence, *a.register, former, g.set.Timing(), g.now)
		if refusal != nil {
			g.refused(i, o, refusal)
			return nil, nil
		}
		g.results[i].created = o == nil
		g.change(next)
	case a.beat != nil:
		g.judgeBeat(i, a, o, former)
	case a.leave != nil:
		next, refusal := discovery.Leave(o, a.leave.boot, former, g.now)
		if refusal != nil {
			g.refused(i, o, refusal)
			return nil, nil
		}
		g.change(next)
	case a.ask != nil:
		if speaks != nil {
			g.refused(i, o, speaks)
			return nil, nil
		}
		g.change(discovery.Asked(*o, g.now))
		return rollout.Ask{ULID: a.ask.ulid, OccurrenceID: a.occurrence}, nil
	case a.ack != nil:
		if speaks != nil && speaks.Code != discovery.CodeBootStopped { // a stopped boot may acknowledge (2.6)
			g.refused(i, o, speaks)
			return nil, nil
		}
		return g.judgeAck(i, a)
	}
	return nil, nil
}

func (a arrival) boot() string {
	switch {
	case a.register != nil:
		return a.register.Boot
	case a.beat != nil:
		return a.beat.Boot
	case a.leave != nil:
		return a.leave.boot
	case a.ask != nil:
		return a.ask.boot
	case a.ack != nil:
		return a.ack.boot
	}
	return ""
}

func (g *gathering) judgeBeat(i int, a arrival, o *discovery.Occurrence, former bool) {
	hb := *a.beat
	hb.Echo = g.clock.Service(hb.Echo)
	next, outcome, refusal := discovery.Accept(o, a.occurrence, hb, former, g.set.Timing(), g.now)
	g.results[i].beat = HeartbeatAnswer{Accepted: outcome.Accepted, Sequence: outcome.Sequence}
	switch {
	case refusal != nil:
		g.refused(i, o, refusal)
	case outcome.Accepted:
		g.change(next)
	}
}

func (g *gathering) judgeAck(i int, a arrival) (rollout.Command, error) {
	issued, err := g.tx.Instruction(g.agentID, a.ack.instruction)
	switch {
	case errors.Is(err, ErrNotFound):
		g.results[i].err = discovery.Refuse(discovery.CodeNotFound, "there is no such instruction")
		return nil, nil
	case err != nil:
		return nil, err
	}
	g.results[i].ack = Acknowledged{At: g.clock.Wall(g.now), ServerTime: g.clock.Wall(g.now)}
	if !issued.AcknowledgedAt.IsZero() {
		g.results[i].ack.At = g.clock.Wall(issued.AcknowledgedAt)
	}
	return rollout.Acknowledge{Issued: issued, OccurrenceID: a.occurrence, Boot: a.ack.boot}, nil
}

// answer tells boots what they have to carry out.
func (g *gathering) answer() error {
	wall := g.clock.Wall(g.now)
	boots := map[string]string{}
	for i, a := range g.batch {
		if a.beat != nil && g.results[i].err == nil {
			boots[a.occurrence] = a.beat.Boot
		}
	}
	if len(boots) == 0 {
		return nil
	}
	pending, err := g.tx.PendingOf(g.agentID, boots)
	if err != nil {
		return err
	}
	for i, a := range g.batch {
		r := &g.results[i]
		if a.beat == nil || r.err != nil {
			continue
		}
		r.beat.ServerTime, r.beat.Settings = wall, g.set
		if boots[a.occurrence] == a.beat.Boot {
			r.beat.Pending = pending[a.occurrence]
		}
	}
	return nil
}
