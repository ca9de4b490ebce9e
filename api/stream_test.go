package api

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// Rule 10.8: a stream begins at once with a comment and retry, and its id is the
// seq.
func TestStream(t *testing.T) {
	w := httptest.NewRecorder()
	s, err := openStream(w, func() time.Time { return time.Unix(0, 0) })
	if err != nil {
		t.Fatal(err)
	}
	if !w.Flushed {
		t.Error("the beginning waits for more")
	}
	if err := errors.Join(s.event(7, "wave_started", map[string]any{"text": "a\nb"}), s.comment()); err != nil {
		t.Fatal(err)
	}
	want := ": the audit trail\nretry: 2000\n\nid: 7\nevent: wave_started\ndata: {\"text\":\"a\\nb\"}\n\n:\n\n"
	if w.Body.String() != want {
		t.Errorf("got %q, want %q", w.Body, want)
	}
	for name, value := range map[string]string{"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"} {
		if w.Header().Get(name) != value {
			t.Errorf("%s: %q", name, w.Header().Get(name))
		}
	}
}

// slow notes the deadlines that are set on it.
type slow struct {
	*httptest.ResponseRecorder
	deadlines []time.Time
	broken    bool
}

func (s *slow) SetWriteDeadline(t time.Time) error {
	s.deadlines = append(s.deadlines, t)
	return nil
}

func (s *slow) Write(p []byte) (int, error) {
	if s.broken {
		return 0, errors.New("gone")
	}
	return s.ResponseRecorder.Write(p)
}

// Each write has its time, however long the stream lasts, through all wrappers; who
// does not take it ends the stream.
func TestStreamDeadlines(t *testing.T) {
	below := &slow{ResponseRecorder: httptest.NewRecorder()}
	w := &unlessMatched{ResponseWriter: &recorder{ResponseWriter: below, rec: &record{}}}
	now := time.Unix(100, 0)
	s, err := openStream(w, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	now = time.Unix(5000, 0)
	if err := s.comment(); err != nil {
		t.Fatal(err)
	}
	want := []time.Time{time.Unix(130, 0), {}, time.Unix(5030, 0), {}}
	if len(below.deadlines) != 4 || below.deadlines[0] != want[0] || below.deadlines[1] != want[1] || below.deadlines[2] != want[2] || below.deadlines[3] != want[3] {
		t.Errorf("deadlines %v, want %v", below.deadlines, want)
	}
	below.broken = true
	if err := s.comment(); err == nil {
		t.Error("a broken stream goes on")
	}
}

func TestWantsStream(t *testing.T) {
	for accept, want := range map[string]bool{
		"": false, "*/*": false, "application/json": false, "text/*": false, "text/event-stream": true, "Text/Event-Stream; q=0.5": true,
		"application/json, text/event-stream": true, "text/event-stream;q=0": false, "text/event-streams": false, ";;": false,
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Accept", accept)
		ctx := context.WithValue(context.Background(), recordKey{}, &record{call: &call{request: r}})
		if got := wantsStream(ctx); got != want {
			t.Errorf("Accept %q: %v", accept, got)
		}
		r.Method = http.MethodHead
		if wantsStream(ctx) {
			t.Errorf("HEAD with Accept %q is a stream", accept)
		}
	}
	if wantsStream(context.Background()) {
		t.Error("no request is a stream")
	}
}

// Rule 10.8: a stream resumes from Last-Event-ID; no number, or past the head: 422.
func TestResumeAfter(t *testing.T) {
	id := func(s string) *string { return &s }
	seq := func(n int64) *int64 { return &n }
	for _, tc := range []struct {
		last  *string
		after *int64
		want  int64
		ok    bool
	}{
		{nil, nil, 0, true},
		{nil, seq(3), 3, true},
		{id("5"), seq(3), 5, true},
		{id("10"), nil, 10, true},
		{id("0"), nil, 0, true},
		{id("11"), nil, 0, false},
		{id("-1"), nil, 0, false},
		{id(""), nil, 0, false},
		{id("x"), seq(3), 0, false},
		{id("1e1"), nil, 0, false},
	} {
		got, err := resumeAfter(tc.last, tc.after, 10)
		if (err == nil) != tc.ok || got != tc.want {
			t.Errorf("%v %v: %d, %v", tc.last, tc.after, got, err)
		}
		if err != nil && coded(err).Code() != "validation_failed" {
			t.Errorf("%v", err)
		}
	}
}
