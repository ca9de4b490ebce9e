package persistence

import (
	"encoding/json"
	"fmt"
	"math/bits"
	"strings"
	"time"

	"github.com/lib/pq"
)

// columnType is the type of a rowset's column, as PostgreSQL calls it.
type columnType string

const (
	text    columnType = "text"
	bigint  columnType = "bigint"
	boolean columnType = "boolean"
)

type column struct {
	name string
	typ  columnType
}

// columns are the columns of a rowset.
type columns []column

// cols reads columns from "name type, name type".
func cols(spec string) columns {
	var out columns
	for _, part := range strings.Split(spec, ",") {
		f := strings.Fields(part)
		out = append(out, column{name: f[0], typ: columnType(f[1])})
	}
	return out
}

// names lists the columns, each with the prefix before it.
func (c columns) names(prefix string) string {
	out := make([]string, len(c))
	for i := range c {
		out[i] = prefix + c[i].name
	}
	return strings.Join(out, ", ")
}

// rowset is rows that one statement writes or looks for.
type rowset struct {
	cols columns
	// values are the rows one after the other. A text is a string, a bigint an
	// int64, a boolean a bool.
	values []any
	n      int
}

// rows makes room for n rows.
func (c columns) rows(n int) *rowset {
	return &rowset{cols: c, values: make([]any, 0, n*len(c))}
}

// add adds a row; the values are in the order of the columns. Times become
// microseconds. A value of another type than its column's is a mistake in the
// code and panics.
func (r *rowset) add(values ...any) {
	if len(values) != len(r.cols) {
		panic(fmt.Sprintf("%d values for the columns %s", len(values), r.cols.names("")))
	}
	for i, v := range values {
		r.values = append(r.values, r.cols[i].typ.value(v))
	}
	r.n++
}

// append adds the rows of another rowset with the same columns.
func (r *rowset) append(more *rowset) {
	r.values, r.n = append(r.values, more.values...), r.n+more.n
}

// value is v as a column of that type holds it.
func (t columnType) value(v any) any {
	switch v := v.(type) {
	case string:
		if t == text {
			return v
		}
	case bool:
		if t == boolean {
			return v
		}
	case int64:
		if t == bigint {
			return v
		}
	case int:
		if t == bigint {
			return int64(v)
		}
	case time.Time:
		if t == bigint {
			return micros(v)
		}
	}
	panic(fmt.Sprintf("%T for a %s", v, t))
}

var idColumn = cols("id text")

// idRows is a rowset of ids.
func idRows(ids []string) *rowset {
	r := idColumn.rows(len(ids))
	for _, id := range ids {
		r.add(id)
	}
	return r
}

// arrays write rowsets as PostgreSQL takes them best: as an array for each
// column. One statement does for any number of rows.
type arrays struct{}

func (arrays) size(int) int { return 0 }

// source unnests the arrays in step.
func (arrays) source(cols columns, _ int, name string) string {
	params := make([]string, len(cols))
	for i := range cols {
		params[i] = "?::" + string(cols[i].typ) + "[]"
	}
	return "unnest(" + strings.Join(params, ", ") + ") AS " + name + "(" + cols.names("") + ")"
}

func (arrays) bind(r *rowset, _ int, args []any) ([]any, error) {
	for i := range r.cols {
		switch r.cols[i].typ {
		case text:
			args = append(args, pq.StringArray(ofColumn[string](r, i)))
		case bigint:
			args = append(args, pq.Int64Array(ofColumn[int64](r, i)))
		case boolean:
			args = append(args, pq.BoolArray(ofColumn[bool](r, i)))
		}
	}
	return args, nil
}

// ofColumn gives the values of a column.
func ofColumn[T any](r *rowset, i int) []T {
	out := make([]T, r.n)
	for n := range out {
		out[n] = r.values[n*len(r.cols)+i].(T) //nolint:errcheck,forcetypeassert // add has seen to it
	}
	return out
}

// values write rowsets as SQLite takes them best: each value is a parameter. A
// statement is prepared for a number of rows, the next power of two; those that
// there are too many are of NULLs, which no value of a rowset is. (A LIMIT with a
// parameter would have SQLite prepare anew for each value of it.) Beyond maxValues
// rows it is one JSON array of rows, as SQLite takes no more than some 32,000
// parameters.
type values struct{}

const maxValues = 512

func (values) size(n int) int {
	if n > maxValues {
		return 0
	}
	return 1 << bits.Len(uint(max(n, 2)-1)) // of one row alone SQLite makes no table that it would begin with
}

func (values) source(cols columns, size int, name string) string {
	params := make([]string, len(cols))
	if size == 0 {
		for i := range cols {
			params[i] = fmt.Sprintf("value->>%d AS %s", i, cols[i].name)
		}
		return "(SELECT " + strings.Join(params, ", ") + " FROM json_each(?)) AS " + name
	}
	for i := range cols {
		params[i] = fmt.Sprintf("column%d AS %s", i+1, cols[i].name)
	}
	row := ", (?" + strings.Repeat(", ?", len(cols)-1) + ")"
	return "(SELECT " + strings.Join(params, ", ") + " FROM (VALUES " + strings.Repeat(row, size)[2:] + ") WHERE column1 IS NOT NULL) AS " + name
}

func (values) bind(r *rowset, size int, args []any) ([]any, error) {
	if size == 0 {
		all := make([][]any, r.n)
		for n := range all {
			all[n] = r.values[n*len(r.cols) : (n+1)*len(r.cols)]
		}
		raw, err := json.Marshal(all)
		if err != nil {
			return nil, fmt.Errorf("rows: %w", err)
		}
		return append(args, string(raw)), nil
	}
	first := len(args)
	args = append(args, r.values...)
	for len(args) < first+size*len(r.cols) {
		args = append(args, nil)
	}
	return args, nil
}
