package dashboard

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/engine"
)

func get(t *testing.T, h http.Handler, method, path string) *httptest.ResponseRecorder {
	t.Helper()
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, httptest.NewRequest(method, path, nil))
	return answer
}

func handlerAt(f *fake, now time.Time) http.Handler {
	return newHandler(f, func() time.Time { return now })
}

// open gets a page that must be there.
func open(t *testing.T, f *fake, now time.Time, path string) string {
	t.Helper()
	answer := get(t, handlerAt(f, now), http.MethodGet, path)
	if answer.Code != http.StatusOK {
		t.Fatalf("%s: %d\n%s", path, answer.Code, answer.Body)
	}
	return answer.Body.String()
}

func contains(t *testing.T, page string, wanted ...string) {
	t.Helper()
	for _, want := range wanted {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
}

func lacks(t *testing.T, page string, unwanted ...string) {
	t.Helper()
	for _, text := range unwanted {
		if strings.Contains(page, text) {
			t.Errorf("the page has %s", text)
		}
	}
}

var (
	tags   = regexp.MustCompile(`<[^>]*>`)
	blanks = regexp.MustCompile(`\s+`)
)

// text is what a reader sees of a piece of the page.
func text(piece string) string {
	return strings.TrimSpace(blanks.ReplaceAllString(tags.ReplaceAllString(piece, " "), " "))
}

func TestHeaders(t *testing.T) {
	f, now := night(t)
	answer := get(t, handlerAt(f, now), http.MethodGet, "/")
	for name, want := range map[string]string{
		"Content-Type":            "text/html; charset=utf-8",
		"Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'",
		"X-Content-Type-Options":  "nosniff",
		"Cache-Control":           "no-store",
		"Referrer-Policy":         "no-referrer",
	} {
		if got := answer.Header().Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// The policy keeps styles and scripts out of the page's elements; the page must not
// need them.
func TestNoScriptAndNoStyleInThePage(t *testing.T) {
	f, now := night(t)
	page := open(t, f, now, "/")
	for _, pattern := range []string{`(?i)<script`, `(?i)<style`, `(?i)\sstyle=`, `(?i)\son[a-z]+=`, `(?i)javascript:`, `(?i)https?://`, `ZgotmplZ`} {
		if found := regexp.MustCompile(pattern).FindString(page); found != "" {
			t.Errorf("the page has %q", found)
		}
	}
}

func TestRefresh(t *testing.T) {
	f, now := night(t)
	const refresh = `<meta http-equiv="refresh" content="5">`
	contains(t, open(t, f, now, "/"), refresh, `href="/?refresh=off"`)
	lacks(t, open(t, f, now, "/?refresh=off"), refresh)
	lacks(t, open(t, f, now, "/?before=ro_02"), refresh)
}

func TestMethodsAndPaths(t *testing.T) {
	h := handlerAt(newFake(), began)
	for _, c := range []struct {
		method, path string
		want         int
	}{
		{http.MethodGet, "/", http.StatusOK},
		{http.MethodHead, "/", http.StatusOK},
		{http.MethodPost, "/", http.StatusMethodNotAllowed},
		{http.MethodGet, "/agents", http.StatusNotFound},
		{http.MethodGet, "/static/dashboard.css", http.StatusOK},
		{http.MethodHead, "/static/icon.svg", http.StatusOK},
		{http.MethodGet, "/static/icon-alert.svg", http.StatusOK},
		{http.MethodGet, "/static/page.html", http.StatusNotFound},
		{http.MethodGet, "/static/", http.StatusNotFound},
		{http.MethodGet, "/static/x/dashboard.css", http.StatusNotFound},
		{http.MethodGet, "/?before=" + strings.Repeat("x", 200), http.StatusNotFound},
		{http.MethodGet, "/?before=%3Cscript%3E", http.StatusNotFound},
		{http.MethodGet, "/?after=../../x", http.StatusNotFound},
	} {
		if got := get(t, h, c.method, c.path); got.Code != c.want {
			t.Errorf("%s %s is %d, want %d", c.method, c.path, got.Code, c.want)
		}
	}
	if got := get(t, h, http.MethodPost, "/").Header().Get("Allow"); got != "GET, HEAD" {
		t.Errorf("Allow is %q", got)
	}
}

// What the page names can be had, is kept for ever under that name, and is asked
// for again under another.
func TestStaticFiles(t *testing.T) {
	h := handlerAt(newFake(), began)
	page := get(t, h, http.MethodGet, "/").Body.String()
	urls := regexp.MustCompile(`/static/[^"]+`).FindAllString(page, -1)
	if len(urls) != 2 {
		t.Fatalf("the page names %q, want a style sheet and an icon", urls)
	}
	for _, url := range urls {
		answer := get(t, h, http.MethodGet, url)
		if answer.Code != http.StatusOK || answer.Body.Len() == 0 || !strings.Contains(answer.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d, %d bytes, %s", url, answer.Code, answer.Body.Len(), answer.Header().Get("Cache-Control"))
		}
	}
	if got := get(t, h, http.MethodGet, "/static/dashboard.css"); got.Header().Get("Content-Type") != "text/css; charset=utf-8" {
		t.Errorf("the style sheet is %q", got.Header().Get("Content-Type"))
	}
	other := get(t, h, http.MethodGet, "/static/dashboard.css?v=000000000000")
	if other.Code != http.StatusOK || other.Header().Get("Cache-Control") != "no-cache" {
		t.Errorf("another version is %d, %s", other.Code, other.Header().Get("Cache-Control"))
	}
	again := httptest.NewRequest(http.MethodGet, "/static/dashboard.css", nil)
	again.Header.Set("If-None-Match", other.Header().Get("ETag"))
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, again)
	if answer.Code != http.StatusNotModified {
		t.Errorf("asked again it is %d, want 304", answer.Code)
	}
}

func TestWithoutADatabase(t *testing.T) {
	for name, err := range map[string]error{
		"away":  fmt.Errorf("view: %w: dial tcp 10.0.0.5:5432: connect: <refused>", engine.ErrUnavailable),
		"hangs": fmt.Errorf("view: %w", context.DeadlineExceeded),
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			f.err = err
			answer := get(t, handlerAt(f, began), http.MethodGet, "/")
			if answer.Code != http.StatusServiceUnavailable || answer.Header().Get("Retry-After") != "5" {
				t.Errorf("%d, Retry-After %q", answer.Code, answer.Header().Get("Retry-After"))
			}
			contains(t, answer.Body.String(), "The database cannot be used now", `http-equiv="refresh"`, "icon-alert.svg", "read the incidents: view:")
			lacks(t, answer.Body.String(), "<refused>", "No incident is open", "No agent is known")
			if answer.Header().Get("Content-Security-Policy") != contentSecurityPolicy {
				t.Error("no policy")
			}
		})
	}
}

