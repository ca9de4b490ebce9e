package client

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"
)

// Rule 7.3: the acknowledgement comes first, and only after a 200 is anything done.
func TestActsAfterTheAcknowledgement(t *testing.T) {
	inRig(t, func(r *rig) {
		r.atWork()
		r.svc.script("acknowledge", unreachable, problem(http.StatusServiceUnavailable, ErrorCodeUnavailable), problem(http.StatusInternalServerError, ErrorCodeInternal))
		r.instruct(InstructionTypeStop, "in_1")
		r.elapse(300 * time.Millisecond)
		r.did()
		r.elapse(time.Minute)
		r.did("stop in_1")
		if n := r.svc.count("acknowledge"); n != 4 {
			t.Errorf("acknowledged %d times", n)
		}
	})
}

// Rule 7.3: 404 or 409 means: do nothing. It is not asked again.
func TestWithdrawnIsNotActedOn(t *testing.T) {
	for code, status := range map[ErrorCode]int{ErrorCodeWithdrawn: 409, ErrorCodeExpired: 409, ErrorCodeNotFound: 404} {
		t.Run(string(code), func(t *testing.T) {
			inRig(t, func(r *rig) {
				r.atWork()
				r.svc.script("acknowledge", problem(status, code))
				r.instruct(InstructionTypeStop, "in_1")
				r.elapse(time.Minute)
				r.did()
				r.running()
				if n := r.svc.count("acknowledge"); n != 1 {
					t.Errorf("acknowledged %d times", n)
				}
			})
		})
	}
}

// Rule 2.5: a service that does not know the boot has not acknowledged; the instruction is acted on when it comes again.
func TestUnknownBootAcknowledgesNothing(t *testing.T) {
	inRig(t, func(r *rig) {
		r.atWork()
		r.svc.script("acknowledge", problem(http.StatusNotFound, ErrorCodeUnknownBoot))
		r.instruct(InstructionTypeStop, "in_1")
		r.elapse(time.Minute)
		r.did("stop in_1")
		if len(r.svc.registrations) != 2 {
			t.Errorf("registered %d times", len(r.svc.registrations))
		}
	})
}

// Rule 7.5: delivery is at least once, over all ways at once; what is done is done once.
func TestActsOnce(t *testing.T) {
	inRig(t, func(r *rig) {
		r.agent.deliberate = func(context.Context, Deliberation) (Judgement, error) {
			return Judgement{Verdict: VerdictReject}, nil
		}
		r.atWork()
		in := r.instruction(InstructionTypeDeliberate, "in_1")
		r.svc.script("acknowledge", unreachable) // so that copies arrive while it is pending
		for range 3 {
			r.svc.push(in)
			r.p.takeAll([]Instruction{in}, r.svc.now())
		}
		r.elapse(time.Minute)
		r.p.takeAll([]Instruction{in}, r.svc.now()) // and one that was long under way
		r.elapse(time.Minute)
		r.did("deliberate shutdown")
		if n := r.svc.count("acknowledge"); n != 2 {
			t.Errorf("acknowledged %d times", n)
		}
	})
}

// Rule 7.3: what is for somebody else, or of a kind that is not known, is refused without a word.
func TestRefusesWhatIsNotForThisBoot(t *testing.T) {
	for name, change := range map[string]func(*Instruction){
		"another boot":       func(in *Instruction) { in.BootID = "boot-0" },
		"another occurrence": func(in *Instruction) { in.OccurrenceID = "scout-2" },
		"another agent":      func(in *Instruction) { in.AgentID = "other" },
		"unknown type":       func(in *Instruction) { in.Type = "dance" },
		"no id":              func(in *Instruction) { in.InstructionID = "" },
	} {
		t.Run(name, func(t *testing.T) {
			inRig(t, func(r *rig) {
				r.atWork()
				r.instruct(InstructionTypeStop, "in_1", change)
				r.elapse(time.Minute)
				r.did()
				if n := r.svc.count("acknowledge"); n != 0 {
					t.Errorf("acknowledged %d times", n)
				}
				if n := r.svc.count("poll"); n > 100 {
					t.Errorf("polled %d times in a minute", n)
				}
			})
		})
	}
}

// Rule 7.3: whether a deadline has passed is told by the service's time, however wrong this machine's clock is.
func TestDeadlineIsByTheServicesClock(t *testing.T) {
	for _, skew := range []time.Duration{-30 * 24 * time.Hour, 0, 30 * 24 * time.Hour} {
		inRig(t, func(r *rig) {
			r.svc.skew = skew
			r.atWork()
			r.instruct(InstructionTypeStop, "late", func(in *Instruction) { in.Deadline = r.svc.now() })
			r.elapse(time.Minute)
			r.did()
			r.instruct(InstructionTypeStop, "in time", func(in *Instruction) { in.Deadline = r.svc.now().Add(5 * time.Second) })
			r.elapse(4 * time.Second)
			r.did("stop in time")
		})
	}
}

