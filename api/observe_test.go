package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/cirisai/orchestrator"
	"github.com/cirisai/orchestrator/internal/discovery"
)

// A handler that fails or panics tells the log and not the client.
func TestInternalErrors(t *testing.T) {
	var log bytes.Buffer
	trouble := func() error { return errors.New("dial tcp 10.1.2.3: secret") }
	h := NewHandler(fake{pause: func(context.Context, PauseRolloutRequestObject) (PauseRolloutResponseObject, error) {
		return nil, trouble()
	}}, Options{Logger: slog.New(slog.NewTextHandler(&log, nil)), NewRequestID: func() string { return "REQ7" }})
	for name, cause := range map[string]func() error{
		"error": trouble, "panic": func() error { panic("secret") }, "unknown code": func() error { return &discovery.Refusal{Code: "no_such_code", Detail: "secret"} },
	} {
		trouble = cause
		log.Reset()
		w := send(h, "POST", pausePath, `{"reason":"r"}`)
		p := expect(t, w, 500, ErrorCodeInternal)
		if strings.Contains(w.Body.String(), "secret") || !strings.Contains(p.Detail, "REQ7") || w.Header().Get("X-Request-Id") != "REQ7" {
			t.Errorf("%s: %s", name, w.Body)
		}
		if !strings.Contains(log.String(), "secret") || !strings.Contains(log.String(), "REQ7") {
			t.Errorf("%s: the log says %s", name, &log)
		}
	}
}

// An answer that breaks off must not look whole.
func TestPanicInTheMiddleOfAnAnswer(t *testing.T) {
	h := NewHandler(fake{}, Options{Pages: func(r chi.Router) {
		r.Get("/half", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("half"))
			panic("boom")
		})
	}})
	defer func() {
		if err, ok := recover().(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
			t.Errorf("recovered %v", err)
		}
	}()
	send(h, "GET", "/half", "")
	t.Error("the answer was ended as if it were whole")
}

// told is what an observer was told.
type told struct{ lines []string }

func (o *told) Answered(operation, method string, status int, took time.Duration) {
	o.lines = append(o.lines, fmt.Sprintf("%s %s %d %s", operation, method, status, took))
}

// Each answer has a request id, is counted under a name from a set that does not
// grow, and is in the log.
func TestObservation(t *testing.T) {
	var log bytes.Buffer
	var seen told
	now := time.Unix(0, 0)
	h := NewHandler(fake{}, Options{
		Observer: &seen, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelInfo})),
		Now:      func() time.Time { now = now.Add(time.Second); return now },
		Document: orchestrator.OpenAPI,
		Pages: func(r chi.Router) {
			r.Get("/pages/{id}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })
		},
	})
	for _, target := range []string{"/healthz", "/nowhere", "/v1/agents/a%20b", "/pages/7", "/openapi.yaml"} {
		send(h, "GET", target, "")
	}
	want := "GetHealth GET 200 1s|none GET 404 1s|GetAgent GET 422 1s|/pages/{id} GET 204 1s|/openapi.yaml GET 200 1s"
	if got := strings.Join(seen.lines, "|"); got != want {
		t.Errorf("observed %s\nwant %s", got, want)
	}
	if strings.Contains(log.String(), "healthz") || !strings.Contains(log.String(), "operation=GetAgent actor=operator:local code=validation_failed") {
		t.Errorf("log:\n%s", &log)
	}
	w := send(h, "GET", "/healthz", "", "X-Request-Id: abc-1")
	if w.Header().Get("X-Request-Id") != "abc-1" || w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("headers %v", w.Header())
	}
	if w := send(h, "GET", "/healthz", "", "X-Request-Id: a b"); w.Header().Get("X-Request-Id") == "a b" {
		t.Error("an implausible request id was repeated")
	}
	if w := send(h, "GET", "/healthz?probe=1", ""); w.Code != 200 {
		t.Errorf("a probe with a parameter: %d", w.Code)
	}
}