// A database that hangs is not waited for without end.
func TestALookIsBounded(t *testing.T) {
	f := &hanging{fake: newFake()}
	get(t, newHandler(f, func() time.Time { return began }), http.MethodGet, "/")
	if f.left <= 0 || f.left > loadTimeout {
		t.Errorf("a look may take %s, want at most %s", f.left, loadTimeout)
	}
}

// hanging notes how long it would be waited for.
type hanging struct {
	*fake
	left time.Duration
}

func (f *hanging) Incidents(ctx context.Context, _ engine.IncidentFilter) ([]engine.KeptIncident, error) {
	if deadline, bounded := ctx.Deadline(); bounded {
		f.left = time.Until(deadline)
	}
	return nil, context.DeadlineExceeded
}

func TestABrokenState(t *testing.T) {
	f := newFake()
	f.err = errors.New("a column is not JSON")
	answer := get(t, handlerAt(f, began), http.MethodGet, "/")
	if answer.Code != http.StatusInternalServerError {
		t.Errorf("%d, want 500", answer.Code)
	}
	contains(t, answer.Body.String(), "could not read its state", "a column is not JSON")
}

// Each part of the page may be the one that cannot be read.
func TestNoPartFailsSilently(t *testing.T) {
	for _, path := range []string{"/", "/?before=ro_1", "/?after="} {
		for part := range 4 {
			f := &failing{fake: newFake(), at: part}
			answer := get(t, newHandler(f, func() time.Time { return began }), http.MethodGet, path)
			if reached := f.calls > part; reached != (answer.Code == http.StatusServiceUnavailable) {
				t.Errorf("%s, with part %d away: %d", path, part, answer.Code)
			}
		}
	}
}

// failing fails at one call, and answers the others.
type failing struct {
	*fake
	at, calls int
}

func (f *failing) next() error {
	f.calls++
	if f.calls == f.at+1 {
		return engine.ErrUnavailable
	}
	return nil
}

func (f *failing) Agents(ctx context.Context, after string, limit int) ([]engine.AgentView, error) {
	if err := f.next(); err != nil {
		return nil, err
	}
	return f.fake.Agents(ctx, after, limit)
}

func (f *failing) Rollouts(ctx context.Context, q engine.RolloutFilter) ([]engine.RolloutView, error) {
	if err := f.next(); err != nil {
		return nil, err
	}
	return f.fake.Rollouts(ctx, q)
}

func (f *failing) Incidents(ctx context.Context, q engine.IncidentFilter) ([]engine.KeptIncident, error) {
	if err := f.next(); err != nil {
		return nil, err
	}
	return f.fake.Incidents(ctx, q)
}

func TestAnEmptyHouse(t *testing.T) {
	page := open(t, newFake(), began, "/")
	contains(t, page, "Nothing waits for you.", "No incident is open.", "No agent is known yet.", "There is no rollout yet.", "/static/icon.svg")
	contains(t, page, `href="/openapi.yaml"`, `href="/metrics"`)
	contains(t, open(t, newFake(), began, "/?before=ro_1"), "There is none that is older.")
}

// The real clock is the one that a caller gets.
func TestNew(t *testing.T) {
	before := time.Now().UTC().Year()
	page := get(t, New(newFake()), http.MethodGet, "/").Body.String()
	after := time.Now().UTC().Year()
	if !strings.Contains(page, fmt.Sprintf(`datetime="%d-`, before)) && !strings.Contains(page, fmt.Sprintf(`datetime="%d-`, after)) {
		t.Error("the page is not of now")
	}
}
