// Command orchestrator serves the central orchestrator of agents that run as
// many occurrences: one occurrence decides, and the decision is carried through
// the fleet in waves.
//
//	orchestrator serve      the service
//	orchestrator demo       the main job, shown on real occurrences on loopback
//	orchestrator migrate    the database's schema
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// commands is the command line.
type commands struct {
	Serve   serveCommand   `cmd:"" help:"Serve the orchestrator."`
	Demo    demoCommand    `cmd:"" help:"Show the main job: wake a fleet of real occurrences up, then shut it down, in waves."`
	Migrate migrateCommand `cmd:"" help:"Look after the database's schema."`
}

// console is where a command writes for people.
type console struct {
	out io.Writer
	err io.Writer
}

// run parses the command line and runs one command; it returns the exit code:
// 0 done, 1 failed, 2 not understood.
func run(args []string, out, errOut io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	exit := -1
	var cli commands
	parser, err := kong.New(&cli, kong.Name("orchestrator"), kong.Writers(out, errOut), kong.Exit(func(code int) { exit = code }),
		kong.Description("The central orchestrator: one occurrence decides for the whole fleet, and the decision is carried out in canary waves."),
		kong.UsageOnError(), kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(&console{out: out, err: errOut}))
	if err != nil {
		complain(errOut, err)
		return 2
	}
	command, err := parser.Parse(args)
	switch {
	case exit >= 0: // help was asked for and given
		return exit
	case err != nil:
		complain(errOut, err)
		return 2
	}
	if err := command.Run(); err != nil {
		var code exitCode
		if errors.As(err, &code) {
			return int(code)
		}
		complain(errOut, err)
		return 1
	}
	return 0
}

// complain says in one line what went wrong; where it cannot be said there is
// nobody to tell.
func complain(to io.Writer, err error) { _, _ = fmt.Fprintln(to, "orchestrator:", err) }

// exitCode ends a command that has said all that it has to say.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }
