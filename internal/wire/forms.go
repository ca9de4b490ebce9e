package wire

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Duration is a length of time, written as a Go string: "30s", "1h30m" (rule 10.5).
type Duration time.Duration

// Wanted says what a Duration reads.
func (Duration) Wanted() string { return `a duration like "30s" or "1h30m"` }

// String is the duration as it is written.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText writes the duration.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what time.ParseDuration does.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("read duration: %w", err)
	}
	*d = Duration(v)
	return nil
}

// Time is an instant, written as RFC 3339 in UTC to the microsecond, which is
// what the databases keep. Any offset is read, as the instant it is (rule 10.5).
type Time time.Time

// Wanted says what a Time reads.
func (Time) Wanted() string { return `an RFC 3339 time with an offset, like "2026-01-02T03:04:05Z"` }

// String is the time as it is written.
func (t Time) String() string { return time.Time(t).UTC().Format("2006-01-02T15:04:05.999999Z07:00") }

// MarshalText writes the time. A year that RFC 3339 cannot write is an error.
func (t Time) MarshalText() ([]byte, error) {
	if y := time.Time(t).UTC().Year(); y < 0 || y > 9999 {
		return nil, fmt.Errorf("write time: year %d has no RFC 3339 form", y)
	}
	return []byte(t.String()), nil
}

// UnmarshalText reads an RFC 3339 time, in no laxer a form than the RFC's own.
func (t *Time) UnmarshalText(text []byte) error {
	if bytes.ContainsRune(text, ',') {
		return errCommaInTime // the standard library lets it pass
	}
	var v time.Time
	if err := v.UnmarshalText(text); err != nil {
		return fmt.Errorf("read time: %w", err)
	}
	*t = Time(v.UTC().Truncate(time.Microsecond))
	_, err := t.MarshalText()
	return err
}

// NumberOrPercent is a count: a JSON number, or a whole percentage as a string,
// "80%" (rule 10.4). N is not negative; a percentage is at most 100.
type NumberOrPercent struct {
	N       int
	Percent bool
}

var errCommaInTime = errors.New("read time: a comma is no decimal point")

// percentage is what a whole percentage looks like.
var percentage = regexp.MustCompile(`^(0|[1-9][0-9]?|100)%$`)

// errNoCount says nothing by itself: the decoder says what Wanted says.
var errNoCount = errors.New("neither a number nor a percentage")

// Wanted says what a NumberOrPercent reads.
func (NumberOrPercent) Wanted() string { return `a whole number or a whole percentage like "80%"` }

// String is the count as it is written, without quotes.
func (n NumberOrPercent) String() string {
	if n.Percent {
		return strconv.Itoa(n.N) + "%"
	}
	return strconv.Itoa(n.N)
}

// MarshalJSON writes a number or a string.
func (n NumberOrPercent) MarshalJSON() ([]byte, error) {
	if n.Percent {
		return []byte(`"` + n.String() + `"`), nil
	}
	return []byte(n.String()), nil
}

// UnmarshalJSONFrom reads a number or a percentage.
func (n *NumberOrPercent) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() == '"' {
		var s string
		if err := json.UnmarshalDecode(d, &s); err != nil {
			return err
		}
		if !percentage.MatchString(s) {
			return errNoCount
		}
		v, err := strconv.Atoi(s[:len(s)-1])
		*n = NumberOrPercent{N: v, Percent: true}
		return err
	}
	var v int32
	if err := json.UnmarshalDecode(d, &v); err != nil {
		return err
	}
	if v < 0 {
		return errNoCount
	}
	*n = NumberOrPercent{N: int(v)}
	return nil
}
