package persistence

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/jmoiron/sqlx"
)

// pool is connections of one kind, with the statements prepared on them.
type pool struct {
	db      *sqlx.DB
	dialect *dialect
	// options is how its transactions begin.
	options *sql.TxOptions

	closed    atomic.Bool
	preparing sync.Mutex

	mu       sync.RWMutex
	compiled map[string]string     // by the text of the statement
	prepared map[string]*sqlx.Stmt // likewise
	wanted   []string              // compiled, and used once unprepared
}

func newPool(db *sqlx.DB, d *dialect, options *sql.TxOptions) *pool {
	return &pool{db: db, dialect: d, options: options, compiled: map[string]string{}, prepared: map[string]*sqlx.Stmt{}}
}

// begin begins a transaction. The statements that were missing in the last ones
// are prepared before: within a transaction that would take a second
// connection, of which there may be none.
func (p *pool) begin(ctx context.Context) (*conn, error) {
	if p.closed.Load() {
		return nil, errClosed
	}
	if err := p.prepare(ctx); err != nil {
		return nil, err
	}
	tx, err := p.db.BeginTxx(ctx, p.options)
	if err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	// The driver watches ctx for as long as the transaction lasts; watching it
	// for each statement as well would cost a goroutine each.
	return &conn{ctx: context.WithoutCancel(ctx), outer: ctx, pool: p, tx: tx}, nil
}

// prepare prepares what is wanted. While somebody is at it, others go on with
// what there is.
func (p *pool) prepare(ctx context.Context) error {
	if !p.preparing.TryLock() {
		return nil
	}
	defer p.preparing.Unlock()
	for {
		p.mu.RLock()
		var text, compiled string
		if len(p.wanted) > 0 {
			text, compiled = p.wanted[0], p.compiled[p.wanted[0]]
		}
		p.mu.RUnlock()
		if text == "" {
			return nil
		}
		stmt, err := p.db.PreparexContext(ctx, compiled) //nolint:sqlclosecheck // it outlives this call; close closes it
		if err != nil {
			return fmt.Errorf("prepare: %w", err)
		}
		p.mu.Lock()
		p.prepared[text], p.wanted = stmt, p.wanted[1:]
		p.mu.Unlock()
	}
}

// statement finds the prepared form of a statement, or else its SQL.
func (p *pool) statement(text string, cols columns) (*sqlx.Stmt, string, error) {
	p.mu.RLock()
	stmt, compiled := p.prepared[text], p.compiled[text]
	p.mu.RUnlock()
	if stmt != nil || compiled != "" {
		return stmt, compiled, nil
	}
	compiled, err := p.dialect.compile(text, cols)
	if err != nil {
		return nil, "", err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.compiled[text] == "" {
		p.compiled[text] = compiled
		p.wanted = append(p.wanted, text)
	}
	return nil, compiled, nil
}

// close ends all connections. That a database which is away does not take the
// farewell is no error.
func (p *pool) close() error {
	p.closed.Store(true)
	p.mu.Lock()
	defer p.mu.Unlock()
	errs := make([]error, 0, len(p.prepared)+1)
	for _, stmt := range p.prepared {
		errs = append(errs, stmt.Close())
	}
	clear(p.prepared)
	errs = append(errs, p.db.Close())
	return errors.Join(slices.DeleteFunc(errs, unusable)...)
}

// conn is one transaction at work.
type conn struct {
	ctx   context.Context // of the statements; does not end
	outer context.Context // of the transaction
	pool  *pool
	tx    *sqlx.Tx
	// careful: what this transaction had read was changed before it could write
	// it; now it locks what it reads.
	careful bool
}

// exec runs a statement and returns how many rows it changed.
func (c *conn) exec(text string, given ...any) (int64, error) {
	stmt, compiled, args, err := c.find(text, given)
	if err != nil {
		return 0, err
	}
	var res sql.Result
	if stmt != nil {
		bound := c.tx.StmtxContext(c.ctx, stmt)
		defer func() { _ = bound.Close() }() // it stays prepared
		res, err = bound.ExecContext(c.ctx, args...)
	} else {
		res, err = c.tx.ExecContext(c.ctx, compiled, args...)
	}
	if err != nil {
		return 0, c.failed(text, err)
	}
	n, err := res.RowsAffected()
	if err != nil {
		return 0, c.failed(text, err)
	}
	return n, nil
}

// get reads one row into dest; sql.ErrNoRows when there is none.
func (c *conn) get(dest any, text string, given ...any) error {
	stmt, compiled, args, err := c.find(text, given)
	if err != nil {
		return err
	}
	if stmt != nil {
		bound := c.tx.StmtxContext(c.ctx, stmt)
		defer func() { _ = bound.Close() }()
		err = bound.GetContext(c.ctx, dest, args...)
	} else {
		err = c.tx.GetContext(c.ctx, dest, compiled, args...)
	}
	return c.failed(text, err)
}

// list reads all rows into the slice that dest points to.
func (c *conn) list(dest any, text string, given ...any) error {
	stmt, compiled, args, err := c.find(text, given)
	if err != nil {
		return err
	}
	if stmt != nil {
		bound := c.tx.StmtxContext(c.ctx, stmt)
		defer func() { _ = bound.Close() }()
		err = bound.SelectContext(c.ctx, dest, args...)
	} else {
		err = c.tx.SelectContext(c.ctx, dest, compiled, args...)
	}
	return c.failed(text, err)
}

// each calls scan for every row.
func (c *conn) each(scan func(rows *sql.Rows) error, text string, given ...any) error {
	stmt, compiled, args, err := c.find(text, given)
	if err != nil {
		return err
	}
	var rows *sql.Rows
	if stmt != nil {
		bound := c.tx.StmtxContext(c.ctx, stmt)
		defer func() { _ = bound.Close() }()
		rows, err = bound.QueryContext(c.ctx, args...)
	} else {
		rows, err = c.tx.QueryContext(c.ctx, compiled, args...)
	}
	if err != nil {
		return c.failed(text, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return c.failed(text, err)
		}
	}
	return c.failed(text, rows.Err())
}

func (c *conn) find(text string, given []any) (*sqlx.Stmt, string, []any, error) {
	args, cols, err := c.pool.dialect.args(given)
	if err != nil {
		return nil, "", nil, err
	}
	stmt, compiled, err := c.pool.statement(text, cols)
	return stmt, compiled, args, err
}

// failed names the statement that an error comes from.
func (c *conn) failed(text string, err error) error {
	if err == nil || errors.Is(err, sql.ErrNoRows) {
		return err
	}
	return &statementError{text: text, err: err}
}

// statementError is an error of the database, with the statement it is of.
type statementError struct {
	text string
	err  error
}

func (e *statementError) Error() string { return e.err.Error() + " (in " + e.text + ")" }
func (e *statementError) Unwrap() error { return e.err }
