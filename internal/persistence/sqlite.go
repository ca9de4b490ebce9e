package persistence

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	_ "modernc.org/sqlite" // the driver
)

func init() { sqlx.BindDriver(sqliteDialect.driver, sqlx.QUESTION) }

var sqliteDialect = &dialect{
	name:   "sqlite",
	driver: "sqlite",
	words: strings.NewReplacer(
		"{max}", "max",
		"{lock}", "",
		"{ours}", "",
		"{free}", "",
		"{unlocked}", "{rows}",
		"{now}", "0",
		"{found}", "occurrences.agent_id = r.agent_id AND occurrences.occurrence_id = r.occurrence_id",
		"{wall}", "0",
	),
	rowsets: values{},
}

const (
	busyTimeout = 5 * time.Second
	maxReaders  = 4
	inMemory    = ":memory:"
)

// openSQLite makes the pools for a file; it opens nothing, so that a database
// that is away for now can come back. One connection writes: there can be no
// more than one writer anyway, and so the others queue where a context can end
// the wait. In memory one connection does everything.
func openSQLite(path string) (pools, error) {
	if path == inMemory {
		db, err := sqliteDB(dsn(path, "immediate"), 1)
		if err != nil {
			return pools{}, err
		}
		p := newPool(db, sqliteDialect, nil)
		return pools{write: p, read: p, clock: p}, nil
	}
	if err := usablePath(path); err != nil {
		return pools{}, err
	}
	writer, err := sqliteDB(dsn(path, "immediate"), 1)
	if err != nil {
		return pools{}, err
	}
	readers, err := sqliteDB(dsn(path, "deferred", "query_only(1)"), maxReaders)
	if err != nil {
		return pools{}, errors.Join(err, writer.Close())
	}
	p := newPool(writer, sqliteDialect, nil)
	return pools{write: p, read: newPool(readers, sqliteDialect, &sql.TxOptions{ReadOnly: true}), clock: p}, nil
}

func sqliteDB(dsn string, connections int) (*sqlx.DB, error) {
	db, err := sqlx.Open(sqliteDialect.driver, dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

// dsn says how a connection is set up: what was committed is on the disk
// (synchronous=FULL; promise 7), readers do not wait for the writer (WAL), and a
// transaction that may write takes the lock when it begins.
func dsn(path, lock string, pragmas ...string) string {
	q := url.Values{"_txlock": {lock}, "_dqs": {"0"}}
	q["_pragma"] = append([]string{
		fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()), "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)",
		"cache_size(-32000)", "temp_store(MEMORY)",
	}, pragmas...)
	name := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}
	return name.String()
}

// usablePath tells why a file cannot be a database.
func usablePath(path string) error {
	if path == "" {
		return errors.New("it names no file")
	}
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return fmt.Errorf("%s is a directory", path)
	case err == nil:
		return nil
	case !errors.Is(err, os.ErrNotExist):
		return err
	}
	dir := filepath.Dir(path)
	if info, err = os.Stat(dir); err != nil {
		return fmt.Errorf("the directory of the file: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is no directory", dir)
	}
	return nil
}
