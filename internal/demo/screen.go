package demo

import (
	"fmt"
	"io"
	"strings"
)

// screen writes for people: lines that stay, and on a terminal a frame below them that is drawn over and over.
type screen struct {
	out      io.Writer
	terminal bool
	drawn    int // lines of the frame that is on the screen
	headings int
}

const (
	ansiBold    = "\x1b[1m"
	ansiPlain   = "\x1b[0m"
	ansiClear   = "\x1b[J"   // from the cursor to the end of the screen
	ansiNoWrap  = "\x1b[?7l" // a line that is too long is cut, so that lines can be counted
	ansiWrap    = "\x1b[?7h" //
	ansiUpFirst = "\x1b[%dF" // to the beginning of the line so many above
)

// say writes a line, or several, to stay. A failing terminal is nobody's to mend, so errors are not looked at.
func (s *screen) say(format string, args ...any) {
	s.keep()
	fmt.Fprintf(s.out, format+"\n", args...) //nolint:errcheck // see above
}

// heading says what comes next, and numbers it.
func (s *screen) heading(text string) {
	s.headings++
	if s.terminal {
		s.say("\n%s%d. %s%s\n", ansiBold, s.headings, text, ansiPlain)
		return
	}
	s.say("\n== %d. %s ==\n", s.headings, text)
}

// draw replaces the frame. Only a terminal has one.
func (s *screen) draw(lines []string) {
	var b strings.Builder
	b.WriteString(ansiNoWrap)
	if s.drawn > 0 {
		fmt.Fprintf(&b, ansiUpFirst, s.drawn)
	}
	b.WriteString(ansiClear)
	for _, line := range lines {
		b.WriteString(line)
		b.WriteByte('\n')
	}
	b.WriteString(ansiWrap)
	fmt.Fprint(s.out, b.String()) //nolint:errcheck // see say
	s.drawn = len(lines)
}

// keep leaves the frame where it is; what comes next comes below.
func (s *screen) keep() { s.drawn = 0 }
