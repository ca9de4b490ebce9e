package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cirisai/orchestrator/internal/wire"
)

const (
	eventStreamType = "text/event-stream"
	// keepAlive is how often a stream says that it is still there (rule 10.8).
	keepAlive = 15 * time.Second
	// streamWrite is how long one event may take to be sent.
	streamWrite = 30 * time.Second
	// streamRetry is when a broken stream is to be opened again, in milliseconds.
	streamRetry = 2000
)

// wantsStream reports whether the request asks for server-sent events.
func wantsStream(ctx context.Context) bool {
	c := callOf(ctx)
	if c.request == nil || c.request.Method == http.MethodHead {
		return false
	}
	for _, accept := range c.request.Header.Values("Accept") {
		for entry := range strings.SplitSeq(accept, ",") {
			media, params, err := mime.ParseMediaType(entry)
			if err != nil || media != eventStreamType {
				continue
			}
			if q, err := strconv.ParseFloat(params["q"], 64); err != nil || q > 0 {
				return true
			}
		}
	}
	return false
}

// resumeAfter is the seq after which a stream begins: that of Last-Event-ID, else
// that of after, else the beginning. An id that is no number, or is past the head,
// belongs to another trail and is refused (rule 10.8).
func resumeAfter(lastEventID *string, after *int64, head int64) (int64, error) {
	if lastEventID == nil {
		if after == nil {
			return 0, nil
		}
		return *after, nil
	}
	seq, err := strconv.ParseInt(*lastEventID, 10, 64)
	if err != nil || seq < 0 || seq > head {
		return 0, wire.Invalid{{Pointer: "/header/Last-Event-ID", Detail: fmt.Sprintf("the seq of an event is wanted, at most %d", head)}}
	}
	return seq, nil
}

// stream writes server-sent events. Whoever does not take them in time is let go.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	now     func() time.Time
}

// openStream begins a stream: with a comment, so that proxies and browsers know at
// once that it is there, and the time after which to come back when it breaks.
func openStream(w http.ResponseWriter, now func() time.Time) (*stream, error) {
	w.Header().Set("Content-Type", eventStreamType)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	s := &stream{w: w, control: http.NewResponseController(w), now: now}
	return s, s.send(fmt.Appendf(nil, ": the audit trail\nretry: %d\n\n", streamRetry))
}

// comment keeps the line open.
func (s *stream) comment() error { return s.send([]byte(":\n\n")) }

// event sends one event. Its type must be free of line breaks.
func (s *stream) event(id int64, kind string, data any) error {
	body, err := wire.Encode(data)
	if err != nil {
		return err
	}
	return s.send(fmt.Appendf(nil, "id: %d\nevent: %s\ndata: %s\n\n", id, kind, bytes.TrimRight(body, "\n")))
}

// send writes and flushes. The deadline holds for this one write alone, since on
// HTTP/2 one that passes between two writes ends the stream too.
func (s *stream) send(text []byte) error {
	if err := s.deadline(s.now().Add(streamWrite)); err != nil {
		return err
	}
	if _, err := s.w.Write(text); err != nil {
		return fmt.Errorf("write to stream: %w", err)
	}
	if err := s.control.Flush(); err != nil {
		return fmt.Errorf("flush stream: %w", err)
	}
	return s.deadline(time.Time{})
}

func (s *stream) deadline(at time.Time) error {
	if err := s.control.SetWriteDeadline(at); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("stream deadline: %w", err)
	}
	return nil
}
