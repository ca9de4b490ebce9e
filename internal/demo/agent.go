package demo

import (
	"context"
	"hash/fnv"
	"time"

	"github.com/cirisai/orchestrator/client"
)

// agent stands for the agent's software of one occurrence: all that it does takes a while.
type agent struct {
	id    string
	opts  Options
	fleet *fleet
}

// question is what a decider was handed, and the wish to be told when it may answer.
type question struct {
	occurrence string
	about      client.Deliberation
	answer     chan client.Judgement
}

// Deliberate has the question printed, and answers as the demonstration wants it.
func (a *agent) Deliberate(ctx context.Context, d client.Deliberation) (client.Judgement, error) {
	q := question{occurrence: a.id, about: d, answer: make(chan client.Judgement, 1)}
	select {
	case a.fleet.questions <- q:
	case <-ctx.Done():
		return client.Judgement{}, ctx.Err()
	}
	select {
	case j := <-q.answer:
		return j, nil
	case <-ctx.Done():
		return client.Judgement{}, ctx.Err()
	}
}

// Wake takes five to ten seconds.
func (a *agent) Wake(ctx context.Context, _ client.Order) error {
	h := fnv.New32a()
	_, _ = h.Write([]byte(a.id)) // it never fails
	return pause(ctx, a.opts.real(5*time.Second+time.Duration(h.Sum32()%5000)*time.Millisecond))
}

// Stop takes as long as the FSD says that the group takes; who is to fail has said yes by now, and never comes to an end.
func (a *agent) Stop(ctx context.Context, o client.Order) error {
	group := ""
	if o.Instruction != nil && o.Instruction.Wave != nil {
		group = o.Instruction.Wave.Group
	}
	if group != "" && group == a.opts.Fail {
		<-ctx.Done()
		return ctx.Err()
	}
	return pause(ctx, a.opts.stops(group))
}
