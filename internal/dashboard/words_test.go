package dashboard

import (
	"testing"
	"time"
)

func TestStamp(t *testing.T) {
	now := time.Date(2026, 3, 1, 3, 4, 12, 0, time.UTC)
	for _, c := range []struct {
		at         time.Time
		clock, ago string
	}{
		{now, "03:04:12", "now"},
		{now.Add(400 * time.Millisecond), "03:04:12", "now"},
		{now.Add(-90 * time.Second), "03:02:42", "90 s ago"},
		{now.Add(45 * time.Second), "03:04:57", "in 45 s"},
		{now.Add(-10 * time.Minute), "02:54:12", "10 min ago"},
		{now.Add(-26 * time.Hour), "28 Feb 01:04:12", "26 h ago"},
		{now.Add(-24 * 90 * time.Hour), "1 Dec 2025 03:04:12", "90 days ago"},
		{now.In(time.FixedZone("", 7200)), "03:04:12", "now"},
	} {
		if s := stampOf(c.at, now); s.Clock != c.clock || s.Ago != c.ago {
			t.Errorf("%s is %q, %q; want %q, %q", c.at, s.Clock, s.Ago, c.clock, c.ago)
		}
	}
	if stampOf(time.Time{}, now) != nil {
		t.Error("no time has a stamp")
	}
}

func TestBrief(t *testing.T) {
	for _, c := range []struct {
		d    time.Duration
		want string
	}{
		{0, "0s"},
		{30 * time.Second, "30s"},
		{5 * time.Minute, "5m"},
		{time.Hour, "1h"},
		{90 * time.Minute, "1h30m"},
		{10 * time.Minute, "10m"},
		{time.Hour + 10*time.Second, "1h0m10s"},
		{720 * time.Hour, "720h"},
	} {
		if got := brief(c.d); got != c.want {
			t.Errorf("%s is %q, want %q", c.d, got, c.want)
		}
	}
}

func TestReadable(t *testing.T) {
	now := time.Date(2026, 3, 1, 3, 4, 12, 0, time.UTC)
	for given, want := range map[string]string{
		"since 2026-03-01T03:03:30Z, until 2026-03-02T03:08:30Z": "since 03:03:30, until 2 Mar 03:08:30",
		"since 2026-99-01T03:03:30Z":                             "since 2026-99-01T03:03:30Z",
		"no time":                                                "no time",
	} {
		if got := readable(given, now); got != want {
			t.Errorf("%q reads %q, want %q", given, got, want)
		}
	}
}

func TestClip(t *testing.T) {
	for given, want := range map[string]string{
		"abcde": "abcde", "abcdef": "abcd…", "a\n b\tc": "a b c", "äöüßé": "äöüßé", "äöüßéè": "äöüß…", "": "",
	} {
		if got := clip(given, 5); got != want {
			t.Errorf("%q is %q, want %q", given, got, want)
		}
	}
}

func TestSentence(t *testing.T) {
	for given, want := range map[string]string{"wave_failed": "Wave failed", "x": "X", "": ""} {
		if got := sentence(given); got != want {
			t.Errorf("%q is %q, want %q", given, got, want)
		}
	}
}

func TestLouder(t *testing.T) {
	for _, c := range []struct{ a, b, want tone }{
		{quiet, good, good}, {busy, good, busy}, {warn, bad, bad}, {bad, quiet, bad}, {quiet, quiet, quiet},
	} {
		if got := louder(c.a, c.b); got != c.want {
			t.Errorf("%s and %s make %s, want %s", c.a, c.b, got, c.want)
		}
	}
}
