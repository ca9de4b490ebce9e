package wire

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
)

// MaxBody is the largest body that is read, in bytes (rule 10.6).
const MaxBody = 64 << 10

// Codes of bodies that are refused unread.
const (
	CodeTooLarge  = "body_too_large"
	CodeMediaType = "unsupported_media_type"
)

// TooLargeError says that a body is longer than [MaxBody]. It is a 413.
type TooLargeError struct{}

// Error goes to the client as it is.
func (TooLargeError) Error() string { return "the body is larger than 64 KiB" }

// Code names the problem for clients.
func (TooLargeError) Code() string { return CodeTooLarge }

// MediaTypeError says that a body is not declared to be JSON. It is a 415.
type MediaTypeError struct{ Given string }

// Error goes to the client as it is.
func (e MediaTypeError) Error() string {
	const most = 80
	switch {
	case e.Given == "":
		return "the body has no Content-Type; application/json is wanted"
	case len(e.Given) > most:
		return "the body is not application/json"
	default:
		return "the body is " + e.Given + "; application/json is wanted"
	}
}

// Code names the problem for clients.
func (MediaTypeError) Code() string { return CodeMediaType }

// ReadBody reads the body of a request whole. It returns nothing, and no error,
// where there is none or only white space. Its errors are [TooLargeError],
// [MediaTypeError] and *[SyntaxError] (the body broke off).
//
// A body without Content-Type is refused like one of another type: browsers send
// such bodies across origins without asking, and nothing else needs to.
func ReadBody(r *http.Request) ([]byte, error) {
	if r.ContentLength > MaxBody {
		return nil, TooLargeError{}
	}
	if r.Body == nil {
		return nil, nil
	}
	raw, err := io.ReadAll(io.LimitReader(r.Body, MaxBody+1))
	if len(raw) > MaxBody {
		return nil, TooLargeError{}
	}
	if err != nil {
		if limit := (*http.MaxBytesError)(nil); errors.As(err, &limit) {
			return nil, TooLargeError{}
		}
		return nil, &SyntaxError{"the body broke off before its end"}
	}
	if len(bytes.Trim(raw, " \t\r\n")) == 0 {
		return nil, nil
	}
	if err := checkMediaType(r.Header); err != nil {
		return nil, err
	}
	return raw, nil
}

// checkMediaType takes application/json, in UTF-8 and not compressed.
func checkMediaType(h http.Header) error {
	given := h.Get("Content-Type")
	media, params, err := mime.ParseMediaType(given)
	if err != nil || media != "application/json" {
		return MediaTypeError{Given: given}
	}
	if charset, ok := params["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return MediaTypeError{Given: given}
	}
	if coding := h.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return MediaTypeError{Given: "encoded as " + coding}
	}
	return nil
}
