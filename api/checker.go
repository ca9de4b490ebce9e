package api

import (
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/go-playground/validator/v10"

	"github.com/cirisai/orchestrator/internal/wire"
)

// checker looks whether a request keeps the constraints of openapi.yaml, by the
// validate tags of its fields and the rules of rules.go.
type checker struct{ validate *validator.Validate }

var (
	idPattern     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)
	bootPattern   = regexp.MustCompile(`^[!-~]{1,128}$`)
	opaquePattern = regexp.MustCompile(`^[!-~]{1,256}$`)
	printable     = regexp.MustCompile(`^[!-~]+$`)
)

// closed is a type with a closed set of values.
type closed interface {
	Valid() bool
	Values() []string
}

// newChecker makes a checker. It panics where a tag or a rule makes no sense, which
// no request can bring about.
func newChecker() *checker {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(func(f reflect.StructField) string {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		return name
	})
	v.RegisterCustomTypeFunc(func(v reflect.Value) any { return time.Duration(v.Int()) }, wire.Duration(0))
	v.RegisterCustomTypeFunc(func(v reflect.Value) any { return v.Field(0).Int() }, wire.NumberOrPercent{})
	for tag, holds := range map[string]func(validator.FieldLevel) bool{
		"id":        matches(idPattern),
		"boot":      matches(bootPattern),
		"opaque":    matches(opaquePattern),
		"printable": matches(printable),
		"whsec":     func(f validator.FieldLevel) bool { return isSecret(f.Field().String()) },
		"enum": func(f validator.FieldLevel) bool {
			value, ok := f.Field().Interface().(closed)
			return ok && value.Valid()
		},
	} {
		if err := v.RegisterValidation(tag, holds); err != nil {
			panic(fmt.Sprintf("api: validation %s: %v", tag, err))
		}
	}
	registerRules(v)
	return &checker{validate: v}
}

func matches(pattern *regexp.Regexp) func(validator.FieldLevel) bool {
	return func(f validator.FieldLevel) bool { return pattern.MatchString(f.Field().String()) }
}

// isSecret reports whether s is a Standard Webhooks secret.
func isSecret(s string) bool {
	encoded, ok := strings.CutPrefix(s, "whsec_")
	key, err := base64.StdEncoding.DecodeString(encoded)
	return ok && err == nil && len(key) > 0 && !strings.ContainsAny(encoded, "\r\n")
}

// check adds to bad what does not hold in a request object, but not where something
// worse was said already. query names the operation's query parameters.
func (k *checker) check(request any, query []string, bad wire.Invalid) wire.Invalid {
	err := k.validate.Struct(request)
	var broken validator.ValidationErrors
	if !errors.As(err, &broken) {
		return bad
	}
	said := slices.Clone(bad)
	for _, b := range broken {
		at := pointerTo(b.Namespace(), query)
		if !said.Covers(at) && !coversAny(said, at, b) {
			bad = append(bad, wire.FieldError{Pointer: at, Detail: detail(b)})
		}
	}
	return bad
}

// coversAny reports whether something was said about a member that a rule of
// rules.go looks at. Such a rule names them where other constraints name the field.
func coversAny(said wire.Invalid, at jsontext.Pointer, b validator.FieldError) bool {
	if b.Tag() != ruleTag {
		return false
	}
	for _, member := range strings.Fields(b.StructField()) {
		if said.Covers(at.AppendToken(member)) {
			return true
		}
	}
	return false
}

// pointerTo turns a place as the validator names it into a JSON pointer:
// XRequestObject.Body.plan.waves[0].group is /plan/waves/0/group, and a place
// outside the body is in the path, the query or a header.
func pointerTo(namespace string, query []string) jsontext.Pointer {
	_, place, _ := strings.Cut(namespace, ".")
	place, ready, _ := strings.Cut(place, "./") // rules.go may end with a pointer of its own
	if ready != "" {
		ready = "/" + ready
	}
	place = strings.TrimSuffix(place, ".")
	if name, ok := strings.CutPrefix(place, "Params."); ok {
		if slices.Contains(query, name) {
			return jsonPointer("/query/" + name)
		}
		return jsonPointer("/header/" + name)
	}
	inBody, ok := strings.CutPrefix(place+".", "Body.")
	if !ok {
		return jsonPointer("/path/" + place)
	}
	inBody = strings.NewReplacer("[", "/", "]", "", ".", "/").Replace(strings.TrimSuffix(inBody, "."))
	if inBody != "" {
		inBody = "/" + inBody
	}
	return jsonPointer(inBody + ready)
}

// detail says what is wanted instead.
func detail(b validator.FieldError) string {
	switch b.Tag() {
	case ruleTag:
		return b.Param()
	case "id":
		return `letters, digits, ".", "_" and "-", at most 128, a letter or a digit first`
	case "boot":
		return "1 to 128 characters of printable ASCII without spaces"
	case "opaque":
		return "1 to 256 characters of printable ASCII without spaces"
	case "printable":
		return "printable ASCII without spaces"
	case "whsec":
		return `"whsec_" and a key in base64`
	case "enum":
		if value, ok := b.Value().(closed); ok {
			return "one of " + strings.Join(value.Values(), ", ")
		}
		return "another value"
	case "min":
		return "at least " + amount(b)
	case "max":
		return "at most " + amount(b)
	case "gt":
		return "more than " + b.Param()
	default:
		return b.Param()
	}
}

// amount is the parameter of min and max, with what it counts.
func amount(b validator.FieldError) string {
	switch b.Kind() { //nolint:exhaustive // what is not counted is measured
	case reflect.String:
		return counted(b.Param(), "character")
	case reflect.Slice:
		return counted(b.Param(), "entry")
	case reflect.Map:
		return counted(b.Param(), "label")
	default:
		return b.Param()
	}
}

func counted(n, what string) string {
	switch {
	case n == "1":
		return n + " " + what
	case strings.HasSuffix(what, "y"):
		return n + " " + strings.TrimSuffix(what, "y") + "ies"
	default:
		return n + " " + what + "s"
	}
}
