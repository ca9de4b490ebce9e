package archtest

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// rulesPage is the page that numbers the rules. The tests below hold it and the tests of the repository together: a
// rule that no test names is a promise that nobody checks, and a test that names a rule that is not there leads its
// reader nowhere.
const rulesPage = "docs/rules.md"

// notYet stands, alone or with more words after it, under the heading of a rule that this version does not carry out.
const notYet = "> **Not in this version yet.**"

// Sections whose rules each need a test. The page lists others for the sake of their numbers only.
const firstTested, lastTested = 2, 8

// These files are full of numbers that are there to be read by the parser's own test.
var aboutRules = []string{"internal/archtest/rule_mentions_test.go", "internal/archtest/rule_numbers_test.go"}

// rulebook is what the page says about numbers.
type rulebook struct {
	numbers []ruleNumber // in the order of the page
	notYet  map[ruleNumber]bool
}

func (b rulebook) has(n ruleNumber) bool { return slices.Contains(b.numbers, n) }

// needsTest reports whether a rule is one that some test has to name.
func (b rulebook) needsTest(n ruleNumber) bool {
	return n.section >= firstTested && n.section <= lastTested && !b.notYet[n]
}

// ruleAnchor is how the page introduces a rule: an anchor to link to, then the number for people.
var ruleAnchor = regexp.MustCompile(`<a id="rule-(\d+)-(\d+)"></a>(\S+)`)

// parseRulebook reads the page, and returns what is wrong with its anchors beside it.
func parseRulebook(page string) (book rulebook, faults []string) {
	book.notYet = map[ruleNumber]bool{}
	var heading *ruleNumber // of the rule that a line belongs to
	for i, line := range strings.Split(page, "\n") {
		fault := func(format string, args ...any) {
			faults = append(faults, fmt.Sprintf("%s:%d: %s", rulesPage, i+1, fmt.Sprintf(format, args...)))
		}
		found := ruleAnchor.FindStringSubmatch(line)
		switch {
		case found != nil:
			number, isRule := parseNumber(found[3])
			if !isRule || found[1]+"."+found[2] != number.String() {
				fault("the anchor rule-%s-%s introduces %q", found[1], found[2], found[3])
				continue
			}
			if book.has(number) {
				fault("rule %s is here twice", number)
			}
			book.numbers = append(book.numbers, number)
			heading = &number
		case strings.HasPrefix(line, "#"):
			heading = nil
		case strings.HasPrefix(line, notYet) && heading == nil:
			fault("%q belongs to no rule", notYet)
		case strings.HasPrefix(line, notYet):
			book.notYet[*heading] = true
		}
	}
	return book, faults
}

// rulesNamed returns every rule that the repository's tests name: the comments and strings of *_test.go, and the
// transcripts, *.txt below a testdata directory.
func rulesNamed(tree fs.FS, except []string) ([]mention, error) {
	var all []mention
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if path.Base(name) != "testdata" && ignored(name) {
				return fs.SkipDir
			}
			return nil
		}
		if slices.Contains(except, name) {
			return nil
		}
		found, err := rulesNamedIn(tree, name)
		all = append(all, found...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("collect the rules that tests name: %w", err)
	}
	return all, nil
}

func rulesNamedIn(tree fs.FS, name string) ([]mention, error) {
	inTestdata := slices.Contains(strings.Split(path.Dir(name), "/"), "testdata")
	isGo := strings.HasSuffix(name, "_test.go") && !inTestdata
	isTranscript := path.Ext(name) == ".txt" && inTestdata
	if !isGo && !isTranscript {
		return nil, nil
	}
	content, err := fs.ReadFile(tree, name)
	if err != nil {
		return nil, err
	}
	if isGo {
		return mentionsInGo(name, content)
	}
	all := mentions(string(content))
	for i := range all {
		all[i].path = name
	}
	return all, nil
}

// untested returns the rules that need a test and that none names.
func untested(book rulebook, named []mention) []ruleNumber {
	tested := map[ruleNumber]bool{}
	for _, m := range named {
		tested[m.number] = true
	}
	var all []ruleNumber
	for _, n := range book.numbers {
		if book.needsTest(n) && !tested[n] {
			all = append(all, n)
		}
	}
	return all
}

// unknown returns the places that name a rule which the page does not have, a line each.
func unknown(book rulebook, named []mention) []string {
	var all []string
	for _, m := range named {
		if !book.has(m.number) {
			all = append(all, fmt.Sprintf("%s names rule %s, which %s does not have", m, m.number, rulesPage))
		}
	}
	return all
}

func readRulebook(t *testing.T) (page string, book rulebook) {
	t.Helper()
	content, err := fs.ReadFile(os.DirFS(repository(t)), rulesPage)
	if err != nil {
		t.Fatal(err)
	}
	book, faults := parseRulebook(string(content))
	for _, fault := range faults {
		t.Error(fault)
	}
	return string(content), book
}

func readRulesNamed(t *testing.T) []mention {
	t.Helper()
	named, err := rulesNamed(os.DirFS(repository(t)), aboutRules)
	if err != nil {
		t.Fatal(err)
	}
	return named
}

func TestEveryRuleIsNamedByATest(t *testing.T) {
	_, book := readRulebook(t)
	needed := 0
	for _, n := range book.numbers {
		if book.needsTest(n) {
			needed++
		}
	}
	if missing := untested(book, readRulesNamed(t)); len(missing) > 0 {
		t.Errorf("no test names %d of %d rules (a comment or a string with \"rule N.M\" does):\n%s",
			len(missing), needed, bySection(missing))
	}
}

