package pgtest

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"

	"github.com/lib/pq" // registers the driver, and quotes names
)

// URL returns the connection URL of one database of the server, whether or not there is such a database.
func (s *Server) URL(database string) string {
	query := url.Values{"host": {s.place.dir}, "sslmode": {"disable"}}
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Path: "/" + database, RawQuery: query.Encode()}
	return u.String()
}

// CreateDatabase makes an empty database and returns its name. The error is ErrStopped while the server is not
// running.
func (s *Server) CreateDatabase(ctx context.Context) (string, error) {
	admin, name, err := s.nextDatabase()
	if err != nil {
		return "", err
	}
	// template0 takes no connections, so any number of databases can be copied from it at once.
	if _, err := admin.ExecContext(ctx, "CREATE DATABASE "+pq.QuoteIdentifier(name)+" TEMPLATE template0"); err != nil {
		return "", fmt.Errorf("pgtest: create %s: %w", name, err)
	}
	return name, nil
}

// DropDatabase removes a database, if it is there, and ends whatever connections it has. The error is ErrStopped
// while the server is not running.
func (s *Server) DropDatabase(ctx context.Context, name string) error {
	admin, err := s.connection()
	if err != nil {
		return err
	}
	if _, err := admin.ExecContext(ctx, "DROP DATABASE IF EXISTS "+pq.QuoteIdentifier(name)+" WITH (FORCE)"); err != nil {
		return fmt.Errorf("pgtest: drop %s: %w", name, err)
	}
	return nil
}

// connection returns the administrator's connections to the running server.
func (s *Server) connection() (*sql.DB, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.admin == nil {
		return nil, ErrStopped
	}
	return s.admin, nil
}

// nextDatabase is connection, with a name that no database had before.
func (s *Server) nextDatabase() (*sql.DB, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.admin == nil {
		return nil, "", ErrStopped
	}
	s.made++
	return s.admin, fmt.Sprintf("db%d", s.made), nil
}
