package client

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"
)

// Rule 2.6: told to stop it winds down, says stopped until that is answered, and exits.
func TestStops(t *testing.T) {
	inRig(t, func(r *rig) {
		r.agent.stop = func(ctx context.Context, o Order) error {
			r.svc.script("heartbeat", unreachable, problem(http.StatusServiceUnavailable, ErrorCodeUnavailable), unreachable)
			if o.Instruction.Wave.Group != "explorer" || o.RolloutID != "ro_1" {
				t.Errorf("order %+v", o)
			}
			return nil
		}
		r.atWork()
		r.instruct(InstructionTypeStop, "in_1")
		r.running()
		calls := r.svc.count("poll")
		r.elapse(time.Minute)
		if err := r.ended(); err != nil {
			t.Errorf("Run returned %v", err)
		}
		r.did("stop in_1")
		if h := r.svc.heard(); h[len(h)-1] != ReportedStateStopped {
			t.Errorf("heard %v", h)
		}
		if r.svc.count("poll") != calls {
			t.Error("it polled after its last word")
		}
	})
}

// Rule 2.6: the last word has been heard also when its answer was lost and the repetition is not accepted any more.
func TestRepeatedLastWordIsHeard(t *testing.T) {
	for name, second := range map[string]reply{
		"not accepted": {status: 200, body: HeartbeatAnswer{Accepted: false, Sequence: 1}},
		"boot_stopped": problem(http.StatusConflict, ErrorCodeBootStopped),
	} {
		t.Run(name, func(t *testing.T) {
			inRig(t, func(r *rig) {
				r.agent.stop = func(ctx context.Context, _ Order) error { return pause(ctx, systemClock{}, time.Second) }
				r.atWork()
				r.instruct(InstructionTypeStop, "in_1")
				r.svc.script("heartbeat", unreachable, second)
				r.elapse(10 * time.Second)
				if err := r.ended(); err != nil {
					t.Errorf("Run returned %v", err)
				}
			})
		})
	}
}

// A last word that was numbered too low is said again, and a boot that is unknown by then registers for it (rule 2.5).
func TestLastWordIsNotLost(t *testing.T) {
	inRig(t, func(r *rig) {
		r.agent.stop = func(ctx context.Context, _ Order) error {
			if err := pause(ctx, systemClock{}, time.Second); err != nil {
				return err
			}
			r.svc.mu.Lock()
			r.svc.last = 1000
			r.svc.mu.Unlock()
			r.svc.script("heartbeat", problem(http.StatusNotFound, ErrorCodeUnknownBoot))
			return nil
		}
		r.atWork()
		r.instruct(InstructionTypeStop, "in_1")
		r.elapse(10 * time.Second)
		if err := r.ended(); err != nil {
			t.Errorf("Run returned %v", err)
		}
		if b := r.svc.lastBeat(); b.State != ReportedStateStopped || b.Sequence != 1001 || len(r.svc.registrations) != 2 {
			t.Errorf("last heard %+v, registered %d times", b, len(r.svc.registrations))
		}
	})
}

// A refused last word was answered: the process exits and says so.
func TestRefusedLastWord(t *testing.T) {
	for code, status := range map[ErrorCode]int{ErrorCodeUnauthorized: 401, ErrorCodeBootReplaced: 409} {
		inRig(t, func(r *rig) {
			r.agent.stop = func(ctx context.Context, _ Order) error { return pause(ctx, systemClock{}, time.Second) }
			r.atWork()
			r.instruct(InstructionTypeStop, "in_1")
			r.svc.script("heartbeat", problem(status, code))
			r.elapse(2 * time.Second)
			if err := r.ended(); code == ErrorCodeUnauthorized && !HasCode(err, code) || code == ErrorCodeBootReplaced && !errors.Is(err, ErrReplaced) {
				t.Errorf("Run returned %v", err)
			}
		})
	}
}

