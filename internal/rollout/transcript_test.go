package rollout_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cirisai/orchestrator/internal/rollout"
)

var updateTranscripts = flag.Bool("update", false, "rewrite what stands below the commands in testdata/*.txt")

// TestTranscripts plays the scripts of testdata on a stage and compares the
// events, and what a command is answered, with what stands below each command.
// A block is one or more commands, a line of dashes, and what they cause, up to
// an empty line; what begins with # is for the reader. After a change of the
// rules run it with -update and read the difference line by line.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 12 {
		t.Fatalf("%d transcripts, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			p := &player{stage: newStage(t)}
			var got strings.Builder
			for _, b := range parseTranscript(t, string(raw)) {
				out := p.play(b.commands)
				fmt.Fprintf(&got, "%s----\n%s\n", b.head, out)
				if out != b.want && !*updateTranscripts {
					t.Errorf("%s:%d: %s\ncauses\n%swant\n%s", file, b.line, strings.Join(b.commands, "; "), out, b.want)
				}
			}
			if *updateTranscripts {
				if err := os.WriteFile(file, []byte(strings.TrimSuffix(got.String(), "\n")), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// block is a part of a transcript.
type block struct {
	line     int
	head     string // comments and commands as they stand
	commands []string
	want     string
}

func parseTranscript(t *testing.T, text string) []block {
	t.Helper()
	var blocks []block
	b, below := block{line: 1}, false
	for i, line := range strings.Split(strings.TrimRight(text, "\n")+"\n", "\n") {
		switch {
		case below && line == "":
			blocks = append(blocks, b)
			b, below = block{line: i + 2}, false
		case below:
			b.want += line + "\n"
		case line == "----":
			below = true
		default:
			b.head += line + "\n"
			if line != "" && !strings.HasPrefix(line, "#") {
				b.commands = append(b.commands, line)
			}
		}
	}
	if strings.TrimSpace(b.head) != "" {
		t.Fatalf("line %d: commands without ----", b.line)
	}
	return blocks
}

// player plays commands on a stage.
type player struct {
	*stage
	id     string // the rollout that was begun last
	seen   int    // how many events were written
	output strings.Builder
}

// play plays commands and returns what they have caused.
func (p *player) play(commands []string) string {
	p.t.Helper()
	p.output.Reset()
	for _, line := range commands {
		words := strings.Fields(line)
		command, known := playbook()[words[0]]
		if !known {
			p.t.Fatalf("there is no command %q", words[0])
		}
		err := command(p, words[1:])
		p.events()
		if err != nil {
			refusal := refusalOf(p.t, err)
			p.say("refused: %s", refusal.Code)
			if refusal.State != "" {
				p.say("  while %s; allowed: %s", refusal.State, strings.Join(refusal.Allowed, ", "))
			}
		}
	}
	return p.output.String()
}

func (p *player) say(format string, args ...any) {
	fmt.Fprintf(&p.output, format+"\n", args...)
}

// events writes what has happened since it was called last.
func (p *player) events() {
	for _, e := range p.log[p.seen:] {
		line := clock(e.At) + " " + e.Type
		if e.Wave > 0 {
			line += fmt.Sprintf(" w%d", e.Wave)
		}
		if e.OccurrenceID != "" {
			line += " " + e.OccurrenceID
		}
		if e.Actor != "" {
			line += " by " + e.Actor
		}
		for _, key := range slices.Sorted(maps.Keys(e.Data)) {
			if key != "incident_id" { // a hash
				line += fmt.Sprintf(" %s=%s", key, quoted(fmt.Sprint(e.Data[key])))
			}
		}
		p.say("%s", shortIDs(line))
	}
	p.seen = len(p.log)
}

var zeros = regexp.MustCompile(`0{10,}`)

// shortIDs drops the zeros of the stage's made-up ids: ro_7 is the seventh thing
// that was given one.
func shortIDs(s string) string { return zeros.ReplaceAllString(s, "") }

// quoted puts quotes around what has spaces in it.
func quoted(s string) string {
	if s == "" || strings.Contains(s, " ") {
		return fmt.Sprintf("%q", s)
	}
	return s
}

// show writes the rollout as people see it, and what is open.
func (p *player) show() {
	r, l := p.rollout(p.id), p.lens()
	p.say("%s %s is %s, task %s", r.Kind, shortIDs(r.ID), r.Status, r.Task.Status)
	if r.Claim != nil {
		p.say("claim %d: %s until %s", r.Claim.Number, r.Claim.OccurrenceID, clock(r.Claim.ExpiresAt))
	}
	if r.Decision != nil {
		p.say("decision: %s by %s, decider %q", r.Decision.Verdict, r.Decision.Actor, r.Decision.OccurrenceID)
	}
	waves := l.Waves(r)
	for i, v := range waves {
		line := fmt.Sprintf("%d %s %s (%d):", i+1, v.Name, v.Status, v.Places)
		for _, m := range v.Members {
			line += " " + m.OccurrenceID + "=" + string(m.Status)
			if m.Status == rollout.MemberReached && r.Kind != rollout.Wakeup && !m.Clean {
				line += "(unclean)"
			}
		}
		p.say("%s", line)
		if text := l.WaitingFor(r, waves, i); text != "" {
			p.say("  waits for %s", text)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(p.state.Incidents)) {
		if i := p.state.Incidents[key]; i.ResolvedAt.IsZero() {
			p.say("%s", strings.TrimSpace(fmt.Sprintf("open: %s %s", i.Type, i.OccurrenceID)))
		}
	}
}
