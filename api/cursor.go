package api

import (
	"encoding/base64"
	"strings"

	"github.com/cirisai/orchestrator/internal/discovery"
)

// standardLimit is how long a page is that asks for no length (rule 10.1).
const standardLimit = 100

// cursors makes and reads the cursors of one list. A cursor is opaque to clients:
// the name of its list, so that one of another list is not mistaken for it, and the
// id of the entry after which the walk goes on.
type cursors string

const (
	agentCursor      cursors = "agents"
	occurrenceCursor cursors = "occurrences"
	rolloutCursor    cursors = "rollouts"
	incidentCursor   cursors = "incidents"
)

func (c cursors) prefix() string { return string(c) + "/" }

// give makes the cursor that goes on after the entry with this id.
func (c cursors) give(id string) *string {
	given := base64.RawURLEncoding.EncodeToString([]byte(c.prefix() + id))
	return &given
}

// take reads a cursor; none is the beginning, which is the empty id.
func (c cursors) take(given *Cursor) (id string, err error) {
	if given == nil {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(*given)
	id, ofList := strings.CutPrefix(string(raw), c.prefix())
	if err != nil || !ofList || !opaquePattern.MatchString(id) {
		return "", badCursor()
	}
	return id, nil
}

// badCursor refuses a cursor that no page of the list gave.
func badCursor() error {
	return invalid([]discovery.FieldError{{Pointer: "/query/cursor", Detail: "a cursor that an earlier page of this list gave is wanted"}})
}
