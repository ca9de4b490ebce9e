package pgtest

import (
	"fmt"
	"strings"
	"testing"
)

func TestServerLogNoticesReadinessInAnyCutOfTheStream(t *testing.T) {
	text := "LOG:  starting\nLOG:  " + readyMark + "\nLOG:  more\n"
	for cut := range len(text) {
		log := newServerLog()
		for _, part := range []string{text[:cut], text[cut:]} {
			if n, err := log.Write([]byte(part)); n != len(part) || err != nil {
				t.Fatalf("Write = %d, %v; want %d, nil", n, err, len(part))
			}
		}
		select {
		case <-log.ready:
		default:
			t.Fatalf("not ready when cut at %d", cut)
		}
	}
}

func TestServerLogKeepsTheLastLines(t *testing.T) {
	log := newServerLog()
	for i := range 3 * keptLines {
		if _, err := fmt.Fprintf(log, "line %d\n", i); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := log.Write([]byte("unfinished")); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(log.String(), "\n")
	if len(lines) != keptLines+1 {
		t.Fatalf("kept %d lines, want %d", len(lines), keptLines+1)
	}
	if first, want := lines[0], fmt.Sprintf("line %d", 2*keptLines); first != want {
		t.Errorf("first line kept is %q, want %q", first, want)
	}
	if last := lines[keptLines]; last != "unfinished" {
		t.Errorf("last line kept is %q, want the unfinished one", last)
	}
}
