package persistence

import (
	"encoding/json"
	"fmt"
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

// rowset is rows that one statement writes or looks for. It is kept by column,
// which is how PostgreSQL takes it.
type rowset struct {
	cols  columns
	texts [][]string
	ints  [][]int64
	bools [][]bool
	n     int
}

// rows makes room for n rows.
func (c columns) rows(n int) *rowset {
	r := &rowset{cols: c, texts: make([][]string, len(c)), ints: make([][]int64, len(c)), bools: make([][]bool, len(c))}
	for i := range c {
		switch c[i].typ {
		case text:
			r.texts[i] = make([]string, 0, n)
		case bigint:
			r.ints[i] = make([]int64, 0, n)
		case boolean:
			r.bools[i] = make([]bool, 0, n)
		}
	}
	return r
}

// add adds a row; the values are in the order of the columns. Times become
// microseconds. A value of another type than its column's is a mistake in the
// code and panics.
func (r *rowset) add(values ...any) {
	if len(values) != len(r.cols) {
		panic(fmt.Sprintf("%d values for the columns %s", len(values), r.cols.names("")))
	}
	for i, v := range values {
		switch r.cols[i].typ {
		case text:
			r.texts[i] = append(r.texts[i], v.(string)) //nolint:errcheck,forcetypeassert // see above
		case bigint:
			r.ints[i] = append(r.ints[i], integer(v))
		case boolean:
			r.bools[i] = append(r.bools[i], v.(bool)) //nolint:errcheck,forcetypeassert // see above
		}
	}
	r.n++
}

func integer(v any) int64 {
	switch v := v.(type) {
	case int64:
		return v
	case int:
		return int64(v)
	case time.Time:
		return micros(v)
	}
	panic(fmt.Sprintf("%T for a bigint", v))
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

// bindArrays gives an array for each column.
func bindArrays(r *rowset) ([]any, error) {
	out := make([]any, len(r.cols))
	for i := range r.cols {
		switch r.cols[i].typ {
		case text:
			out[i] = pq.StringArray(r.texts[i])
		case bigint:
			out[i] = pq.Int64Array(r.ints[i])
		case boolean:
			out[i] = pq.BoolArray(r.bools[i])
		}
	}
	return out, nil
}

// sourceArrays unnests the arrays in step.
func sourceArrays(cols columns) string {
	params := make([]string, len(cols))
	for i := range cols {
		params[i] = "?::" + string(cols[i].typ) + "[]"
	}
	return "unnest(" + strings.Join(params, ", ") + ") AS r(" + cols.names("") + ")"
}

// bindJSON gives one JSON array of rows, each an array of values.
func bindJSON(r *rowset) ([]any, error) {
	all := make([][]any, r.n)
	for n := range all {
		row := make([]any, len(r.cols))
		for i := range r.cols {
			switch r.cols[i].typ {
			case text:
				row[i] = r.texts[i][n]
			case bigint:
				row[i] = r.ints[i][n]
			case boolean:
				row[i] = r.bools[i][n]
			}
		}
		all[n] = row
	}
	raw, err := json.Marshal(all)
	if err != nil {
		return nil, fmt.Errorf("rows: %w", err)
	}
	return []any{string(raw)}, nil
}

// sourceJSON takes the array apart again.
func sourceJSON(cols columns) string {
	params := make([]string, len(cols))
	for i := range cols {
		params[i] = fmt.Sprintf("value->>%d AS %s", i, cols[i].name)
	}
	return "(SELECT " + strings.Join(params, ", ") + " FROM json_each(?)) AS r"
}
