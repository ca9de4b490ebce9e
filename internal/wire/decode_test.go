package wire_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/wire"
)

type step struct {
	Group string                `json:"group"`
	Count *int                  `json:"count,omitempty"`
	Delay *wire.Duration        `json:"delay,omitempty"`
	Min   *wire.NumberOrPercent `json:"min_healthy,omitempty"`
}

type plan struct {
	Steps []step `json:"waves"`
}

type body struct {
	BootID   string            `json:"boot_id"`
	Sequence int64             `json:"sequence"`
	Confirm  bool              `json:"confirm,omitempty"`
	Until    *wire.Time        `json:"until,omitempty"`
	Labels   map[string]string `json:"labels,omitempty"`
	Plan     *plan             `json:"plan,omitempty"`
	hidden   string
}

// Rule 10.6: what is not one JSON value of the strict kind is a 400, whatever
// else is wrong with it, and nothing of it is taken.
func TestDecodeRefusesBadSyntax(t *testing.T) {
	for name, tc := range map[string]struct{ raw, detail string }{
		"empty":               {"", "empty"},
		"white space":         {" \n\t", "empty"},
		"null":                {"null", "null"},
		"null in white space": {" null ", "null"},
		"cut off":             {`{"boot_id":"b"`, "ends in the middle"},
		"cut off in a string": {`{"boot_id":"b`, "ends in the middle"},
		"bare word":           {`{"boot_id":yes}`, "not JSON"},
		"single quotes":       {`{'boot_id':"b"}`, "not JSON"},
		"comment":             {`{"boot_id":"b"/* */}`, "not JSON"},
		"trailing comma":      {`{"boot_id":"b","sequence":1,}`, "not JSON"},
		"trailing value":      {`{"boot_id":"b","sequence":1} {}`, "follows"},
		"trailing rubbish":    {`{"boot_id":"b","sequence":1}x`, "follows"},
		"byte order mark":     {"\uFEFF{}", "not JSON"},
		"doubled key":         {`{"boot_id":"b","boot_id":"b"}`, "/boot_id is given twice"},
		"doubled key, nested": {`{"plan":{"waves":[{"x":1,"x":2}]}}`, "/plan/waves/0/x is given twice"},
		"doubled key, escape": {`{"boot_id":"b","boot\u005fid":"b"}`, "twice"},
		"invalid UTF-8":       {"{\"boot_id\":\"\xff\"}", "UTF-8"},
		"lone surrogate":      {`{"boot_id":"\ud800"}`, "not JSON"},
		"raw NUL":             {"{\"boot_id\":\"a\x00\"}", "not JSON"},
		"escaped NUL":         {`{"boot_id":"a\u0000b"}`, "NUL"},
		"NUL in a key":        {`{"boot\u0000id":"b"}`, "NUL"},
		"leading zero":        {`{"sequence":01}`, "not JSON"},
		"not a number":        {`{"sequence":NaN}`, "not JSON"},
		"behind a wrong type": {`{"boot_id":5,"sequence":1`, "ends in the middle"},
	} {
		t.Run(name, func(t *testing.T) {
			var got body
			err := wire.Decode([]byte(tc.raw), &got)
			var syntax *wire.SyntaxError
			if !errors.As(err, &syntax) {
				t.Fatalf("Decode(%q) = %v, want a SyntaxError", tc.raw, err)
			}
			if !strings.Contains(syntax.Detail, tc.detail) {
				t.Errorf("detail %q lacks %q", syntax.Detail, tc.detail)
			}
			if !reflect.DeepEqual(got, body{}) {
				t.Errorf("something was taken: %+v", got)
			}
		})
	}
}

