package api

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
)

// Options is what the service around the operations is made of. Nothing is
// required: the zero Options serve without authentication, limits, log and metrics.
type Options struct {
	// Authenticate finds out who sent a request; nil is [NoAuth].
	Authenticate Authenticator
	// Throttle reports how long a principal has to wait before its next request, or
	// zero (rule 10.9). It is not asked about the emergency stop, nor where anybody may.
	Throttle func(p Principal) time.Duration
	// Refused is told of each 403, for the audit trail (rule 9.1).
	Refused func(ctx context.Context, r Refused)
	// Observer is told of each answer.
	Observer Observer
	// Logger gets a line for each answer, and the cause of each internal error.
	Logger *slog.Logger
	// Now reads the clock that answers are timed with; nil: they are not.
	Now func() time.Time
	// NewRequestID names a request that brings no id of its own; nil: at random.
	NewRequestID func() string
	// Document is openapi.yaml, served as it is.
	Document []byte
	// Metrics serves /metrics; nil: there is none.
	Metrics http.Handler
	// Pages adds what else is served, such as the dashboard. Its routes get a request
	// id, a line in the log and problem documents for 404 and 405 like all others.
	Pages func(r chi.Router)
}

// Refused is a request that was refused for lack of rights. Ids that the path does
// not say are empty.
type Refused struct {
	Actor, Operation                 string
	AgentID, OccurrenceID, RolloutID string
}

// Observer learns of each answer, for metrics. Operation is an operationId, the
// pattern of a page, or "none" where nothing is served: a set that does not grow.
type Observer interface {
	Answered(operation, method string, status int, took time.Duration)
}

// handler serves the operations.
type handler struct {
	options Options
	checker *checker
	origins *http.CrossOriginProtection
	router  *chi.Mux
}

// NewHandler serves the operations of ssi, and what Options adds, under the paths
// of openapi.yaml.
func NewHandler(ssi StrictServerInterface, options Options) http.Handler {
	h := &handler{options: options.withDefaults(), checker: newChecker(), origins: http.NewCrossOriginProtection(), router: chi.NewRouter()}
	h.router.Use(h.observe, h.recover, middleware.GetHead)
	h.router.NotFound(h.notFound)
	h.router.MethodNotAllowed(h.methodNotAllowed)
	for _, rt := range routes(ssi) {
		h.router.Method(rt.operation.Method, rt.operation.Pattern, h.serve(rt))
	}
	if h.options.Metrics != nil {
		h.router.Method(http.MethodGet, "/metrics", h.options.Metrics)
	}
	if h.options.Document != nil {
		h.router.Get("/openapi.yaml", h.document)
	}
	if h.options.Pages != nil {
		h.router.Group(h.options.Pages)
	}
	return h.router
}

func (o Options) withDefaults() Options {
	if o.Authenticate == nil {
		o.Authenticate = NoAuth()
	}
	if o.Throttle == nil {
		o.Throttle = func(Principal) time.Duration { return 0 }
	}
	if o.Refused == nil {
		o.Refused = func(context.Context, Refused) {}
	}
	if o.Observer == nil {
		o.Observer = nobody{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = func() time.Time { return time.Time{} }
	}
	if o.NewRequestID == nil {
		o.NewRequestID = rand.Text
	}
	return o
}

type nobody struct{}

// Answered does nothing.
func (nobody) Answered(string, string, int, time.Duration) {}

// serve makes a handler of a route. This is the order of rule 10.6; path and method
// have been looked at, existence and state are the operation's own business.
func (h *handler) serve(rt route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c := &call{operation: rt.operation, request: r, checker: h.checker}
		if r.URL.RawQuery != "" {
			c.query = r.URL.Query()
		}
		ctx := r.Context()
		rec := recordOf(ctx)
		rec.call, rec.operation = c, rt.operation.ID
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")

		err := h.admit(ctx, c)
		if err == nil {
			var answer visit
			if answer, err = rt.serve(c); err == nil {
				err = h.answer(ctx, w, c, answer)
			}
		}
		if err != nil {
			h.refuse(ctx, w, c, err)
		}
	}
}

// admit looks at credentials, rights and the request rate.
func (h *handler) admit(ctx context.Context, c *call) error {
	if len(c.operation.Rights) == 0 {
		return nil
	}
	p, err := h.options.Authenticate(c.request)
	if err == nil {
		c.principal = p
		recordOf(ctx).actor = p.Actor()
		err = h.permit(c)
	}
	if c.operation.ID == emergencyStop {
		if err != nil {
			c.principal, c.refused = nil, err
		}
		return nil
	}
	if err != nil {
		return err
	}
	if wait := h.options.Throttle(p); wait > 0 {
		if c.operation.ID != heartbeat {
			return throttled(p, wait)
		}
		c.throttled = wait
	}
	return nil
}

