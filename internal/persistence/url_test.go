package persistence_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/persistence"
)

// Rule 11.1: a URL that cannot be used stops the start and is named; nothing
// takes its place.
func TestAURLThatCannotBeUsedIsNamed(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]string{
		"":                                   "want sqlite:PATH or postgres://",
		"orchestrator.db":                    "want sqlite:PATH or postgres://",
		"mysql://localhost/x":                "want sqlite:PATH or postgres://",
		"sqlite:":                            "names no file",
		"sqlite:" + dir:                      "is a directory",
		"sqlite:" + dir + "/none/x.db":       "the directory of the file",
		"sqlite:" + file + "/x.db":           "not a directory",
		"postgres://":                        "names no database",
		"postgres://localhost":               "names no database",
		"postgres://localhost:port/x":        "cannot be read as a URL",
		"postgres://u:se/secret@localhost/x": "cannot be read as a URL",
		"postgres://u@localhost/x?password=secret&sslmode=secret": "the driver does not take it",
		"postgres://localhost/x?sslmode=some":                     "sslmode",
		"postgres://localhost/x?connect_timeout=soon":             "connect_timeout",
		"postgres://u:secret@localhost:99999/x":                   "99999",
	} {
		s, err := persistence.Open(t.Context(), url, persistence.Options{})
		if err == nil {
			t.Errorf("%q was opened: %v", url, s.Close())
			continue
		}
		if !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "database URL") {
			t.Errorf("%q: want an error with %q, got: %v", url, want, err)
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error shows a password: %v", err)
		}
	}
}

func TestAURLThatCanBeUsed(t *testing.T) {
	for _, url := range []string{
		"sqlite:" + filepath.Join(t.TempDir(), "with space?and#more%41.db"),
		"sqlite::memory:",
		"postgres://nobody@localhost:1/x?sslmode=disable", // nobody is there, which is found out later
		"postgresql:///x?host=/tmp&sslmode=disable",
	} {
		s, err := persistence.Open(t.Context(), url, persistence.Options{})
		if err != nil {
			t.Errorf("%q: %v", url, err)
			continue
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// The name of the file is taken as it is written, whatever is in it.
func TestTheNameOfTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "with space?and#more%41.db")
	migrate(t, "sqlite:"+path)
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

// In memory a store works as long as it is open, and shares nothing with others.
func TestInMemory(t *testing.T) {
	one, two := open(t, "sqlite::memory:", nil), open(t, "sqlite::memory:", nil)
	for _, s := range []*persistence.Store{one, two} {
		if _, err := s.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := mark(t.Context(), one, 7); err != nil {
		t.Fatal(err)
	}
	if n := marked(t, one); n != 7 {
		t.Errorf("reads %d", n)
	}
	err := two.View(t.Context(), func(tx engine.ReadTx) error { _, _, err := tx.Agent("scout"); return err })
	if !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("the other store: %v", err)
	}
}
