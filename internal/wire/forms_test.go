package wire_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/cirisai/orchestrator/internal/wire"
)

func ptr(s string) jsontext.Pointer { return jsontext.Pointer(s) }

type forms struct {
	D *wire.Duration        `json:"d,omitempty"`
	T *wire.Time            `json:"t,omitempty"`
	N *wire.NumberOrPercent `json:"n,omitempty"`
}

// Rule 10.5: times are RFC 3339 and answered in UTC, durations are Go strings.
// Rule 10.4: a count is a number or a whole percentage.
func TestFormsAreReadAndWritten(t *testing.T) {
	for _, tc := range []struct{ raw, want string }{
		{`{"d":"300s"}`, `{"d":"5m0s"}`},
		{`{"d":"-1.5h"}`, `{"d":"-1h30m0s"}`},
		{`{"d":"0"}`, `{"d":"0s"}`},
		{`{"n":0}`, `{"n":0}`},
		{`{"n":7}`, `{"n":7}`},
		{`{"n":"0%"}`, `{"n":"0%"}`},
		{`{"n":"100%"}`, `{"n":"100%"}`},
		{`{"t":"2026-01-02T03:04:05Z"}`, `{"t":"2026-01-02T03:04:05Z"}`},
		{`{"t":"2026-01-02T03:04:05.120+05:30"}`, `{"t":"2026-01-01T21:34:05.12Z"}`},
		{`{"t":"2026-01-02T03:04:05.9999999-00:00"}`, `{"t":"2026-01-02T03:04:05.999999Z"}`},
	} {
		var v forms
		if err := wire.Decode([]byte(tc.raw), &v); err != nil {
			t.Errorf("%s: %v", tc.raw, err)
			continue
		}
		got, err := wire.Encode(v)
		if err != nil || string(got) != tc.want+"\n" {
			t.Errorf("%s is written as %s (%v), want %s", tc.raw, got, err, tc.want)
		}
	}
}

func TestFormsRefuse(t *testing.T) {
	for _, raw := range []string{
		`{"d":""}`, `{"d":"5"}`, `{"d":"1d"}`, `{"d":"PT5M"}`, `{"d":5}`, `{"d":"99999999h"}`, `{"d":" 5s"}`,
		`{"n":-1}`, `{"n":1.5}`, `{"n":"80"}`, `{"n":"101%"}`, `{"n":"-1%"}`, `{"n":"080%"}`, `{"n":"80.5%"}`, `{"n":"80 %"}`,
		`{"n":"%"}`, `{"n":true}`, `{"n":[]}`, `{"n":3000000000}`, `{"n":""}`,
		`{"t":""}`, `{"t":"2026-01-02"}`, `{"t":"2026-01-02 03:04:05Z"}`, `{"t":"2026-02-30T00:00:00Z"}`, `{"t":0}`,
		`{"t":"2026-01-02T03:04:05,5Z"}`, `{"t":"2026-01-02T03:04:05+25:00"}`, `{"t":"10000-01-01T00:00:00Z"}`, `{"t":"0000-01-01T00:00:00+01:00"}`,
	} {
		var v forms
		err := wire.Decode([]byte(raw), &v)
		var bad wire.Invalid
		if !errors.As(err, &bad) || len(bad) != 1 || len(bad[0].Pointer) != 2 {
			t.Errorf("%s: %v, want one complaint at the field", raw, err)
		}
		if v != (forms{}) {
			t.Errorf("%s left %+v", raw, v)
		}
	}
}

// The standard library's encoder writes the same, for whoever uses it.
func TestFormsThroughEncodingJSON(t *testing.T) {
	d, at := wire.Duration(time.Minute), wire.Time(time.Unix(0, 0))
	got, err := json.Marshal(forms{D: &d, T: &at, N: &wire.NumberOrPercent{N: 80, Percent: true}})
	if want := `{"d":"1m0s","t":"1970-01-01T00:00:00Z","n":"80%"}`; err != nil || string(got) != want {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
}

func TestTimeThatCannotBeWritten(t *testing.T) {
	if b, err := wire.Encode(wire.Time(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC))); err == nil {
		t.Errorf("year 10000 was written as %s", b)
	}
}
