package client

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"
)

// Rules 6.2, 5.4 and 4.6: who is told to decide deliberates, posts the verdict with the token, and wakes.
func TestDecidesForAll(t *testing.T) {
	inRig(t, func(r *rig) {
		r.svc.script("ask", r.svc.decides("token-1"))
		r.start()
		r.did("deliberate wakeup", "wake affirmed")
		r.heard(ReportedStateWork)
		d := r.agent.seen[0]
		if d.Message != "VERIFY_IDENTITY" || !d.ForAll || d.RolloutID != "ro_1" || d.ExpiresAt.IsZero() {
			t.Errorf("deliberated about %+v", d)
		}
		got := r.svc.decisions[0]
		if *got.ClaimToken != "token-1" || *got.OccurrenceID != "scout-1" || got.Verdict != VerdictAccept || got.Reasoning != "I am who I am." || got.Until != nil || got.InstructionID != nil {
			t.Errorf("decided %+v", got)
		}
		r.elapse(time.Hour)
		if n := r.svc.count("ask"); n != 1 {
			t.Errorf("asked %d times though awake", n)
		}
	})
}

// States on the way: starting, wakeup while the agent wakes, then work (rule 2.7).
func TestReportsItsWayToWork(t *testing.T) {
	inRig(t, func(r *rig) {
		r.agent.wake = func(ctx context.Context, _ Order) error { return pause(ctx, systemClock{}, 15*time.Second) }
		r.svc.script("ask", directs(DirectiveProceed))
		r.start()
		r.elapse(time.Minute)
		r.heard(ReportedStateWakeup, ReportedStateWork)
		r.did("wake proceed")
	})
}

// Rule 6.2: with wait it asks again after the time that it is told; independent is waking alone.
func TestWaitsAndAsksAgain(t *testing.T) {
	inRig(t, func(r *rig) {
		r.svc.script("ask", waits("40s"), waits("20s"), reply{status: http.StatusOK, body: WakeupAnswer{Directive: "ponder"}}, directs(DirectiveIndependent))
		r.start()
		r.elapse(2 * time.Minute)
		times := r.svc.times("ask")
		if len(times) != 4 {
			t.Fatalf("asked %d times", len(times))
		}
		for i, d := range []time.Duration{40 * time.Second, 20 * time.Second, 10 * time.Second} { // an unknown directive: a heartbeat interval
			if got := times[i+1].Sub(times[i]); got > d || got < d*9/10 {
				t.Errorf("asked again after %s, want about %s", got, d)
			}
		}
		r.did("wake independent")
	})
}

// Rule 6.2: an instruction may come sooner than the next ask.
func TestInstructionComesBeforeTheNextAsk(t *testing.T) {
	inRig(t, func(r *rig) {
		r.svc.script("ask", waits("1h"))
		r.start()
		r.elapse(7 * time.Second)
		r.instruct(InstructionTypeWake, "in_1")
		r.did("wake instruction")
		if r.p.State() != ReportedStateWork {
			t.Errorf("state %s", r.p.State())
		}
		r.elapse(3 * time.Hour)
		if n := r.svc.count("ask"); n != 1 {
			t.Errorf("asked %d times", n)
		}
	})
}

// A wake for who is there already is acknowledged and no second wakeup (rules 4.6 and 7.3).
func TestWakesOnce(t *testing.T) {
	inRig(t, func(r *rig) {
		r.atWork()
		r.instruct(InstructionTypeWake, "in_1")
		r.did()
		if r.svc.count("acknowledge") != 1 {
			t.Error("it was not acknowledged")
		}
	})
}

// An agent that cannot wake reports error, and is let go again when it asks.
func TestFailsToWake(t *testing.T) {
	inRig(t, func(r *rig) {
		tries := 0
		r.agent.wake = func(context.Context, Order) error {
			if tries++; tries == 1 {
				return errors.New("no memory")
			}
			return nil
		}
		r.svc.script("ask", directs(DirectiveProceed), directs(DirectiveProceed))
		r.start()
		r.heard(ReportedStateError)
		if d := r.svc.lastBeat().Detail; d == nil || *d != "wakeup failed: no memory" {
			t.Errorf("detail %v", d)
		}
		r.elapse(10 * time.Second)
		r.heard(ReportedStateError, ReportedStateWork)
	})
}

