package persistence

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// compareBytes is the order of ids in both databases.
func compareBytes(a, b string) int { return strings.Compare(a, b) }

// sortedKeys lists a map's keys in order, so that the same change is always
// written the same way.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	return slices.Sorted(maps.Keys(m))
}