// Rule 7.3: time goes on, by the monotonic clock, while the acknowledgement is not answered.
func TestDeadlinePassesWhileTheServiceIsAway(t *testing.T) {
	inRig(t, func(r *rig) {
		r.svc.skew = 5 * time.Hour
		r.atWork()
		r.svc.script("acknowledge", slices.Repeat([]reply{unreachable}, 6)...)
		r.instruct(InstructionTypeStop, "in_1", func(in *Instruction) { in.Deadline = r.svc.now().Add(2 * time.Second) })
		r.elapse(time.Minute)
		r.did()
		if n := r.svc.count("acknowledge"); n < 3 || n > 6 {
			t.Errorf("acknowledged %d times", n)
		}
	})
}

// The newest copy of an instruction counts: a pause has moved its deadline (rule 4.19).
func TestNewestCopyCounts(t *testing.T) {
	inRig(t, func(r *rig) {
		r.atWork()
		r.svc.script("acknowledge", slices.Repeat([]reply{unreachable}, 6)...)
		in := r.instruction(InstructionTypeStop, "in_1", func(in *Instruction) { in.Deadline = r.svc.now().Add(2 * time.Second) })
		old := r.svc.now()
		r.p.takeAll([]Instruction{in}, old)
		r.elapse(time.Second)
		later := in
		later.Deadline = r.svc.now().Add(time.Hour)
		r.p.takeAll([]Instruction{later}, r.svc.now())
		r.p.takeAll([]Instruction{in}, old) // overtaken on the way
		r.elapse(time.Minute)
		r.did("stop in_1")
	})
}

// Rule 7.3: force is obeyed at once, also while the acknowledgement cannot be answered (rule 8.3).
func TestForceIsObeyedAtOnce(t *testing.T) {
	inRig(t, func(r *rig) {
		r.agent.stop = func(ctx context.Context, _ Order) error { return pause(ctx, systemClock{}, time.Second) }
		r.atWork()
		r.svc.script("acknowledge", slices.Repeat([]reply{unreachable}, 20)...)
		r.instruct(InstructionTypeStop, "in_1", func(in *Instruction) { in.Force, in.Wave = true, nil })
		r.did("stop in_1")
		r.elapse(2 * time.Second)
		if err := r.ended(); err != nil {
			t.Errorf("Run returned %v", err)
		}
		r.heard(ReportedStateWork, ReportedStateShutdown, ReportedStateStopped)
	})
}

// An emergency waits for nobody: not for an agent that hangs while it wakes, decides or stops.
func TestForceEndsWhatHangs(t *testing.T) {
	for _, what := range []string{"wake", "stop", "deliberate", "everything"} {
		t.Run(what, func(t *testing.T) {
			inRig(t, func(r *rig) {
				free := make(chan struct{})
				defer close(free)
				hang := func() error { <-free; return nil }
				if what != "stop" {
					r.agent.wake = func(context.Context, Order) error { return hang() }
				}
				r.agent.deliberate = func(context.Context, Deliberation) (Judgement, error) { return Judgement{}, hang() }
				r.agent.stop = func(_ context.Context, o Order) error {
					if what == "everything" || !o.Force && what == "stop" {
						return hang()
					}
					return nil
				}
				r.svc.script("ask", directs(DirectiveProceed))
				r.start()
				r.instruct(InstructionTypeDeliberate, "in_1", func(in *Instruction) { in.Claim = &Claim{Token: "t", ExpiresAt: in.Deadline} })
				r.instruct(InstructionTypeStop, "in_2")
				r.elapse(time.Minute)
				r.running()
				r.instruct(InstructionTypeStop, "in_3", func(in *Instruction) { in.Force = true })
				if what == "everything" {
					r.elapse(defaultHandlerGrace)
				}
				r.elapse(0)
				if err := r.ended(); err != nil {
					t.Errorf("Run returned %v", err)
				}
			})
		})
	}
}

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

// Rule 8.5: a rehearsal is acknowledged and not obeyed.
func TestRehearsal(t *testing.T) {
	inRig(t, func(r *rig) {
		r.atWork()
		r.instruct(InstructionTypeRehearse, "in_1", func(in *Instruction) { in.Force = true })
		r.elapse(time.Minute)
		r.did()
		r.running()
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

// Long polls bring an instruction at once, and are not hurried by what is pending and refused.
func TestPolls(t *testing.T) {
	inRig(t, func(r *rig) {
		r.atWork()
		r.svc.script("poll", problem(http.StatusServiceUnavailable, ErrorCodeUnavailable))
		r.elapse(10 * time.Minute)
		if n := r.svc.count("poll"); n < 19 || n > 23 {
			t.Errorf("polled %d times in ten minutes", n)
		}
		r.instruct(InstructionTypeStop, "in_1")
		r.did("stop in_1")
	})
	inRig(t, func(r *rig) {
		r.atWork(func(c *Config) { c.PollWait = -1 })
		r.instruct(InstructionTypeStop, "in_1")
		r.did()
		r.elapse(10 * time.Second)
		r.did("stop in_1") // by the heartbeat's answer
		if n := r.svc.count("poll"); n != 0 {
			t.Errorf("polled %d times", n)
		}
	})
}
