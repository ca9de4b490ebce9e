package persistence

import (
	"cmp"
	"maps"
	"slices"
)

// sortedKeys lists a map's keys in order, so that the same change is always
// written the same way.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	return slices.Sorted(maps.Keys(m))
}
