package api

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-chi/chi/v5"
	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/cirisai/orchestrator"
)

func document(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(orchestrator.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// reached runs a route on a request and tells whether its operation was called: it
// is called on no implementation at all, which panics.
func reached(t *testing.T, rt route, r *http.Request, params map[string]string) (err error, called bool) {
	t.Helper()
	rctx := chi.NewRouteContext()
	for name, value := range params {
		rctx.URLParams.Add(name, value)
	}
	c := &call{operation: rt.operation, query: r.URL.Query(), checker: newChecker()}
	c.request = r.WithContext(context.WithValue(context.WithValue(r.Context(), chi.RouteCtxKey, rctx), recordKey{}, &record{call: c}))
	defer func() { called = recover() != nil }()
	_, err = rt.serve(c)
	return err, false
}

// Section 10: what openapi.yaml shows as a request is one. So the constraints that
// are checked here are no stricter than those that are written there.
func TestRequestExamplesAreTaken(t *testing.T) {
	doc := document(t)
	params := map[string]string{
		"agent_id": "scout", "occurrence_id": "default", "rollout_id": "ro_1", "instruction_id": "in_1", "incident_id": "ic_1", "kind": "wakeup",
	}
	for _, rt := range routes(nil) {
		op := doc.Paths.Value(rt.operation.Pattern).GetOperation(rt.operation.Method)
		bodies := map[string]string{"none": ""}
		if op.RequestBody != nil {
			bodies = map[string]string{}
			for name, example := range op.RequestBody.Value.Content["application/json"].Examples {
				raw, err := json.Marshal(example.Value.Value)
				if err != nil {
					t.Fatal(err)
				}
				bodies[name] = string(raw)
			}
		}
		for name, body := range bodies {
			t.Run(rt.operation.ID+"/"+name, func(t *testing.T) {
				r := httptest.NewRequest(rt.operation.Method, "/?"+requiredQuery(op), strings.NewReader(body))
				r.Header.Set("Content-Type", "application/json")
				if err, called := reached(t, rt, r, params); !called {
					t.Errorf("refused: %v", err)
				}
			})
		}
	}
}

func requiredQuery(op *openapi3.Operation) string {
	for _, p := range op.Parameters {
		if p.Value.Required && p.Value.In == "query" {
			return p.Value.Name + "=b1"
		}
	}
	return ""
}

// answers are the types of what is answered and shown.
var answers = map[string]any{
	"AgentList": AgentList{}, "Agent": Agent{}, "OccurrenceList": OccurrenceList{}, "Occurrence": Occurrence{}, "HeartbeatAnswer": HeartbeatAnswer{},
	"InstructionList": InstructionList{}, "Delivery": Delivery{}, "Acknowledgement": Acknowledgement{}, "WakeupAnswer": WakeupAnswer{},
	"ClaimAnswer": ClaimAnswer{}, "Rollout": Rollout{}, "RolloutList": RolloutList{}, "PlanForecast": PlanForecast{}, "SharedTask": SharedTask{},
	"EventList": EventList{}, "IncidentList": IncidentList{}, "Incident": Incident{}, "EmergencyAnswer": EmergencyAnswer{}, "ReleaseAnswer": ReleaseAnswer{},
	"WebhookKeys": WebhookKeys{}, "Health": Health{},
}

// Rules 10.1 to 10.5: what openapi.yaml shows as an answer reads into the type of
// that answer and is written again member for member.
func TestAnswerExamplesAreWhatIsWritten(t *testing.T) {
	doc := document(t)
	check := func(where string, content openapi3.Content) {
		for media, c := range content {
			name := c.Schema.Ref[strings.LastIndex(c.Schema.Ref, "/")+1:]
			model, known := answers[name]
			if !strings.HasSuffix(media, "json") || !known {
				continue
			}
			for example, shown := range c.Examples {
				if err := writtenAgain(model, shown.Value.Value); err != nil {
					t.Errorf("%s, example %s, as %s: %v", where, example, name, err)
				}
			}
		}
	}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			for status, response := range op.Responses.Map() {
				check(method+" "+path+" "+status, response.Value.Content)
			}
		}
	}
	check("instruction", doc.Webhooks["instruction"].Post.RequestBody.Value.Content)
}

