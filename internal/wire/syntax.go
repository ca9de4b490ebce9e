package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// CodeSyntax is the code of a body that is not one JSON value of the strict kind.
const CodeSyntax = "invalid_json"

// SyntaxError says why a body is not JSON that this service takes. It is a 400.
type SyntaxError struct{ Detail string }

// Error is the detail: it goes to the client as it is.
func (e *SyntaxError) Error() string { return e.Detail }

// Code names the problem for clients.
func (*SyntaxError) Code() string { return CodeSyntax }

// checkSyntax walks the whole text before anything is made of it: a wrong type
// near the front would otherwise hide malformed JSON behind it.
func checkSyntax(raw []byte) error {
	d := jsontext.NewDecoder(bytes.NewReader(raw))
	for first := true; ; first = false {
		token, err := d.ReadToken()
		switch {
		case errors.Is(err, io.EOF):
			if first {
				return &SyntaxError{"the body is empty; a JSON object is wanted"}
			}
			return &SyntaxError{"the body ends in the middle of a value"}
		case err != nil:
			return syntaxError(err)
		case first && token.Kind() == 'n':
			return &SyntaxError{"the body is null; a JSON object is wanted"}
		case token.Kind() == '"' && strings.ContainsRune(token.String(), 0):
			return &SyntaxError{fmt.Sprintf("a string holds a NUL character (byte %d)", d.InputOffset())}
		}
		if d.StackDepth() == 0 {
			return checkEnd(d)
		}
	}
}

// checkEnd refuses whatever follows the value.
func checkEnd(d *jsontext.Decoder) error {
	end := d.InputOffset()
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return &SyntaxError{fmt.Sprintf("something follows the value (byte %d)", end)}
	}
	return nil
}

// syntaxError puts the decoder's complaint into the words of an answer.
func syntaxError(err error) error {
	var s *jsontext.SyntacticError
	if !errors.As(err, &s) {
		return &SyntaxError{"the body is not JSON: " + err.Error()}
	}
	if errors.Is(s.Err, jsontext.ErrDuplicateName) {
		return &SyntaxError{fmt.Sprintf("the key at %s is given twice (byte %d)", s.JSONPointer, s.ByteOffset)}
	}
	if errors.Is(s.Err, io.ErrUnexpectedEOF) {
		return &SyntaxError{"the body ends in the middle of a value"}
	}
	return &SyntaxError{fmt.Sprintf("the body is not JSON: %v (byte %d)", s.Err, s.ByteOffset)}
}
