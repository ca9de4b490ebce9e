package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/cirisai/orchestrator/client"
)

// Above this many occurrences callbacks and heartbeats carry the instructions alone: every poll holds a connection.
const mostPolling = 100

// fleet is the occurrences.
type fleet struct {
	questions chan question
	failures  chan error // of occurrences that ended otherwise than they should
	running   sync.WaitGroup
	stop      context.CancelFunc
	web       *http.Client

	mu     sync.Mutex
	exited map[string]bool // whose process has ended, as it was told
}

// startFleet starts all occurrences at once, as a supervisor does after a power cut. They run until they are told to stop,
// or until close.
func startFleet(ctx context.Context, opts Options, baseURL string) (*fleet, error) {
	ctx, stop := context.WithCancel(ctx)
	f := &fleet{
		questions: make(chan question), failures: make(chan error, opts.Occurrences), stop: stop, exited: map[string]bool{},
		web: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4 * opts.Occurrences, IdleConnTimeout: time.Minute}},
	}
	for i := range opts.Occurrences {
		id := opts.occurrenceID(i + 1)
		cfg := client.Config{
			BaseURL: baseURL, AgentID: opts.AgentID, OccurrenceID: id, Version: "1.4.8", Handler: &agent{id: id, opts: opts, fleet: f},
			Callback: client.Callback{Listen: "127.0.0.1:0"}, HTTPClient: f.web, LeaveTimeout: -1,
			RequestTimeout: opts.least(10*time.Second, perTimeout/3), // who gives up sooner and asks again makes it worse
		}
		if opts.Occurrences > mostPolling {
			cfg.PollWait = -1
		}
		process, err := client.NewProcess(cfg)
		if err != nil {
			f.close()
			return nil, fmt.Errorf("occurrence %s: %w", id, err)
		}
		f.running.Go(func() { f.run(ctx, id, process) })
	}
	return f, nil
}

// occurrenceID names the occurrences so that their order by id is their order by number.
func (o Options) occurrenceID(i int) string {
	return fmt.Sprintf("occurrence-%0*d", len(strconv.Itoa(o.Occurrences)), i)
}

func (f *fleet) run(ctx context.Context, id string, process *client.Process) {
	err := process.Run(ctx)
	switch {
	case err == nil:
		f.mu.Lock()
		f.exited[id] = true
		f.mu.Unlock()
	case !errors.Is(err, context.Canceled):
		f.failures <- fmt.Errorf("occurrence %s ended: %w", id, err)
	}
}

// gone is how many processes have ended as they were told.
func (f *fleet) gone() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.exited)
}

// close ends what still runs, without a word to the service, and waits for it.
func (f *fleet) close() {
	f.stop()
	f.running.Wait()
	f.web.CloseIdleConnections()
}
