package orchestrator_test

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/cirisai/orchestrator"
)

func load(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(orchestrator.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// operation is one operation of the document, with the parameters of its path.
type operation struct {
	*openapi3.Operation
	method, path string
	parameters   []*openapi3.Parameter
	webhook      bool
}

func operations(doc *openapi3.T) []operation {
	var all []operation
	add := func(path string, item *openapi3.PathItem, webhook bool) {
		ops := item.Operations()
		for _, method := range slices.Sorted(maps.Keys(ops)) {
			op := operation{Operation: ops[method], method: method, path: path, webhook: webhook}
			for _, p := range append(slices.Clone(item.Parameters), ops[method].Parameters...) {
				op.parameters = append(op.parameters, p.Value)
			}
			all = append(all, op)
		}
	}
	for _, path := range doc.Paths.InMatchingOrder() {
		add(path, doc.Paths.Value(path), false)
	}
	for _, name := range slices.Sorted(maps.Keys(doc.Webhooks)) {
		add(name, doc.Webhooks[name], true)
	}
	return all
}

// Section 10: the document is a valid one, and so are its examples and defaults.
func TestDocumentIsValid(t *testing.T) {
	doc := load(t)
	if !doc.IsOpenAPI31OrLater() {
		t.Errorf("openapi is %s", doc.OpenAPI)
	}
	err := doc.Validate(context.Background(),
		openapi3.EnableExamplesValidation(), openapi3.EnableSchemaDefaultsValidation(), openapi3.EnableMultiError())
	if err != nil {
		t.Error(err)
	}
}

// Section 10: the calls of the table, and no others.
func TestDocumentHasTheCallsOfTheTable(t *testing.T) {
	want := strings.Fields(`
		GET:/v1/agents GET:/v1/agents/{agent_id} PUT:/v1/agents/{agent_id} POST:/v1/agents/{agent_id}/release POST:/v1/emergency/release
		PUT:/v1/agents/{agent_id}/occurrences/{occurrence_id} GET:/v1/agents/{agent_id}/occurrences
		GET:/v1/agents/{agent_id}/occurrences/{occurrence_id} DELETE:/v1/agents/{agent_id}/occurrences/{occurrence_id}
		POST:/v1/agents/{agent_id}/occurrences/{occurrence_id}/heartbeats GET:/v1/agents/{agent_id}/occurrences/{occurrence_id}/instructions
		POST:/v1/agents/{agent_id}/occurrences/{occurrence_id}/instructions/{instruction_id}/acknowledgement
		POST:/v1/agents/{agent_id}/wakeups POST:/v1/agents/{agent_id}/shutdowns GET:/v1/agents/{agent_id}/plan
		GET:/v1/agents/{agent_id}/shared-tasks/{kind} GET:/v1/rollouts GET:/v1/rollouts/{rollout_id} POST:/v1/rollouts/{rollout_id}/claim
		POST:/v1/rollouts/{rollout_id}/decision POST:/v1/rollouts/{rollout_id}/pause POST:/v1/rollouts/{rollout_id}/resume
		POST:/v1/rollouts/{rollout_id}/promote POST:/v1/rollouts/{rollout_id}/retry POST:/v1/rollouts/{rollout_id}/abort
		GET:/v1/rollouts/{rollout_id}/events GET:/v1/agents/{agent_id}/events GET:/v1/incidents POST:/v1/incidents/{incident_id}/resolve
		POST:/v1/emergency/shutdown GET:/healthz GET:/readyz GET:/metrics GET:/openapi.yaml GET:/.well-known/webhook-keys`)
	var got []string
	for _, op := range operations(load(t)) {
		if !op.webhook {
			got = append(got, op.method+":"+op.path)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("calls\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Each operation has a name that Go can use, says what it is about and who may
// call it, and shows an example of each body.
func TestOperationsAreDescribed(t *testing.T) {
	name := regexp.MustCompile(`^[A-Z][A-Za-z]+$`)
	doc := load(t)
	seen := map[string]bool{}
	for _, op := range operations(doc) {
		t.Run(op.OperationID, func(t *testing.T) {
			if !name.MatchString(op.OperationID) || seen[op.OperationID] {
				t.Errorf("%s %s: operationId %q is no name, or not the only one", op.method, op.path, op.OperationID)
			}
			seen[op.OperationID] = true
			if op.Summary == "" || strings.HasSuffix(op.Summary, ".") {
				t.Errorf("summary %q", op.Summary)
			}
			if len(op.Tags) != 1 || doc.Tags.Get(op.Tags[0]) == nil {
				t.Errorf("tags %v", op.Tags)
			}
			rights, _ := op.Extensions["x-right"].([]any)
			if open := op.Security != nil && len(*op.Security) == 0; open != (len(rights) == 0) {
				t.Errorf("rights %v, security %v", rights, op.Security)
			}
			if op.RequestBody != nil {
				checkExamples(t, "request", op.RequestBody.Value.Content)
			}
			for status, response := range op.Responses.Map() {
				checkExamples(t, status, response.Value.Content)
			}
			for _, p := range op.parameters {
				if p.Description == "" {
					t.Errorf("parameter %s is not described", p.Name)
				}
			}
		})
	}
}

func checkExamples(t *testing.T, where string, content openapi3.Content) {
	t.Helper()
	for media, c := range content {
		if len(c.Examples) == 0 {
			t.Errorf("%s: %s has no example", where, media)
		}
	}
}

// Rule 10.6: each operation lists the refusals that it can answer.
func TestOperationsListTheirRefusals(t *testing.T) {
	for _, op := range operations(load(t)) {
		if op.webhook {
			continue
		}
		want := map[string]bool{"500": true}
		if _, guarded := op.Extensions["x-right"]; guarded {
			want["401"], want["403"], want["503"] = true, true, true
			want["429"] = op.OperationID != "EmergencyShutdown" // rule 10.9
			want["422"] = true                                  // at least for a parameter that nobody asked for
		}
		if op.RequestBody != nil {
			for _, status := range []string{"400", "413", "415", "422"} {
				want[status] = true
			}
		}
		for status, wanted := range want {
			if wanted && op.Responses.Value(status) == nil {
				t.Errorf("%s lacks %s", op.OperationID, status)
			}
		}
		for status, response := range op.Responses.Map() {
			problem := response.Value.Content["application/problem+json"] != nil
			if problem != (status >= "400") {
				t.Errorf("%s: %s is a problem document: %v", op.OperationID, status, problem)
			}
		}
		if created := map[string]bool{"PutAgent": true, "RegisterOccurrence": true, "Heartbeat": true}; strings.Contains(op.path, "{") &&
			op.Responses.Value("404") == nil && !created[op.OperationID] {
			t.Errorf("%s lacks 404", op.OperationID)
		}
	}
}

// Rule 10.6: codes are stable. Each is shown in an example of an answer.
func TestEveryCodeHasAnExample(t *testing.T) {
	doc := load(t)
	shown := map[string]bool{}
	for _, response := range doc.Components.Responses {
		for _, c := range response.Value.Content {
			for _, example := range c.Examples {
				if body, ok := example.Value.Value.(map[string]any); ok {
					code, _ := body["code"].(string)
					shown[code] = true
					if typ, _ := body["type"].(string); typ != "urn:orchestrator:problem:"+code {
						t.Errorf("type %q of code %q", typ, code)
					}
				}
			}
		}
	}
	for _, code := range doc.Components.Schemas["ErrorCode"].Value.Enum {
		if text, _ := code.(string); !shown[text] {
			t.Errorf("%v is in no example", code)
		}
	}
}

// Rule 10.6: unknown fields are refused, so the schemas of what is sent are closed.
// A signed command is not: whatever is wrong with it is one 403 (rule 8.6).
func TestRequestBodiesAreClosed(t *testing.T) {
	doc := load(t)
	var visit func(name string, s *openapi3.SchemaRef)
	visit = func(name string, s *openapi3.SchemaRef) {
		if strings.HasSuffix(s.Ref, "/SignedCommand") {
			return
		}
		v := s.Value
		if v.Type.Is("object") && v.AdditionalProperties.Schema == nil && (v.AdditionalProperties.Has == nil || *v.AdditionalProperties.Has) {
			t.Errorf("%s %s takes any field", name, s.Ref)
		}
		for property, sub := range v.Properties {
			visit(name+"."+property, sub)
		}
		for _, sub := range v.OneOf {
			visit(name, sub)
		}
		if v.Items != nil {
			visit(name+"[]", v.Items)
		}
	}
	for _, op := range operations(doc) {
		if op.RequestBody == nil || op.webhook {
			continue
		}
		for _, c := range op.RequestBody.Value.Content {
			visit(op.OperationID, c.Schema)
		}
	}
}