// A stop ends what the agent is doing first: its waking is cancelled, its deliberation pointless.
func TestStopComesBetween(t *testing.T) {
	inRig(t, func(r *rig) {
		ended := false
		r.agent.wake = func(ctx context.Context, _ Order) error {
			<-ctx.Done()
			<-time.After(3 * time.Second) // it takes its time
			ended = true
			return ctx.Err()
		}
		r.agent.deliberate = func(ctx context.Context, _ Deliberation) (Judgement, error) {
			<-ctx.Done()
			return Judgement{Verdict: VerdictAccept}, nil
		}
		r.agent.stop = func(ctx context.Context, _ Order) error {
			if !ended {
				t.Error("it stops while it wakes")
			}
			return pause(ctx, systemClock{}, time.Second)
		}
		r.svc.script("ask", directs(DirectiveProceed))
		r.start()
		r.instruct(InstructionTypeDeliberate, "in_1", func(in *Instruction) { in.Claim = &Claim{Token: "t", ExpiresAt: in.Deadline} })
		r.instruct(InstructionTypeStop, "in_2")
		r.elapse(time.Second)
		r.instruct(InstructionTypeStop, "in_3")
		r.elapse(10 * time.Second)
		r.did("wake proceed", "deliberate shutdown", "stop in_3") // the newest
		r.heard(ReportedStateWakeup, ReportedStateShutdown, ReportedStateStopped)
		if err := r.ended(); err != nil || len(r.svc.decisions) != 0 {
			t.Errorf("Run returned %v, decisions %+v", err, r.svc.decisions)
		}
	})
}

// An agent that cannot stop says so and runs on, asks for nothing, and stops when it is told again (rule 4.14).
func TestFailsToStop(t *testing.T) {
	inRig(t, func(r *rig) {
		tries := 0
		r.agent.stop = func(context.Context, Order) error {
			if tries++; tries == 1 {
				return errors.New("the disk is full")
			}
			return nil
		}
		r.start() // and is still waiting for its turn to wake
		r.instruct(InstructionTypeStop, "in_1")
		r.elapse(time.Hour)
		r.running()
		r.heard(ReportedStateError)
		if d := r.svc.lastBeat().Detail; d == nil || *d != "stop failed: the disk is full" {
			t.Errorf("detail %v", d)
		}
		if n := r.svc.count("ask"); n != 1 {
			t.Errorf("asked %d times", n)
		}
		r.instruct(InstructionTypeStop, "in_2")
		r.elapse(time.Second)
		if err := r.ended(); err != nil {
			t.Errorf("Run returned %v", err)
		}
	})
}

// Whoever winds down acknowledges no wake: it would not obey it (rule 7.3).
func TestNoWakeWhileWindingDown(t *testing.T) {
	inRig(t, func(r *rig) {
		r.agent.stop = func(ctx context.Context, _ Order) error { return pause(ctx, systemClock{}, time.Minute) }
		r.atWork()
		r.instruct(InstructionTypeStop, "in_1")
		r.instruct(InstructionTypeWake, "in_2")
		r.elapse(30 * time.Second)
		r.did("stop in_1")
		if n := r.svc.count("acknowledge"); n != 1 {
			t.Errorf("acknowledged %d times", n)
		}
	})
}

// Rule 2.6: a process whose context ends leaves cleanly; one that is to vanish says nothing.
func TestLeaves(t *testing.T) {
	inRig(t, func(r *rig) {
		r.atWork()
		r.cancel()
		r.elapse(time.Second)
		if err := r.ended(); !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v", err)
		}
		r.heard(ReportedStateWork, ReportedStateStopped)
	})
	inRig(t, func(r *rig) {
		r.atWork(func(c *Config) { c.LeaveTimeout = -1 })
		r.cancel()
		r.elapse(time.Second)
		r.heard(ReportedStateWork)
	})
	inRig(t, func(r *rig) {
		r.atWork()
		r.svc.script("heartbeat", slices.Repeat([]reply{unreachable}, 100)...)
		r.cancel()
		r.elapse(defaultLeaveTimeout - time.Millisecond)
		r.running()
		r.elapse(time.Millisecond)
		if err := r.ended(); !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v", err)
		}
	})
	inRig(t, func(r *rig) { // it was never heard of
		r.svc.script("register", slices.Repeat([]reply{unreachable}, 100)...)
		r.start()
		r.elapse(time.Minute)
		r.cancel()
		r.elapse(time.Second)
		if err := r.ended(); !errors.Is(err, context.Canceled) || r.svc.count("heartbeat") != 0 {
			t.Errorf("Run returned %v after %d heartbeats", err, r.svc.count("heartbeat"))
		}
	})
}

// A handler that does not return when its context ends holds Run up for a while, and not for ever.
func TestHandlerThatDoesNotReturn(t *testing.T) {
	inRig(t, func(r *rig) {
		free := make(chan struct{})
		defer close(free)
		r.agent.wake = func(context.Context, Order) error { <-free; return nil }
		r.svc.script("ask", directs(DirectiveProceed))
		r.start()
		r.cancel()
		r.elapse(defaultHandlerGrace - time.Millisecond)
		r.running()
		r.elapse(time.Second)
		if err := r.ended(); !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v", err)
		}
	})
}
