package wire

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// CodeInvalid is the code of a request that is well formed and not acceptable.
const CodeInvalid = "validation_failed"

// FieldError is one thing wrong with a request: where, and what is wanted there.
// Pointer is an RFC 6901 JSON pointer into the body; what is wrong with a
// parameter is at /path/NAME, /query/NAME or /header/NAME.
type FieldError struct {
	Pointer jsontext.Pointer `json:"pointer"`
	Detail  string           `json:"detail"`
}

// Invalid is everything wrong with one request. It is a 422 (rule 10.6).
type Invalid []FieldError

// Error lists what is wrong on one line.
func (e Invalid) Error() string {
	parts := make([]string, len(e))
	for i, f := range e {
		parts[i] = string(f.Pointer) + ": " + f.Detail
		if f.Pointer == "" {
			parts[i] = "the body: " + f.Detail
		}
	}
	return strings.Join(parts, "; ")
}

// Code names the problem for clients.
func (Invalid) Code() string { return CodeInvalid }

// Fields is what is wrong, field by field.
func (e Invalid) Fields() []FieldError { return e }

// Covers reports whether something was already said about the value at p, or about
// one that holds it: whatever else is wrong with it follows from that.
func (e Invalid) Covers(p jsontext.Pointer) bool {
	for _, f := range e {
		if f.Pointer.Contains(p) {
			return true
		}
	}
	return false
}
