package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// ruleNumber is the number of one rule: 4.7 is section 4, rule 7.
type ruleNumber struct{ section, rule int }

func (n ruleNumber) String() string { return fmt.Sprintf("%d.%d", n.section, n.rule) }

func (n ruleNumber) compare(other ruleNumber) int {
	if n.section != other.section {
		return n.section - other.section
	}
	return n.rule - other.rule
}

// mention is one rule named at one place. Its words are what stands there, for a message.
type mention struct {
	number ruleNumber
	words  string
	path   string
	line   int
}

func (m mention) String() string { return fmt.Sprintf("%s:%d: %q", m.path, m.line, m.words) }

// What counts as naming rules: "rule 4.7" names one, "rules 4.7, 4.8 and 5.2 to 5.4" names six. The words may be
// wrapped, and a wrapped line of a transcript begins with #. What has three parts, as a version has, is no rule.
const (
	numberForm = `\d+(?:\.\d+)+`
	gapForm    = `[\s#]+`
	joinForm   = `(?:,` + gapForm + `and|,|` + gapForm + `and|` + gapForm + `to)` + gapForm
)

var (
	oneRule   = `rule` + gapForm + numberForm
	manyRules = `rules` + gapForm + numberForm + `(?:` + joinForm + numberForm + `)*`
	naming    = regexp.MustCompile(`(?i)\b(?:` + oneRule + `|` + manyRules + `)\b`)
	listItem  = regexp.MustCompile(`(?i)(\bto` + gapForm + `)?(` + numberForm + `)`)
)

// mentions returns the rules that a text names, in its order. A range that runs backwards or into another section
// counts as its two ends.
func mentions(text string) []mention {
	var all []mention
	for _, found := range naming.FindAllStringIndex(text, -1) {
		line := 1 + strings.Count(text[:found[0]], "\n")
		words := strings.Join(strings.Fields(text[found[0]:found[1]]), " ")
		for _, number := range listed(words) {
			all = append(all, mention{number: number, words: words, line: line})
		}
	}
	return all
}

// listed reads the numbers of "rules 4.7, 4.8 and 5.2 to 5.4".
func listed(list string) []ruleNumber {
	var all []ruleNumber
	for _, item := range listItem.FindAllStringSubmatch(list, -1) {
		number, isRule := parseNumber(item[2])
		if !isRule {
			continue
		}
		if item[1] != "" && len(all) > 0 {
			from := all[len(all)-1]
			for between := from.rule + 1; from.section == number.section && between < number.rule; between++ {
				all = append(all, ruleNumber{number.section, between})
			}
		}
		all = append(all, number)
	}
	return all
}

// parseNumber reads "4.7". Any other number of parts is no rule, nor is a part that a heading would not have.
func parseNumber(text string) (ruleNumber, bool) {
	section, rule, _ := strings.Cut(text, ".")
	var n ruleNumber
	var err error
	if n.section, err = strconv.Atoi(section); err != nil {
		return ruleNumber{}, false
	}
	if n.rule, err = strconv.Atoi(rule); err != nil {
		return ruleNumber{}, false
	}
	return n, n.String() == text
}

// mentionsInGo returns the rules that the comments and the strings of a Go file name. Code names none: an identifier
// is not read by anybody who looks a rule up.
func mentionsInGo(path string, source []byte) ([]mention, error) {
	positions := token.NewFileSet()
	syntax, err := parser.ParseFile(positions, path, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("read the rules that %s names: %w", path, err)
	}
	var all []mention
	add := func(pos token.Pos, text string) {
		for _, m := range mentions(text) {
			m.path, m.line = path, m.line+positions.Position(pos).Line-1
			all = append(all, m)
		}
	}
	for _, group := range syntax.Comments {
		add(group.Pos(), commentText(group))
	}
	ast.Inspect(syntax, func(node ast.Node) bool {
		literal, isLiteral := node.(*ast.BasicLit)
		if !isLiteral || literal.Kind != token.STRING {
			return true
		}
		if text, err := strconv.Unquote(literal.Value); err == nil {
			add(literal.Pos(), text)
		}
		return true
	})
	return all, nil
}

