package storetest

import (
	"fmt"
	"reflect"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// choices are the values of the types that know only some.
var choices = map[reflect.Type][]string{
	reflect.TypeFor[rollout.Kind]():            {"wakeup", "shutdown", "emergency"},
	reflect.TypeFor[rollout.Status]():          {"deciding", "rolling", "paused", "halted", "deferred"},
	reflect.TypeFor[rollout.WaveStatus]():      {"running", "passed", "failed", "skipped", "delayed", "cancelled", "pending"},
	reflect.TypeFor[rollout.MemberStatus]():    {"instructed", "reached", "lost", "acknowledged", "failed", "skipped", "cancelled", "pending"},
	reflect.TypeFor[rollout.TaskStatus]():      {"ACTIVE", "COMPLETED", "FAILED", "PENDING"},
	reflect.TypeFor[rollout.Verdict]():         {"accept", "reject", "defer"},
	reflect.TypeFor[rollout.Consent]():         {"required", "instant"},
	reflect.TypeFor[rollout.OnTimeout]():       {"fail", "accept"},
	reflect.TypeFor[rollout.OnFailure]():       {"halt", "continue", "fail"},
	reflect.TypeFor[rollout.SizeKind]():        {"count", "percent", "rest"},
	reflect.TypeFor[rollout.InstructionType](): {"deliberate", "wake", "stop", "rehearse"},
	reflect.TypeFor[rollout.IncidentType]():    {"wave_failed", "straggler", "member_stuck", "undeliverable"},
	reflect.TypeFor[discovery.State]():         {"work", "play", "solitude", "dream", "wakeup", "error"},
}

// filler makes values in which every field is set and differs from all others.
//
// Of booleans not all can differ from each other. Those of pattern 0 are all
// true; the k-th of pattern p is bit p-1 of k, so that of any two near each
// other one is false and the other true in some pattern.
type filler struct {
	n       int
	bools   int
	pattern int
	base    time.Time // times are after it
}

// boolPatterns is how many patterns tell all booleans of a value apart.
const boolPatterns = 5

// fill sets v, which must be addressable, and everything below it. A string of
// a named type needs a row in choices: a store may refuse what is no value.
func (f *filler) fill(v reflect.Value) {
	f.n++
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(f.base.Add(time.Duration(f.n) * 1_000_001 * time.Microsecond)))
		return
	case time.Duration:
		v.SetInt(int64(time.Duration(f.n) * 1_000_001 * time.Microsecond))
		return
	}
	switch v.Kind() { //nolint:exhaustive // what is not listed is refused below
	case reflect.String:
		f.fillString(v)
	case reflect.Bool:
		v.SetBool(f.pattern == 0 || f.bools>>(f.pattern-1)&1 == 1)
		f.bools++
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(f.n))
	case reflect.Struct:
		for i := range v.NumField() {
			f.fill(v.Field(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem())
	case reflect.Uint8:
		v.SetUint(uint64(f.n % 256)) //nolint:gosec // G115: less than 256
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		f.fill(v.Index(0))
		f.fill(v.Index(1))
	case reflect.Map:
		f.fillMap(v)
	case reflect.Interface:
		v.Set(reflect.ValueOf(fmt.Sprintf("any %d", f.n)))
	default:
		panic(fmt.Sprintf("storetest cannot make a %s", v.Type()))
	}
}

func (f *filler) fillString(v reflect.Value) {
	if v.Type() == reflect.TypeFor[string]() {
		// Not ASCII alone, and with what needs care in SQL and in JSON.
		v.SetString(fmt.Sprintf("text %d '\"\\ ? $1 %%s :x é ☃ 𝄞", f.n))
		return
	}
	values, known := choices[v.Type()]
	if !known {
		panic(fmt.Sprintf("storetest knows no values of %s", v.Type()))
	}
	v.SetString(values[f.n%len(values)])
}

func (f *filler) fillMap(v reflect.Value) {
	v.Set(reflect.MakeMap(v.Type()))
	for range 2 {
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		for f.fill(key); v.MapIndex(key).IsValid(); {
			f.fill(key)
		}
		f.fill(value)
		v.SetMapIndex(key, value)
	}
}

// filled makes a value in which every field is set, with times after base.
// Values made from one filler differ from each other too.
func filled[T any](f *filler) T {
	var made T
	f.fill(reflect.ValueOf(&made).Elem())
	return made
}
