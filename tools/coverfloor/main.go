// Command coverfloor reads a coverage profile of the go command, prints the coverage of each package and of all, and
// fails when one lies below its floor:
//
//	coverfloor -profile coverage.out -exclude cmd,tools total=80 internal/rollout=95
//
// A profile that several test binaries wrote names a statement once for each; it is covered when any of them ran it.
// Generated files (*.gen.go) and the excluded directories do not count. A floor for a package without a statement is
// an error, because a floor that nothing stands on holds nothing.
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
)

// total names the floor of all packages together.
const total = "total"

// floor is the least percentage of a package's statements that tests must run.
type floor struct {
	name    string // the package, below the module; or total
	percent float64
}

func main() {
	if err := check(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "coverfloor:", err)
		os.Exit(1)
	}
}

func check(arguments []string, stdout io.Writer) (err error) {
	flags := flag.NewFlagSet("coverfloor", flag.ContinueOnError)
	path := flags.String("profile", "coverage.out", "the profile to `read`")
	exclude := flags.String("exclude", "", "`directories` that do not count, comma-separated")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	floors, err := parseFloors(flags.Args())
	if err != nil {
		return err
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return errors.New("built without module information")
	}
	file, err := os.Open(*path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	packages, err := readProfile(file, info.Main.Path, strings.Split(*exclude, ","))
	if err != nil {
		return fmt.Errorf("%s: %w", *path, err)
	}
	return report(stdout, packages, floors)
}

func parseFloors(arguments []string) ([]floor, error) {
	var floors []floor
	for _, argument := range arguments {
		name, value, _ := strings.Cut(argument, "=")
		percent, err := strconv.ParseFloat(value, 64)
		if err != nil || name == "" || percent < 0 || percent > 100 {
			return nil, fmt.Errorf("floor %q: want PACKAGE=PERCENT", argument)
		}
		floors = append(floors, floor{name, percent})
	}
	return floors, nil
}

// report prints a line for each package, the total last, and returns what lies below its floor.
func report(w io.Writer, packages map[string]statements, floors []floor) error {
	var sum statements
	for _, p := range packages {
		sum.all += p.all
		sum.run += p.run
	}
	names := slices.SortedFunc(maps.Keys(packages), cmp.Compare)
	lines := append(names, total)
	measured := func(name string) statements {
		if name == total {
			return sum
		}
		return packages[name]
	}
	var failures []error
	for _, f := range floors {
		switch got := measured(f.name); {
		case got.all == 0:
			failures = append(failures, fmt.Errorf("%s: no statement was measured", f.name))
		case got.percent() < f.percent:
			failures = append(failures, fmt.Errorf("%s: %.1f%% is below the floor of %g%%", f.name, got.percent(), f.percent))
		}
	}
	if _, err := fmt.Fprintln(w, "statements that tests ran, generated code aside:"); err != nil {
		return err
	}
	for _, name := range lines {
		note := ""
		if i := slices.IndexFunc(floors, func(f floor) bool { return f.name == name }); i >= 0 {
			note = fmt.Sprintf("  (floor %g%%)", floors[i].percent)
		}
		if _, err := fmt.Fprintf(w, "  %-24s %5.1f%%%s\n", name, measured(name).percent(), note); err != nil {
			return err
		}
	}
	return errors.Join(failures...)
}
