package wire_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/cirisai/orchestrator/internal/wire"
)

// Rule 10.6: over 64 KiB is 413, another content type is 415; rule 10.5: no body
// at all is none, not a mistake.
func TestReadBody(t *testing.T) {
	full := `"` + strings.Repeat("x", wire.MaxBody-2) + `"`
	for name, tc := range map[string]struct {
		body   string
		header http.Header
		code   string
	}{
		"json":               {`{}`, contentType("application/json"), ""},
		"json, UTF-8":        {`{}`, contentType("Application/JSON; charset=UTF-8"), ""},
		"64 KiB":             {full, contentType("application/json"), ""},
		"64 KiB and one":     {full + " ", contentType("application/json"), wire.CodeTooLarge},
		"nothing":            {"", nil, ""},
		"white space":        {" \r\n\t", contentType("text/plain"), ""},
		"no type":            {`{}`, nil, wire.CodeMediaType},
		"text":               {`{}`, contentType("text/plain"), wire.CodeMediaType},
		"form":               {`a=1`, contentType("application/x-www-form-urlencoded"), wire.CodeMediaType},
		"problem":            {`{}`, contentType("application/problem+json"), wire.CodeMediaType},
		"malformed type":     {`{}`, contentType("application/json; charset"), wire.CodeMediaType},
		"latin 1":            {`{}`, contentType("application/json; charset=iso-8859-1"), wire.CodeMediaType},
		"very long type":     {`{}`, contentType("text/" + strings.Repeat("x", 500)), wire.CodeMediaType},
		"compressed":         {`{}`, http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}}, wire.CodeMediaType},
		"compressed, or not": {`{}`, http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"identity"}}, ""},
	} {
		for _, declared := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(tc.body))
				if !declared {
					r.ContentLength = -1
				}
				r.Header = tc.header
				raw, err := wire.ReadBody(r)
				if code(err) != tc.code {
					t.Fatalf("ReadBody: %v, want %q", err, tc.code)
				}
				if err == nil && string(raw) != strings.TrimSpace(tc.body) {
					t.Errorf("read %d bytes of %d", len(raw), len(tc.body))
				}
				if err != nil && len(err.Error()) > 120 {
					t.Errorf("the detail repeats what was sent: %s", err)
				}
			})
		}
	}
}

func TestReadBodyThatBreaksOff(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/", io.MultiReader(strings.NewReader(`{"a":`), iotest.ErrReader(io.ErrUnexpectedEOF)))
	if _, err := wire.ReadBody(r); code(err) != wire.CodeSyntax {
		t.Errorf("ReadBody: %v, want %s", err, wire.CodeSyntax)
	}
	w := httptest.NewRecorder()
	r = httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"a": 1}`))
	r.ContentLength = -1
	r.Body = http.MaxBytesReader(w, r.Body, 4)
	if _, err := wire.ReadBody(r); code(err) != wire.CodeTooLarge {
		t.Errorf("ReadBody: %v, want %s", err, wire.CodeTooLarge)
	}
	r = httptest.NewRequest(http.MethodPost, "/", nil)
	r.Body = nil
	if raw, err := wire.ReadBody(r); raw != nil || err != nil {
		t.Errorf("ReadBody of no body: %q, %v", raw, err)
	}
}

func contentType(v string) http.Header { return http.Header{"Content-Type": {v}} }

// code is what the error says of itself, "" for none.
func code(err error) string {
	var c interface{ Code() string }
	if errors.As(err, &c) {
		return c.Code()
	}
	if err != nil {
		return "without a code: " + err.Error()
	}
	return ""
}
