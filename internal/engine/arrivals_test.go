package engine_test

import (
	"testing"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// together takes arrivals of scout through the door in one batch, in this order.
func (r *rig) together(all ...engine.Arrival) []engine.Arrived {
	r.t.Helper()
	return r.TakeTogether("scout", all...)
}

func (r *rig) wantCode(what string, err error, want discovery.Code) {
	r.t.Helper()
	if got := code(err); got != want || err != nil && got == "" {
		r.t.Errorf("%s: %v, want %q", what, err, want)
	}
}

func (r *rig) boot() string {
	r.t.Helper()
	v, err := r.Occurrence(r.t.Context(), "scout", "o1")
	if err != nil {
		r.t.Fatal(err)
	}
	return v.Boot
}

// TestABootThatIsReplacedInTheSameBatch is rule 2.5: it is a boot that was
// replaced, whatever it says, and does not come back.
func TestABootThatIsReplacedInTheSameBatch(t *testing.T) {
	r := newRig(t)
	r.together(engine.Registering("o1", "b1"))
	got := r.together(engine.Registering("o1", "b2"), engine.Beating("o1", "b1", 1, discovery.Work), engine.Registering("o1", "b1"),
		engine.Asking("o1", "b1"))
	r.wantCode("registering the new one", engine.ErrorOf(got[0]), "")
	for i, what := range []string{"a heartbeat", "registering", "asking"} {
		r.wantCode(what+" of the old one", engine.ErrorOf(got[i+1]), discovery.CodeBootReplaced)
	}
	if b := r.boot(); b != "b2" {
		t.Errorf("the boot is %s", b)
	}
	got = r.together(engine.Registering("o1", "b2"), engine.Registering("o1", "b3"))
	for i, want := range []string{"b2", "b3"} {
		if b := engine.BootOf(got[i]); b != want {
			t.Errorf("registering %s is answered with %s", want, b)
		}
	}
}

// TestTheClaimOfABootThatIsReplacedInTheSameBatch is rule 5.3: it ends with the
// boot that asked for it, and nobody decides with it.
func TestTheClaimOfABootThatIsReplacedInTheSameBatch(t *testing.T) {
	r := newRig(t)
	r.together(engine.Beating("o1", "b1", 1, discovery.Wakeup))
	got := r.together(engine.Asking("o1", "b1"), engine.Registering("o1", "b2"), engine.Asking("o1", "b2"))
	old, fresh := engine.AnswerOf(got[0]), engine.AnswerOf(got[2])
	if old.Directive != rollout.Decide || old.Claim == nil {
		t.Fatalf("the first is answered %+v", old)
	}
	if fresh.Claim != nil && fresh.Claim.Token == old.Claim.Token {
		t.Error("the new boot has the old one's claim")
	}
}

// TestAcknowledgedTwiceInTheSameBatch: the second one changes nothing (rule 7.5,
// promise 6).
func TestAcknowledgedTwiceInTheSameBatch(t *testing.T) {
	r := newRig(t)
	r.together(engine.Beating("o1", "b1", 1, discovery.Work))
	if _, err := r.Request(t.Context(), "scout", rollout.Request{Kind: rollout.Shutdown, Reason: "upgrade", Actor: "operator:ann", Consent: rollout.ConsentInstant}, nil); err != nil {
		t.Fatal(err)
	}
	told := engine.PendingOf(r.together(engine.Beating("o1", "b1", 2, discovery.Work))[0])
	if len(told) != 1 {
		t.Fatalf("told %v", told)
	}
	for i, a := range r.together(engine.Acknowledging("o1", "b1", told[0].ID), engine.Acknowledging("o1", "b1", told[0].ID)) {
		if err := engine.ErrorOf(a); err != nil {
			t.Errorf("acknowledgement %d: %v", i+1, err)
		}
	}
	n := 0
	if err := r.store.View(t.Context(), func(tx engine.ReadTx) error {
		events, err := tx.Events(engine.EventFilter{AgentID: "scout", Limit: 100})
		for _, e := range events {
			if e.Type == "member.acknowledged" {
				n++
			}
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if n != 1 {
		t.Errorf("%d events of one acknowledgement", n)
	}
}
