package client

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestConfig(t *testing.T) {
	good := Config{BaseURL: "https://orchestrator.internal/base", AgentID: "scout", OccurrenceID: "scout-1", Handler: &fakeAgent{}}
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"good":             {func(*Config) {}, ""},
		"no address":       {func(c *Config) { c.BaseURL = "" }, "BaseURL"},
		"another scheme":   {func(c *Config) { c.BaseURL = "ftp://host" }, "BaseURL"},
		"no scheme":        {func(c *Config) { c.BaseURL = "127.0.0.1:8080" }, "BaseURL"},
		"agent id":         {func(c *Config) { c.AgentID = "__shared__" }, "AgentID"},
		"occurrence id":    {func(c *Config) { c.OccurrenceID = "a/b" }, "OccurrenceID"},
		"no handler":       {func(c *Config) { c.Handler = nil }, "Handler"},
		"long poll":        {func(c *Config) { c.PollWait = 2 * time.Minute }, "PollWait"},
		"bad secret":       {func(c *Config) { c.Secret = "secret" }, "Secret"},
		"bad key":          {func(c *Config) { c.Callback.URL, c.PublicKeys = "http://host/", []string{"whpk_x"} }, "PublicKeys"},
		"keys and address": {func(c *Config) { c.Callback.URL = "http://host/" }, ""},
	} {
		cfg := good
		c.change(&cfg)
		p, err := NewProcess(cfg)
		if c.want == "" {
			if err != nil || p == nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s in it", name, err, c.want)
		}
	}
}

// Rule 2.3: every start has a boot of its own, and runs once.
func TestBootsAreFresh(t *testing.T) {
	inRig(t, func(r *rig) {
		r.start(func(c *Config) { c.BootID = "" })
		other, err := NewProcess(Config{BaseURL: "http://service", AgentID: "scout", OccurrenceID: "scout-1", Handler: r.agent})
		if err != nil || other.BootID() == r.p.BootID() || len(other.BootID()) < 16 {
			t.Errorf("boots %q and %q: %v", r.p.BootID(), other.BootID(), err)
		}
		if err := r.p.Run(context.Background()); !errors.Is(err, ErrAlreadyRun) {
			t.Errorf("a second Run: %v", err)
		}
	})
}

// A token goes with every call.
func TestToken(t *testing.T) {
	p, err := NewProcess(Config{BaseURL: "http://service", AgentID: "scout", OccurrenceID: "scout-1", Handler: &fakeAgent{}, Token: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	request, err := NewGetHealthRequest("http://service/")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.api.applyEditors(t.Context(), request, nil); err != nil || request.Header.Get("Authorization") != "Bearer secret" {
		t.Errorf("%v, %v", request.Header, err)
	}
}

func TestServiceTime(t *testing.T) {
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	c := &handClock{now: began}
	s := serviceTime{clock: c}
	if !s.now().IsZero() || s.echo() != nil || s.silence() != 0 {
		t.Error("it knows the time before it was told")
	}
	told := began.Add(-24 * time.Hour)
	s.saw(told, c.Now())
	c.now = c.now.Add(time.Minute)
	if got := s.now(); !got.Equal(told.Add(time.Minute)) {
		t.Errorf("it is %s", got)
	}
	// An answer that was overtaken says nothing new; one without a time only that the service lives.
	s.saw(told.Add(time.Hour), began.Add(-time.Second))
	s.saw(time.Time{}, c.Now())
	if got := s.echo(); !got.Equal(told) || s.silence() != 0 {
		t.Errorf("echo %s, silent for %s", got, s.silence())
	}
	// The service's clock may be set back: the newest word counts.
	s.saw(told.Add(-time.Hour), c.Now())
	if got := s.now(); !got.Equal(told.Add(-time.Hour)) {
		t.Errorf("it is %s", got)
	}
}

// handClock stands still until it is moved.
type handClock struct{ now time.Time }

func (c *handClock) Now() time.Time                       { return c.now }
func (c *handClock) After(time.Duration) <-chan time.Time { return nil }

func TestBackoff(t *testing.T) {
	var b backoff
	for i, most := range []time.Duration{200, 400, 800, 1600, 3000, 3000} {
		if d := b.next(nil, 3*time.Second); d > most*time.Millisecond || d < most*time.Millisecond/2 {
			t.Errorf("pause %d is %s", i+1, d)
		}
	}
	for range 100 {
		if d := b.next(nil, time.Hour); d > backoffMax {
			t.Fatalf("it pauses for %s", d)
		}
	}
	if d := b.next(&Refusal{RetryAfter: time.Minute}, time.Second); d != time.Minute {
		t.Errorf("asked for a minute it pauses for %s", d)
	}
	b.reset()
	if d := b.next(nil, time.Hour); d > backoffMin {
		t.Errorf("after a success it pauses for %s", d)
	}
}

func TestShorten(t *testing.T) {
	for _, c := range []struct {
		text, want string
		most       int
	}{{"abc", "abc", 3}, {"abcd", "abc", 3}, {"aéé", "aé", 4}, {"", "", 0}, {"é", "", 1}} {
		if got := shorten(c.text, c.most); got != c.want {
			t.Errorf("%q to %d: %q", c.text, c.most, got)
		}
	}
}
