package archtest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// repository returns the directory that holds go.mod.
func repository(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		content, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(content), "module "+module+"\n") {
			return dir
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatalf("no go.mod of %s above the test", module)
		}
		dir = parent
	}
}

func TestTheHouseIsAsDescribed(t *testing.T) {
	files, err := read(os.DirFS(repository(t)))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(files, func(f file) bool { return f.path == "internal/archtest/arch_test.go" }) {
		t.Fatal("this file was not read, so others were not either")
	}
	for _, violation := range violations(files) {
		t.Error(violation)
	}
}

func TestARCHITECTUREHasALineForEveryRoom(t *testing.T) {
	dir := repository(t)
	description, err := os.ReadFile(filepath.Join(dir, "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := read(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{root: true}
	for _, f := range files {
		if !seen[f.room()] && !hasLineFor(string(description), f.room()) {
			t.Errorf("no line of ARCHITECTURE.md begins with the room %s", f.room())
		}
		seen[f.room()] = true
	}
}

// hasLineFor reports whether a line begins with the name, which may stand in a table or in backquotes.
func hasLineFor(description, name string) bool {
	return regexp.MustCompile("(?m)^[|`\\s]*" + regexp.QuoteMeta(name) + "[/`|\\s]").MatchString(description)
}

func TestHasLineFor(t *testing.T) {
	const description = "The api is served.\n\ninternal/wire  <- stdlib\n| `internal/auth` | tokens |\nmigrations/\n"
	for name, want := range map[string]bool{
		"internal/wire": true, "internal/auth": true, "migrations": true, "internal/wir": false, "api": false,
	} {
		if got := hasLineFor(description, name); got != want {
			t.Errorf("hasLineFor(%q) = %t", name, got)
		}
	}
}

func TestTheTableIsSound(t *testing.T) {
	var named []string
	for _, r := range rooms {
		if slices.Contains(named, r.path) {
			t.Errorf("%s has two rows", r.path)
		}
		named = append(named, r.path)
	}
	for _, r := range rooms {
		for _, target := range r.enters {
			row, found := find(target)
			switch {
			case !found:
				t.Errorf("%s may enter %s, which has no row", r.path, target)
			case r.pure && !row.pure:
				t.Errorf("%s is pure and may enter %s, which is not", r.path, target)
			case target == command:
				t.Errorf("%s may enter %s, which nothing may", r.path, target)
			}
		}
		if r.library == onlyListed && len(r.also) == 0 {
			t.Errorf("%s lists no library: say onlyStandard", r.path)
		}
	}
}

// Each case is a repository of one file. The table is the real one, so the cases say what it means.
func TestViolations(t *testing.T) {
	const none = ""
	for _, c := range []struct {
		path, source, want string
	}{
		{"internal/rollout/a.go", imports("errors", "time", module+"/internal/discovery"), none},
		{"internal/rollout/a.go", imports(module + "/internal/engine"), "internal/rollout may not enter internal/engine"},
		{"internal/discovery/a.go", imports(module + "/internal/rollout"), "internal/discovery may not enter internal/rollout"},
		{"internal/rollout/a.go", imports("context"), "internal/rollout does without it"},
		{"internal/rollout/a.go", imports("math/rand/v2"), "internal/rollout does without it"},
		{"internal/rollout/a.go", imports("log/slog"), "internal/rollout does without it"},
		{"internal/rollout/a.go", imports("github.com/oklog/ulid/v2"), "internal/rollout uses the standard library alone"},
		{"internal/audit/a.go", imports(jsonLibrary + "/jsontext"), none},
		{"internal/audit/a.go", imports(jsonLibrary + "2"), "only the libraries that the table lists"},

		{"internal/rollout/a_test.go", imports("os", "testing", "pgregory.net/rapid"), none},
		{"internal/rollout/a_test.go", imports("net/http"), "tests of a pure room stay in memory"},
		{"internal/rollout/a_test.go", imports("modernc.org/sqlite"), "tests of a pure room stay in memory"},
		{"internal/rollout/a_test.go", imports(module + "/internal/memstore"), "tests of a pure room enter pure rooms alone"},
		{"api/a_test.go", imports(module+"/internal/persistence", "github.com/lib/pq"), none},

		{"api/a.go", imports(module+"/internal/wire", "github.com/go-chi/chi/v5"), none},
		{"api/a.go", imports(module + "/internal/persistence"), "api may not enter internal/persistence"},
		{"api/a.go", imports("github.com/lib/pq"), "only the rooms that list this library"},
		{"internal/engine/a.go", imports("github.com/jmoiron/sqlx"), "only the rooms that list this library"},
		{"internal/persistence/a.go", imports("github.com/jmoiron/sqlx", "modernc.org/sqlite", module+"/migrations"), none},
		{"internal/pgtest/a.go", imports("github.com/lib/pq"), none},
		{"internal/pgtest/a.go", imports("github.com/jmoiron/sqlx"), "only the rooms that list this library"},
		{"internal/dispatch/a.go", imports(module + "/internal/pgtest"), "internal/dispatch may not enter internal/pgtest"},
		{"client/a.go", imports("github.com/go-chi/chi/v5"), "client uses only the libraries that the table lists"},

		{"cmd/orchestrator/a.go", imports(module, module+"/api", module+"/internal/demo", module+"/internal/persistence"), none},
		{"cmd/orchestrator/a.go", imports(module + "/internal/pgtest"), "cmd/orchestrator may not enter internal/pgtest"},
		{"internal/demo/a.go", imports(module+"/client", module+"/internal/persistence"), none},
		{"internal/sim/a.go", imports(module + "/internal/demo"), "internal/sim may not enter internal/demo"},
		{"internal/demo/a.go", imports(module + "/cmd/orchestrator"), "internal/demo may not enter cmd/orchestrator"},
		{"tools/bench/a.go", imports(module+"/internal/pgtest", module+"/internal/persistence"), none},
		{"a.go", imports("embed"), none},
		{"a.go", imports(module + "/api"), ". may not enter api"},
		{"migrations/a.go", imports("os"), "migrations does without it"},

		{"internal/surprise/a.go", imports(), "add the room to the table and to ARCHITECTURE.md"},
		{"internal/rollout/waves/a.go", imports(), "add the room to the table and to ARCHITECTURE.md"},
		{"internal/surprise/testdata/a.go", imports(), none},
		{".hidden/a.go", imports(), none},

		{"api/a.go", "// Code generated by hand. DO NOT EDIT.\n\npackage api\n", "belong together"},
		{"api/a.gen.go", imports(), "belong together"},
		{"api/a.gen.go", "// Code generated by oapi-codegen. DO NOT EDIT.\n\npackage api\n" + long(maxLines), none},
		{"api/a.go", imports() + long(maxLines-1), none},
		{"api/a.go", imports() + long(maxLines), "401 lines of code, at most 400"},
		{"api/a_test.go", imports() + long(maxLines), "401 lines of code, at most 400"},
	} {
		files, err := read(fstest.MapFS{c.path: {Data: []byte(c.source)}})
		if err != nil {
			t.Errorf("%s: %v", c.path, err)
			continue
		}
		got := violations(files)
		switch {
		case c.want == none && len(got) > 0:
			t.Errorf("unexpected: %s", strings.Join(got, "\n"))
		case c.want != none && (len(got) != 1 || !strings.Contains(got[0], c.want)):
			t.Errorf("%s:\n%s\ngot  %q\nwant one with %q", c.path, c.source, got, c.want)
		}
	}
}

func TestAFileThatIsNoGoIsAnError(t *testing.T) {
	if _, err := read(fstest.MapFS{"api/a.go": {Data: []byte("packet api")}}); err == nil {
		t.Error("read took it")
	}
}

func TestCodeLines(t *testing.T) {
	for source, want := range map[string]int{
		"":              0,
		"package a":     1,
		"package a\n\n": 1,
		"// Package a\n// is long.\npackage a // and short\n":     1,
		"package a\n\n/* a\nb\n*/\nvar x = 1 /* c */ + 2\n":       2,
		"package a\n\nvar x = `1\n\n2`\n":                         4,
		"package a\n\nfunc f() { g(); h() }\n":                    2,
		"package a\n\nvar (\n\n\tx = 1 // one\n\n\t// two\n)\n\n": 4,
	} {
		if got := codeLines([]byte(source)); got != want {
			t.Errorf("codeLines(%q) = %d, want %d", source, got, want)
		}
	}
}

// imports is a file that imports the given packages.
func imports(paths ...string) string {
	var b strings.Builder
	b.WriteString("package a\n")
	for _, p := range paths {
		fmt.Fprintf(&b, "\nimport %q\n", p)
	}
	return b.String()
}

// long is n lines of code and as many that do not count.
func long(n int) string { return strings.Repeat("\n// A comment.\nvar _ = 1\n", n) }
