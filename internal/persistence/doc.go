// Package persistence keeps agents in SQLite or in PostgreSQL.
//
// There is one implementation: every statement is written once, in a form that
// a small dialect turns into the SQL of either database. All changes of an
// agent happen in one transaction that holds its row locked; reads run on a
// snapshot. On PostgreSQL that is READ COMMITTED with the row locked FOR UPDATE;
// on SQLite it is BEGIN IMMEDIATE on the one connection that writes, beside a
// pool of connections that read.
//
// Time is the database's. The service clock (rule 2.10) is a row that says when
// heartbeats were last possible; every transaction reads it, and opens a silence
// in it when nobody has said so for too long. SQLite has no clock but that of
// the process; PostgreSQL's is read after the lock was granted.
//
// What was committed of an agent is remembered together with the version of its
// row, so that a large agent need not be read anew for every transaction; under
// the lock the version says whether it is still so (promise 9). In one process the
// transactions of an agent queue before they take a connection.
//
// Whatever is written many rows at a time is written in one statement. Nothing
// that would do harm if it ran twice runs outside an explicit transaction.
// Errors that mean that the database cannot be used now wrap
// engine.ErrUnavailable; a query that fails is always an error, never an empty
// answer.
package persistence
