package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// called is how an operation is called in a scene: the target, and what the example
// of its body cannot know, such as the token of a claim.
type called struct {
	target  string
	unknown map[string]any
	headers []string
}

// scene calls one operation, with one example of its body if it has one, in the
// state that this needs, for an agent of its own.
type scene struct {
	operation, example string
	want               int
	arrange            func(h *house, agent string) called
}

// Section 10: every operation of openapi.yaml is called with every example of its
// body, and each answer is one that openapi.yaml describes.
func TestEveryOperation(t *testing.T) {
	overStores(t, func(t *testing.T, open opener) {
		h := newHouse(t, open)
		wanted := h.judge.examples()
		for i, s := range scenes() {
			name := strings.TrimSuffix(s.operation+"/"+s.example, "/")
			t.Run(fmt.Sprintf("%s %d", name, s.want), func(t *testing.T) {
				h.play(t, s, fmt.Sprintf("agent-%d", i))
			})
			delete(wanted, name)
		}
		for _, name := range slices.Sorted(maps.Keys(wanted)) {
			t.Errorf("no scene sends %s", name)
		}
		for _, op := range h.judge.operations() {
			if !h.judge.seen[op.id] {
				t.Errorf("no scene calls %s", op.id)
			}
		}
	})
}

// play plays a scene on a test of its own.
func (h *house) play(t *testing.T, s scene, agent string) {
	h.t = t
	method, body := h.judge.exampleOf(t, s)
	c := s.arrange(h, agent)
	for name, value := range c.unknown {
		body[name] = value
	}
	text := ""
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		text = string(raw)
	}
	if w := h.send(method, c.target, text, c.headers...); w.Code != s.want {
		t.Errorf("%s %s %s: %d %s, want %d", method, c.target, text, w.Code, w.Body, s.want)
	}
}

// described is an operation as the document has it.
type described struct {
	id, method, path string
	*openapi3.Operation
}

// operations lists the operations of the document in a fixed order.
func (j *judge) operations() []described {
	var all []described
	for _, path := range slices.Sorted(maps.Keys(j.doc.Paths.Map())) {
		ops := j.doc.Paths.Value(path).Operations()
		for _, method := range slices.Sorted(maps.Keys(ops)) {
			all = append(all, described{ops[method].OperationID, method, path, ops[method]})
		}
	}
	return all
}

// examples lists the examples of bodies, as "operation/example".
func (j *judge) examples() map[string]bool {
	all := map[string]bool{}
	for _, op := range j.operations() {
		if op.RequestBody == nil {
			continue
		}
		for name := range op.RequestBody.Value.Content["application/json"].Examples {
			all[op.id+"/"+name] = true
		}
	}
	return all
}

// exampleOf is the method of a scene and a copy of its body; nil without one.
func (j *judge) exampleOf(t *testing.T, s scene) (method string, body map[string]any) {
	t.Helper()
	for _, op := range j.operations() {
		if op.id != s.operation {
			continue
		}
		if s.example == "" {
			return op.method, nil
		}
		example := op.RequestBody.Value.Content["application/json"].Examples[s.example]
		if example == nil {
			t.Fatalf("%s has no example %s", s.operation, s.example)
		}
		shown, isObject := example.Value.Value.(map[string]any)
		if !isObject {
			t.Fatalf("%s/%s is no object", s.operation, s.example)
		}
		return op.method, maps.Clone(shown)
	}
	t.Fatalf("there is no operation %s", s.operation)
	return "", nil
}
