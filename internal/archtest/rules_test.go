package archtest

import (
	"fmt"
	"slices"
	"strings"
)

// violations returns what is wrong with the files, one line each, in their order.
func violations(files []file) []string {
	var all []string
	for _, f := range files {
		all = append(all, sizeViolations(f)...)
		if r, found := find(f.room()); found {
			all = append(all, importViolations(f, r)...)
			continue
		}
		all = append(all, fmt.Sprintf("%s: %s is no room of the house: add the room to the table and to ARCHITECTURE.md",
			f.path, f.room()))
	}
	return all
}

func sizeViolations(f file) []string {
	var all []string
	if named := strings.HasSuffix(f.path, ".gen.go"); named != f.generated {
		all = append(all, f.path+`: *.gen.go and the header "// Code generated ... DO NOT EDIT." belong together`)
	}
	if !f.generated && f.lines > maxLines {
		all = append(all, fmt.Sprintf("%s: %d lines of code, at most %d: does it hold two things?", f.path, f.lines, maxLines))
	}
	return all
}

func importViolations(f file, r room) []string {
	var all []string
	for _, imported := range f.imports {
		var reason string
		switch {
		case f.test && r.pure:
			reason = whyNotInPureTest(imported)
		case !f.test:
			reason = whyNot(imported, r)
		}
		if reason != "" {
			all = append(all, fmt.Sprintf("%s: imports %s: %s", f.path, imported, reason))
		}
	}
	return all
}

// whyNot returns why the code of a room may not import a package, or nothing when it may.
func whyNot(imported string, r room) string {
	switch {
	case inModule(imported):
		if target := roomOf(imported); target != r.path && !slices.Contains(r.enters, target) {
			return fmt.Sprintf("%s may not enter %s", r.path, target)
		}
	case isStandard(imported):
		if allowed := r.allowedStandard(); allowed != nil && !slices.Contains(allowed, imported) {
			return r.path + " does without it"
		}
	case r.library == onlyStandard:
		return r.path + " uses the standard library alone"
	case r.library == onlyListed && !within(imported, r.also):
		return r.path + " uses only the libraries that the table lists"
	case within(imported, confined) && !within(imported, r.also):
		return "only the rooms that list this library may use it"
	}
	return ""
}

func (r room) allowedStandard() []string {
	if r.standard == nil && r.pure {
		return pureStandard
	}
	return r.standard
}

// whyNotInPureTest returns why a test of a pure room may not import a package, or nothing when it may.
func whyNotInPureTest(imported string) string {
	switch {
	case inModule(imported):
		if target, found := find(roomOf(imported)); !found || !target.pure {
			return "tests of a pure room enter pure rooms alone"
		}
	case within(imported, neverInPureTests) || within(imported, confined):
		return "tests of a pure room stay in memory"
	}
	return ""
}

func inModule(imported string) bool { return within(imported, []string{module}) }

func roomOf(imported string) string {
	if imported == module {
		return root
	}
	return strings.TrimPrefix(imported, module+"/")
}

// isStandard reports whether a path is the standard library's: its first element has no dot.
func isStandard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".")
}

// within reports whether a path is one of the prefixes or lies below one.
func within(imported string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(prefix string) bool {
		return imported == prefix || strings.HasPrefix(imported, prefix+"/")
	})
}
