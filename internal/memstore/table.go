package memstore

import (
	"slices"
	"strings"
)

// row is what a table holds: a pointer to a value that never changes once it is
// in a table.
type row interface {
	comparable
	key() string
}

// table holds rows in ascending order of their keys. A table never changes
// either: with and without make another one.
type table[R row] []R

func (t table[R]) search(key string) (int, bool) {
	return slices.BinarySearchFunc(t, key, func(r R, key string) int { return strings.Compare(r.key(), key) })
}

// get finds a row; nil when there is none.
func (t table[R]) get(key string) (found R) {
	if i, ok := t.search(key); ok {
		return t[i]
	}
	return found
}

// with returns the table in which the rows take the place of their former
// selves, or are added.
func (t table[R]) with(rows ...R) table[R] {
	if len(rows) == 0 {
		return t
	}
	next := make(table[R], len(t), len(t)+len(rows))
	copy(next, t)
	for _, r := range rows {
		if i, known := next.search(r.key()); known {
			next[i] = r
		} else {
			next = slices.Insert(next, i, r)
		}
	}
	return next
}

// without returns the table without the rows that are to go.
func (t table[R]) without(goes func(R) bool) table[R] {
	if !slices.ContainsFunc(t, goes) {
		return t
	}
	return slices.DeleteFunc(slices.Clone(t), goes)
}

// before returns the rows whose keys come before the given one; all when it is
// empty.
func (t table[R]) before(key string) table[R] {
	if key == "" {
		return t
	}
	i, _ := t.search(key)
	return t[:i]
}