func writtenAgain(model, example any) error {
	want, err := json.Marshal(example)
	if err != nil {
		return err
	}
	value := reflect.New(reflect.TypeOf(model)).Interface()
	if err := jsonv2.Unmarshal(want, value, jsonv2.RejectUnknownMembers(true)); err != nil {
		return err
	}
	got, err := jsonv2.Marshal(value)
	if err != nil {
		return err
	}
	for _, v := range []*[]byte{&want, &got} {
		if err := (*jsontext.Value)(v).Canonicalize(); err != nil {
			return err
		}
	}
	if string(want) != string(got) {
		return fmt.Errorf("%s\nis written as\n%s", want, got)
	}
	return nil
}

// requests are the types of what is sent.
var requests = map[string]any{
	"AgentSettings": AgentSettings{}, "AgentPlans": AgentPlans{}, "AgentMessages": AgentMessages{}, "Plan": Plan{}, "WavePlan": WavePlan{},
	"OccurrenceRegistration": OccurrenceRegistration{}, "HeartbeatReport": HeartbeatReport{}, "IncidentCounts": IncidentCounts{},
	"AcknowledgementRequest": AcknowledgementRequest{}, "WakeupRequest": WakeupRequest{}, "ShutdownRequest": ShutdownRequest{},
	"ClaimRequest": ClaimRequest{}, "DecisionRequest": DecisionRequest{}, "CommandRequest": CommandRequest{}, "PromoteRequest": PromoteRequest{},
	"ReasonRequest": ReasonRequest{}, "EmergencyRequest": EmergencyRequest{},
}

// Rule 10.6: each constraint that openapi.yaml names for a field that is sent is
// checked, and a field is required here when it is there.
func TestConstraintsAreChecked(t *testing.T) {
	doc := document(t)
	for name, model := range requests {
		schema := doc.Components.Schemas[name].Value
		typ := reflect.TypeOf(model)
		if typ.NumField() != len(schema.Properties) {
			t.Errorf("%s has %d fields for %d properties", name, typ.NumField(), len(schema.Properties))
		}
		for i := range typ.NumField() {
			field := typ.Field(i)
			property, options, _ := strings.Cut(field.Tag.Get("json"), ",")
			compare(t, name+"."+property, constraints(schema.Properties[property].Value), strings.Split(field.Tag.Get("validate"), ","))
			if required := slices.Contains(schema.Required, property); required == strings.Contains(options, "omitempty") {
				t.Errorf("%s.%s: required %v, json options %q", name, property, required, options)
			}
		}
	}
}

// The same for parameters.
func TestParameterConstraintsAreChecked(t *testing.T) {
	doc := document(t)
	checked := 0
	for _, rt := range routes(nil) {
		item := doc.Paths.Value(rt.operation.Pattern)
		request := reflect.TypeOf(requestOf(t, rt))
		for _, p := range append(slices.Clone(item.Parameters), item.GetOperation(rt.operation.Method).Parameters...) {
			tag, found := parameterTag(request, p.Value.Name)
			if !found {
				t.Errorf("%s: no field for %s", rt.operation.ID, p.Value.Name)
			}
			want := append(constraints(p.Value.Schema.Value), inWords(p.Value.Description)...)
			compare(t, rt.operation.ID+" "+p.Value.Name, want, strings.Split(tag, ","))
			checked++
		}
	}
	if checked < 50 {
		t.Errorf("only %d parameters were looked at", checked)
	}
}

// requestOf finds the type of an operation's request object: that of the parameter
// of its method.
func requestOf(t *testing.T, rt route) any {
	t.Helper()
	method, ok := reflect.TypeFor[StrictServerInterface]().MethodByName(rt.operation.ID)
	if !ok {
		t.Fatalf("there is no method %s", rt.operation.ID)
	}
	return reflect.New(method.Type.In(1)).Elem().Interface()
}

