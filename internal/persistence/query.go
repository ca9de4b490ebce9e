package persistence

import (
	"math"
	"strings"
)

// bounded is a LIMIT; one that is not positive is none.
func bounded(limit int) int {
	if limit <= 0 {
		return math.MaxInt32
	}
	return limit
}

// query is a SELECT whose conditions depend on what is asked for.
type query struct {
	head, tail string
	conditions []string
	args       []any
}

func newQuery(head string) *query { return &query{head: head} }

func (q *query) where(condition string, args ...any) {
	q.conditions = append(q.conditions, condition)
	q.args = append(q.args, args...)
}

// end adds what comes after the conditions; nothing may follow it.
func (q *query) end(tail string, args ...any) {
	q.tail = tail
	q.args = append(q.args, args...)
}

func (q *query) text() string {
	text := q.head
	if len(q.conditions) > 0 {
		text += " WHERE " + strings.Join(q.conditions, " AND ")
	}
	return text + " " + q.tail
}
