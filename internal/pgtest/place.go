package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// socketName is what PostgreSQL calls its socket; maxSocketPath is how long the kernel lets its path be.
const (
	socketName    = ".s.PGSQL.5432"
	maxSocketPath = 107
)

// place is where a server is and whom it belongs to.
type place struct {
	programs string              // the directory of PostgreSQL's programs
	dir      string              // all that the server owns: data and socket
	user     *syscall.Credential // whom it runs as; nil: as this process
}

// newPlace makes a directory that the server's user owns and can reach, with a path short enough for a socket in it.
func newPlace(programs string) (place, error) {
	as, err := serverUser()
	if err != nil {
		return place{}, err
	}
	const pattern = "pgtest-*"
	base := os.TempDir()
	if as != nil || len(filepath.Join(base, pattern+"0123456789", socketName)) > maxSocketPath {
		base = "/tmp"
	}
	dir, err := os.MkdirTemp(base, pattern)
	if err != nil {
		return place{}, fmt.Errorf("pgtest: %w", err)
	}
	if as != nil {
		if err := os.Chown(dir, int(as.Uid), int(as.Gid)); err != nil {
			return place{}, errors.Join(fmt.Errorf("pgtest: %w", err), os.RemoveAll(dir))
		}
	}
	return place{programs: programs, dir: dir, user: as}, nil
}

func (p place) data() string { return filepath.Join(p.dir, "data") }

// initialise makes the data directory.
func (p place) initialise(ctx context.Context, fsync bool) error {
	arguments := []string{
		"-D", p.data(), "--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-instructions",
	}
	if !fsync {
		arguments = append(arguments, "--no-sync")
	}
	cmd := p.command(ctx, "initdb", arguments...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.user}
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("pgtest: initdb: %w\n%s", errors.Join(ctx.Err(), err), output)
	}
	return nil
}

// command prepares one of PostgreSQL's programs with an environment of its own, so that no PG... variable, locale or
// time zone of the caller reaches it.
func (p place) command(ctx context.Context, program string, arguments ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(p.programs, program), arguments...)
	cmd.Dir = p.dir
	cmd.Env = []string{"LC_ALL=C", "TZ=UTC", "PATH=" + os.Getenv("PATH")}
	return cmd
}
