package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/cirisai/orchestrator/internal/webhook"
)

// maxDelivery is the most that is read of a callback, in bytes.
const maxDelivery = 1 << 20

// Limits of the receiver that Run serves.
const (
	receiverTimeout  = 10 * time.Second
	receiverIdle     = 2 * time.Minute
	receiverFarewell = time.Second / 2
)

// CallbackHandler takes what the service posts to the callback URL, for an agent that serves it on a server of its own
// (Config.Callback.URL without Listen). What is not signed by a key that the configuration names is refused before it is
// looked at (rule 7.6). An instruction is taken with 202 at once; it is acknowledged and acted on elsewhere.
func (p *Process) CallbackHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, err := p.receive(w, r)
		if err != nil {
			p.cfg.Logger.WarnContext(r.Context(), "callback refused", "status", status, "error", err)
			http.Error(w, http.StatusText(status), status)
			return
		}
		w.WriteHeader(status)
	})
}

var errNotListening = errors.New("the process does not take instructions")

// receive takes one delivery, or says with which status it is refused and why.
func (p *Process) receive(w http.ResponseWriter, r *http.Request) (int, error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return http.StatusMethodNotAllowed, fmt.Errorf("method %s", r.Method)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxDelivery))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return http.StatusRequestEntityTooLarge, err
	} else if err != nil {
		return http.StatusBadRequest, err
	}
	if p.verifier == nil {
		return http.StatusNotFound, errors.New("no callback is configured")
	}
	if _, err := p.verifier.Verify(r.Header, body, p.timeToVerifyBy(r.Header), webhook.DefaultTolerance); err != nil {
		return http.StatusUnauthorized, err
	}
	var d Delivery
	if err := json.Unmarshal(body, &d); err != nil {
		return http.StatusBadRequest, err
	}
	if !p.inbox.isOpen() {
		return http.StatusServiceUnavailable, errNotListening
	}
	in := d.instruction()
	if err := p.addressed(in); err != nil {
		return http.StatusConflict, err
	}
	p.take(in, d.ServerTime)
	return http.StatusAccepted, nil
}

// timeToVerifyBy is the service's time. Before its first answer the message's own stands for it: what an attacker could
// repeat in that moment is for another boot, which is refused.
func (p *Process) timeToVerifyBy(h http.Header) time.Time {
	if now := p.service.now(); !now.IsZero() {
		return now
	}
	seconds, err := strconv.ParseInt(h.Get(webhook.HeaderTimestamp), 10, 64)
	if err != nil {
		return time.Time{} // and it is refused for that
	}
	return time.Unix(seconds, 0)
}

func (d *Delivery) instruction() Instruction {
	return Instruction{
		AgentID: d.AgentID, Attempt: d.Attempt, BootID: d.BootID, Claim: d.Claim, Deadline: d.Deadline, Force: d.Force,
		InstructionID: d.InstructionID, IssuedAt: d.IssuedAt, Message: d.Message, OccurrenceID: d.OccurrenceID,
		PeerResults: d.PeerResults, Reason: d.Reason, RolloutID: d.RolloutID, Type: d.Type, Wave: d.Wave,
	}
}

// receiver is the HTTP server of the process's own callback, or none.
type receiver struct{ server *http.Server }

// listen starts the receiver where one is configured, and learns the address that it got.
func (p *Process) listen(ctx context.Context) (receiver, error) {
	if p.cfg.Callback.Listen == "" {
		return receiver{}, nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", p.cfg.Callback.Listen)
	if err != nil {
		return receiver{}, fmt.Errorf("listen for callbacks: %w", err)
	}
	if p.callbackURL == "" {
		p.callbackURL = "http://" + listener.Addr().String() + "/"
	}
	server := &http.Server{
		Handler: p.CallbackHandler(), ReadHeaderTimeout: receiverTimeout, ReadTimeout: receiverTimeout, WriteTimeout: receiverTimeout,
		IdleTimeout: receiverIdle, ErrorLog: slog.NewLogLogger(p.cfg.Logger.Handler(), slog.LevelDebug),
	}
	p.tasks.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			p.cfg.Logger.ErrorContext(ctx, "callbacks are not received any more", "error", err)
		}
	})
	return receiver{server}, nil
}

// close ends the receiver. What was taken is answered first: a delivery without an answer would be sent again, to nobody.
func (r receiver) close(ctx context.Context) {
	if r.server == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), receiverFarewell)
	defer cancel()
	if r.server.Shutdown(ctx) != nil {
		_ = r.server.Close() // connections are cut: the service tries again elsewhere, or not at all
	}
}
