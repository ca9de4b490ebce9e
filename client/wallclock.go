package client

import "time"

// systemClock is the clock of this machine. Only differences between its readings are used, and those are monotonic.
type systemClock struct{}

func (systemClock) Now() time.Time                         { return time.Now() }
func (systemClock) After(d time.Duration) <-chan time.Time { return time.After(d) }
