//go:build unix

package persistence

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// flockEvery is how often a lock that another process has is asked for again.
const flockEvery = 20 * time.Millisecond

// lockFile takes the exclusive lock of a file, which it makes if need be. It
// waits for whoever has it. The lock ends with the process at the latest.
func lockFile(ctx context.Context, path string) (unlock func() error, err error) {
	ctx, cancel := context.WithTimeout(ctx, lockFor)
	defer cancel()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // beside the database, whose path the operator gave
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			break
		}
		if err = pause(ctx, flockEvery); err != nil {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	return f.Close, nil // which ends the lock
}