// Rule 10.6: an unknown field, a wrong type, null and a missing field are 422,
// each with a pointer and what is wanted, all of them at once.
func TestDecodeCollectsWhatDoesNotFit(t *testing.T) {
	for name, tc := range map[string]struct {
		raw  string
		want []string
	}{
		"unknown":            {`{"boot_id":"b","sequence":1,"x":{"y":[1]},"z":2}`, []string{"/x: unknown field", "/z: unknown field"}},
		"letter case":        {`{"Boot_id":"b","boot_id":"b","sequence":1}`, []string{`/Boot_id: unknown field; letter case counts: "boot_id"`}},
		"Go's name":          {`{"BootID":"b","boot_id":"b","sequence":1}`, []string{"/BootID: unknown field"}},
		"no member":          {`{"hidden":"b","boot_id":"b","sequence":1}`, []string{"/hidden: unknown field"}},
		"escaped pointer":    {`{"a/b~c":1,"boot_id":"b","sequence":1}`, []string{"/a~1b~0c: unknown field"}},
		"missing":            {`{}`, []string{"/boot_id: missing; a string is wanted", "/sequence: missing; a whole number is wanted"}},
		"null":               {`{"boot_id":null,"sequence":1,"plan":null}`, []string{"/boot_id: null where a string is wanted", "/plan: null where an object is wanted"}},
		"wrong type":         {`{"boot_id":1,"sequence":"1","confirm":"yes"}`, []string{`/boot_id: a string is wanted, not 1`, `/sequence: a whole number is wanted, not "1"`, `/confirm: true or false is wanted, not "yes"`}},
		"fraction":           {`{"boot_id":"b","sequence":1.5}`, []string{"/sequence: a whole number is wanted, not 1.5"}},
		"too large a number": {`{"boot_id":"b","sequence":1e300}`, []string{"/sequence: a whole number is wanted, not 1e300"}},
		"array at the top":   {`[]`, []string{": an object is wanted, not an array"}},
		"string at the top":  {`"x"`, []string{`: an object is wanted, not "x"`}},
		"object for array":   {`{"boot_id":"b","sequence":1,"plan":{"waves":{}}}`, []string{"/plan/waves: an array is wanted, not an object"}},
		"deep": {
			`{"boot_id":"b","sequence":1,"plan":{"waves":[{"group":"a","count":"1"},{"delay":30,"min_healthy":"80"},null,4],"q":1}}`,
			[]string{
				`/plan/waves/0/count: a whole number is wanted, not "1"`,
				`/plan/waves/1/delay: a duration like "30s" or "1h30m" is wanted, not 30`,
				`/plan/waves/1/min_healthy: a whole number or a whole percentage like "80%" is wanted, not "80"`,
				`/plan/waves/1/group: missing; a string is wanted`,
				`/plan/waves/2: null where an object is wanted`,
				`/plan/waves/3: an object is wanted, not 4`,
				`/plan/q: unknown field`,
			},
		},
		"labels":       {`{"boot_id":"b","sequence":1,"labels":{"a/b":1,"c":null}}`, []string{"/labels/a~1b: a string is wanted, not 1", "/labels/c: null where a string is wanted"}},
		"a time":       {`{"boot_id":"b","sequence":1,"until":"tomorrow"}`, []string{`/until: an RFC 3339 time with an offset, like "2026-01-02T03:04:05Z" is wanted, not "tomorrow"`}},
		"a local time": {`{"boot_id":"b","sequence":1,"until":"2026-01-02T03:04:05"}`, []string{`/until: an RFC 3339 time with an offset, like "2026-01-02T03:04:05Z" is wanted, not "2026-01-02T03:04:05"`}},
	} {
		t.Run(name, func(t *testing.T) {
			var got body
			err := wire.Decode([]byte(tc.raw), &got)
			var bad wire.Invalid
			if !errors.As(err, &bad) {
				t.Fatalf("Decode(%s) = %v, want Invalid", tc.raw, err)
			}
			list := make([]string, len(bad))
			for i, f := range bad {
				list[i] = string(f.Pointer) + ": " + f.Detail
			}
			if !reflect.DeepEqual(list, tc.want) {
				t.Errorf("complaints\n  %s\nwant\n  %s", strings.Join(list, "\n  "), strings.Join(tc.want, "\n  "))
			}
		})
	}
}

// Rule 10.6: what fits is laid onto the struct, beside complaints too, so that
// constraints can be looked at in the same answer.
func TestDecodeKeepsWhatFits(t *testing.T) {
	raw := `{"boot_id":"b","sequence":7,"confirm":true,"until":"2026-01-02T05:04:05.1234567+02:00",
		"labels":{"k":"v"},"plan":{"waves":[{"group":"a","count":3,"delay":"90s","min_healthy":"80%"},{"group":7}]}}`
	var got body
	err := wire.Decode([]byte(raw), &got)
	if err == nil || err.Error() != "/plan/waves/1/group: a string is wanted, not 7" {
		t.Fatalf("Decode: %v", err)
	}
	count, delay, share := 3, wire.Duration(90*time.Second), wire.NumberOrPercent{N: 80, Percent: true}
	until := wire.Time(time.Date(2026, 1, 2, 3, 4, 5, 123456000, time.UTC))
	want := body{
		BootID: "b", Sequence: 7, Confirm: true, Until: &until, Labels: map[string]string{"k": "v"},
		Plan: &plan{Steps: []step{{Group: "a", Count: &count, Delay: &delay, Min: &share}, {}}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got.hidden != "" {
		t.Error("a field without a json name was filled")
	}
}

func TestInvalidCovers(t *testing.T) {
	bad := wire.Invalid{{Pointer: "/plan/waves/1/count"}, {Pointer: "/labels"}}
	for p, want := range map[string]bool{
		"/plan/waves/1/count": true, "/plan/waves/1": false, "/plan": false, "": false,
		"/labels/k": true, "/plan/waves/10": false, "/plan/waves/1/group": false, "/label": false,
	} {
		if got := bad.Covers(ptr(p)); got != want {
			t.Errorf("Covers(%q) = %v, want %v", p, got, want)
		}
	}
	if all := (wire.Invalid{{Pointer: ""}}); !all.Covers("/anything") {
		t.Error("a complaint about the whole body does not cover a field")
	}
}
