// Package pgtest runs private PostgreSQL servers for tests and benchmarks.
//
// A server belongs to the process that started it. It listens on a Unix socket in a directory of its own and on no
// network address, so any number of them run side by side and none meets a PostgreSQL that the machine has
// otherwise. It dies with its process, whatever that dies of. Started by root it runs as the user postgres, because
// PostgreSQL refuses to be root.
//
// Ordinary tests share one server per package and take one database each:
//
//	func TestMain(m *testing.M) { pgtest.Main(m) }
//
//	func TestStore(t *testing.T) {
//		if server := pgtest.Shared(t); server != nil {
//			url := server.NewDatabase(t)
//			...
//		}
//	}
//
// Tests that take the server away and bring it back have one of their own from [Start]; programs that are no tests
// call [StartServer].
//
// Servers run with fsync off, which is several times as fast and loses nothing that a test can see: only a crash of
// the whole machine would. Tests of durability and benchmarks say [WithFsync].
//
// Where PostgreSQL is not installed, [Shared] and [Start] return nil and the tests go on with SQLite alone. The
// variable [Variable] set to "require" makes that a failure instead, which is how the project's full test run is
// kept honest; "off" leaves PostgreSQL out although it is there.
package pgtest
