package main

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
)

// profile has package p 3 of 4 run, in two binaries' words, package q 1 of 6; the rest does not count.
const profile = `mode: atomic
M/p/a.go:1.2,3.4 2 0
M/p/a.go:5.2,6.4 1 7
M/p/a.go:8.2,9.4 1 0
M/q/b.go:1.1,2.2 5 0
M/q/b.go:3.1,4.2 1 1
M/q/b.gen.go:1.1,2.2 100 0
M/cmd/x/c.go:1.1,2.2 100 0
M/p/a.go:1.2,3.4 2 1
M/p/a.go:5.2,6.4 1 0
M/p/a.go:8.2,9.4 1 0
`

func TestReadProfile(t *testing.T) {
	got, err := readProfile(strings.NewReader(profile), "M", []string{"cmd"})
	want := map[string]statements{"p": {all: 4, run: 3}, "q": {all: 6, run: 1}}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("readProfile = %v, %v; want %v", got, err, want)
	}
}

func TestReadProfileNamesTheBadLine(t *testing.T) {
	for _, line := range []string{"", "a.go 1 1", "a.go:1.1,2.2 x 1", "a.go:1.1,2.2 1 x", "a.go:1.1,2.2 1 -1", "a.go:1.1,2.2 1"} {
		_, err := readProfile(strings.NewReader("mode: set\nM/p/a.go:1.1,2.2 1 1\n"+line+"\n"), "M", nil)
		if err == nil || !strings.HasPrefix(err.Error(), "line 3: ") {
			t.Errorf("%q: %v, want an error for line 3", line, err)
		}
	}
}

func TestFloors(t *testing.T) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		t.Fatal("no build information")
	}
	path := filepath.Join(t.TempDir(), "coverage.out")
	content := strings.ReplaceAll(profile, "M/", info.Main.Path+"/")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		floors, stdout, failure string
	}{
		{"total=40 p=75", "total                     40.0%  (floor 40%)", ""},
		{"total=40.1", "40.0%  (floor 40.1%)", "total: 40.0% is below the floor of 40.1%"},
		{"p=76 q=10", "q                         16.7%  (floor 10%)", "p: 75.0% is below the floor of 76%"},
		{"r=1", "p                         75.0%", "r: no statement was measured"},
		{"cmd/x=0", "", "cmd/x: no statement was measured"},
		{"p", "", `floor "p": want PACKAGE=PERCENT`},
		{"p=101", "", `floor "p=101": want PACKAGE=PERCENT`},
	} {
		var stdout bytes.Buffer
		err := check(append([]string{"-profile", path, "-exclude", "cmd,tools"}, strings.Fields(c.floors)...), &stdout)
		switch {
		case !strings.Contains(stdout.String(), c.stdout):
			t.Errorf("%s: printed\n%s\nwant %q", c.floors, &stdout, c.stdout)
		case c.failure == "" && err != nil:
			t.Errorf("%s: %v", c.floors, err)
		case c.failure != "" && (err == nil || !strings.Contains(err.Error(), c.failure)):
			t.Errorf("%s: %v, want %q", c.floors, err, c.failure)
		}
	}
}

func TestAMissingProfileFails(t *testing.T) {
	var stdout bytes.Buffer
	err := check([]string{"-profile", filepath.Join(t.TempDir(), "none")}, &stdout)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("check = %v, want fs.ErrNotExist", err)
	}
}
