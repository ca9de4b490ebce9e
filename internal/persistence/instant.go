package persistence

import "time"

// Times are kept as whole microseconds since 1970, 0 being no time.

// micros gives the kept form of an instant.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// instant reads the kept form.
func instant(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
