//go:build !linux

package pgtest

import (
	"errors"
	"os"
	"syscall"
)

// serverAttributes can ask for less here: a server outlives a process that is killed.
func serverAttributes(as *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: as, Setpgid: true}
}

// serverUser returns nil, for the user of this process: other systems name PostgreSQL's user variously.
func serverUser() (*syscall.Credential, error) {
	if os.Geteuid() == 0 {
		return nil, errors.New("pgtest: root cannot run PostgreSQL")
	}
	return nil, nil
}