// Two operations are let in under rules of their own: the emergency stop has other
// credentials than a principal's (rule 8.6) and is never throttled; a throttled
// heartbeat counts as a sign of life (rule 10.9).
const (
	emergencyStop = "EmergencyShutdown"
	heartbeat     = "Heartbeat"
)

// permit looks whether the principal has one of the rights that the operation wants,
// and that no page of another origin sent the request.
func (h *handler) permit(c *call) error {
	if !slices.ContainsFunc(c.operation.Rights, c.allows) {
		return forbidden(c.principal)
	}
	if err := h.origins.Check(c.request); err != nil {
		return fail(ErrorCodeForbidden, "a page of another origin sent this")
	}
	return nil
}

// allows reports whether the principal has a right for what the request is about: the
// agent and the occurrence of the path, or the agent of the query, or else all agents.
// Where something behind an id is meant, or the body says who, having the right at
// all is enough here; the operation asks again when it knows.
func (c *call) allows(right Right) bool {
	agentID, occurrenceID := c.pathValue("agent_id"), c.pathValue("occurrence_id")
	switch {
	case agentID != "" && right == RightTakePart && occurrenceID == "":
		return c.principal.Can(right)
	case agentID != "":
		return c.principal.May(right, agentID, occurrenceID)
	case strings.Contains(c.operation.Pattern, "{"), c.operation.ID == emergencyStop:
		return c.principal.Can(right)
	default:
		return c.principal.May(right, c.query.Get("agent_id"), "")
	}
}

func throttled(p Principal, wait time.Duration) error {
	return failure{code: ErrorCodeRateLimited, detail: "too many requests by " + p.Actor(), after: wait}
}

// answer writes what an operation answers. An error comes back only while nothing
// was written; afterwards it can but be told to the log.
func (h *handler) answer(ctx context.Context, w http.ResponseWriter, c *call, answer visit) error {
	if c.throttled > 0 {
		return throttled(c.principal, c.throttled)
	}
	if tags := c.request.Header.Values("If-None-Match"); len(tags) > 0 && c.operation.Method == http.MethodGet {
		w = &unlessMatched{ResponseWriter: w, tags: strings.Join(tags, ",")}
	}
	err := answer(w)
	if err != nil && recordOf(ctx).status != 0 {
		h.options.Logger.DebugContext(ctx, "the answer was not taken", "operation", c.operation.ID, "error", err)
		return nil
	}
	return err
}

// refuse answers with a problem document, and tells those who want to know.
func (h *handler) refuse(ctx context.Context, w http.ResponseWriter, c *call, err error) {
	rec := recordOf(ctx)
	p, failed := writeProblem(w, err, rec.id)
	rec.code = p.Code
	switch {
	case failed != nil:
		h.options.Logger.DebugContext(ctx, "the problem was not taken", "operation", c.operation.ID, "error", failed)
	case ctx.Err() != nil: // the client has left, or the service is stopping
		h.options.Logger.DebugContext(ctx, "the request was broken off", "operation", c.operation.ID, "error", err)
	case p.Status >= http.StatusInternalServerError:
		h.options.Logger.ErrorContext(ctx, "the request failed", "operation", c.operation.ID, "request_id", rec.id, "error", err)
	case p.Status == http.StatusForbidden:
		h.options.Refused(ctx, Refused{
			Actor: rec.actor, Operation: c.operation.ID, AgentID: c.pathValue("agent_id"),
			OccurrenceID: c.pathValue("occurrence_id"), RolloutID: c.pathValue("rollout_id"),
		})
	}
}

// notFound answers where no path is.
func (h *handler) notFound(w http.ResponseWriter, r *http.Request) {
	h.refuse(r.Context(), w, &call{request: r}, fail(ErrorCodeNotFound, "there is nothing at "+shorten(r.URL.Path)))
}

// methodNotAllowed answers where the path does not have the method, and says which
// it has. A method that nothing has comes here whatever the path.
func (h *handler) methodNotAllowed(w http.ResponseWriter, r *http.Request) {
	path := r.URL.RawPath
	if path == "" {
		path = r.URL.Path
	}
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions} {
		if !h.router.Match(chi.NewRouteContext(), method, path) {
			continue
		}
		allowed = append(allowed, method)
		if method == http.MethodGet {
			allowed = append(allowed, http.MethodHead)
		}
	}
	if len(allowed) == 0 {
		h.notFound(w, r)
		return
	}
	list := strings.Join(allowed, ", ")
	w.Header().Set("Allow", list)
	h.refuse(r.Context(), w, &call{request: r}, fail(ErrorCodeMethodNotAllowed, shorten(r.Method)+" is not among "+list))
}

// document serves openapi.yaml.
func (h *handler) document(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/yaml")
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("ETag", etag(h.options.Document))
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(h.options.Document)))
}
