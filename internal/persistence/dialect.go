package persistence

import (
	"fmt"
	"strconv"
	"strings"
)

// dialect is what differs between the two databases. Statements are written
// with ? for a parameter and these words in braces:
//
//	{rows}     the rows of a *rowset parameter, as a table named r
//	{events}   those of a rowset of events, as a table named e; beside {rows} on PostgreSQL only
//	{max}      the function that gives the greater of two values
//	{lock}     FOR UPDATE
//	{free}     FOR UPDATE SKIP LOCKED
//	{ours}     FOR UPDATE SKIP LOCKED of the instructions i alone
//	{unlocked} {rows}, but for those whose occurrence somebody has locked
//	{found}    the occurrence that a row of {unlocked} names
//	{now}      m.now of a touch; 0 where RETURNING knows no table but the one written
//	{wall}     the database's clock in microseconds; 0 where it has none
//
// SQLite looks at the tables of a CROSS JOIN in the order in which they stand,
// and knows nothing of how many rows there are. So a join with {rows} is one,
// or finds its columns by an index that needs the rows first. A + before a
// column keeps an index that begins with it from being preferred.
type dialect struct {
	name    string
	driver  string // the name that sqlx knows the driver by
	words   *strings.Replacer
	rowsets rowsets
	// numbered: parameters are $1, $2; else ?.
	numbered bool
	// writesInWith: a WITH may write.
	writesInWith bool
	// locks: rows are locked one by one; else the whole database is.
	locks bool
}

// rowsets is how a dialect writes rowsets.
type rowsets interface {
	// size is for how many rows a statement is prepared that is given n; 0: for
	// any number.
	size(n int) int
	// source writes a table of that size with these columns and that name.
	source(cols columns, size int, name string) string
	// bind appends the parameters that stand for a rowset.
	bind(r *rowset, size int, args []any) ([]any, error)
}

// shape is what a statement's text depends on besides its own.
type shape struct {
	cols   columns // of {rows}; nil: it has none
	size   int
	events columns // of {events}
}

// These stand for a rowset in a statement.
const (
	rowsWord   = "{rows}"
	eventsWord = "{events}"
)

// compile turns a statement into the dialect's SQL.
func (d *dialect) compile(text string, of shape) (string, error) {
	text = d.words.Replace(text)
	for _, x := range []struct {
		word, name string
		cols       columns
	}{{rowsWord, "r", of.cols}, {eventsWord, "e", of.events}} {
		if !strings.Contains(text, x.word) {
			continue
		}
		if x.cols == nil {
			return "", fmt.Errorf("statement without its rows: %s", text)
		}
		text = strings.ReplaceAll(text, x.word, d.rowsets.source(x.cols, of.size, x.name))
	}
	if !d.numbered {
		return text, nil
	}
	var b strings.Builder
	n := 0
	for _, c := range []byte(text) {
		if c != '?' {
			b.WriteByte(c)
			continue
		}
		n++
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(n))
	}
	return b.String(), nil
}

// args puts the parameters of the rowsets in their places.
func (d *dialect) args(text string, given []any) (args []any, of shape, err error) {
	args = given
	eventsAlone := strings.Contains(text, eventsWord) && !strings.Contains(text, rowsWord)
	for i, a := range given {
		r, ok := a.(*rowset)
		switch {
		case ok && of.cols == nil && of.events == nil: // the first
			of.size = d.rowsets.size(r.n)
			args = make([]any, 0, len(given)+max(of.size, 1)*len(r.cols)+1)
			args = append(args, given[:i]...)
		case !ok && (of.cols != nil || of.events != nil):
			args = append(args, a)
			continue
		case !ok:
			continue
		}
		if of.cols == nil && !eventsAlone {
			of.cols = r.cols
		} else {
			of.events = r.cols
		}
		if args, err = d.rowsets.bind(r, of.size, args); err != nil {
			return nil, of, err
		}
	}
	return args, of, nil
}
