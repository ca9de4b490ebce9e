package persistence

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/cirisai/orchestrator/internal/engine"
)

// Rule 2.10.
func TestBeat(t *testing.T) {
	const s = int64(time.Second / time.Microsecond)
	beaten := clockRow{LastWall: 1000 * s, LastService: 900 * s, Silences: 1, Since: 10 * s, Ahead: 100 * s}
	silence := func(from, wall int64) clockRow {
		return clockRow{LastWall: wall, LastService: from, Silences: 2, Since: from, Ahead: wall - from}
	}
	for _, c := range []struct {
		name       string
		row        clockRow
		wall, seen int64
		want       clockRow
		silent     bool
	}{
		{"the first start", clockRow{}, 5 * s, 0, clockRow{LastWall: 5 * s, LastService: 5 * s}, false},
		{"in time", beaten, 1005 * s, 0, clockRow{1005 * s, 905 * s, 1, 10 * s, 100 * s}, false},
		{"just in time", beaten, 1010 * s, 0, clockRow{1010 * s, 910 * s, 1, 10 * s, 100 * s}, false},
		{"too late", beaten, 1010*s + 1, 0, silence(900*s+1, 1010*s+1), true},
		{"too late, and later times were seen", beaten, 1020 * s, 907 * s, silence(907*s+1, 1020*s), true},
		{"the clock leaps back", beaten, 1000*s - 1, 0, silence(900*s+1, 1000*s-1), true},
		{"back between two beats", beaten, 1001 * s, 903 * s, silence(903*s+1, 1001*s), true},
		{"back by no more than transactions overlap", beaten, 1001 * s, 902 * s, clockRow{1001 * s, 901 * s, 1, 10 * s, 100 * s}, false},
	} {
		got, silent := c.row.beat(c.wall, c.seen, 10*time.Second)
		if got != c.want || silent != c.silent {
			t.Errorf("%s: got %+v (%v), want %+v (%v)", c.name, got, silent, c.want, c.silent)
		}
	}
}

func TestCompile(t *testing.T) {
	pairs := cols("a text, b bigint")
	for _, c := range []struct {
		text, sqlite, postgres string
		rows                   int
	}{
		{"SELECT ? FROM t WHERE a = ?", "SELECT ? FROM t WHERE a = ?", "SELECT $1 FROM t WHERE a = $2", 1},
		{"SELECT {max}(?, ?) {lock}", "SELECT max(?, ?) ", "SELECT GREATEST($1, $2) FOR UPDATE", 1},
		{
			"SELECT ?, r.a FROM {rows} WHERE c = ?",
			"SELECT ?, r.a FROM (SELECT column1 AS a, column2 AS b FROM (VALUES (?, ?), (?, ?), (?, ?), (?, ?)) WHERE column1 IS NOT NULL) AS r WHERE c = ?",
			"SELECT $1, r.a FROM unnest($2::text[], $3::bigint[]) AS r(a, b) WHERE c = $4",
			3,
		},
		{
			"SELECT ?, r.a FROM {rows} WHERE c = ?",
			"SELECT ?, r.a FROM (SELECT value->>0 AS a, value->>1 AS b FROM json_each(?)) AS r WHERE c = ?",
			"SELECT $1, r.a FROM unnest($2::text[], $3::bigint[]) AS r(a, b) WHERE c = $4",
			maxValues + 1,
		},
	} {
		for d, want := range map[*dialect]string{sqliteDialect: c.sqlite, postgresDialect: c.postgres} {
			got, err := d.compile(c.text, shape{cols: pairs, size: d.rowsets.size(c.rows)})
			if err != nil || got != want {
				t.Errorf("%s for %s:\ngot  %s (%v)\nwant %s", c.text, d.name, got, err, want)
			}
		}
	}
	if _, err := sqliteDialect.compile("SELECT * FROM {rows}", shape{}); err == nil {
		t.Error("a statement without its rows was compiled")
	}
}

