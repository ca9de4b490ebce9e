// Package wire is what a body looks like on its way in and on its way out.
//
// Coming in, a body goes through one strict decoder and no other. It is first
// walked as JSON text: what is not exactly one well-formed value without a
// doubled key, an invalid string or a NUL is a [SyntaxError] and never looked
// at again. Then it is laid onto a Go struct, and everything that does not fit
// is collected, each complaint with a JSON pointer, so that a client learns of
// all its mistakes in one answer (rule 10.6).
//
// Going out, a value is written by [WriteJSON] and an error as an RFC 9457
// [Problem]. [Duration], [Time] and [NumberOrPercent] are the three forms that
// JSON has no type for.
package wire

import (
	"bytes"
	"fmt"
	"net/http"

	"github.com/go-json-experiment/json"
)

// WriteJSON writes v as the body of an answer. Nil slices are written as [] and
// nil maps as {}, so that a list is a list however it was made. An error means
// that v has no JSON form; nothing was written then.
func WriteJSON(w http.ResponseWriter, status int, v any) error {
	body, err := Encode(v)
	if err != nil {
		return err
	}
	return WriteBody(w, status, "application/json", body)
}

// WriteBody writes a body that is encoded already.
func WriteBody(w http.ResponseWriter, status int, contentType string, body []byte) error {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		return fmt.Errorf("write body: %w", err)
	}
	return nil
}

// Encode returns the JSON that [WriteJSON] writes for v, with map keys in order
// and a line feed at the end: the same value is always the same bytes.
func Encode(v any) ([]byte, error) {
	var b bytes.Buffer
	if err := json.MarshalWrite(&b, v, json.Deterministic(true)); err != nil {
		return nil, fmt.Errorf("encode body: %w", err)
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}
