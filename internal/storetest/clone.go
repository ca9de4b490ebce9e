package storetest

import "reflect"

// deepCopy copies a value so deeply that nothing is shared with it. Fields that
// are not exported are copied as they are: a time's are never changed.
func deepCopy[T any](v T) T {
	var c T
	reflect.ValueOf(&c).Elem().Set(copied(reflect.ValueOf(&v).Elem()))
	return c
}

func copied(v reflect.Value) reflect.Value {
	c := reflect.New(v.Type()).Elem()
	c.Set(v)
	switch v.Kind() { //nolint:exhaustive // what is not listed holds nothing that could be shared
	case reflect.Pointer:
		if !v.IsNil() {
			c.Set(reflect.New(v.Type().Elem()))
			c.Elem().Set(copied(v.Elem()))
		}
	case reflect.Slice:
		if !v.IsNil() {
			c.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
			for i := range v.Len() {
				c.Index(i).Set(copied(v.Index(i)))
			}
		}
	case reflect.Map:
		if !v.IsNil() {
			c.Set(reflect.MakeMapWithSize(v.Type(), v.Len()))
			for _, key := range v.MapKeys() {
				c.SetMapIndex(key, copied(v.MapIndex(key)))
			}
		}
	case reflect.Interface:
		if !v.IsNil() {
			c.Set(copied(v.Elem()))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if c.Field(i).CanSet() {
				c.Field(i).Set(copied(v.Field(i)))
			}
		}
	}
	return c
}