// The parameters of a rowset take the place of the rowset.
func TestArguments(t *testing.T) {
	r := cols("a text, b bigint, c boolean").rows(0)
	r.add("x", 1, true)
	r.add("é\"\\", time.UnixMicro(7), false)
	args, columns, err := postgresDialect.args(rowsWord, []any{"before", r, "after"})
	if err != nil || len(args) != 5 || args[0] != "before" || args[4] != "after" || len(columns.cols) != 3 {
		t.Errorf("postgres: %v, %v, %v", args, columns, err)
	}
	e := cols("d bigint").rows(0)
	e.add(9)
	args, columns, err = postgresDialect.args("{rows} {events}", []any{"before", r, "between", e, "after"})
	if err != nil || len(args) != 7 || args[4] != "between" || args[6] != "after" || len(columns.cols) != 3 || len(columns.events) != 1 {
		t.Errorf("postgres, two rowsets: %v, %v, %v", args, columns, err)
	}
	args, columns, err = postgresDialect.args("{events}", []any{e})
	if err != nil || len(args) != 1 || columns.cols != nil || len(columns.events) != 1 {
		t.Errorf("postgres, events alone: %v, %v, %v", args, columns, err)
	}
	args, _, err = sqliteDialect.args(rowsWord, []any{"before", r, "after"})
	if err != nil || fmt.Sprintf("%q", args) != `["before" "x" '\x01' %!q(bool=true) "é\"\\" '\a' %!q(bool=false) "after"]` {
		t.Errorf("sqlite: %q, %v", args, err)
	}
	three := cols("a text, b bigint").rows(0)
	for i := range 3 {
		three.add("x", i)
	}
	args, _, err = sqliteDialect.args(rowsWord, []any{three})
	if err != nil || fmt.Sprint(args) != `[x 0 x 1 x 2 <nil> <nil>]` {
		t.Errorf("sqlite, three rows for four: %v, %v", args, err)
	}
	many := cols("a text, b bigint").rows(0)
	for range maxValues + 1 {
		many.add("é\"\\", 7)
	}
	args, _, err = sqliteDialect.args(rowsWord, []any{"before", many, "after"})
	if err != nil || len(args) != 3 || !strings.HasPrefix(fmt.Sprint(args), `[before [["é\"\\",7],[`) {
		t.Errorf("sqlite, many rows: %.100v, %v", args, err)
	}
}

func TestARowThatDoesNotFitPanics(t *testing.T) {
	for name, values := range map[string][]any{"too few": {"x"}, "wrong type": {"x", 1.5}, "text for a number": {"x", "y"}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			cols("a text, b bigint").rows(0).add(values...)
		}()
	}
}

// What means that the database cannot be used now is told from what is a mistake
// or a conflict (rule 8.3 depends on it).
func TestUnusable(t *testing.T) {
	for code, want := range map[string]bool{
		"57P01": true, "57P02": true, "57P03": true, "57P05": true, "57014": true, // shut down, starting up, cancelled
		"53100": true, "53200": true, "53300": true, "58030": true, // disk full, memory, connections, I/O
		"08006": true, "08001": true, "25006": true, "0A000": true, "25P03": true, "55P03": true,
		"28P01": true, "3D000": true, "40001": true, "40P01": true, "XX001": true,
		"23505": false, "42P01": false, "22021": false, "23503": false, "42601": false, "25P02": false,
	} {
		if got := unusable(fmt.Errorf("wrapped: %w", &pq.Error{Code: pqerror.Code(code)})); got != want {
			t.Errorf("%s: %v, want %v", code, got, want)
		}
	}
	for code, want := range map[int]bool{
		5: true, 5 | 2<<8: true, 6: true, 7: true, 8: true, 10: true, 10 | 4<<8: true, 11: true, 13: true, 14: true, 15: true, 26: true,
		1: false, 19: false, 19 | 8<<8: false, 20: false, 21: false,
	} {
		if got := unusableSQLite(code); got != want {
			t.Errorf("SQLite %d: %v, want %v", code, got, want)
		}
	}
	for _, err := range []error{
		io.EOF, io.ErrUnexpectedEOF, driver.ErrBadConn, errClosed, syscall.ECONNREFUSED,
		&net.OpError{Op: "dial", Err: syscall.ECONNRESET}, &net.DNSError{Err: "no such host"},
	} {
		if !unusable(fmt.Errorf("wrapped: %w", err)) {
			t.Errorf("%v is not unusable", err)
		}
	}
	if unusable(errors.New("a mistake")) || unusable(engine.ErrNotFound) {
		t.Error("a mistake counts as a database that is away")
	}
}

// The caller's own end is what an error says when there is one, whatever the
// database made of it.
func TestTheContextsErrorComesFirst(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := fail(ctx, "update", &pq.Error{Code: pgCancelled})
	if !errors.Is(err, context.Canceled) || errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

// A transaction that loses to others again and again is given up, as a database
// that cannot be used now.
func TestRunAgain(t *testing.T) {
	s := openForTest(t, "sqlite:"+t.TempDir()+"/test.db")
	for _, c := range []struct {
		fails, runs int
		gone        bool
	}{{0, 1, false}, {1, 2, false}, {maxAttempts - 1, maxAttempts, false}, {maxAttempts, maxAttempts, true}} {
		runs := 0
		err := s.Update(t.Context(), "scout", true, func(engine.Tx) error {
			if runs++; runs <= c.fails {
				return &pq.Error{Code: pgSerialization}
			}
			return nil
		})
		if runs != c.runs || errors.Is(err, engine.ErrUnavailable) != c.gone || !c.gone && err != nil {
			t.Errorf("%d failures: %d runs, %v", c.fails, runs, err)
		}
	}
}
