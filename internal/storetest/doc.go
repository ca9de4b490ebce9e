// Package storetest says what is asked of a store, and asks it.
//
// There are three stores (in memory, SQLite, PostgreSQL) and one suite: what a
// rule or a promise needs of storage is tested once and holds for all of them,
// so that the same inputs give the same states whatever keeps them (promise 5).
// A store's own tests call Run with a function that opens an empty one.
//
// Values are made by reflection, every field different from every other, so
// that a field that a store forgets, or keeps in the place of another, fails a
// test without anybody having thought of it.
package storetest
