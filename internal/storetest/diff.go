package storetest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"sort"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// diff compares two values of one type and describes the first difference by
// its path; it is empty when there is none. Times are equal when they are the
// same instant, JSON when it says the same, and what is nil is equal to what is
// empty: a store need not tell those apart.
func diff(want, got any) string {
	return differ(reflect.ValueOf(want), reflect.ValueOf(got), reflect.TypeOf(want).Name())
}

func differ(want, got reflect.Value, path string) string {
	if want.Type() != got.Type() {
		return fmt.Sprintf("%s: want a %s, got a %s", path, want.Type(), got.Type())
	}
	switch w := want.Interface().(type) {
	case time.Time:
		if g, ok := got.Interface().(time.Time); !ok || !w.Equal(g) {
			return fmt.Sprintf("%s: want %v, got %v", path, w, got)
		}
		return ""
	case json.RawMessage:
		return differentJSON(w, got.Bytes(), path)
	}
	switch want.Kind() { //nolint:exhaustive // what is not listed is compared as a plain value
	case reflect.Struct:
		for i := range want.NumField() {
			if d := differ(want.Field(i), got.Field(i), path+"."+want.Type().Field(i).Name); d != "" {
				return d
			}
		}
		return ""
	case reflect.Pointer:
		if want.IsNil() || got.IsNil() {
			return unequal(want.IsNil() == got.IsNil(), want, got, path)
		}
		return differ(want.Elem(), got.Elem(), path)
	case reflect.Slice, reflect.Array:
		for i := range min(want.Len(), got.Len()) {
			if d := differ(want.Index(i), got.Index(i), fmt.Sprintf("%s[%d]", path, i)); d != "" {
				return d
			}
		}
		return unequal(want.Len() == got.Len(), want, got, path)
	case reflect.Map:
		return differentMaps(want, got, path)
	}
	return unequal(want.Equal(got), want, got, path)
}

func differentMaps(want, got reflect.Value, path string) string {
	keys := append(want.MapKeys(), got.MapKeys()...)
	sort.Slice(keys, func(i, j int) bool { return fmt.Sprint(keys[i]) < fmt.Sprint(keys[j]) })
	for _, key := range keys {
		at := fmt.Sprintf("%s[%v]", path, key)
		w, g := want.MapIndex(key), got.MapIndex(key)
		switch {
		case !w.IsValid():
			return at + ": want nothing, got an entry"
		case !g.IsValid():
			return at + ": want an entry, got nothing"
		}
		if d := differ(w, g, at); d != "" {
			return d
		}
	}
	return ""
}

func differentJSON(want, got []byte, path string) string {
	w, g := jsontext.Value(append([]byte(nil), want...)), jsontext.Value(append([]byte(nil), got...))
	if w.Canonicalize() != nil || g.Canonicalize() != nil || string(w) != string(g) {
		return fmt.Sprintf("%s: want %s, got %s", path, want, got)
	}
	return ""
}

func unequal(equal bool, want, got reflect.Value, path string) string {
	if equal {
		return ""
	}
	return fmt.Sprintf("%s: want %+v, got %+v", path, want, got)
}
