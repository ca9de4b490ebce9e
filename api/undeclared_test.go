package api_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
)

// undeclared lists what an answer holds and its schema does not tell of: members
// that it does not name, times that are not in UTC, and durations that are none
// (rule 10.5).
func undeclared(s *openapi3.Schema, value any, at string) []string {
	if len(s.OneOf) > 0 {
		return leastWrong(s.OneOf, value, at)
	}
	switch value := value.(type) {
	case map[string]any:
		return undeclaredMembers(s, value, at)
	case []any:
		if s.Items == nil {
			return nil
		}
		var wrong []string
		for i, item := range value {
			wrong = append(wrong, undeclared(s.Items.Value, item, fmt.Sprintf("%s/%d", at, i))...)
		}
		return wrong
	case string:
		return wrongForm(s.Format, value, at)
	}
	return nil
}

// leastWrong is what is wrong with a value as the alternative that it is.
func leastWrong(alternatives openapi3.SchemaRefs, value any, at string) []string {
	var least []string
	for i, s := range alternatives {
		if s.Value.Type.Is("null") != (value == nil) {
			continue
		}
		if wrong := undeclared(s.Value, value, at); i == 0 || len(wrong) < len(least) {
			least = wrong
		}
	}
	return least
}

func undeclaredMembers(s *openapi3.Schema, members map[string]any, at string) []string {
	declared := openapi3.Schemas{}
	maps.Copy(declared, s.Properties)
	for _, part := range s.AllOf {
		maps.Copy(declared, part.Value.Properties)
	}
	free := s.AdditionalProperties.Schema != nil || s.AdditionalProperties.Has != nil && *s.AdditionalProperties.Has
	var wrong []string
	for _, name := range slices.Sorted(maps.Keys(members)) {
		property := declared[name]
		switch {
		case property != nil:
			wrong = append(wrong, undeclared(property.Value, members[name], at+"/"+name)...)
		case !free:
			wrong = append(wrong, at+"/"+name+" is not declared")
		}
	}
	return wrong
}

func wrongForm(format, value, at string) []string {
	switch format {
	case "date-time":
		if _, err := time.Parse(time.RFC3339, value); err != nil || !strings.HasSuffix(value, "Z") {
			return []string{fmt.Sprintf("%s: %q is no time in UTC", at, value)}
		}
	case "go-duration":
		if _, err := time.ParseDuration(value); err != nil {
			return []string{fmt.Sprintf("%s: %q is no duration", at, value)}
		}
	}
	return nil
}

// The judge itself can tell a wrong answer from a right one.
func TestUndeclared(t *testing.T) {
	doc, err := contract()
	if err != nil {
		t.Fatal(err)
	}
	hold := map[string]any{"since": "2026-01-02T03:04:05Z", "by": "operator:ann", "reason": "r"}
	agent := map[string]any{"agent_id": "scout", "hold": hold, "plans": map[string]any{}}
	schema := doc.Components.Schemas["Agent"].Value
	if wrong := undeclared(schema, agent, ""); len(wrong) > 0 {
		t.Errorf("a good answer: %v", wrong)
	}
	hold["since"], hold["until"], agent["mood"] = "2026-01-02T04:04:05+01:00", nil, "fair"
	want := `/hold/since: "2026-01-02T04:04:05+01:00" is no time in UTC, /hold/until is not declared, /mood is not declared`
	if got := strings.Join(undeclared(schema, agent, ""), ", "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	plan := map[string]any{"kind": "wakeup", "waves": []any{map[string]any{"delay": "1 minute"}}}
	if got := undeclared(doc.Components.Schemas["PlanForecast"].Value, plan, ""); len(got) != 1 || !strings.HasPrefix(got[0], "/waves/0/delay") {
		t.Errorf("a duration that is none: %v", got)
	}
	if got := undeclared(doc.Components.Schemas["Task"].Value, map[string]any{"outcome": map[string]any{"x": 1.0}}, ""); len(got) > 0 {
		t.Errorf("a free object: %v", got)
	}
}
