package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/cirisai/orchestrator/internal/pgtest"
)

// give runs one demonstration and returns its exit code and what it printed.
func give(args ...string) (code int, out, errOut string) {
	var o, e bytes.Buffer
	code = run(append([]string{"demo", "--exit", "--speed", "600"}, args...), &o, &e)
	return code, o.String(), e.String()
}

// The main job on the real service, in every variant: rules 4.9, 4.14, 4.16, 4.21, 5.2 and 5.5.
func TestDemo(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want []string
	}{
		"all goes well": {nil, []string{"wakeup succeeded", "shutdown succeeded", "the whole fleet stopped", "9 of 9 processes have ended"}},
		"one alone":     {[]string{"--occurrences", "1"}, []string{"wave 2 general is skipped", "1 of 1 process"}},
		"rejected":      {[]string{"--reject"}, []string{"shutdown rejected", "0 of 9 processes have ended"}},
		"the explorer hangs": {[]string{"--fail", "explorer"}, []string{
			"wave 1 explorer HAS FAILED", "shutdown failed",
			"occurrence-5, occurrence-6, occurrence-7, occurrence-8, occurrence-9 never told", "0 of 9 processes have ended",
		}},
		"early adopters hang": {[]string{"--fail", "early_adopter"}, []string{
			"shutdown halted", "incident wave_failed", "shutdown aborted",
			"occurrence-5, occurrence-6, occurrence-7, occurrence-8, occurrence-9 never told", "1 of 9 processes have ended",
		}},
		"the rest hangs": {[]string{"--fail", "general"}, []string{"shutdown partial", "4 of 9 processes have ended"}},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errOut := give(c.args...)
			if code != 0 {
				t.Errorf("exit code %d: %s", code, errOut)
			}
			for _, want := range append(c.want, "is asked to decide for all", "Everything went as it was asked to go.") {
				if !strings.Contains(out, want) {
					t.Errorf("%q is not in it", want)
				}
			}
			if t.Failed() {
				t.Log(out)
			}
		})
	}
}

// A demonstration may be given again on a database that was used.
func TestDemoOnPostgreSQL(t *testing.T) {
	server := pgtest.Shared(t)
	if server == nil {
		return
	}
	url := server.NewDatabase(t)
	for range 2 {
		if code, out, errOut := give("--database-url", url); code != 0 || !strings.Contains(out, "shutdown succeeded") {
			t.Errorf("exit code %d\n%s\n%s", code, out, errOut)
		}
	}
}

// What cannot be used is refused in one line, before anything is started.
func TestDemoRefuses(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--speed", "0"}, "--speed"},
		{[]string{"--speed", "fast"}, "--speed"},
		{[]string{"--occurrences", "501"}, "--occurrences"},
		{[]string{"--fail", "everybody"}, "--fail"},
		{[]string{"--fail", "explorer", "--reject"}, "--reject"},
	} {
		var out, errOut bytes.Buffer
		code := run(append([]string{"demo", "--exit"}, c.args...), &out, &errOut)
		if code != 2 || out.Len() > 0 || strings.Count(errOut.String(), "\n") != 1 || !strings.Contains(errOut.String(), c.want) {
			t.Errorf("%q: exit code %d, %q, %q", c.args, code, out.String(), errOut.String())
		}
	}
	for _, args := range [][]string{{"--listen", "0.0.0.0:0"}, {"--database-url", "mysql://x"}} {
		if code, _, errOut := give(args...); code != 1 || !strings.Contains(errOut, "want") {
			t.Errorf("%q: exit code %d, %q", args, code, errOut)
		}
	}
}
