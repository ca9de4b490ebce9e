package audit_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cirisai/orchestrator/internal/audit"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// withData is the first event of a trail, with data as a database might keep it.
func withData(data string) audit.Event {
	return audit.Event{
		Seq: 1, At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Type: "x", AgentID: "scout", Actor: "operator:ann",
		Data: json.RawMessage(data), PrevHash: audit.Genesis,
	}
}

// canonical is the RFC 8785 form of withData, given that of its data.
func canonical(data string) string {
	return `{"actor":"operator:ann","agent_id":"scout","at":"2026-01-02T03:04:05Z","data":` + data +
		`,"occurrence_id":null,"prev_hash":"` + audit.Genesis + `","rollout_id":null,"seq":1,"type":"x","wave":null}`
}

// TestCanonicalForm is rule 9.1 on odd data: among it the examples of RFC 8785,
// sections 3.2.2 and 3.2.3.
func TestCanonicalForm(t *testing.T) {
	for name, tt := range map[string]struct{ data, form string }{
		"nothing":         {``, `{}`},
		"white space":     {" { \"b\" : 1 ,\n\t\"a\" : [ ] } ", `{"a":[],"b":1}`},
		"HTML":            {`{"a":"\u003cb\u003e \u0026 </script>"}`, `{"a":"<b> & </script>"}`},
		"line separators": {`{"a":"\u2028\u2029"}`, "{\"a\":\"\u2028\u2029\"}"},
		"controls":        {`{"a":"\u0000\u0008\u0009\u000a\u000b\u000c\u000d\u001f\u007f"}`, `{"a":"\u0000\b\t\n\u000b\f\r\u001f` + "\x7f" + `"}`},
		"surrogate pair":  {`{"a":"\ud83d\ude00"}`, "{\"a\":\"\U0001F600\"}"},
		"upper-case hex":  {`{"a":"\u20AC\u000B"}`, "{\"a\":\"\u20ac" + `\u000b"}`},
		"slash":           {`{"a":"\/"}`, `{"a":"/"}`},
		"nested":          {`{"z":{"y":1,"x":{"w":[{"v":1,"u":2}]}}}`, `{"z":{"x":{"w":[{"u":2,"v":1}]},"y":1}}`},
		"RFC 8785, 3.2.2": {
			`{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
			  "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}`,
			`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"` + "\u20ac" + `$\u000f\nA'B\"\\\\\"/"}`,
		},
		"RFC 8785, 3.2.3": {
			`{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One",
			  "\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}`,
			`{"\r":"Carriage Return","1":"One","` + "\u0080" + `":"Control","` + "\u00f6" + `":"Latin Small Letter O With Diaeresis","` + "\u20ac" +
				`":"Euro Sign","` + "\U0001F600" + `":"Emoji: Grinning Face","` + "\ufb33" + `":"Hebrew Letter Dalet With Dagesh"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			digest, err := withData(tt.data).Digest()
			if want := sha(canonical(tt.form)); err != nil || digest != want {
				t.Errorf("%s (%v), want %s", digest, err, want)
			}
		})
	}
}

// TestNoForm: what RFC 8785 has no form for has no digest.
func TestNoForm(t *testing.T) {
	for _, data := range []string{`{"a":"\ud800"}`, `{"a":1,"a":2}`, "{\"a\":\"\xff\"}", `{"a":01}`, `{} {}`, `nonsense`} {
		if digest, err := withData(data).Digest(); err == nil {
			t.Errorf("%q has the digest %s", data, digest)
		}
	}
}

// TestRoundTrip: an event that was shown, stored and read again is the same, and
// so is its hash.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.String()
		events := make([]rollout.Event, rapid.IntRange(1, 5).Draw(t, "events"))
		for i := range events {
			events[i] = rollout.Event{
				Type: "x", RolloutID: texts.Draw(t, "rollout"), Wave: rapid.IntRange(0, 50).Draw(t, "wave"), OccurrenceID: texts.Draw(t, "occurrence"),
				Actor: texts.Draw(t, "actor"), At: begin.Add(time.Duration(rapid.Int64Range(0, 1e18).Draw(t, "at"))),
				Data: map[string]any{texts.Draw(t, "key"): texts.Draw(t, "value"), "n": rapid.IntRange(-1e9, 1e9).Draw(t, "n")},
			}
		}
		chained, head, err := audit.Chain(audit.Head{}, "scout", events, wall)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := json.Marshal(chained)
		if err != nil {
			t.Fatal(err)
		}
		var read []audit.Event
		if err := json.Unmarshal(raw, &read); err != nil {
			t.Fatal(err)
		}
		again, err := json.Marshal(read)
		if err != nil || string(again) != string(raw) {
			t.Fatalf("read and shown again (%v)\n%s\n%s", err, raw, again)
		}
		if got, err := audit.Verify(audit.Head{}, read); err != nil || got != head {
			t.Fatalf("verify: %+v, %v", got, err)
		}
	})
}

// TestReadRefuses: what is no event is an error.
func TestReadRefuses(t *testing.T) {
	for _, raw := range []string{`{"seq":"1"}`, `[]`, `{"at":"yesterday"}`, `{"wave":"first"}`} {
		var e audit.Event
		if err := json.Unmarshal([]byte(raw), &e); err == nil {
			t.Errorf("%s was read as %+v", raw, e)
		}
	}
}

// Example verifies a trail with nothing but what was read.
func Example() {
	var events []audit.Event
	exported := `[{"seq":1,"at":"2026-01-02T03:04:05.678901Z","type":"rollout.requested","agent_id":"scout","rollout_id":"ro_01J","wave":null,
		"occurrence_id":null,"actor":"operator:ann","data":{"reason":"stop — <now> & \"here\"\n€ 😀 \u2028","kind":"shutdown"},
		"prev_hash":"0000000000000000000000000000000000000000000000000000000000000000",
		"hash":"4729197eed6bf92a3f442d7d3c33087219346a4423e719cb7ca25ae8b97ca82a"}]`
	if err := json.Unmarshal([]byte(exported), &events); err != nil {
		fmt.Println(err)
	}
	head, err := audit.Verify(audit.Head{}, events)
	fmt.Println(head.Seq, err)
	events[0].Actor = "operator:bob"
	_, err = audit.Verify(audit.Head{}, events)
	fmt.Println(err)
	// Output:
	// 1 <nil>
	// event 1 was edited: the chain is broken
}
