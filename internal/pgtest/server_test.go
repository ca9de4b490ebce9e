package pgtest

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
)

func open(t *testing.T, url string) *sql.DB {
	t.Helper()
	db, err := sql.Open("postgres", url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = db.Close() // fails where the test has ended its connections, as it should
	})
	return db
}

func execute(t *testing.T, db *sql.DB, statement string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func query(t *testing.T, db *sql.DB, question string) string {
	t.Helper()
	var answer string
	if err := db.QueryRowContext(t.Context(), question).Scan(&answer); err != nil {
		t.Fatalf("%s: %v", question, err)
	}
	return answer
}

func TestServerIsReachableBySocketAlone(t *testing.T) {
	server := Shared(t)
	if server == nil {
		return
	}
	db := open(t, server.NewDatabase(t))
	if got := query(t, db, "SHOW listen_addresses"); got != "" {
		t.Errorf("listen_addresses = %q, want none", got)
	}
	if got := query(t, db, "SHOW unix_socket_directories"); got != server.place.dir {
		t.Errorf("unix_socket_directories = %q, want %q", got, server.place.dir)
	}
}

func TestFsync(t *testing.T) {
	for _, c := range []struct {
		want string
		opts []Option
	}{{"off", nil}, {"on", []Option{WithFsync()}}} {
		server := Start(t, c.opts...)
		if server == nil {
			return
		}
		db := open(t, server.URL("postgres"))
		for _, setting := range []string{"fsync", "full_page_writes"} {
			if got := query(t, db, "SHOW "+setting); got != c.want {
				t.Errorf("%s = %q, want %q", setting, got, c.want)
			}
		}
		if got := query(t, db, "SHOW synchronous_commit"); got != "on" {
			t.Errorf("synchronous_commit = %q, want on", got)
		}
	}
}

func TestSettingsOverrideTheDefaults(t *testing.T) {
	server := Start(t, WithSetting("max_connections", "7"))
	if server == nil {
		return
	}
	if got := query(t, open(t, server.URL("postgres")), "SHOW max_connections"); got != "7" {
		t.Errorf("max_connections = %q, want 7", got)
	}
}

func TestABadSettingIsReportedInPostgreSQLsWords(t *testing.T) {
	if !Available(t) {
		return
	}
	server, err := StartServer(t.Context(), WithSetting("no_such_setting", "1"))
	if err == nil {
		t.Fatalf("started, and stopping it said %v", server.Stop())
	}
	if !strings.Contains(err.Error(), `unrecognized configuration parameter "no_such_setting"`) {
		t.Errorf("error %q does not quote the server's log", err)
	}
}

func TestDatabasesAreSeparateAndDroppedWithTheirTest(t *testing.T) {
	server := Shared(t)
	if server == nil {
		return
	}
	count := func(name string) string {
		return query(t, open(t, server.URL("postgres")), "SELECT count(*) FROM pg_database WHERE datname = '"+name+"'")
	}
	var name string
	t.Run("use", func(t *testing.T) {
		one, two := open(t, server.NewDatabase(t)), open(t, server.NewDatabase(t))
		execute(t, one, "CREATE TABLE a (x int)")
		execute(t, two, "CREATE TABLE a (x int)")
		name = query(t, one, "SELECT current_database()")
		if count(name) != "1" {
			t.Errorf("database %s is not listed", name)
		}
	})
	if count(name) != "0" {
		t.Errorf("database %s outlived its test", name)
	}
}

func TestADatabaseIsDroppedFromUnderItsConnections(t *testing.T) {
	server := Shared(t)
	if server == nil {
		return
	}
	name, err := server.CreateDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	execute(t, open(t, server.URL(name)), "SELECT 1") // the pool keeps the connection
	for range 2 {
		if err := server.DropDatabase(t.Context(), name); err != nil {
			t.Error(err)
		}
	}
}

func TestWhatWasCommittedOutlivesKillAndRestart(t *testing.T) {
	server := Start(t)
	if server == nil {
		return
	}
	db := open(t, server.NewDatabase(t))
	execute(t, db, "CREATE TABLE a (x int)")
	for _, end := range []func(){server.Kill, func() {}} { // Restart shuts a running server down in order
		execute(t, db, "INSERT INTO a VALUES (1)")
		end()
		if err := server.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := query(t, open(t, server.URL("db1")), "SELECT count(*) FROM a"); got != "2" {
		t.Errorf("%s rows after two restarts, want 2", got)
	}
}

func TestAKilledServerRefusesEverything(t *testing.T) {
	server := Start(t)
	if server == nil {
		return
	}
	db := open(t, server.NewDatabase(t)) // its cleanup finds the server gone, which is no failure
	server.Kill()
	server.Kill()
	if err := db.PingContext(t.Context()); err == nil {
		t.Error("connected to a killed server")
	}
	if _, err := server.CreateDatabase(t.Context()); !errors.Is(err, ErrStopped) {
		t.Errorf("CreateDatabase = %v, want ErrStopped", err)
	}
	if err := server.DropDatabase(t.Context(), "db1"); !errors.Is(err, ErrStopped) {
		t.Errorf("DropDatabase = %v, want ErrStopped", err)
	}
}

func TestStopIsForGood(t *testing.T) {
	server := Start(t)
	if server == nil {
		return
	}
	for range 2 {
		if err := server.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(server.place.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("its directory: %v, want gone", err)
	}
	if err := server.Restart(t.Context()); !errors.Is(err, ErrStopped) {
		t.Errorf("Restart = %v, want ErrStopped", err)
	}
}

func TestStartIsGivenUpWithItsContext(t *testing.T) {
	if !Available(t) {
		return
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if server, err := StartServer(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("StartServer = %v, %v; want context.Canceled", server, err)
	}
}
