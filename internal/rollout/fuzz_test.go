package rollout_test

import (
	"testing"

	"pgregory.net/rapid"
)

// FuzzStep lets the fuzzer drive the model of TestInvariants: whatever it makes
// of a fleet and its operators, no step panics, hangs or breaks an invariant.
func FuzzStep(f *testing.F) {
	f.Add([]byte("a fleet and its operators"))
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) {
		m := newModel(t, false)
		for range 1 + evenly(t, "acts", 40) {
			m.act()
		}
		m.settle()
	}))
}
