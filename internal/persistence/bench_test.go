package persistence_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/persistence"
	"github.com/cirisai/orchestrator/internal/pgtest"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// benchmarks runs a benchmark on a durable database of each kind.
func benchmarks(b *testing.B, run func(b *testing.B, s *persistence.Store)) {
	b.Helper()
	b.Run("sqlite", func(b *testing.B) {
		url := "sqlite:" + filepath.Join(b.TempDir(), "bench.db")
		migrate(b, url)
		run(b, open(b, url, nil))
	})
	server := pgtest.Start(b, pgtest.WithFsync())
	if server == nil {
		return
	}
	b.Run("postgres", func(b *testing.B) {
		url := server.NewDatabase(b)
		migrate(b, url)
		run(b, open(b, url, nil))
	})
}

const (
	benchAgent = "bench"
	size       = 10_000
)

func occurrenceID(i int) string { return fmt.Sprintf("occurrence-%05d", i) }

// populate makes an agent of n live occurrences.
func populate(tb testing.TB, s *persistence.Store, n int) {
	tb.Helper()
	err := s.Update(tb.Context(), benchAgent, true, func(tx engine.Tx) error {
		_, fleet, err := tx.Agent(benchAgent)
		if err != nil {
			return err
		}
		all := make([]discovery.Occurrence, n)
		for i := range all {
			all[i] = discovery.Occurrence{
				ID: occurrenceID(i), Coordinated: true, Version: "1.2.3", CallbackURL: "http://10.0.0.1:8080/orchestrator",
				Labels: map[string]string{"zone": "a"}, RegisteredAt: tx.Now(), Boot: "boot-" + occurrenceID(i), BootHeard: tx.Now(),
				State: discovery.Work, StateSince: tx.Now(), LastSign: tx.Now(),
			}
		}
		return tx.SaveOccurrences(fleet, all)
	})
	if err != nil {
		tb.Fatal(err)
	}
}

// BenchmarkTouch records heartbeats in passing, 64 at a time.
func BenchmarkTouch(b *testing.B) {
	benchmarks(b, func(b *testing.B, s *persistence.Store) {
		populate(b, s, size)
		sequence := int64(0)
		beats := make([]engine.Touch, 64)
		for b.Loop() {
			sequence++
			for i := range beats {
				id := occurrenceID(i)
				beats[i] = engine.Touch{AgentID: benchAgent, OccurrenceID: id, Boot: "boot-" + id, Sequence: sequence, State: discovery.Work}
			}
			touched, err := s.Touch(b.Context(), beats)
			if err != nil || !touched[63].Taken {
				b.Fatal(err, touched[63].Taken)
			}
		}
	})
}