// commentText is the text between the comment markers, line by line as in the file.
func commentText(group *ast.CommentGroup) string {
	lines := make([]string, 0, len(group.List))
	for _, comment := range group.List {
		text := strings.TrimPrefix(comment.Text, "//")
		lines = append(lines, strings.TrimSuffix(strings.TrimPrefix(text, "/*"), "*/"))
	}
	return strings.Join(lines, "\n")
}

func TestRuleMentions(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"rule 4.7", "4.7"},
		{"Rule 4.7.", "4.7"},
		{"the gate (rule 4.24) opens", "4.24"},
		{"rule 4.7 and 4.8", "4.7"},
		{"rule 4.7 and rule 4.8", "4.7 4.8"},
		{"rule 4.7, rules 5.2 and 5.3; rule 6.1", "4.7 5.2 5.3 6.1"},
		{"rules 4.7 and 4.8", "4.7 4.8"},
		{"Rules 4.7, 4.9 and 10.6:", "4.7 4.9 10.6"},
		{"rules 4.7, 4.9, and 5.1", "4.7 4.9 5.1"},
		{"rules 4.7, 4.9", "4.7 4.9"},
		{"rules 5.2 to 5.4", "5.2 5.3 5.4"},
		{"rules 4.9 to 4.11", "4.9 4.10 4.11"},
		{"rules 2.4, 5.2 to 5.4 and 6.1", "2.4 5.2 5.3 5.4 6.1"},
		{"rules 5.4 to 5.2", "5.4 5.2"},
		{"rules 4.24 to 5.2", "4.24 5.2"},
		{"rules 4.7\n\tand 4.8", "4.7 4.8"},
		{"# rules 5.2\n# to 5.4, a transcript", "5.2 5.3 5.4"},
		{"rule\n4.7", "4.7"},
		{"rules 4.7, which is long", "4.7"},
		{"rules 4.7 to be followed", "4.7"},
		{"rules 4.7 and 30 s", "4.7"},
		{"rule 4.7's gate", "4.7"},
		{"rules", ""},
		{"rule 4", ""},
		{"rule 4.7.1", ""},
		{"rule 04.7", ""},
		{"rule 4.07", ""},
		{"ruler 4.7, misrule 4.7, rule4.7, rule: 4.7", ""},
		{"4.7 and version 4.8", ""},
		{"rule 99999999999999999999.1", ""},
	} {
		if got := joinNumbers(mentions(c.text)); got != c.want {
			t.Errorf("%q names %q, want %q", c.text, got, c.want)
		}
	}
}

func TestRuleMentionsInGo(t *testing.T) {
	source := "// Package p, rule 2.1.\npackage p\n\n" +
		"/* A block,\n   rules 3.1\n   to 3.3. */\n" +
		"// rules 4.1\n// and 4.2 wrapped\n" +
		"var rule41 = []any{\"rule 5.1\", `two lines,\nrule 5.2`, \"rule \\u0036.1\", 6.2} // rule 7.1\n"
	got, err := mentionsInGo("p_test.go", []byte(source))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`p_test.go:1: "rule 2.1"`,
		`p_test.go:5: "rules 3.1 to 3.3"`, `p_test.go:5: "rules 3.1 to 3.3"`, `p_test.go:5: "rules 3.1 to 3.3"`,
		`p_test.go:7: "rules 4.1 and 4.2"`, `p_test.go:7: "rules 4.1 and 4.2"`,
		`p_test.go:10: "rule 7.1"`, `p_test.go:9: "rule 5.1"`, `p_test.go:10: "rule 5.2"`, `p_test.go:10: "rule 6.1"`,
	}
	lines := make([]string, 0, len(got))
	for _, m := range got {
		lines = append(lines, m.String())
	}
	if !slices.Equal(lines, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	if _, err := mentionsInGo("bad_test.go", []byte("package")); err == nil {
		t.Error("a file that is no Go is no error")
	}
}

func joinNumbers(all []mention) string {
	texts := make([]string, 0, len(all))
	for _, m := range all {
		texts = append(texts, m.number.String())
	}
	return strings.Join(texts, " ")
}
