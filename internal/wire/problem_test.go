package wire_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/cirisai/orchestrator/internal/wire"
)

// Rule 10.6: an error is an RFC 9457 document with a code; what else there is to
// say stands beside the standard members.
func TestProblemIsWritten(t *testing.T) {
	for _, tc := range []struct {
		problem wire.Problem
		want    string
	}{
		{
			wire.Problem{Type: "urn:x", Title: "T", Status: 409, Detail: "d", Code: "not_allowed", Extensions: map[string]any{"state": "halted", "allowed": []string{"retry"}}},
			`{"type":"urn:x","title":"T","status":409,"detail":"d","code":"not_allowed","allowed":["retry"],"state":"halted"}`,
		},
		{
			wire.Problem{Type: "urn:x", Title: "T", Status: 422, Code: "validation_failed", Errors: []wire.FieldError{{Pointer: "/a~1b", Detail: "<no>"}}},
			`{"type":"urn:x","title":"T","status":422,"code":"validation_failed","errors":[{"pointer":"/a~1b","detail":"<no>"}]}`,
		},
	} {
		w := httptest.NewRecorder()
		if err := tc.problem.Write(w); err != nil {
			t.Fatal(err)
		}
		if w.Code != tc.problem.Status || w.Header().Get("Content-Type") != "application/problem+json" || w.Body.String() != tc.want+"\n" {
			t.Errorf("%d %s %s, want %s", w.Code, w.Header(), w.Body, tc.want)
		}
	}
}

// A list is a list however it was made, and a value is always the same bytes.
func TestWriteJSON(t *testing.T) {
	type answer struct {
		List  []string          `json:"list"`
		Table map[string]string `json:"table"`
		None  *string           `json:"none"`
		Text  string            `json:"text"`
	}
	w := httptest.NewRecorder()
	if err := wire.WriteJSON(w, http.StatusCreated, answer{Text: "a<b"}); err != nil {
		t.Fatal(err)
	}
	if want := `{"list":[],"table":{},"none":null,"text":"a<b"}` + "\n"; w.Code != 201 || w.Body.String() != want {
		t.Errorf("%d %s, want %s", w.Code, w.Body, want)
	}
	w = httptest.NewRecorder()
	if err := wire.WriteJSON(w, http.StatusOK, func() {}); err == nil || w.Body.Len() > 0 {
		t.Errorf("a function was written: %v, %q", err, w.Body)
	}
}
