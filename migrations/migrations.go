// Package migrations holds the schema of the database, as SQL for goose, one
// directory for each kind of database. Package persistence applies it.
//
// The two schemas have the same tables and columns, so that all statements are
// written once. Times are whole microseconds since 1970 in UTC, on the service
// clock (rule 2.10) unless a column's name ends in _wall; 0 is no time. Texts
// are never null; an empty one is none. What only the service itself reads is
// kept as a JSON document in a text column, beside the columns that statements
// look at.
package migrations

import "embed"

// SQLite is the schema for SQLite, in the directory sqlite.
//
//go:embed sqlite/*.sql
var SQLite embed.FS

// Postgres is the schema for PostgreSQL, in the directory postgres.
//
//go:embed postgres/*.sql
var Postgres embed.FS
