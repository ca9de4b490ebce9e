package client

import (
	"context"
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

// longestPause is the longest time between two calls of a name.
func (r *rig) longestPause(call string) (longest time.Duration) {
	times := r.svc.times(call)
	for i := 1; i < len(times); i++ {
		longest = max(longest, times[i].Sub(times[i-1]))
	}
	return longest
}

// What a deadline waits for is said again no later than the next heartbeat would be,
// however long the service is away.
func TestPatience(t *testing.T) {
	const tries = 40
	inRig(t, func(r *rig) {
		r.atWork()
		r.svc.script("acknowledge", slices.Repeat([]reply{unreachable}, tries)...)
		r.instruct(InstructionTypeStop, "in_1")
		r.elapse(time.Hour)
		if n, pause := r.svc.count("acknowledge"), r.longestPause("acknowledge"); n != tries+1 || pause > defaultInterval {
			t.Errorf("acknowledged %d times, at most %v apart", n, pause)
		}
	})
	inRig(t, func(r *rig) {
		r.svc.script("ask", r.svc.decides("token-1"))
		r.svc.script("decide", slices.Repeat([]reply{unreachable}, tries)...)
		r.start()
		r.elapse(time.Hour)
		if n, pause := r.svc.count("decide"), r.longestPause("decide"); n != tries+1 || pause > defaultInterval {
			t.Errorf("decided %d times, at most %v apart", n, pause)
		}
	})
}

// Rules 7.3 and 2.10: the deadline passes while the acknowledgement is not answered.
// The service may have taken it before it went away; so it is asked until it says.
func TestDeadlinePassesWhileTheServiceIsAway(t *testing.T) {
	for name, c := range map[string]struct {
		then []reply // nothing: 200
		did  []string
	}{
		"it was never taken":    {[]reply{problem(http.StatusConflict, ErrorCodeExpired)}, nil},
		"it was taken, or is":   {nil, []string{"stop in_1"}},
		"it was taken back now": {[]reply{problem(http.StatusConflict, ErrorCodeWithdrawn)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			inRig(t, func(r *rig) {
				r.svc.skew = 5 * time.Hour
				r.atWork()
				r.svc.script("acknowledge", append(slices.Repeat([]reply{unreachable}, 6), c.then...)...)
				r.instruct(InstructionTypeStop, "in_1", func(in *Instruction) { in.Deadline = r.svc.now().Add(2 * time.Second) })
				r.elapse(3 * time.Second)
				r.did()
				r.elapse(time.Minute)
				r.did(c.did...)
				if n := r.svc.count("acknowledge"); n != 7 {
					t.Errorf("acknowledged %d times", n)
				}
			})
		})
	}
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
