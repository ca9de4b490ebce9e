package rollout_test

import (
	"testing"

	"pgregory.net/rapid"
)

// TestPure drives the same model and replays every step: the same inputs give
// the same state and the same effects (promise 5), nothing that Step is given is
// changed, and time may be split in any way (rule 2.11).
func TestPure(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t, true)
		for range 1 + evenly(t, "acts", 30) {
			m.act()
		}
		m.settle()
	})
}
