package wire

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
)

// SetText lays the text of a parameter onto what dst points to: a string, a whole
// number, true or false, a form of this package, or a pointer to one of these,
// which is made where it is nil. The error says what is wanted, for a
// [FieldError]; what dst points to is of no use then.
func SetText(dst any, text string) error {
	target := reflect.ValueOf(dst).Elem()
	if target.Kind() == reflect.Pointer {
		made := reflect.New(target.Type().Elem())
		if err := SetText(made.Interface(), text); err != nil {
			return err
		}
		target.Set(made)
		return nil
	}
	if !setText(target, text) {
		return fmt.Errorf("%s is wanted, not %s", wanted(target.Type()), short(strconv.Quote(text)))
	}
	return nil
}

// setText reports whether the text is one for the type.
func setText(target reflect.Value, text string) bool {
	if reader, ok := target.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return reader.UnmarshalText([]byte(text)) == nil
	}
	switch target.Kind() { //nolint:exhaustive // the rest is no type of a parameter
	case reflect.String:
		target.SetString(text)
		return true
	case reflect.Int, reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, target.Type().Bits())
		if err == nil {
			target.SetInt(n)
		}
		return err == nil
	case reflect.Bool:
		target.SetBool(text == "true")
		return text == "true" || text == "false"
	default:
		return false
	}
}

// short repeats a text in an answer, unless it is long.
func short(text string) string {
	const most = 40
	if len(text) > most {
		return "what was given"
	}
	return text
}
