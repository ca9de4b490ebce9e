package memstore_test

import (
	"testing"

	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/memstore"
	"github.com/cirisai/orchestrator/internal/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(_ *testing.T, clock *storetest.Clock) engine.Store {
		store := memstore.New(clock.Now)
		store.Render = storetest.Render
		return store
	})
}
