package pgtest

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// serverAttributes has the server end with this process, at once and its children with it.
func serverAttributes(as *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Credential: as,
		// A group of its own keeps Ctrl-C at the terminal from the server: its process decides when it ends.
		Setpgid:   true,
		Pdeathsig: syscall.SIGQUIT,
	}
}

// serverUser returns whom the server runs as, nil for the user of this process. Root cannot run PostgreSQL, so
// there it is the user postgres.
func serverUser() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("pgtest: root cannot run PostgreSQL, it needs the user postgres: %w", err)
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("pgtest: user postgres: %w", err)
	}
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("pgtest: user postgres: %w", err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}