func TestEveryRuleNamedByATestExists(t *testing.T) {
	_, book := readRulebook(t)
	for _, place := range unknown(book, readRulesNamed(t)) {
		t.Error(place)
	}
}

// Numbers are cited from everywhere, so none is ever given away, dropped or moved: a section only grows at its end.
func TestTheRulesPageIsSound(t *testing.T) {
	page, book := readRulebook(t)
	if !slices.IsSortedFunc(book.numbers, ruleNumber.compare) {
		t.Error("the rules are out of order")
	}
	rules := map[int]int{}
	for _, n := range book.numbers {
		if rules[n.section]++; n.rule != rules[n.section] {
			t.Errorf("rule %s stands where rule %d.%d is due", n, n.section, rules[n.section])
		}
	}
	for section, least := range map[int]int{2: 13, 3: 7, 4: 24, 5: 7, 6: 5, 7: 7, 8: 6, 9: 3, 10: 9, 11: 2, 12: 2} {
		if rules[section] < least {
			t.Errorf("section %d has %d rules, and had %d once", section, rules[section], least)
		}
	}
	for _, link := range regexp.MustCompile(`\[([^\]]+)\]\(#rule-(\d+)-(\d+)\)`).FindAllStringSubmatch(page, -1) {
		target := link[2] + "." + link[3]
		if n, isRule := parseNumber(target); !isRule || !book.has(n) || link[1] != target {
			t.Errorf("the link %s leads nowhere, or elsewhere than it says", link[0])
		}
	}
}

// bySection writes one line per section.
func bySection(numbers []ruleNumber) string {
	var b strings.Builder
	for i, n := range numbers {
		switch {
		case i == 0:
			fmt.Fprintf(&b, "  %s", n)
		case n.section != numbers[i-1].section:
			fmt.Fprintf(&b, "\n  %s", n)
		default:
			fmt.Fprintf(&b, ", %s", n)
		}
	}
	return b.String()
}

const smallPage = `# Rules
### <a id="rule-2-1"></a>2.1 One
### <a id="rule-2-2"></a>2.2 Two
### <a id="rule-8-1"></a>8.1 Later

> **Not in this version yet.** Until then nothing.

## Elsewhere
| <a id="rule-9-1"></a>9.1 | events |
`

func TestParseRulebook(t *testing.T) {
	book, faults := parseRulebook(smallPage)
	if want := []ruleNumber{{2, 1}, {2, 2}, {8, 1}, {9, 1}}; !slices.Equal(book.numbers, want) || len(faults) > 0 {
		t.Errorf("got %v with the faults %q, want %v", book.numbers, faults, want)
	}
	var needed []ruleNumber
	for _, n := range book.numbers {
		if book.needsTest(n) {
			needed = append(needed, n)
		}
	}
	if want := []ruleNumber{{2, 1}, {2, 2}}; !slices.Equal(needed, want) {
		t.Errorf("need a test: %v, want %v", needed, want)
	}
	for page, want := range map[string]string{
		`### <a id="rule-2-1"></a>2.2 Two`:               `docs/rules.md:1: the anchor rule-2-1 introduces "2.2"`,
		"## Section\n" + notYet:                          `docs/rules.md:2: "> **Not in this version yet.**" belongs to no rule`,
		smallPage + `### <a id="rule-2-1"></a>2.1 Again`: `docs/rules.md:10: rule 2.1 is here twice`,
	} {
		if _, faults := parseRulebook(page); !slices.Equal(faults, []string{want}) {
			t.Errorf("got the faults %q, want %q", faults, want)
		}
	}
}

func TestRulesNamed(t *testing.T) {
	book, _ := parseRulebook(smallPage)
	tree := fstest.MapFS{
		"a/a_test.go":               {Data: []byte("package a\n\n// The first: rule 2.1.\n")},
		"a/a.go":                    {Data: []byte("package a // rule 2.2\n")},
		"a/notes.txt":               {Data: []byte("rule 2.2")},
		"a/testdata/walk.txt":       {Data: []byte("# one\n# rules 7.1\n# and 9.1\n")},
		"a/testdata/deep/other.txt": {Data: []byte("rule 8.2")},
		"a/testdata/x_test.go":      {Data: []byte("package x // rule 2.2")},
		".git/b_test.go":            {Data: []byte("package b // rule 2.2")},
		"own_test.go":               {Data: []byte("package own // rule 2.2")},
	}
	named, err := rulesNamed(tree, []string{"own_test.go"})
	if err != nil {
		t.Fatal(err)
	}
	if missing := untested(book, named); !slices.Equal(missing, []ruleNumber{{2, 2}}) {
		t.Errorf("untested: %v, want 2.2 alone", missing)
	}
	want := []string{
		`a/testdata/deep/other.txt:1: "rule 8.2" names rule 8.2, which docs/rules.md does not have`,
		`a/testdata/walk.txt:2: "rules 7.1 # and 9.1" names rule 7.1, which docs/rules.md does not have`,
	}
	if got := unknown(book, named); !slices.Equal(got, want) {
		t.Errorf("unknown:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if _, err := rulesNamed(fstest.MapFS{"bad_test.go": {Data: []byte("package")}}, nil); err == nil {
		t.Error("a test that is no Go is no error")
	}
}

func TestBySection(t *testing.T) {
	if got, want := bySection([]ruleNumber{{2, 1}, {2, 3}, {4, 10}}), "  2.1, 2.3\n  4.10"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
