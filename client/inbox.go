package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// inbox holds what was received, by the instruction's id. Instructions come over three ways, at least once (rule 7.5);
// from here each goes on once.
type inbox struct {
	mu      sync.Mutex
	answer  func(id string)    // begins to answer a new one; nil while nothing is taken
	pending map[string]*parcel // received, and not answered yet
	settled map[string]bool    // acknowledged, or refused for good. A boot is told few things, so nothing is dropped.
}

// parcel is the newest copy of an instruction.
type parcel struct {
	instruction Instruction
	server      time.Time // the service's time when it sent this copy
	at          time.Time // when it came, by this machine's clock
}

func newInbox() inbox {
	return inbox{pending: map[string]*parcel{}, settled: map[string]bool{}}
}

// open has what comes taken in, and answered.
func (b *inbox) open(answer func(id string)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answer = answer
}

// close has nothing more taken in.
func (b *inbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answer = nil
}

func (b *inbox) isOpen() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.answer != nil
}

// newest returns the newest copy of a pending instruction.
func (b *inbox) newest(id string) parcel {
	b.mu.Lock()
	defer b.mu.Unlock()
	return *b.pending[id]
}

// settle forgets a pending instruction; for good, or until another copy comes.
func (b *inbox) settle(id string, forGood bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.pending, id)
	if forGood {
		b.settled[id] = true
	}
}

// takeAll takes the instructions of one answer in and tells whether one of them was new.
func (p *Process) takeAll(all []Instruction, server time.Time) bool {
	fresh := false
	for _, in := range all {
		if err := p.addressed(in); err != nil {
			p.cfg.Logger.Warn("instruction refused", "instruction_id", in.InstructionID, "error", err)
			continue
		}
		fresh = p.take(in, server) || fresh
	}
	return fresh
}

var errNotForUs = errors.New("it is not for this boot")

// addressed refuses what is for somebody else, another boot of this occurrence included (rule 7.3), and what this client
// does not know how to obey.
func (p *Process) addressed(in Instruction) error {
	switch {
	case in.AgentID != p.cfg.AgentID || in.OccurrenceID != p.cfg.OccurrenceID || in.BootID != p.cfg.BootID:
		return fmt.Errorf("%w: agent %q, occurrence %q, boot %q", errNotForUs, in.AgentID, in.OccurrenceID, in.BootID)
	case in.InstructionID == "":
		return fmt.Errorf("%w: it has no id", errNotForUs)
	case !in.Type.Valid():
		return fmt.Errorf("%w: type %q is unknown here", errNotForUs, in.Type)
	}
	return nil
}

// take notes a copy of an instruction, sent by the service at server, and tells whether it is the first.
func (p *Process) take(in Instruction, server time.Time) bool {
	b, id := &p.inbox, in.InstructionID
	c := &parcel{instruction: in, server: server, at: p.clock.Now()}
	b.mu.Lock()
	defer b.mu.Unlock()
	known := b.pending[id]
	switch {
	case b.answer == nil || b.settled[id]:
		return false
	case known != nil:
		if server.After(known.server) {
			b.pending[id] = c // its deadline may have moved
		}
		return false
	case p.expired(*c):
		return false
	}
	b.pending[id] = c
	b.answer(id)
	return true
}

// expired tells whether the deadline has passed by the service's time: what came with the copy, carried on by the
// monotonic clock, or what newer answers say (rule 7.3). This machine's time of day has no part in it.
func (p *Process) expired(c parcel) bool {
	now := c.server.Add(p.clock.Now().Sub(c.at))
	if heard := p.service.now(); heard.After(now) {
		now = heard
	}
	return !now.Before(c.instruction.Deadline)
}

// answer acknowledges an instruction and hands it on only after that was answered 200: the acknowledgement is the fence
// (rule 7.3). A forced one is handed on at once. One that has expired before is not acknowledged. Once the service was
// asked, its answer decides, however late it comes: it may have taken the first acknowledgement and gone away before it
// could say so, and then it waits for this boot, with time standing still (rule 2.10).
func (p *Process) answer(ctx context.Context, id string) {
	var failures backoff
	obeyed, asked := false, false
	for {
		c := p.inbox.newest(id)
		if !asked && p.expired(c) || c.instruction.Type == InstructionTypeWake && p.windingDown() {
			p.inbox.settle(id, false)
			return
		}
		if c.instruction.Force && !obeyed {
			obeyed = true
			p.handOn(ctx, c.instruction)
		}
		err := p.acknowledge(ctx, id)
		asked = true
		switch fateOf(err) {
		case fateDone:
			in := p.inbox.newest(id).instruction
			p.inbox.settle(id, true)
			if !obeyed {
				p.handOn(ctx, in)
			}
			return
		case fateReplaced, fateStopped:
			p.over(err)
			return
		case fateRefused:
			p.inbox.settle(id, true)
			p.cfg.Logger.InfoContext(ctx, "instruction withdrawn", "instruction_id", id, "error", err)
			return
		case fateRegister:
			// To a service that did not know this boot it was no instruction; if it still is one, it comes again.
			p.inbox.settle(id, obeyed)
			p.registerAgain(ctx)
			return
		case fateAgain:
		}
		if pause(ctx, p.clock, failures.next(err, p.vitals.patience())) != nil {
			return
		}
	}
}

func (p *Process) acknowledge(ctx context.Context, id string) error {
	a, err := call(ctx, p, p.cfg.RequestTimeout, func(a Acknowledgement) time.Time { return a.ServerTime },
		func(ctx context.Context) (*http.Response, error) {
			return p.api.AcknowledgeInstruction(ctx, p.cfg.AgentID, p.cfg.OccurrenceID, id, AcknowledgementRequest{BootID: p.cfg.BootID})
		})
	if err == nil && a.InstructionID != id {
		return fmt.Errorf("the acknowledgement of %q was answered for %q", id, a.InstructionID)
	}
	return err
}

// windingDown tells whether this boot has begun to stop. It acknowledges no wake any more, since it would not obey it.
func (p *Process) windingDown() bool {
	s := p.vitals.current()
	return s == ReportedStateShutdown || s == ReportedStateStopped
}

func (p *Process) handOn(ctx context.Context, in Instruction) {
	select {
	case p.orders <- in:
	case <-ctx.Done():
	}
}
