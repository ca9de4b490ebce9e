//go:build !unix

package persistence

import (
	"context"
	"errors"
)

// lockFile would keep two processes from migrating the same file at once.
func lockFile(context.Context, string) (func() error, error) {
	return nil, errors.New("SQLite databases are not supported on this system: it has no flock")
}
