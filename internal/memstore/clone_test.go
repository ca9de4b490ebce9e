package memstore

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// TestClones: what crosses the boundary shares nothing with what is kept, every
// field considered, those of tomorrow too.
func TestClones(t *testing.T) {
	check := func(name string, original, clone any) {
		t.Helper()
		if !reflect.DeepEqual(original, clone) {
			t.Errorf("%s: the copy differs", name)
		}
		if path := shared(reflect.ValueOf(original), reflect.ValueOf(clone), name); path != "" {
			t.Errorf("%s is shared with its copy", path)
		}
	}
	state := full[rollout.State]()
	state.Rollouts = nil
	check("state", state, cloneState(state))
	profile := full[rollout.Profile]()
	check("profile", profile, cloneProfile(profile))
	r := full[rollout.Rollout]()
	check("rollout", r, cloneRollout(r))
	o := full[discovery.Occurrence]()
	check("occurrence", o, cloneOccurrence(o))
	in := full[rollout.Instruction]()
	check("instruction", in, cloneInstruction(in))
	a := full[engine.KeptAnswer]()
	check("answer", a, cloneAnswer(a))
	fleet := discovery.NewFleet(discovery.Timing{}, []discovery.Occurrence{full[discovery.Occurrence]()})
	check("fleet", fleet.All(), cloneFleet(fleet, discovery.Timing{}).All())

	// These are kept as they are, because nothing in them can be shared.
	for _, kept := range []any{
		rollout.Member{},
		rollout.Group{},
		rollout.Claim{},
		rollout.Decision{},
		rollout.Note{},
		rollout.LooseStop{},
		rollout.Incident{},
		rollout.Hold{},
		rollout.Standing{},
		rollout.Settings{},
		rollout.PeerResult{},
		rollout.ClaimGrant{},
		engine.HoldAll{},
	} {
		if path := holdsReferences(reflect.TypeOf(kept), reflect.TypeOf(kept).Name()); path != "" {
			t.Errorf("%s must be copied by hand", path)
		}
	}
}

// full makes a value in which every slice and map has an entry and every
// pointer points somewhere.
func full[T any]() T {
	var v T
	fillAll(reflect.ValueOf(&v).Elem())
	return v
}

func fillAll(v reflect.Value) {
	if v.Type() == reflect.TypeFor[time.Time]() {
		return
	}
	switch v.Kind() { //nolint:exhaustive // what is not listed stays zero
	case reflect.Struct:
		for i := range v.NumField() {
			fillAll(v.Field(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillAll(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fillAll(v.Index(0))
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fillAll(value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	}
}

// shared finds what two equal values have in common, by its path.
func shared(a, b reflect.Value, path string) string {
	if a.Type() == reflect.TypeFor[time.Time]() || a.IsZero() {
		return ""
	}
	switch a.Kind() { //nolint:exhaustive // what is not listed cannot be shared
	case reflect.Struct:
		for i := range a.NumField() {
			if p := shared(a.Field(i), b.Field(i), path+"."+a.Type().Field(i).Name); p != "" {
				return p
			}
		}
	case reflect.Pointer:
		if a.Pointer() == b.Pointer() {
			return path
		}
		return shared(a.Elem(), b.Elem(), path)
	case reflect.Slice:
		if a.Pointer() == b.Pointer() {
			return path
		}
		for i := range a.Len() {
			if p := shared(a.Index(i), b.Index(i), fmt.Sprintf("%s[%d]", path, i)); p != "" {
				return p
			}
		}
	case reflect.Map:
		if a.Pointer() == b.Pointer() {
			return path
		}
		for _, key := range a.MapKeys() {
			if p := shared(a.MapIndex(key), b.MapIndex(key), fmt.Sprintf("%s[%v]", path, key)); p != "" {
				return p
			}
		}
	}
	return ""
}

// holdsReferences finds what two copies of a type would share, by its path.
func holdsReferences(t reflect.Type, path string) string {
	switch t.Kind() { //nolint:exhaustive // what is not listed cannot be shared
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface, reflect.Func, reflect.Chan:
		return path
	case reflect.Struct:
		if t == reflect.TypeFor[time.Time]() {
			return ""
		}
		for i := range t.NumField() {
			if p := holdsReferences(t.Field(i).Type, path+"."+t.Field(i).Name); p != "" {
				return p
			}
		}
	}
	return ""
}
