package persistence_test

import (
	"sync"
	"testing"

	"github.com/cirisai/orchestrator/internal/engine"
)

// Several replicas of a new installation start at once: each migrates, and each
// can work afterwards.
func TestSeveralMigrateAtOnce(t *testing.T) {
	for _, kind := range kinds(t) {
		t.Run(kind.name, func(t *testing.T) {
			const replicas = 4
			url := kind.empty(t)
			applied := make([]int, replicas)
			var wg sync.WaitGroup
			for i := range replicas {
				s := open(t, url, nil)
				wg.Go(func() {
					done, err := s.Migrate(t.Context())
					if err != nil {
						t.Errorf("replica %d: %v", i, err)
						return
					}
					applied[i] = len(done)
					if err := s.Update(t.Context(), "scout", true, func(engine.Tx) error { return nil }); err != nil {
						t.Errorf("replica %d cannot work: %v", i, err)
					}
				})
			}
			wg.Wait()
			total := 0
			for _, n := range applied {
				total += n
			}
			status, err := open(t, url, nil).Status(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if total != len(status) {
				t.Errorf("%v migrations were applied, there are %d", applied, len(status))
			}
		})
	}
}

func TestStatus(t *testing.T) {
	for _, kind := range kinds(t) {
		t.Run(kind.name, func(t *testing.T) {
			s := open(t, kind.empty(t), nil)
			expect := func(done bool) {
				t.Helper()
				status, err := s.Status(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if len(status) == 0 || status[0].Version != 1 || status[0].Name == "" {
					t.Errorf("status: %+v", status)
				}
				for _, m := range status {
					if m.AppliedAt.IsZero() == done {
						t.Errorf("%s: applied at %v, want %v", m.Name, m.AppliedAt, done)
					}
				}
			}
			expect(false)
			if _, err := s.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			expect(true)
			if again, err := s.Migrate(t.Context()); err != nil || len(again) != 0 {
				t.Errorf("a second time applied %v: %v", again, err)
			}
		})
	}
}

// What is not migrated is no empty store: reads and writes fail (SPEC 14: a
// query that fails is an error, never "none").
func TestWithoutASchemaNothingWorks(t *testing.T) {
	for _, kind := range kinds(t) {
		t.Run(kind.name, func(t *testing.T) {
			s := open(t, kind.empty(t), nil)
			if err := s.View(t.Context(), func(tx engine.ReadTx) error { return nil }); err == nil {
				t.Error("View works")
			}
			if err := s.Update(t.Context(), "scout", true, func(tx engine.Tx) error { return nil }); err == nil {
				t.Error("Update works")
			}
			if err := s.Ping(t.Context()); err == nil {
				t.Error("Ping says that all is well")
			}
		})
	}
}
