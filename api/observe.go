package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"runtime/debug"
	"time"

	"github.com/go-chi/chi/v5"
)

// record is what becomes known of a request on its way, for the log.
type record struct {
	id        string
	operation string // or empty
	actor     string // or empty
	code      string // of a problem, or empty
	status    int    // zero until an answer has begun
	size      int64
	call      *call // to an operation; nil before it is known, and for pages
}

type recordKey struct{}

// recordOf is the record of the request that ctx belongs to. Outside of one it is
// a record that nobody reads.
func recordOf(ctx context.Context) *record {
	if r, ok := ctx.Value(recordKey{}).(*record); ok {
		return r
	}
	return &record{}
}

// requestID is an id that a request may bring; another is not repeated.
var requestID = regexp.MustCompile(`^[A-Za-z0-9._:/+=-]{1,128}$`)

// observe gives each request an id, and tells log and metrics how it was answered.
func (h *handler) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &record{id: r.Header.Get("X-Request-Id")}
		if !requestID.MatchString(rec.id) {
			rec.id = h.options.NewRequestID()
		}
		w.Header().Set("X-Request-Id", rec.id)
		r = r.WithContext(context.WithValue(r.Context(), recordKey{}, rec))
		began := h.options.Now()
		defer func() { h.tell(r, rec, began) }()
		next.ServeHTTP(&recorder{ResponseWriter: w, rec: rec}, r)
	})
}

// recorder notes what is answered.
type recorder struct {
	http.ResponseWriter
	rec *record
}

// WriteHeader notes the status; only the first counts.
func (w *recorder) WriteHeader(status int) {
	if w.rec.status == 0 && status >= http.StatusOK {
		w.rec.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write notes how much is written.
func (w *recorder) Write(p []byte) (int, error) {
	if w.rec.status == 0 {
		w.rec.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.rec.size += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach what is below: streams flush and set
// their own deadlines.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// recover answers for a handler that panicked. That it did is told to the log alone.
func (h *handler) recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer h.rescue(r.Context(), w)
		next.ServeHTTP(w, r)
	})
}

// rescue must be deferred itself, so that it can recover.
func (h *handler) rescue(ctx context.Context, w http.ResponseWriter) {
	cause := recover()
	if cause == nil {
		return
	}
	if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(cause) // the server's own way to break off an answer
	}
	rec := recordOf(ctx)
	h.options.Logger.ErrorContext(ctx, "panic", "operation", rec.operation, "request_id", rec.id,
		"cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
	if rec.status != 0 {
		panic(http.ErrAbortHandler) // half an answer must not look whole
	}
	p, err := writeProblem(w, fmt.Errorf("panic: %v", cause), rec.id)
	rec.code = p.Code
	if err != nil {
		h.options.Logger.DebugContext(ctx, "the problem was not taken", "error", err)
	}
}

// tell writes the line of a request and counts it.
func (h *handler) tell(r *http.Request, rec *record, began time.Time) {
	took := h.options.Now().Sub(began)
	status := rec.status
	if status == 0 {
		status = http.StatusOK // what the server writes when a handler wrote nothing
	}
	h.options.Observer.Answered(rec.name(r), r.Method, status, took)
	level := rec.level(status)
	if r.Context().Err() != nil {
		level = min(level, slog.LevelDebug) // the client has left, or the service is stopping: nobody failed
	}
	if !h.options.Logger.Enabled(r.Context(), level) {
		return
	}
	line := []slog.Attr{
		slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Int("status", status),
		slog.Duration("took", took), slog.Int64("size", rec.size), slog.String("request_id", rec.id), slog.String("remote", r.RemoteAddr),
	}
	for _, more := range []struct{ key, value string }{{"operation", rec.operation}, {"actor", rec.actor}, {"code", rec.code}} {
		if more.value != "" {
			line = append(line, slog.String(more.key, more.value))
		}
	}
	h.options.Logger.LogAttrs(r.Context(), level, "answered", line...)
}

// name is the operation, or the pattern of a page.
func (rec *record) name(r *http.Request) string {
	if rec.operation != "" {
		return rec.operation
	}
	if rctx := chi.RouteContext(r.Context()); rctx != nil && rctx.RoutePattern() != "" {
		return rctx.RoutePattern()
	}
	return "none"
}

// level keeps what comes every few seconds out of the usual log.
func (rec *record) level(status int) slog.Level {
	if status >= http.StatusInternalServerError {
		return slog.LevelError
	}
	switch rec.operation {
	case heartbeat, "PollInstructions", "GetHealth", "GetReadiness":
		if status < http.StatusBadRequest {
			return slog.LevelDebug
		}
	}
	return slog.LevelInfo
}
