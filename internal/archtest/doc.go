// Package archtest holds the project to the house that ARCHITECTURE.md describes. It has nothing but tests.
//
// They read every Go file of the repository themselves, whatever its build constraints, and check who imports whom
// against one table, rooms: a package is a room, and a row says what a room may enter. A package without a row is an
// error, so nobody adds a room without saying where it stands. The tests also check what a compiler does not ask:
// that the pure rooms do no I/O, that SQL stays in its room, how long a file may grow, and what generated files are
// called.
//
// Tests may enter rooms that the code they test may not, since a test is the place where things are wired together;
// but the tests of a pure room stay in memory, and read their own testdata at most.
package archtest
