package rollout_test

import (
	"testing"

	"pgregory.net/rapid"
)

// TestInvariants drives a random fleet with random operators and deciders, and
// checks after every step what the promises of section 13 come down to: S1, S3
// to S7, S12, S14 to S16, S20, S21, S23, L2, and the rules 2.11, 4.1, 4.2, 4.16,
// 4.18, 5.1, 6.2, 7.2, 8.4 and 9.2 as far as they can be told from outside.
func TestInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t, false)
		for range 1 + evenly(t, "acts", 60) {
			m.act()
		}
		m.settle()
	})
}
