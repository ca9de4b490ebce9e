package persistence_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/dispatch"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/persistence"
	"github.com/cirisai/orchestrator/internal/rollout"
	"github.com/cirisai/orchestrator/internal/storetest"
)

// outbox is a store with one instruction that is to be delivered.
type outbox struct {
	t     *testing.T
	clock *storetest.Clock
	store *persistence.Store
	made  int
}

func newOutbox(t *testing.T, url string) *outbox {
	t.Helper()
	b := &outbox{t: t, clock: storetest.NewClock()}
	b.store = open(t, url, b.clock.Now)
	save(t, b.store, func(o *discovery.Occurrence) { o.CallbackURL = "http://10.0.0.1/a" })
	return b
}

func (b *outbox) commit(eff rollout.Effects) {
	b.t.Helper()
	if err := b.store.Update(b.t.Context(), "scout", false, func(tx engine.Tx) error {
		before, _, err := tx.Agent("scout")
		if err != nil {
			return err
		}
		return tx.Commit(before, before, eff)
	}); err != nil {
		b.t.Fatal(err)
	}
}

// instruct makes an instruction that has a minute.
func (b *outbox) instruct() string {
	b.t.Helper()
	b.made++
	id := fmt.Sprintf("in_%d", b.made)
	now := b.clock.Now()
	b.commit(rollout.Effects{Instruct: []rollout.Instruction{{
		ID: id, Type: rollout.Stop, OccurrenceID: "o1", Boot: "b1", RolloutID: "ro_1", Wave: 1,
		IssuedAt: now, Deadline: now.Add(time.Minute),
	}}})
	return id
}

// try claims the one thing that is due and settles it.
func (b *outbox) try(o dispatch.Outcome) {
	b.t.Helper()
	claimed, err := b.store.Claim(b.t.Context(), 10, 30*time.Second)
	if err != nil {
		b.t.Fatal(err)
	}
	if len(claimed) != 1 {
		b.t.Fatalf("%d were claimed", len(claimed))
	}
	if err := b.store.Settle(b.t.Context(), []dispatch.Settled{{Delivery: claimed[0], Outcome: o}}); err != nil {
		b.t.Fatal(err)
	}
}

// failures lists what is to be reported, in words, and takes note of it.
func (b *outbox) failures() []string {
	b.t.Helper()
	var said []string
	found, err := b.store.Failures(b.t.Context(), 10)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, f := range found {
		said = append(said, fmt.Sprintf("%s %s %s %s cause=%q final=%v gone=%q", f.AgentID, f.OccurrenceID, f.RolloutID, f.InstructionID, f.Cause, f.Final, f.GoneURL))
	}
	if err := b.store.Reported(b.t.Context(), found); err != nil {
		b.t.Fatal(err)
	}
	return said
}

func (b *outbox) expect(what string, want ...string) {
	b.t.Helper()
	if got := b.failures(); !slices.Equal(got, want) {
		b.t.Errorf("%s:\ngot  %q\nwant %q", what, got, want)
	}
}

// Promise 4, rule 7.6: a try that failed is reported once for each cause, and
// once when the deadline has passed.
func TestFailuresAreReported(t *testing.T) {
	databases(t, func(t *testing.T, url string) {
		b := newOutbox(t, url)
		b.instruct()
		b.expect("nothing was tried")
		refused := dispatch.Outcome{Kind: dispatch.Retry, Detail: "refused", RetryIn: time.Second}
		b.try(refused)
		b.expect("a first failure", `scout o1 ro_1 in_1 cause="refused" final=false gone=""`)
		b.expect("the same, reported")
		b.clock.Advance(time.Second)
		b.try(refused)
		b.expect("the same cause again")
		b.clock.Advance(time.Second)
		b.try(dispatch.Outcome{Kind: dispatch.Retry, Detail: "answered 503", Status: 503, RetryIn: time.Hour})
		b.expect("another cause", `scout o1 ro_1 in_1 cause="answered 503" final=false gone=""`)
		b.clock.Advance(time.Minute)
		b.expect("the deadline", `scout o1 ro_1 in_1 cause="answered 503" final=true gone=""`)
		b.expect("the deadline, reported")
		if _, found, err := b.store.Next(t.Context()); err != nil || found {
			t.Errorf("something is due still (%v)", err)
		}
	})
}

// Rule 7.6: what answered 410 is reported with its address, so that the core can
// tell whether that is the one registered now.
func TestAGoneAddressIsReported(t *testing.T) {
	databases(t, func(t *testing.T, url string) {
		b := newOutbox(t, url)
		b.instruct()
		b.try(dispatch.Outcome{Kind: dispatch.Gone, Detail: "answered 410", Status: 410})
		b.expect("gone", `scout o1 ro_1 in_1 cause="answered 410" final=false gone="http://10.0.0.1/a"`)
		b.clock.Advance(time.Minute)
		b.expect("the deadline is no news of the address", `scout o1 ro_1 in_1 cause="answered 410" final=true gone=""`)
	})
}

// What came through by another way, or is not wanted any more, is no failure.
func TestNoFailureOfWhatIsSettledOtherwise(t *testing.T) {
	databases(t, func(t *testing.T, url string) {
		b := newOutbox(t, url)
		failed := dispatch.Outcome{Kind: dispatch.GaveUp, Detail: "refused"}

		id := b.instruct()
		b.try(failed)
		b.commit(rollout.Effects{Acknowledge: []string{id}})
		b.instruct()
		b.try(failed)
		b.commit(rollout.Effects{Withdraw: []rollout.Withdrawal{{RolloutID: "ro_1"}}})
		b.instruct()
		b.try(dispatch.Outcome{Kind: dispatch.Delivered, Status: 200})
		b.clock.Advance(2 * time.Minute)
		b.expect("acknowledged, withdrawn, delivered")

		b.instruct()
		b.commit(rollout.Effects{Suspend: []string{"ro_1"}})
		b.clock.Advance(2 * time.Minute)
		b.expect("its clock stands still")
		b.commit(rollout.Effects{Resume: []rollout.Extension{{RolloutID: "ro_1"}}})
		b.expect("nobody ever tried", `scout o1 ro_1 in_4 cause="no try was made before the deadline" final=true gone=""`)
	})
}
