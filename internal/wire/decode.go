package wire

import (
	"bytes"
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Decode lays raw onto the struct that v points to.
//
// A member's name must be a field's json name, letter by letter; a field whose
// tag lacks omitempty must be there; null is wanted nowhere. What is not one
// well-formed JSON value is a *[SyntaxError] and v is untouched. What is well
// formed and does not fit is [Invalid], all of it at once; v then holds what did
// fit, so that its constraints can be looked at in the same breath.
func Decode(raw []byte, v any) error {
	if err := checkSyntax(raw); err != nil {
		return err
	}
	d := decoder{tokens: jsontext.NewDecoder(bytes.NewReader(raw))}
	if err := d.value(reflect.ValueOf(v).Elem(), ""); err != nil {
		return syntaxError(err)
	}
	if len(d.bad) > 0 {
		return d.bad
	}
	return nil
}

// A form is a type that says for itself what it wants to read.
type form interface{ Wanted() string }

// decoder reads one text. Its methods return only errors of the text itself, and
// collect in bad whatever does not fit.
type decoder struct {
	tokens *jsontext.Decoder
	bad    Invalid
}

func (d *decoder) complain(at jsontext.Pointer, format string, args ...any) {
	d.bad = append(d.bad, FieldError{Pointer: at, Detail: fmt.Sprintf(format, args...)})
}

// value reads the next value into dst.
func (d *decoder) value(dst reflect.Value, at jsontext.Pointer) error {
	if dst.Kind() == reflect.Pointer {
		target := reflect.New(dst.Type().Elem())
		before := len(d.bad)
		if err := d.value(target.Elem(), at); err != nil {
			return err
		}
		// What could not be read stays absent; of a struct the other fields stand.
		if len(d.bad) == before || isObject(target.Type().Elem()) {
			dst.Set(target)
		}
		return nil
	}
	switch kind := d.tokens.PeekKind(); {
	case kind == 'n':
		d.complain(at, "null where %s is wanted", wanted(dst.Type()))
		return d.tokens.SkipValue()
	case readsItself(dst.Type()):
		return d.leaf(dst, at)
	case isObject(dst.Type()) && kind == '{':
		return d.object(dst, at)
	case dst.Kind() == reflect.Slice && kind == '[':
		return d.array(dst, at)
	case dst.Kind() == reflect.Map && kind == '{':
		return d.table(dst, at)
	default:
		return d.leaf(dst, at)
	}
}

// object reads the members of an object into the fields of a struct.
func (d *decoder) object(dst reflect.Value, at jsontext.Pointer) error {
	fields := fieldsOf(dst.Type())
	seen := make([]bool, len(fields))
	err := d.members(func(name string) error {
		here := at.AppendToken(name)
		i := indexOf(fields, name)
		if i < 0 {
			d.complain(here, "%s", unknown(fields, name))
			return d.tokens.SkipValue()
		}
		seen[i] = true
		return d.value(dst.Field(fields[i].index), here)
	})
	for i, f := range fields {
		if f.required && !seen[i] {
			d.complain(at.AppendToken(f.name), "missing; %s is wanted", wanted(dst.Type().Field(f.index).Type))
		}
	}
	return err
}

// members calls read for each member of the next value, an object, when its name
// has been read and its value is next.
func (d *decoder) members(read func(name string) error) error {
	if _, err := d.tokens.ReadToken(); err != nil {
		return err
	}
	for d.tokens.PeekKind() != '}' {
		name, err := d.tokens.ReadToken()
		if err != nil {
			return err
		}
		if err := read(name.String()); err != nil {
			return err
		}
	}
	_, err := d.tokens.ReadToken()
	return err
}

// array reads the elements of an array into a slice.
func (d *decoder) array(dst reflect.Value, at jsontext.Pointer) error {
	if _, err := d.tokens.ReadToken(); err != nil {
		return err
	}
	list := reflect.MakeSlice(dst.Type(), 0, 0)
	for i := 0; d.tokens.PeekKind() != ']'; i++ {
		item := reflect.New(dst.Type().Elem()).Elem()
		if err := d.value(item, at.AppendToken(strconv.Itoa(i))); err != nil {
			return err
		}
		list = reflect.Append(list, item)
	}
	dst.Set(list)
	_, err := d.tokens.ReadToken()
	return err
}

// table reads an object with free names into a map with string keys.
func (d *decoder) table(dst reflect.Value, at jsontext.Pointer) error {
	dst.Set(reflect.MakeMap(dst.Type()))
	return d.members(func(name string) error {
		item := reflect.New(dst.Type().Elem()).Elem()
		before := len(d.bad)
		if err := d.value(item, at.AppendToken(name)); err != nil {
			return err
		}
		if len(d.bad) == before {
			dst.SetMapIndex(reflect.ValueOf(name).Convert(dst.Type().Key()), item)
		}
		return nil
	})
}

// leaf reads a value that is no struct, slice or map, or that reads itself.
func (d *decoder) leaf(dst reflect.Value, at jsontext.Pointer) error {
	raw, err := d.tokens.ReadValue()
	if err != nil {
		return err
	}
	err = json.Unmarshal(raw, dst.Addr().Interface(), json.RejectUnknownMembers(true))
	if err == nil {
		return nil
	}
	dst.SetZero()
	var s *json.SemanticError
	if errors.As(err, &s) {
		at += s.JSONPointer
	}
	d.complain(at, "%s is wanted, not %s", wanted(dst.Type()), given(raw))
	return nil
}

// isObject reports whether a type is read member by member.
func isObject(t reflect.Type) bool { return t.Kind() == reflect.Struct && !readsItself(t) }

// readsItself reports whether a type has its own way of reading JSON.
func readsItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[json.UnmarshalerFrom]()) ||
		p.Implements(reflect.TypeFor[json.Unmarshaler]()) ||
		p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// wanted says in words what a type reads.
func wanted(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if f, ok := reflect.Zero(t).Interface().(form); ok {
		return f.Wanted()
	}
	switch t.Kind() { //nolint:exhaustive // the rest is no type of a request
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Slice:
		return "an array"
	default:
		return "an object"
	}
}

// given says in words what came instead.
func given(raw jsontext.Value) string {
	switch {
	case raw.Kind() == '[':
		return "an array"
	case raw.Kind() == '{':
		return "an object"
	default:
		return short(string(raw))
	}
}

// unknown says that no field has a name, and which one may be meant.
func unknown(fields []field, name string) string {
	for _, f := range fields {
		if strings.EqualFold(f.name, name) {
			return fmt.Sprintf("unknown field; letter case counts: %q", f.name)
		}
	}
	return "unknown field"
}