// Rule 5.5: who rejects wakes nobody, itself included, and goes on asking; a deferral may say until when.
func TestRejectsOrDefersAWakeup(t *testing.T) {
	until := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, j := range []Judgement{{Verdict: VerdictReject, Reasoning: "not I"}, {Verdict: VerdictDefer, Until: until}} {
		inRig(t, func(r *rig) {
			r.agent.deliberate = func(context.Context, Deliberation) (Judgement, error) { return j, nil }
			r.svc.script("ask", r.svc.decides("token-1"))
			r.start()
			r.elapse(time.Minute)
			r.did("deliberate wakeup")
			r.heard()
			got := r.svc.decisions[0]
			if got.Verdict != j.Verdict || got.Reasoning == "" || (got.Until != nil) != (j.Verdict == VerdictDefer) {
				t.Errorf("decided %+v", got)
			}
			if n := r.svc.count("ask"); n < 2 {
				t.Errorf("asked %d times", n)
			}
		})
	}
}

// Rule 5.4: a decision is repeated until it is answered, with the same token.
func TestRepeatsItsDecision(t *testing.T) {
	inRig(t, func(r *rig) {
		r.svc.script("ask", r.svc.decides("token-1"))
		r.svc.script("decide", unreachable, problem(http.StatusServiceUnavailable, ErrorCodeUnavailable))
		r.start()
		r.elapse(time.Minute)
		r.did("deliberate wakeup", "wake affirmed")
		if n := len(r.svc.decisions); n != 3 || *r.svc.decisions[2].ClaimToken != "token-1" {
			t.Errorf("%d decisions: %+v", n, r.svc.decisions)
		}
	})
}

// Rule 5.4: claim_lost, already_decided and a vanished rollout end it: somebody else decides.
func TestLosesTheClaim(t *testing.T) {
	for status, code := range map[int]ErrorCode{409: ErrorCodeClaimLost, 410: ErrorCodeAlreadyDecided, 404: ErrorCodeNotFound} {
		inRig(t, func(r *rig) {
			if status == 410 {
				status = 409
			}
			r.svc.script("ask", r.svc.decides("token-1"), directs(DirectiveProceed))
			r.svc.script("decide", problem(status, code))
			r.start()
			r.did("deliberate wakeup")
			r.elapse(time.Minute)
			r.did("deliberate wakeup", "wake proceed")
			if n := len(r.svc.decisions); n != 1 {
				t.Errorf("decided %d times", n)
			}
		})
	}
}

// An error is no verdict, and neither is what the service refuses: it is deliberated again while the claim lasts (rule 5.3).
func TestDeliberatesAgainAfterAnError(t *testing.T) {
	inRig(t, func(r *rig) {
		answers := []Judgement{{}, {Verdict: "maybe"}, {Verdict: VerdictDefer, Until: time.Unix(0, 0)}, {Verdict: VerdictAccept}}
		r.agent.deliberate = func(context.Context, Deliberation) (Judgement, error) {
			j := answers[0]
			answers = answers[1:]
			if j.Verdict == "" {
				return j, errors.New("the model does not answer")
			}
			return j, nil
		}
		r.svc.script("ask", r.svc.decides("token-1"))
		r.svc.script("decide", problem(http.StatusUnprocessableEntity, ErrorCodeValidationFailed))
		r.start()
		r.elapse(time.Minute)
		r.did("deliberate wakeup", "deliberate wakeup", "deliberate wakeup", "deliberate wakeup", "wake affirmed")
		if n := len(r.svc.decisions); n != 2 {
			t.Errorf("decided %d times", n)
		}
	})
}

// Rule 5.3: when its claim is over it leaves the decision to others, and asks again.
func TestGivesUpWithItsClaim(t *testing.T) {
	inRig(t, func(r *rig) {
		r.agent.deliberate = func(context.Context, Deliberation) (Judgement, error) { return Judgement{}, errors.New("no") }
		r.svc.script("ask", r.svc.decides("token-1"))
		r.start()
		r.elapse(5*time.Minute + 30*time.Second)
		n := len(r.agent.did())
		r.elapse(5 * time.Minute)
		if m := len(r.agent.did()); m != n || len(r.svc.decisions) != 0 {
			t.Errorf("deliberated %d more times, decided %d", m-n, len(r.svc.decisions))
		}
		if r.svc.count("ask") < 2 {
			t.Error("it does not ask again")
		}
	})
}

