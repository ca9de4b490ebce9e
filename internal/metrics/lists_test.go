package metrics

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The gauges start at zero for every value that the core knows. The core exports
// no lists, so they are kept here, and compared with its source.
func TestListsAreComplete(t *testing.T) {
	for _, c := range []struct {
		dir, typeName string
		list          []string
	}{
		{"../rollout", "Kind", texts(kinds)},
		{"../rollout", "Status", texts(statuses)},
		{"../rollout", "InstructionType", texts(instructionTypes)},
		{"../rollout", "IncidentType", texts(incidentTypes)},
		{"../discovery", "Liveness", texts(livenesses)},
	} {
		want := constants(t, c.dir, c.typeName)
		if len(want) == 0 {
			t.Errorf("%s has no constants of type %s", c.dir, c.typeName)
		}
		slices.Sort(want)
		slices.Sort(c.list)
		if !slices.Equal(c.list, want) {
			t.Errorf("%s: the list has\n%q\nthe core\n%q", c.typeName, c.list, want)
		}
	}
}

func texts[T ~string](values []T) []string {
	all := make([]string, len(values))
	for i, v := range values {
		all[i] = string(v)
	}
	return all
}

// constants reads the values of all string constants of a type.
func constants(t *testing.T, dir, typeName string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, source, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok {
				values = append(values, stringsOf(t, spec, typeName)...)
			}
			return true
		})
	}
	return values
}

func stringsOf(t *testing.T, spec *ast.ValueSpec, typeName string) []string {
	t.Helper()
	if named, ok := spec.Type.(*ast.Ident); !ok || named.Name != typeName {
		return nil
	}
	var values []string
	for _, v := range spec.Values {
		literal, ok := v.(*ast.BasicLit)
		if !ok {
			continue // not among the constants that everybody sees
		}
		value, err := strconv.Unquote(literal.Value)
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, value)
	}
	return values
}
