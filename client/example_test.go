package client_test

import (
	"context"
	"errors"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/cirisai/orchestrator/client"
)

// scout is an agent: how it deliberates, wakes and stops is its own affair.
type scout struct{}

// Deliberate speaks for all occurrences. What it cannot decide it returns as an error, and somebody else is asked.
func (scout) Deliberate(_ context.Context, d client.Deliberation) (client.Judgement, error) {
	log.Printf("deliberating about a %s:\n%s", d.Kind, d.Message)
	return client.Judgement{Verdict: client.VerdictAccept, Reasoning: "It is a good day for it."}, nil
}

// Wake loads what the agent needs to work, and gives up when ctx ends.
func (scout) Wake(ctx context.Context, o client.Order) error {
	log.Printf("waking up: %s", o.Cause)
	return ctx.Err()
}

// Stop finishes what the agent has begun. When it has returned, the process says stopped and exits.
func (scout) Stop(ctx context.Context, o client.Order) error {
	log.Printf("stopping: %s", o.Reason)
	return ctx.Err()
}

// An agent's main: it lives until it is told to stop, or until it is replaced, or until a supervisor ends it.
func Example() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	process, err := client.NewProcess(client.Config{
		BaseURL: "http://127.0.0.1:8080", AgentID: "scout", OccurrenceID: "scout-1", Version: "1.4.8",
		Callback: client.Callback{Listen: "127.0.0.1:0"}, // optional; the secret that it is signed with is made afresh
		Handler:  scout{},
	})
	if err != nil {
		log.Print(err)
		return
	}
	switch err := process.Run(ctx); {
	case err == nil:
		log.Print("stopped as told")
	case errors.Is(err, client.ErrReplaced):
		log.Print("another boot has taken over")
	default:
		log.Print(err)
	}
}
