package dashboard

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"regexp"
	"time"

	"github.com/cirisai/orchestrator/internal/engine"
)

// Service is what the page reads; *engine.Engine is one.
type Service interface {
	// Agents lists agents by id, after the given one.
	Agents(ctx context.Context, after string, limit int) ([]engine.AgentView, error)
	// Rollouts lists rollouts, newest first.
	Rollouts(ctx context.Context, f engine.RolloutFilter) ([]engine.RolloutView, error)
	// Incidents lists incidents, newest first.
	Incidents(ctx context.Context, f engine.IncidentFilter) ([]engine.KeptIncident, error)
}

var _ Service = (*engine.Engine)(nil)

//go:embed assets
var assets embed.FS

var pages = template.Must(template.ParseFS(assets, "assets/*.html"))

const (
	// contentSecurityPolicy lets the page have its style sheet and its icon, and
	// nothing else whatever somebody may have written into a reason.
	contentSecurityPolicy = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'"

	// loadTimeout bounds a look, so that a database that hangs is seen to.
	loadTimeout = 5 * time.Second

	refreshSeconds = 5
)

type handler struct {
	service Service
	now     func() time.Time
}

// New serves the page at / and what it is made of below /static/. Other paths are
// 404, other methods than GET and HEAD 405.
//
// The page takes three queries: before, the id of a rollout, shows the finished
// ones that are older; after, the id of an agent or nothing, shows all agents,
// those after it; refresh=off keeps the page from loading itself anew.
func New(service Service) http.Handler { return newHandler(service, wallClock) }

func newHandler(service Service, now func() time.Time) http.Handler {
	h := &handler{service: service, now: now}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", h.page)
	mux.Handle("GET /static/", newStatic())
	return mux
}

// anID is what an id in a query may look like; anything else is no page of ours.
var anID = regexp.MustCompile(`^[A-Za-z0-9._~-]{1,128}$`)

func (h *handler) page(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	for _, name := range []string{"before", "after"} {
		if id := q.Get(name); id != "" && !anID.MatchString(id) {
			h.render(w, http.StatusNotFound, "trouble.html", notFound())
			return
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), loadTimeout)
	defer cancel()
	view := view{now: h.now()}
	var err error
	switch {
	case q.Get("before") != "":
		err = view.loadOlder(ctx, h.service, q.Get("before"))
	case q.Has("after"):
		err = view.loadAgents(ctx, h.service, q.Get("after"))
	default:
		err = view.loadMain(ctx, h.service)
	}
	switch {
	case err == nil:
		h.render(w, http.StatusOK, "page.html", view.page(q.Get("refresh") != "off"))
	case errors.Is(err, engine.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		w.Header().Set("Retry-After", fmt.Sprint(refreshSeconds))
		h.render(w, http.StatusServiceUnavailable, "trouble.html", unavailable(err, view.now))
	default:
		h.render(w, http.StatusInternalServerError, "trouble.html", broken(err, view.now))
	}
}

// render writes a page whole or not at all.
func (h *handler) render(w http.ResponseWriter, status int, name string, data any) {
	var body bytes.Buffer
	if err := pages.ExecuteTemplate(&body, name, data); err != nil {
		http.Error(w, "the page could not be made: "+err.Error(), http.StatusInternalServerError)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", contentSecurityPolicy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = body.WriteTo(w) // who has gone away needs no answer
}
