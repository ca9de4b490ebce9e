package wire

import (
	"reflect"
	"strings"
)

// field is one member that a struct has in JSON.
type field struct {
	name     string
	index    int
	required bool
}

// fieldsOf lists the members of a struct in the order of its fields. A field
// without a json name is no member; one without omitempty is required.
func fieldsOf(t reflect.Type) []field {
	fields := make([]field, 0, t.NumField())
	for i := range t.NumField() {
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		optional := strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero")
		fields = append(fields, field{name: name, index: i, required: !optional})
	}
	return fields
}

// indexOf finds a member by its exact name, or returns -1.
func indexOf(fields []field, name string) int {
	for i, f := range fields {
		if f.name == name {
			return i
		}
	}
	return -1
}
