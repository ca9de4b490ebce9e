package api

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"

	"github.com/cirisai/orchestrator/internal/wire"
)

// writeJSON answers with a body.
func writeJSON(w http.ResponseWriter, status int, body any) error {
	return wire.WriteJSON(w, status, body)
}

// writeTagged answers with a body and its ETag: a hash of the body, so that it
// changes with whatever is shown and with nothing else (rule 10.2).
func writeTagged(w http.ResponseWriter, status int, body any) error {
	raw, err := wire.Encode(body)
	if err != nil {
		return err
	}
	w.Header().Set("ETag", etag(raw))
	return wire.WriteBody(w, status, "application/json", raw)
}

// setLocation says where the rollout is read that an answer is or tells of.
func setLocation(w http.ResponseWriter, body any) {
	id := ""
	switch b := body.(type) {
	case Rollout:
		id = b.RolloutID
	case WakeupAnswer:
		if b.RolloutID != nil {
			id = *b.RolloutID
		}
	}
	if id != "" {
		w.Header().Set("Location", "/v1/rollouts/"+url.PathEscape(id))
	}
}

func etag(body []byte) string {
	const enough = 18 // bytes; their base64 has no padding
	sum := sha256.Sum256(body)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:enough]) + `"`
}

// unlessMatched turns a 200 into a 304 when its ETag is among those that the
// request names. It leaves answers without an ETag alone.
type unlessMatched struct {
	http.ResponseWriter
	tags    string
	matched bool
}

// WriteHeader looks at the ETag, which must be set by now.
func (u *unlessMatched) WriteHeader(status int) {
	if tag := u.Header().Get("ETag"); status == http.StatusOK && tag != "" && matchesWeakly(u.tags, tag) {
		u.matched = true
		u.Header().Del("Content-Type")
		status = http.StatusNotModified
	}
	u.ResponseWriter.WriteHeader(status)
}

// Write drops the body of a 304.
func (u *unlessMatched) Write(p []byte) (int, error) {
	if u.matched {
		return len(p), nil
	}
	return u.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach what is below.
func (u *unlessMatched) Unwrap() http.ResponseWriter { return u.ResponseWriter }

// matchesWeakly compares an If-None-Match with an ETag of this service (RFC 9110,
// weak comparison). Those tags hold no commas, so that a tag of others that does
// can be split without harm.
func matchesWeakly(list, tag string) bool {
	for candidate := range strings.SplitSeq(list, ",") {
		candidate = strings.TrimSpace(candidate)
		if candidate == "*" || strings.TrimPrefix(candidate, "W/") == tag {
			return true
		}
	}
	return false
}

// shorten repeats a text of a request in an answer, unless it is long.
func shorten(s string) string {
	const most = 80
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}
