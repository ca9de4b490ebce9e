package wire_test

import (
	"strings"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/wire"
)

type name string

// Rule 10.6: a parameter of a wrong type is refused like a field, and nothing of
// it is taken.
func TestSetText(t *testing.T) {
	var got struct {
		name  name
		count *int
		seq   int64
		wait  *wire.Duration
		yes   bool
	}
	for _, tc := range []struct {
		dst  any
		text string
	}{{&got.name, "a b"}, {&got.count, "-7"}, {&got.seq, "9007199254740993"}, {&got.wait, "30s"}, {&got.yes, "true"}} {
		if err := wire.SetText(tc.dst, tc.text); err != nil {
			t.Errorf("%q: %v", tc.text, err)
		}
	}
	if got.name != "a b" || *got.count != -7 || got.seq != 9007199254740993 || *got.wait != wire.Duration(30*time.Second) || !got.yes {
		t.Errorf("got %+v", got)
	}
	for _, tc := range []struct {
		dst        any
		text, want string
	}{
		{new(*int), "x", `a whole number is wanted, not "x"`},
		{new(*int), "", `a whole number is wanted, not ""`},
		{new(int), "1.0", `a whole number is wanted, not "1.0"`},
		{new(int64), "9223372036854775808", `a whole number is wanted, not "9223372036854775808"`},
		{new(*wire.Duration), "5", `a duration like "30s" or "1h30m" is wanted, not "5"`},
		{new(bool), "1", `true or false is wanted, not "1"`},
		{new(int), strings.Repeat("9", 100), `a whole number is wanted, not what was given`},
		{new([]string), "a", `an array is wanted, not "a"`},
	} {
		if err := wire.SetText(tc.dst, tc.text); err == nil || err.Error() != tc.want {
			t.Errorf("%q: %v, want %s", tc.text, err, tc.want)
		}
	}
	count := new(*int)
	if err := wire.SetText(count, "x"); err == nil || *count != nil {
		t.Error("a parameter that was refused was taken")
	}
}
