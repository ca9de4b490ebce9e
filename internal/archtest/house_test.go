package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// file is what the rules ask about one Go file.
type file struct {
	path      string
	test      bool
	generated bool // says so in its header
	lines     int  // with code on them
	imports   []string
}

func (f file) room() string { return path.Dir(f.path) }

// read returns every Go file of the tree, testdata and hidden directories aside.
func read(tree fs.FS) ([]file, error) {
	var files []file
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && ignored(name):
			return fs.SkipDir
		case entry.IsDir() || path.Ext(name) != ".go":
			return nil
		}
		f, err := readFile(tree, name)
		if err != nil {
			return err
		}
		files = append(files, f)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the tree: %w", err)
	}
	return files, nil
}

// ignored reports whether the go command leaves this directory out.
func ignored(dir string) bool {
	name := path.Base(dir)
	return dir != "." && (name == "testdata" || name == "vendor" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_"))
}

func readFile(tree fs.FS, name string) (file, error) {
	source, err := fs.ReadFile(tree, name)
	if err != nil {
		return file{}, fmt.Errorf("%s: %w", name, err)
	}
	syntax, err := parser.ParseFile(token.NewFileSet(), name, source, parser.ImportsOnly|parser.ParseComments)
	if err != nil {
		return file{}, fmt.Errorf("%s: %w", name, err)
	}
	f := file{
		path:      name,
		test:      strings.HasSuffix(name, "_test.go"),
		generated: ast.IsGenerated(syntax),
		lines:     codeLines(source),
	}
	for _, spec := range syntax.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return file{}, fmt.Errorf("%s: import %s: %w", name, spec.Path.Value, err)
		}
		f.imports = append(f.imports, imported)
	}
	return f, nil
}

// codeLines counts the lines that hold at least a part of a token.
func codeLines(source []byte) int {
	set := token.NewFileSet()
	position := set.AddFile("", set.Base(), len(source))
	var s scanner.Scanner
	s.Init(position, source, nil, 0)
	count, last := 0, 0
	for {
		pos, kind, literal := s.Scan()
		if kind == token.EOF {
			return count
		}
		if kind == token.SEMICOLON && literal == "\n" {
			continue // put in by the scanner
		}
		first := position.Line(pos)
		end := first + strings.Count(literal, "\n")
		count += end - max(first-1, last)
		last = end
	}
}
