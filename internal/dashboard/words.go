package dashboard

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
)

// tone is the colour in which something is said. The words say it as well.
type tone string

// The tones, from the one that needs nobody to the one that needs somebody now.
const (
	quiet tone = "quiet"
	good  tone = "good"
	busy  tone = "busy"
	warn  tone = "warn"
	bad   tone = "bad"
)

// stamp is an instant as people read it: in UTC, and from here.
type stamp struct {
	Machine string // RFC 3339
	Full    string
	Clock   string // with its date if that is not today's
	Ago     string // "3 min ago" or "in 45 s"
}

// stampOf writes a wall time; nil for the zero time.
func stampOf(at, now time.Time) *stamp {
	if at.IsZero() {
		return nil
	}
	at, now = at.UTC(), now.UTC()
	layout := "15:04:05"
	switch {
	case at.Year() != now.Year():
		layout = "2 Jan 2006 15:04:05"
	case at.YearDay() != now.YearDay():
		layout = "2 Jan 15:04:05"
	}
	return &stamp{Machine: at.Format(time.RFC3339), Full: at.Format("2006-01-02 15:04:05 UTC"), Clock: at.Format(layout), Ago: ago(at, now)}
}

func ago(at, now time.Time) string {
	switch d := now.Sub(at).Round(time.Second); {
	case d == 0:
		return "now"
	case d < 0:
		return "in " + roughly(-d)
	default:
		return roughly(d) + " ago"
	}
}

// roughly writes a duration to about two digits, which is what somebody who has
// just woken up can use.
func roughly(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	default:
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	}
}

// brief writes a duration of a plan as it was probably given: 5m, not 5m0s.
func brief(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// The longest texts that are shown whole.
const (
	longText  = 600
	shortText = 200
)

// clip shortens what somebody wrote: a page is no place for 64 KiB of reason.
// Control characters become blanks.
func clip(text string, limit int) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	runes := []rune(text)
	if len(runes) <= limit {
		return text
	}
	return string(runes[:limit-1]) + "…"
}

// count is a number with its noun.
func count(n int, one, many string) string {
	return fmt.Sprintf("%d %s", n, noun(n, one, many))
}

func noun(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// instant is how the core writes times into its sentences.
var instant = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)

// readable writes the times in a sentence like those beside it.
func readable(text string, now time.Time) string {
	return instant.ReplaceAllStringFunc(text, func(found string) string {
		at, err := time.Parse(time.RFC3339, found)
		if err != nil {
			return found
		}
		return stampOf(at, now).Clock
	})
}

// sentence begins a code such as wave_failed with a capital and gives it blanks.
func sentence(code string) string {
	text := strings.ReplaceAll(code, "_", " ")
	if text == "" {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
