package rollout_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// crowd is an agent of so many occurrences that report a state.
func crowd(n int, state discovery.State) discovery.Fleet {
	all := make([]discovery.Occurrence, n)
	for i := range all {
		all[i] = discovery.Occurrence{
			ID: fmt.Sprintf("o%05d", i), Coordinated: true, Boot: fmt.Sprintf("boot-%05d", i), BootHeard: epoch, Sequence: 1,
			State: state, StateSince: epoch, RegisteredAt: epoch, LastSign: epoch,
		}
		if state == discovery.Wakeup || state == discovery.Shutdown {
			all[i].TransitSince = epoch
		}
	}
	return discovery.NewFleet(rollout.DefaultSettings().Timing(), all)
}

// heard is the fleet heard again at an instant.
func heard(f discovery.Fleet, at time.Time) discovery.Fleet {
	all := make([]discovery.Occurrence, f.Len())
	copy(all, f.All())
	for i := range all {
		all[i].LastSign = at
		all[i].Sequence++
	}
	return discovery.NewFleet(f.Timing, all)
}

// bench is a step that is taken over and over from the same state.
type bench struct {
	state rollout.State
	in    rollout.Input
	at    time.Time
}

// take carries out a step and goes on from there.
func (x *bench) take(b *testing.B, c rollout.Command) rollout.Answer {
	b.Helper()
	x.in.Command = c
	next, eff, err := rollout.Step(x.state, x.in, x.at)
	if err != nil {
		b.Fatal(err)
	}
	x.state, x.in.Command = next, nil
	return eff.Answer
}

// run measures the step that is given; want is how many instructions it makes.
func (x *bench) run(b *testing.B, c rollout.Command, want int) {
	b.Helper()
	x.in.Command = c
	b.ReportAllocs()
	for b.Loop() {
		_, eff, err := rollout.Step(x.state, x.in, x.at)
		if err != nil || len(eff.Instruct) != want {
			b.Fatalf("%d instructions, want %d (%v)", len(eff.Instruct), want, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/step")
}

func newBench(n int, state discovery.State) *bench {
	x := &bench{in: rollout.Input{Fleet: crowd(n, state), Settings: rollout.DefaultSettings()}, at: epoch}
	x.state.AgentID = "scout"
	return x
}

// shutdownOf asks for a shutdown of one wave, or by the default plan.
func shutdownOf(plan []rollout.Group) rollout.Request {
	return rollout.Request{
		ULID: "01", Kind: rollout.Shutdown, Reason: "bench", Actor: "operator:ann", Consent: rollout.ConsentInstant,
		OnTimeout: rollout.TimeoutFails, Groups: plan,
	}
}

func all() []rollout.Group {
	g := rollout.Defaults("all")
	g.Size, g.OnFailure = rollout.Size{Kind: rollout.SizeRest}, rollout.HaltRollout
	return []rollout.Group{g}
}

// BenchmarkStep10000 is one step of an agent of 10,000: while all are in flight,
// when a wave of 7,000 starts, and in the other ways in which a step may have
// much to do.
func BenchmarkStep10000(b *testing.B) {
	const n = 10_000
	b.Run("in_flight", func(b *testing.B) {
		x := newBench(n, discovery.Work)
		x.take(b, shutdownOf(all()))
		x.at = x.at.Add(10 * time.Second)
		x.in.Fleet = heard(x.in.Fleet, x.at)
		x.run(b, nil, 0)
	})
	b.Run("starts_a_wave_of_7000", func(b *testing.B) {
		x := newBench(n, discovery.Work)
		id := x.take(b, shutdownOf(nil)).RolloutID
		x.take(b, rollout.Order{RolloutID: id, Control: rollout.Promote, Wave: 1, Actor: "operator:ann"})
		x.run(b, rollout.Order{RolloutID: id, Control: rollout.Promote, Wave: 2, Actor: "operator:ann"}, 6999)
	})
	b.Run("waking_for_6_minutes", func(b *testing.B) { // past stuck_after, and not stuck: they are members
		x := newBench(n, discovery.Wakeup)
		plan := all()
		plan[0].Timeout = time.Hour
		request := shutdownOf(plan)
		request.Kind = rollout.Wakeup
		x.take(b, request)
		x.at = x.at.Add(6 * time.Minute)
		x.in.Fleet = heard(x.in.Fleet, x.at)
		x.run(b, nil, 0)
	})
	b.Run("retries_10000", func(b *testing.B) {
		x := newBench(n, discovery.Work)
		id := x.take(b, shutdownOf(all())).RolloutID
		x.at = x.at.Add(301 * time.Second)
		x.in.Fleet = heard(x.in.Fleet, x.at)
		x.take(b, nil)
		x.run(b, rollout.Order{RolloutID: id, Control: rollout.Retry, Actor: "operator:ann"}, n)
	})
	b.Run("all_restart_while_held", func(b *testing.B) {
		x := newBench(n, discovery.Work)
		x.take(b, rollout.EmergencyStop{ULID: "01", Reason: "fire", Actor: "operator:ann"})
		x.at = x.at.Add(301 * time.Second)
		x.in.Fleet = heard(x.in.Fleet, x.at)
		x.run(b, nil, n)
	})
	b.Run("emergency", func(b *testing.B) {
		newBench(n, discovery.Work).run(b, rollout.EmergencyStop{ULID: "01", Reason: "fire", Actor: "operator:ann"}, n)
	})
	b.Run("idle", func(b *testing.B) { newBench(n, discovery.Work).run(b, nil, 0) })
}
