package pgtest

import (
	"context"
	"fmt"
	"os"
	"testing"
)

// orphanVariable has the test binary start a server, print its URL and wait to be killed.
const orphanVariable = "PGTEST_START_AND_WAIT"

func TestMain(m *testing.M) {
	if os.Getenv(orphanVariable) != "" {
		startAndWait()
		return
	}
	Main(m)
}

func startAndWait() {
	server, err := StartServer(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(server.URL("postgres"))
	select {}
}
