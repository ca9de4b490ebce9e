package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/cirisai/orchestrator/internal/webhook"
)

var (
	// ErrReplaced says that another boot has taken this one's place. The process should exit without doing
	// anything more (rule 2.5).
	ErrReplaced = errors.New("another boot of this occurrence has taken its place")
	// ErrDeregistered says that the service has this boot for stopped though it did not say so: somebody deregistered
	// it. A process that is to go on starts anew, with another boot.
	ErrDeregistered = errors.New("this boot was deregistered")
	// ErrAlreadyRun says that Run was called a second time; another start needs another Process.
	ErrAlreadyRun = errors.New("a Process runs once")
)

// errStopped ends a life that did what it was told.
var errStopped = errors.New("stopped as told")

// Process is one process of an agent, for one boot: an occurrence as it sees itself. Its methods may be called by several goroutines.
type Process struct {
	cfg      Config
	api      *Client
	clock    Clock
	verifier *webhook.Verifier // nil where no callbacks come
	service  *serviceTime
	vitals   *vitals
	inbox    inbox
	orders   chan Instruction // acknowledged, each once

	sequence    int64 // of the last heartbeat sent; one is under way at a time
	registering sync.Mutex
	callbackURL string
	running     atomic.Bool
	registered  atomic.Bool             // the service has heard of this boot
	end         context.CancelCauseFunc // ends the work of Run, with the reason
	tasks       sync.WaitGroup          // all goroutines of Run but calls of the Handler
}

// NewProcess makes a process. Nothing is sent before Run. The error is an ErrConfig.
func NewProcess(cfg Config) (*Process, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	verifier, err := cfg.verifier()
	if err != nil {
		return nil, err
	}
	api, err := NewClient(cfg.BaseURL, WithHTTPClient(cfg.HTTPClient), WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		if cfg.Token != "" {
			r.Header.Set("Authorization", "Bearer "+cfg.Token)
		}
		return nil
	}))
	if err != nil {
		return nil, fmt.Errorf("%w: BaseURL: %w", ErrConfig, err)
	}
	return &Process{
		cfg: cfg, api: api, clock: cfg.Clock, verifier: verifier, service: &serviceTime{clock: cfg.Clock}, vitals: newVitals(),
		inbox: newInbox(), orders: make(chan Instruction), callbackURL: cfg.Callback.URL,
	}, nil
}

// BootID is the boot that this occurrence is.
func (p *Process) BootID() string { return p.cfg.BootID }

// Run lives one boot's life and returns when this process is to exit: nil after it was told to stop and its last word was
// heard, [ErrReplaced], [ErrDeregistered], the context's error when that ends (after a clean leave, see
// Config.LeaveTimeout), and a *[Refusal] when the service takes neither its registration nor its last word.
// A service that is not there is waited for.
func (p *Process) Run(ctx context.Context) error {
	if !p.running.CompareAndSwap(false, true) {
		return ErrAlreadyRun
	}
	work, end := context.WithCancelCause(ctx)
	defer end(nil)
	p.end = end
	receiver, err := p.listen(work)
	if err != nil {
		return err
	}
	p.inbox.open(func(id string) { p.tasks.Go(func() { p.answer(work, id) }) })
	l := newLife(p, work)
	cause := p.register(work)
	if cause == nil {
		p.tasks.Go(func() { p.beat(work) })
		p.tasks.Go(func() { p.poll(work) })
		cause = l.run() //nolint:contextcheck // the life holds the context that it lives in
	}
	p.inbox.close()
	receiver.close(ctx)
	end(cause)
	p.tasks.Wait()
	l.close()
	return p.finish(ctx, context.Cause(work))
}

// finish says the last word where there is one to say, and returns what Run does.
func (p *Process) finish(ctx context.Context, cause error) error {
	if errors.Is(cause, errStopped) {
		cause = p.lastWord(ctx)
	}
	if ctx.Err() != nil && errors.Is(cause, context.Cause(ctx)) {
		p.leave(ctx)
	}
	return cause
}

// leave is the clean leave of a process whose context has ended.
func (p *Process) leave(ctx context.Context) {
	if p.cfg.LeaveTimeout < 0 || !p.registered.Load() {
		return // it is to vanish, or was never heard of
	}
	p.vitals.set(ReportedStateStopped, "its process was ended")
	brief, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.cfg.LeaveTimeout)
	defer cancel()
	if err := p.lastWord(brief); err != nil {
		p.cfg.Logger.WarnContext(ctx, "left without being heard", "error", err)
	}
}
