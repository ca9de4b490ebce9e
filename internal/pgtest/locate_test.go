package pgtest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// install makes an installation of one version under root and returns its directory of programs.
func install(t *testing.T, root, version string, programs ...string) string {
	t.Helper()
	bin := filepath.Join(root, version, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, program := range programs {
		if err := os.WriteFile(filepath.Join(bin, program), []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return bin
}

func notOnPath(string) (string, error) { return "", exec.ErrNotFound }

func TestLocateTakesTheNewestCompleteVersion(t *testing.T) {
	root := t.TempDir()
	install(t, root, "9", "initdb", "postgres")
	want := install(t, root, "15", "initdb", "postgres")
	install(t, root, "16", "postgres") // its programs are not all there
	got, err := locate(filepath.Join(root, "*", "bin"), notOnPath)
	if err != nil || got != want {
		t.Errorf("locate = %q, %v; want %q", got, err, want)
	}
}

func TestLocateFollowsThePath(t *testing.T) {
	root := t.TempDir()
	want := install(t, root, "15", "initdb", "postgres")
	link := filepath.Join(root, "postgres")
	if err := os.Symlink(filepath.Join(want, "postgres"), link); err != nil {
		t.Fatal(err)
	}
	got, err := locate(filepath.Join(root, "nothing", "*"), func(string) (string, error) { return link, nil })
	if err != nil || got != want {
		t.Errorf("locate = %q, %v; want %q", got, err, want)
	}
}

func TestLocateWithoutPostgreSQL(t *testing.T) {
	client := install(t, t.TempDir(), "15", "psql", "postgres")
	for name, lookPath := range map[string]func(string) (string, error){
		"nothing on the path":   notOnPath,
		"no initdb on the path": func(string) (string, error) { return filepath.Join(client, "postgres"), nil },
	} {
		if got, err := locate("/nothing/*/bin", lookPath); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: locate = %q, %v; want ErrUnavailable", name, got, err)
		}
	}
}

// verdict stands in for a test and remembers whether it was failed.
type verdict struct {
	testing.TB
	failed bool
}

func (v *verdict) Helper()               {}
func (v *verdict) Fatal(...any)          { v.failed = true }
func (v *verdict) Fatalf(string, ...any) { v.failed = true }

func TestAvailable(t *testing.T) {
	broken := errors.New("permission denied")
	for _, c := range []struct {
		variable     string
		located      error
		want, failed bool
	}{
		{"", nil, true, false},
		{"", ErrUnavailable, false, false},
		{"", broken, false, true},
		{"require", nil, true, false},
		{"require", ErrUnavailable, false, true},
		{"off", nil, false, false},
		{"off", ErrUnavailable, false, false},
		{"yes", ErrUnavailable, false, true},
	} {
		t.Setenv(Variable, c.variable)
		v := &verdict{TB: t}
		if got := available(v, c.located); got != c.want || v.failed != c.failed {
			t.Errorf("%s=%q, located %v: available %t, failed %t; want %t, %t",
				Variable, c.variable, c.located, got, v.failed, c.want, c.failed)
		}
	}
}
