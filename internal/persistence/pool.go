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
	compiled map[form]string
	prepared map[form]*sqlx.Stmt
	wanted   []form // compiled, and used once unprepared
}

// form names a statement: by its text, and for how many rows it is.
type form struct {
	text string
	size int
}

func newPool(db *sqlx.DB, d *dialect, options *sql.TxOptions) *pool {
	return &pool{db: db, dialect: d, options: options, compiled: map[form]string{}, prepared: map[form]*sqlx.Stmt{}}
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
		if len(p.wanted) == 0 {
			p.mu.RUnlock()
			return nil
		}
		next := p.wanted[0]
		compiled := p.compiled[next]
		p.mu.RUnlock()
		stmt, err := p.db.PreparexContext(ctx, compiled) //nolint:sqlclosecheck // it outlives this call; close closes it
		if err != nil {
			return fmt.Errorf("prepare: %w", err)
		}
		p.mu.Lock()
		p.prepared[next], p.wanted = stmt, p.wanted[1:]
		p.mu.Unlock()
	}
}

// statement finds the prepared form of a statement, or else its SQL.
func (p *pool) statement(text string, of shape) (*sqlx.Stmt, string, error) {
	f := form{text, of.size}
	p.mu.RLock()
	stmt, compiled := p.prepared[f], p.compiled[f]
	p.mu.RUnlock()
	if stmt != nil || compiled != "" {
		return stmt, compiled, nil
	}
	compiled, err := p.dialect.compile(text, of)
	if err != nil {
		return nil, "", err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.compiled[f] == "" {
		p.compiled[f] = compiled
		p.wanted = append(p.wanted, f)
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

// conn is one transaction at work, or statements that are each one of their own.
type conn struct {
	ctx   context.Context // of the statements; in a transaction it does not end
	outer context.Context // of the transaction
	pool  *pool
	tx    *sqlx.Tx // nil: each statement is a transaction
	// careful: what this transaction had read was changed before it could write
	// it; now it locks what it reads.
	careful bool
	// readOnly: what writes is refused; sealed: so is what reads. statements counts
	// those that were run.
	readOnly   bool
	sealed     bool
	statements int
}

// direct is for statements that are each a transaction of their own, which costs
// one round trip. The driver may run one twice when its connection breaks, so it
// must do no harm then.
func (p *pool) direct(ctx context.Context) (*conn, error) {
	if p.closed.Load() {
		return nil, errClosed
	}
	if err := p.prepare(ctx); err != nil {
		return nil, err
	}
	return &conn{ctx: ctx, outer: ctx, pool: p}, nil
}

// exec runs a statement and returns how many rows it changed.
func (c *conn) exec(text string, given ...any) (int64, error) {
	if c.readOnly {
		return 0, errNeedsTransaction
	}
	s, err := c.find(text, given)
	if err != nil {
		return 0, err
	}
	defer s.done()
	var res sql.Result
	if s.stmt != nil {
		res, err = s.stmt.ExecContext(c.ctx, s.args...)
	} else {
		res, err = c.runner().ExecContext(c.ctx, s.compiled, s.args...)
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
	s, err := c.find(text, given)
	if err != nil {
		return err
	}
	defer s.done()
	if s.stmt != nil {
		err = s.stmt.GetContext(c.ctx, dest, s.args...)
	} else {
		err = sqlx.GetContext(c.ctx, c.runner(), dest, s.compiled, s.args...)
	}
	return c.failed(text, err)
}

// list reads all rows into the slice that dest points to.
func (c *conn) list(dest any, text string, given ...any) error {
	s, err := c.find(text, given)
	if err != nil {
		return err
	}
	defer s.done()
	if s.stmt != nil {
		err = s.stmt.SelectContext(c.ctx, dest, s.args...)
	} else {
		err = sqlx.SelectContext(c.ctx, c.runner(), dest, s.compiled, s.args...)
	}
	return c.failed(text, err)
}

// each calls scan for every row.
func (c *conn) each(scan func(rows *sql.Rows) error, text string, given ...any) error {
	s, err := c.find(text, given)
	if err != nil {
		return err
	}
	defer s.done()
	var rows *sql.Rows
	if s.stmt != nil {
		rows, err = s.stmt.QueryContext(c.ctx, s.args...)
	} else {
		rows, err = c.runner().QueryContext(c.ctx, s.compiled, s.args...)
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

// found is a statement that is ready to run: prepared, or as text.
type found struct {
	stmt     *sqlx.Stmt
	bound    bool // to the transaction
	compiled string
	args     []any
}

// done lets go of it; it stays prepared.
func (f *found) done() {
	if f.bound {
		_ = f.stmt.Close()
	}
}

// runner runs what is not prepared.
func (c *conn) runner() sqlx.ExtContext {
	if c.tx != nil {
		return c.tx
	}
	return c.pool.db
}

func (c *conn) find(text string, given []any) (found, error) {
	c.statements++
	if c.sealed {
		return found{}, errNeedsTransaction
	}
	args, of, err := c.pool.dialect.args(text, given)
	if err != nil {
		return found{}, err
	}
	stmt, compiled, err := c.pool.statement(text, of)
	f := found{stmt: stmt, compiled: compiled, args: args}
	if stmt != nil && c.tx != nil {
		f.stmt, f.bound = c.tx.StmtxContext(c.ctx, stmt), true
	}
	return f, err
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
