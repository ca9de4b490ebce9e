package memstore_test

import (
	"testing"

	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/memstore"
	"github.com/cirisai/orchestrator/internal/storetest"
)

func open(clock *storetest.Clock) *memstore.Store {
	store := memstore.New(clock.Now)
	store.Render = storetest.Render
	return store
}

func TestConformance(t *testing.T) {
	storetest.Run(t, func(_ *testing.T, clock *storetest.Clock) engine.Store { return open(clock) })
}

// TestConformanceWhenRunAgain: engine.Store says that a transaction's function
// may be run again. A first run that is thrown away must leave no trace.
func TestConformanceWhenRunAgain(t *testing.T) {
	storetest.Run(t, func(_ *testing.T, clock *storetest.Clock) engine.Store {
		store := open(clock)
		store.Fault = func(string) memstore.FaultKind { return memstore.FaultSerialization }
		return store
	})
}
