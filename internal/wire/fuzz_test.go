package wire_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	"github.com/cirisai/orchestrator/internal/wire"
)

// FuzzDecode holds the decoder to three things for any text: it sorts errors
// into two kinds and no third, what it takes or finds ill-fitting is JSON for the
// standard library too, and what it takes reads the same after being written.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		``, `null`, `{}`, `[]`, `{"boot_id":"b","sequence":1}`, `{"boot_id":"b","boot_id":"b"}`, `{"boot_id":"\u0000"}`, `{"x":{"x":[1,{"y":null}]}}`,
		`{"boot_id":"b","sequence":1,"until":"2026-01-02T03:04:05Z","labels":{"a/b":"c"},"plan":{"waves":[{"group":"g","delay":"1s","min_healthy":"80%"}]}}`,
		`{"boot_id":"b","sequence":1} x`, "{\"boot_id\":\"\xff\"}", `{"sequence":1e999}`, `{"plan":{"waves":[[],{},1,null]}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var first body
		err := wire.Decode(raw, &first)
		var syntax *wire.SyntaxError
		var bad wire.Invalid
		switch {
		case errors.As(err, &syntax):
			return
		case err != nil && !errors.As(err, &bad):
			t.Fatalf("%q: an error of no known kind: %v", raw, err)
		case !json.Valid(raw):
			t.Fatalf("%q: taken for JSON, and is not", raw)
		case err != nil:
			return
		}
		written, err := wire.Encode(first)
		if err != nil {
			t.Fatalf("%q: cannot be written again: %v", raw, err)
		}
		var second body
		if err := wire.Decode(written, &second); err != nil {
			t.Fatalf("%q: written as %s, which is refused: %v", raw, written, err)
		}
		if again, err := wire.Encode(second); err != nil || !reflect.DeepEqual(written, again) {
			t.Fatalf("%q: %s, then %s (%v)", raw, written, again, err)
		}
	})
}
