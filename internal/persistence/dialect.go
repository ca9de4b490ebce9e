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
	// source writes the table r of that size with these columns.
	source(cols columns, size int) string
	// bind appends the parameters that stand for a rowset.
	bind(r *rowset, size int, args []any) ([]any, error)
}

// shape is what a statement's text depends on besides its own.
type shape struct {
	cols columns // nil: it has no rowset
	size int
}

// rowsWord stands for a rowset in a statement.
const rowsWord = "{rows}"

// compile turns a statement into the dialect's SQL.
func (d *dialect) compile(text string, of shape) (string, error) {
	text = d.words.Replace(text)
	if strings.Contains(text, rowsWord) {
		if of.cols == nil {
			return "", fmt.Errorf("statement without its rows: %s", text)
		}
		text = strings.ReplaceAll(text, rowsWord, d.rowsets.source(of.cols, of.size))
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

// args puts the parameters of the rowset in its place.
func (d *dialect) args(given []any) ([]any, shape, error) {
	var of shape
	for i, a := range given {
		r, ok := a.(*rowset)
		if !ok {
			continue
		}
		of = shape{cols: r.cols, size: d.rowsets.size(r.n)}
		out := make([]any, 0, len(given)+max(of.size, 1)*len(r.cols)+1)
		out, err := d.rowsets.bind(r, of.size, append(out, given[:i]...))
		if err != nil {
			return nil, of, err
		}
		return append(out, given[i+1:]...), of, nil
	}
	return given, of, nil
}
