package persistence

import (
	"context"
	"crypto/tls"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/lib/pq"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/cirisai/orchestrator/internal/engine"
)

// errConflict: what a transaction had read was changed before it could be
// written; the transaction is run again.
var errConflict = errors.New("changed meanwhile")

// Codes of PostgreSQL. See its manual, appendix A.
const (
	pgSerialization = "40001"
	pgDeadlock      = "40P01"
	pgReadOnly      = "25006"
	pgStandby       = "0A000" // what a standby says to BEGIN READ WRITE
	pgIdleTimeout   = "25P03"
	pgLockTimeout   = "55P03"
	pgCancelled     = "57014" // statement_timeout, unless the caller's context ended
	pgNoDatabase    = "3D000"
	pgConnection    = "08"
	pgResources     = "53" // disk full, too many connections, out of memory
	pgIntervention  = "57"
	pgSystem        = "58"
	pgConfiguration = "F0"
	pgInternal      = "XX"
	pgAuthorization = "28"

	pgDivisionByZero = "22012"
)

// fail gives an error that leaves the store its form: the context's own errors
// and those of the contract pass, what means that the database cannot be used
// now wraps engine.ErrUnavailable.
func fail(ctx context.Context, what string, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && !errors.Is(err, ctx.Err()):
		// Whatever the database said, it said it because the caller went away.
		return fmt.Errorf("%s: %w: %w", what, ctx.Err(), err)
	case errors.Is(err, engine.ErrUnavailable), !unusable(err):
		return fmt.Errorf("%s: %w", what, err)
	}
	return fmt.Errorf("%s: %w: %w", what, engine.ErrUnavailable, err)
}

// again tells whether the transaction may succeed if it is run once more: the
// database rolled it back because of another one.
func again(err error) bool {
	if errors.Is(err, errConflict) {
		return true
	}
	var e *pq.Error
	return errors.As(err, &e) && (e.Code == pgSerialization || e.Code == pgDeadlock)
}

// unusable tells whether the error means that the database cannot be used now.
func unusable(err error) bool {
	var (
		pgErr     *pq.Error
		sqliteErr *sqlite.Error
		netErr    net.Error
		errno     syscall.Errno
		record    tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &pgErr):
		return unusablePostgres(pgErr)
	case errors.As(err, &sqliteErr):
		return unusableSQLite(sqliteErr.Code())
	case errors.Is(err, errConflict), // time and again
		errors.Is(err, driver.ErrBadConn), errors.Is(err, sql.ErrConnDone), errors.Is(err, errClosed),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &netErr), errors.As(err, &errno), errors.As(err, &record):
		return true
	}
	return false
}

func unusablePostgres(e *pq.Error) bool {
	switch e.Code {
	case pgSerialization, pgDeadlock, pgReadOnly, pgStandby, pgIdleTimeout, pgLockTimeout, pgCancelled, pgNoDatabase:
		return true
	}
	switch e.Code.Class() {
	case pgConnection, pgResources, pgIntervention, pgSystem, pgConfiguration, pgInternal, pgAuthorization:
		return true
	}
	return false
}

// unusableSQLite looks at the primary code, the low byte.
func unusableSQLite(code int) bool {
	switch code & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR,
		sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_PROTOCOL,
		sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_NOLFS, sqlite3.SQLITE_INTERRUPT:
		return true
	}
	return false
}
