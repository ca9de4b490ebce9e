package pgtest

import (
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

const (
	startLimit = time.Minute      // a server that is not ready by then is broken; recovery after a kill is included
	stopLimit  = 20 * time.Second // a server that has not ended by then is killed outright
)

// process is one run of the server program, from start to exit.
type process struct {
	cmd    *exec.Cmd
	log    *serverLog
	exited chan struct{} // closed when the program has ended and was waited for
}

// startProcess starts the server program and returns when it takes connections. The run outlives ctx, which bounds
// the start alone.
func startProcess(ctx context.Context, in place, arguments []string) (*process, error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	log := newServerLog()
	cmd := in.command(context.WithoutCancel(ctx), "postgres", arguments...)
	cmd.SysProcAttr = serverAttributes(in.user)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.WaitDelay = stopLimit
	p := &process{cmd: cmd, log: log, exited: make(chan struct{})}
	if err := p.run(); err != nil {
		return nil, fmt.Errorf("pgtest: start the server: %w", err)
	}
	select {
	case <-log.ready:
		return p, nil
	case <-p.exited:
		return nil, fmt.Errorf("pgtest: the server ended at once:\n%s", log)
	case <-ctx.Done():
		p.end(syscall.SIGQUIT)
		return nil, fmt.Errorf("pgtest: the server was not ready: %w\n%s", ctx.Err(), log)
	}
}

// run starts the program on a thread that lives as long as it does: the kernel ends the server when the thread
// that started it ends, not the process.
func (p *process) run() error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := p.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		// The exit status says nothing that the log does not: a killed server has a bad one as it should.
		_ = p.cmd.Wait()
		close(p.exited)
	}()
	return <-started
}

// end sends the signal and waits for the exit, which it forces when it is overdue.
func (p *process) end(signal syscall.Signal) {
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	// A server that is gone already cannot be signalled, and need not be.
	_ = p.cmd.Process.Signal(signal)
	select {
	case <-p.exited:
	case <-ctx.Done():
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
}