// BenchmarkStateChange takes 64 heartbeats with news through the door of an
// agent of 100.
func BenchmarkStateChange(b *testing.B) {
	benchmarks(b, func(b *testing.B, s *persistence.Store) {
		populate(b, s, 100)
		sequence := int64(0)
		for b.Loop() {
			sequence++
			if err := s.Update(b.Context(), benchAgent, false, func(tx engine.Tx) error { return changeStates(tx, sequence, 64) }); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func changeStates(tx engine.Tx, sequence int64, n int) error {
	before, fleet, err := tx.Agent(benchAgent)
	if err != nil {
		return err
	}
	after := before
	after.Notes = map[string]rollout.Note{}
	for id, note := range before.Notes {
		after.Notes[id] = note
	}
	var eff rollout.Effects
	changed := make([]discovery.Occurrence, n)
	for i := range changed {
		o := *fleet.Get(occurrenceID(i))
		o.Sequence, o.LastSign, o.StateSince = sequence, tx.Now(), tx.Now()
		o.State = []discovery.State{discovery.Work, discovery.Play}[sequence%2]
		changed[i] = o
		eff.Events = append(eff.Events, rollout.Event{
			Type: "occurrence.state", OccurrenceID: o.ID, Actor: "occurrence:" + o.ID, At: tx.Now(),
			Data: map[string]any{"from": "work", "to": "play"},
		})
		if i < 4 {
			after.Notes[o.ID] = rollout.Note{Boot: o.Boot, Watched: sequence%2 == 0, WaitUntil: tx.Now()}
		}
	}
	if err := tx.SaveOccurrences(fleet, changed); err != nil {
		return err
	}
	return tx.Commit(before, after, eff)
}

// big makes a shutdown of n members, all pending.
func big(tb testing.TB, s *persistence.Store, n int) {
	tb.Helper()
	populate(tb, s, n)
	err := s.Update(tb.Context(), benchAgent, false, func(tx engine.Tx) error {
		before, _, err := tx.Agent(benchAgent)
		if err != nil {
			return err
		}
		after := before
		r := rollout.Rollout{ID: "ro_big", AgentID: benchAgent, Kind: rollout.Shutdown, Status: rollout.Rolling, CreatedAt: tx.Now()}
		for range 3 {
			r.Waves = append(r.Waves, rollout.Wave{Group: rollout.Defaults("general"), Status: rollout.WaveRunning, StartedAt: tx.Now()})
		}
		for i := range n {
			v := &r.Waves[2]
			if i < size*3/10 {
				v = &r.Waves[1]
			}
			v.Members = append(v.Members, rollout.Member{
				OccurrenceID: occurrenceID(i), Status: rollout.MemberPending, Counts: true,
				SeenBoot: "boot-" + occurrenceID(i), SeenSequence: 17,
			})
		}
		after.Rollouts = []rollout.Rollout{r}
		return tx.Commit(before, after, rollout.Effects{})
	})
	if err != nil {
		tb.Fatal(err)
	}
	tell(tb, s, 0)
}

// tell tells the last wave of the big shutdown, for the n-th time.
func tell(tb testing.TB, s *persistence.Store, n int) {
	tb.Helper()
	err := s.Update(tb.Context(), benchAgent, false, func(tx engine.Tx) error {
		before, _, err := tx.Agent(benchAgent)
		if err != nil {
			return err
		}
		after := before
		after.Rollouts = []rollout.Rollout{before.Rollouts[0]}
		after.Rollouts[0].Waves = append([]rollout.Wave{}, before.Rollouts[0].Waves...)
		v := &after.Rollouts[0].Waves[2]
		v.Members = append([]rollout.Member{}, v.Members...)
		var eff rollout.Effects
		for i := range v.Members {
			m := &v.Members[i]
			m.Status, m.Told, m.Boot, m.Tries = rollout.MemberInstructed, true, m.SeenBoot, n
			m.InstructionID = fmt.Sprintf("ro_big~3~%s~%d", m.OccurrenceID, n)
			m.InstructedAt, m.Deadline = tx.Now(), tx.Now().Add(5*time.Minute)
			eff.Instruct = append(eff.Instruct, rollout.Instruction{
				ID: m.InstructionID, Type: rollout.Stop, OccurrenceID: m.OccurrenceID, Boot: m.Boot,
				RolloutID: "ro_big", Wave: 3, Group: "general", IssuedAt: tx.Now(), Deadline: m.Deadline, Reason: "upgrade of all hosts",
				Peers: []rollout.PeerResult{{Wave: 1, Group: "explorer", Total: 1, Reached: 1}, {Wave: 2, Group: "early_adopter", Total: 3000, Reached: 3000}},
			})
			eff.Withdraw = append(eff.Withdraw, rollout.Withdrawal{RolloutID: "ro_big", OccurrenceID: m.OccurrenceID})
			eff.Events = append(eff.Events, rollout.Event{
				Type: "instruction.stop", RolloutID: "ro_big", Wave: 3, OccurrenceID: m.OccurrenceID, At: tx.Now(),
				Data: map[string]any{"instruction_id": m.InstructionID, "boot_id": m.Boot},
			})
		}
		return tx.Commit(before, after, eff)
	})
	if err != nil {
		tb.Fatal(err)
	}
}

// BenchmarkBigLoad reads an agent with a rollout of 10,000 members.
func BenchmarkBigLoad(b *testing.B) {
	benchmarks(b, func(b *testing.B, s *persistence.Store) {
		big(b, s, size)
		for b.Loop() {
			if err := s.View(b.Context(), func(tx engine.ReadTx) error {
				_, _, err := tx.Agent(benchAgent)
				return err
			}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkBigCommit tells a wave of 7,000 members.
func BenchmarkBigCommit(b *testing.B) {
	benchmarks(b, func(b *testing.B, s *persistence.Store) {
		big(b, s, size)
		n := 0
		for b.Loop() {
			n++
			tell(b, s, n)
		}
	})
}

// BenchmarkBigStep takes 64 heartbeats with news through the door of an agent
// with a rollout of 10,000 members.
func BenchmarkBigStep(b *testing.B) {
	benchmarks(b, func(b *testing.B, s *persistence.Store) {
		big(b, s, size)
		sequence := int64(0)
		for b.Loop() {
			sequence++
			if err := s.Update(b.Context(), benchAgent, false, func(tx engine.Tx) error { return changeStates(tx, sequence, 64) }); err != nil {
				b.Fatal(err)
			}
		}
	})
}