func parameterTag(request reflect.Type, name string) (tag string, found bool) {
	types := []reflect.Type{request}
	if params, ok := request.FieldByName("Params"); ok {
		types = append(types, params.Type)
	}
	for _, typ := range types {
		for i := range typ.NumField() {
			if json, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ","); json == name {
				return typ.Field(i).Tag.Get("validate"), true
			}
		}
	}
	return "", false
}

// patterns are the checks that stand for a pattern, and for the lengths in it.
var patterns = map[string]string{
	`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`: "id",
	`^[!-~]{1,128}$`:                     "boot",
	`^[!-~]{1,256}$`:                     "opaque",
	`^[!-~]+$`:                           "printable",
	`^whsec_([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)$`: "whsec",
}

// constraints are the checks that a schema asks for.
func constraints(s *openapi3.Schema) []string {
	var want []string
	add := func(format string, args ...any) { want = append(want, fmt.Sprintf(format, args...)) }
	if s.Pattern != "" {
		add("%s", patterns[s.Pattern])
	} else if s.MinLength > 0 {
		add("min=%d", s.MinLength)
	}
	if s.MaxLength != nil {
		add("max=%d", *s.MaxLength)
	}
	if len(s.Enum) > 0 {
		add("enum")
	}
	if s.Const != nil {
		add("eq=%v", s.Const)
	}
	if s.Min != nil {
		add("min=%v", *s.Min)
	}
	if s.Max != nil {
		add("max=%d", int(*s.Max))
	}
	if s.Type.Is("array") {
		add("min=%d", s.MinItems)
		add("max=%d", *s.MaxItems)
		add("dive")
	}
	if s.MaxProps != nil {
		add("max=%d", *s.MaxProps)
	}
	return append(want, inWords(s.Description)...)
}

var words = map[string]*regexp.Regexp{
	"max=720h": regexp.MustCompile(`at most 720h`), "gt=0s": regexp.MustCompile(`more than zero|longer than zero`), "max=60s": regexp.MustCompile(`at most 60s`),
}

// inWords are the bounds of durations, which a schema can but tell of.
func inWords(description string) []string {
	var want []string
	for tag, pattern := range words {
		if pattern.MatchString(description) {
			want = append(want, tag)
		}
	}
	return want
}

// compare wants each constraint among the tags, and no tag that nothing is said of.
// The bounds of a number or percentage, and durations from 0s, are in the tags alone.
func compare(t *testing.T, where string, want, tags []string) {
	t.Helper()
	has := map[string]bool{}
	for _, tag := range tags {
		has[tag] = true
	}
	for _, tag := range want {
		if !has[tag] {
			t.Errorf("%s: %s is not checked, only %v", where, tag, tags)
		}
		delete(has, tag)
	}
	for _, implied := range []string{"", "omitempty", "min=0s"} {
		delete(has, implied)
	}
	if strings.HasSuffix(where, "min_healthy") || strings.HasSuffix(where, "max_failed") || strings.HasSuffix(where, "max_concurrent") {
		delete(has, "min=0")
		delete(has, "min=1")
	}
	if len(has) > 0 {
		t.Errorf("%s: %v is checked, and openapi.yaml does not say so", where, slices.Sorted(maps.Keys(has)))
	}
}

// Rule 10.6: codes.go has each code of openapi.yaml once, and the status that the
// examples show.
func TestCodesHaveAMeaning(t *testing.T) {
	doc := document(t)
	codes := ErrorCode("").Values()
	if len(codes) != len(meanings) {
		t.Errorf("%d codes, %d meanings", len(codes), len(meanings))
	}
	for _, code := range codes {
		if m := meanings[ErrorCode(code)]; m.status < 400 || m.title == "" {
			t.Errorf("%s means %+v", code, m)
		}
	}
	for name, response := range doc.Components.Responses {
		for _, example := range response.Value.Content["application/problem+json"].Examples {
			raw, err := json.Marshal(example.Value.Value)
			if err != nil {
				t.Fatal(err)
			}
			var p Problem
			if err := json.Unmarshal(raw, &p); err != nil {
				t.Fatal(err)
			}
			if m := meanings[p.Code]; m.status != p.Status || m.title != p.Title {
				t.Errorf("%s shows %d %q for %s, which means %+v", name, p.Status, p.Title, p.Code, m)
			}
		}
	}
}
