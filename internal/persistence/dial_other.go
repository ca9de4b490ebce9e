//go:build !linux

package persistence

import (
	"syscall"
	"time"
)

// boundUnanswered is known to Linux alone; elsewhere the keep-alives must do.
func boundUnanswered(syscall.RawConn, time.Duration) error { return nil }
