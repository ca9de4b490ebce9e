package pgtest

import (
	"bufio"
	"context"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// A server that outlived a killed test would hold memory and a directory on the machine for ever.
func TestTheServerDiesWithItsProcess(t *testing.T) {
	if !Available(t) {
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	parent := exec.CommandContext(ctx, os.Args[0])
	parent.Env = append(os.Environ(), orphanVariable+"=1")
	parent.Stderr = os.Stderr
	output, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	address, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	address = strings.TrimSpace(address)
	removeAfterwards(t, address)
	connection, err := open(t, address).Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	// The connection ends when its server does; until then the query waits.
	_, err = connection.ExecContext(ctx, "SELECT pg_sleep(3600)")
	if err == nil || ctx.Err() != nil {
		t.Errorf("the server outlived its process: %v", err)
	}
	if err := parent.Wait(); err == nil {
		t.Error("a killed process ended well")
	}
}

// removeAfterwards removes the directory of a server whose process could not.
func removeAfterwards(t *testing.T, address string) {
	t.Helper()
	parsed, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	dir := parsed.Query().Get("host")
	if !strings.Contains(dir, "pgtest-") {
		t.Fatalf("%s: the host is no server's directory", address)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
}
