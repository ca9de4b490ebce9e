package pgtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
)

// Variable names the environment variable that says what tests do about PostgreSQL: "require" fails where it is
// missing, "off" leaves it out, and unset or empty uses it where it is installed. Any other value is an error.
const Variable = "ORCHESTRATOR_TEST_POSTGRES"

// ErrUnavailable says that PostgreSQL is not installed here, or was switched off by [Variable].
var ErrUnavailable = errors.New("pgtest: PostgreSQL is not available")

type mode string

const (
	modeAuto    mode = ""
	modeRequire mode = "require"
	modeOff     mode = "off"
)

func modeFromEnvironment() (mode, error) {
	switch value := mode(os.Getenv(Variable)); value {
	case modeAuto, modeRequire, modeOff:
		return value, nil
	default:
		return "", fmt.Errorf("pgtest: %s=%q: want require, off or nothing", Variable, string(value))
	}
}

// installations is where Debian and its kin keep each major version's programs, off the PATH.
const installations = "/usr/lib/postgresql/*/bin"

// locate returns the directory that holds initdb and postgres: that of the newest version which matches pattern,
// else the one on the PATH. The error is ErrUnavailable when there is none.
func locate(pattern string, lookPath func(string) (string, error)) (string, error) {
	found, err := filepath.Glob(pattern)
	if err != nil {
		return "", fmt.Errorf("pgtest: %w", err)
	}
	sort.Slice(found, func(i, j int) bool { return major(found[i]) > major(found[j]) })
	for _, dir := range found {
		if holdsServer(dir) {
			return dir, nil
		}
	}
	path, err := lookPath("postgres")
	if err != nil {
		return "", ErrUnavailable
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return "", fmt.Errorf("pgtest: %w", err)
	}
	if dir := filepath.Dir(path); holdsServer(dir) {
		return dir, nil
	}
	return "", ErrUnavailable
}

// major reads the version from a path such as /usr/lib/postgresql/15/bin; 0 where there is none.
func major(dir string) int {
	version, err := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
	if err != nil {
		return 0
	}
	return version
}

func holdsServer(dir string) bool {
	for _, program := range []string{"initdb", "postgres"} {
		if _, err := exec.LookPath(filepath.Join(dir, program)); err != nil {
			return false
		}
	}
	return true
}
