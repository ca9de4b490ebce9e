package main

import (
	"bufio"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
)

// statements counts those of a package, and those of them that tests ran.
type statements struct{ all, run int }

func (s statements) percent() float64 {
	if s.all == 0 {
		return 0
	}
	return 100 * float64(s.run) / float64(s.all)
}

// block is one line of a profile: where some statements are, how many, and whether they ran.
type block struct {
	file, position string
	statements     int
	ran            bool
}

// readProfile returns the statements of each package of the module, by its path below the module's.
func readProfile(r io.Reader, module string, exclude []string) (map[string]statements, error) {
	type place struct{ file, position string }
	blocks := map[place]block{}
	lines := bufio.NewScanner(r)
	for number := 1; lines.Scan(); number++ {
		line := lines.Text()
		if number == 1 && strings.HasPrefix(line, "mode: ") {
			continue
		}
		b, err := parseBlock(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		at := place{b.file, b.position}
		b.ran = b.ran || blocks[at].ran
		blocks[at] = b
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	packages := map[string]statements{}
	for _, b := range blocks {
		name := below(module, path.Dir(b.file))
		if strings.HasSuffix(b.file, ".gen.go") || excluded(name, exclude) {
			continue
		}
		p := packages[name]
		p.all += b.statements
		if b.ran {
			p.run += b.statements
		}
		packages[name] = p
	}
	return packages, nil
}

// parseBlock reads a line such as "example.org/m/p/a.go:3.17,5.2 2 1": two statements from line 3 to line 5, run once.
func parseBlock(line string) (block, error) {
	fields := strings.Fields(line)
	if len(fields) != 3 {
		return block{}, fmt.Errorf("%q: want a place, a number of statements and a count", line)
	}
	colon := strings.LastIndexByte(fields[0], ':')
	count, err := strconv.Atoi(fields[1])
	if err != nil || colon < 0 {
		return block{}, fmt.Errorf("%q: want FILE:PLACE STATEMENTS COUNT", line)
	}
	runs, err := strconv.ParseUint(fields[2], 10, 64)
	if err != nil {
		return block{}, fmt.Errorf("%q: %w", line, err)
	}
	return block{file: fields[0][:colon], position: fields[0][colon+1:], statements: count, ran: runs > 0}, nil
}

// below returns a package's path without its module's, "." for the module's own.
func below(module, pkg string) string {
	if pkg == module {
		return "."
	}
	return strings.TrimPrefix(pkg, module+"/")
}

func excluded(name string, directories []string) bool {
	for _, dir := range directories {
		if name == dir || strings.HasPrefix(name, dir+"/") {
			return true
		}
	}
	return false
}