// The holder that asks again is handed its own claim (rule 5.3), and deliberates once.
func TestDeliberatesOncePerClaim(t *testing.T) {
	inRig(t, func(r *rig) {
		r.agent.deliberate = func(ctx context.Context, _ Deliberation) (Judgement, error) {
			return Judgement{Verdict: VerdictReject}, pause(ctx, systemClock{}, 30*time.Second)
		}
		r.svc.script("ask", r.svc.decides("token-1"), r.svc.decides("token-1"))
		r.start()
		r.instruct(InstructionTypeDeliberate, "in_1", func(in *Instruction) { in.Claim = &Claim{Token: "token-1", ExpiresAt: in.Deadline} })
		r.elapse(2 * time.Minute)
		r.did("deliberate wakeup")
	})
}

// A newer claim replaces the deliberation under an older one (rule 5.4).
func TestNewerClaimReplacesTheOlder(t *testing.T) {
	inRig(t, func(r *rig) {
		r.agent.deliberate = func(ctx context.Context, d Deliberation) (Judgement, error) {
			return Judgement{Verdict: VerdictReject}, pause(ctx, systemClock{}, 30*time.Second)
		}
		r.atWork()
		for _, id := range []string{"in_1", "in_2"} {
			r.instruct(InstructionTypeDeliberate, id, func(in *Instruction) { in.Claim = &Claim{Token: "token of " + id, ExpiresAt: in.Deadline} })
			r.elapse(10 * time.Second)
		}
		r.elapse(time.Minute)
		if len(r.svc.decisions) != 1 || *r.svc.decisions[0].ClaimToken != "token of in_2" {
			t.Errorf("decisions: %+v", r.svc.decisions)
		}
	})
}

// Rule 2.7: who only deliberates about a shutdown keeps the state that it is in; accepting stops nobody yet.
func TestDeliberatesAboutAShutdown(t *testing.T) {
	inRig(t, func(r *rig) {
		r.atWork()
		message := "SYSTEM SHUTDOWN REQUEST"
		r.instruct(InstructionTypeDeliberate, "in_1", func(in *Instruction) {
			in.Message, in.Claim = &message, &Claim{Token: "token-9", ExpiresAt: in.Deadline}
		})
		r.elapse(time.Minute)
		r.did("deliberate shutdown")
		if d := r.agent.seen[0]; d.Message != message || d.Reason != "in_1" || !d.ForAll {
			t.Errorf("deliberated about %+v", d)
		}
		if *r.svc.decisions[0].ClaimToken != "token-9" || slices.Contains(r.svc.heard(), ReportedStateShutdown) {
			t.Errorf("decided %+v, heard %v", r.svc.decisions, r.svc.heard())
		}
	})
}

// Rule 4.24: without a claim an occurrence decides for itself alone: it stops, or tells its refusal.
func TestDecidesForItselfAlone(t *testing.T) {
	inRig(t, func(r *rig) {
		r.atWork()
		r.instruct(InstructionTypeDeliberate, "in_1")
		r.elapse(time.Minute)
		r.did("deliberate shutdown", "stop in_1")
		if err := r.ended(); err != nil || len(r.svc.decisions) != 0 {
			t.Errorf("Run returned %v, decisions %+v", err, r.svc.decisions)
		}
	})
	inRig(t, func(r *rig) {
		r.agent.deliberate = func(context.Context, Deliberation) (Judgement, error) {
			return Judgement{Verdict: VerdictDefer, Reasoning: "busy"}, nil
		}
		r.atWork()
		r.instruct(InstructionTypeDeliberate, "in_1")
		r.elapse(time.Minute)
		r.did("deliberate shutdown")
		got := r.svc.decisions[0]
		if *got.InstructionID != "in_1" || got.ClaimToken != nil || got.Verdict != VerdictReject || got.Reasoning != "busy" {
			t.Errorf("decided %+v", got)
		}
	})
}
