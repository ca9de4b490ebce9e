package rollout_test

import (
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// FuzzStep lets the fuzzer drive the model of TestInvariants: whatever it makes
// of a fleet and its operators, no step panics, hangs or breaks an invariant.
func FuzzStep(f *testing.F) {
	seed := make([]byte, 1<<18) // one that ends before the model has settled is skipped
	_, _ = rand.NewChaCha8([32]byte{}).Read(seed)
	f.Add(seed)
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) {
		m := newModel(t, false)
		for range 1 + evenly(t, "acts", 40) {
			m.act()
		}
		m.settle()
	}))
}
