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
//	{wall}     the database's clock in microseconds; 0 where it has none
//
// SQLite looks at the tables of a CROSS JOIN in the order in which they stand,
// and knows nothing of how many rows there are. So a join with {rows} is one,
// or finds its columns by an index that needs the rows first. A + before a
// column keeps an index that begins with it from being preferred.
type dialect struct {
	name   string
	driver string // the name that sqlx knows the driver by
	words  *strings.Replacer
	// source writes the table r of a rowset with these columns.
	source func(cols columns) string
	// bind gives the parameters that stand for a rowset.
	bind func(r *rowset) ([]any, error)
	// numbered: parameters are $1, $2; else ?.
	numbered bool
	// locks: rows are locked one by one; else the whole database is.
	locks bool
}

// rowsWord stands for a rowset in a statement.
const rowsWord = "{rows}"

// compile turns a statement into the dialect's SQL. cols are the columns of its
// rowset, nil when it has none.
func (d *dialect) compile(text string, cols columns) (string, error) {
	text = d.words.Replace(text)
	if strings.Contains(text, rowsWord) {
		if cols == nil {
			return "", fmt.Errorf("statement without its rows: %s", text)
		}
		text = strings.ReplaceAll(text, rowsWord, d.source(cols))
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

// args puts the parameters of rowsets in their place.
func (d *dialect) args(given []any) ([]any, columns, error) {
	var cols columns
	out := make([]any, 0, len(given)+8)
	for _, a := range given {
		r, ok := a.(*rowset)
		if !ok {
			out = append(out, a)
			continue
		}
		bound, err := d.bind(r)
		if err != nil {
			return nil, nil, err
		}
		cols = r.cols
		out = append(out, bound...)
	}
	return out, cols, nil
}
