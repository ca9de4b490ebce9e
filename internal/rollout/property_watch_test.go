package rollout_test

import "testing"

// scene is a stage on which every step is watched.
func scene(t testing.TB) *stage { return newStage(t) }
