package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// serveCommand is `orchestrator serve`. Every flag is an environment variable
// as well (section 11); the flag wins.
type serveCommand struct {
	Listen                            *string `help:"Address to listen on: ORCHESTRATOR_LISTEN (127.0.0.1:8080)." placeholder:"HOST:PORT"`
	DatabaseURL                       *string `help:"ORCHESTRATOR_DATABASE_URL (sqlite:orchestrator.db)." placeholder:"URL"`
	HeartbeatInterval                 *string `help:"ORCHESTRATOR_HEARTBEAT_INTERVAL (10s)." placeholder:"DURATION"`
	LivenessTimeout                   *string `help:"ORCHESTRATOR_LIVENESS_TIMEOUT (30s)." placeholder:"DURATION"`
	DiscoveryWindow                   *string `help:"ORCHESTRATOR_DISCOVERY_WINDOW (10m)." placeholder:"DURATION"`
	ClaimLease                        *string `help:"ORCHESTRATOR_CLAIM_LEASE (300s)." placeholder:"DURATION"`
	DecisionTimeout                   *string `help:"ORCHESTRATOR_DECISION_TIMEOUT (600s)." placeholder:"DURATION"`
	DeferralLimit                     *string `help:"ORCHESTRATOR_DEFERRAL_LIMIT (24h)." placeholder:"DURATION"`
	StuckAfter                        *string `help:"ORCHESTRATOR_STUCK_AFTER (5m)." placeholder:"DURATION"`
	Retention                         *string `help:"ORCHESTRATOR_RETENTION (720h)." placeholder:"DURATION"`
	Auth                              *string `help:"ORCHESTRATOR_AUTH: none, on loopback only." placeholder:"none|token"`
	EmergencyKeys                     *string `help:"ORCHESTRATOR_EMERGENCY_KEYS (not in this version yet)." placeholder:"KEYS"`
	EmergencyFile                     *string `help:"ORCHESTRATOR_EMERGENCY_FILE (not in this version yet)." placeholder:"FILE"`
	RateLimit                         *string `help:"ORCHESTRATOR_RATE_LIMIT: requests a second for each principal, 0 for none (200)." placeholder:"N"`
	CallbackAllow                     *string `help:"ORCHESTRATOR_CALLBACK_ALLOW: host suffixes and CIDRs that callbacks may go to." placeholder:"LIST"`
	NotifyURLs                        *string `name:"notify-urls" help:"ORCHESTRATOR_NOTIFY_URLS (not in this version yet)." placeholder:"URLS"`
	TLSCert                           *string `name:"tls-cert" help:"ORCHESTRATOR_TLS_CERT (not in this version yet)." placeholder:"FILE"`
	TLSKey                            *string `name:"tls-key" help:"ORCHESTRATOR_TLS_KEY (not in this version yet)." placeholder:"FILE"`
	TLSClientCA                       *string `name:"tls-client-ca" help:"ORCHESTRATOR_TLS_CLIENT_CA (not in this version yet)." placeholder:"FILE"`
	LogLevel                          *string `help:"ORCHESTRATOR_LOG_LEVEL (info)." placeholder:"debug|info|warn|error"`
	LogFormat                         *string `help:"ORCHESTRATOR_LOG_FORMAT (text)." placeholder:"text|json"`
	OTLPEndpoint                      *string `name:"otel-exporter-otlp-endpoint" help:"OTEL_EXPORTER_OTLP_ENDPOINT (not in this version yet)." placeholder:"URL"`
	EnableMultiOccurrenceCoordination *string `help:"ENABLE_MULTI_OCCURRENCE_COORDINATION (true)." placeholder:"true|false"`
	EnableCanaryRollout               *string `help:"ENABLE_CANARY_ROLLOUT (true)." placeholder:"true|false"`
}

// flags maps the flags to their variables.
func (c *serveCommand) flags() map[string]*string {
	return map[string]*string{
		"ORCHESTRATOR_LISTEN":                  c.Listen,
		"ORCHESTRATOR_DATABASE_URL":            c.DatabaseURL,
		"ORCHESTRATOR_HEARTBEAT_INTERVAL":      c.HeartbeatInterval,
		"ORCHESTRATOR_LIVENESS_TIMEOUT":        c.LivenessTimeout,
		"ORCHESTRATOR_DISCOVERY_WINDOW":        c.DiscoveryWindow,
		"ORCHESTRATOR_CLAIM_LEASE":             c.ClaimLease,
		"ORCHESTRATOR_DECISION_TIMEOUT":        c.DecisionTimeout,
		"ORCHESTRATOR_DEFERRAL_LIMIT":          c.DeferralLimit,
		"ORCHESTRATOR_STUCK_AFTER":             c.StuckAfter,
		"ORCHESTRATOR_RETENTION":               c.Retention,
		"ORCHESTRATOR_AUTH":                    c.Auth,
		"ORCHESTRATOR_EMERGENCY_KEYS":          c.EmergencyKeys,
		"ORCHESTRATOR_EMERGENCY_FILE":          c.EmergencyFile,
		"ORCHESTRATOR_RATE_LIMIT":              c.RateLimit,
		"ORCHESTRATOR_CALLBACK_ALLOW":          c.CallbackAllow,
		"ORCHESTRATOR_NOTIFY_URLS":             c.NotifyURLs,
		"ORCHESTRATOR_TLS_CERT":                c.TLSCert,
		"ORCHESTRATOR_TLS_KEY":                 c.TLSKey,
		"ORCHESTRATOR_TLS_CLIENT_CA":           c.TLSClientCA,
		"ORCHESTRATOR_LOG_LEVEL":               c.LogLevel,
		"ORCHESTRATOR_LOG_FORMAT":              c.LogFormat,
		"OTEL_EXPORTER_OTLP_ENDPOINT":          c.OTLPEndpoint,
		"ENABLE_MULTI_OCCURRENCE_COORDINATION": c.EnableMultiOccurrenceCoordination,
		"ENABLE_CANARY_ROLLOUT":                c.EnableCanaryRollout,
	}
}

// Run serves until it is told to stop.
func (c *serveCommand) Run(ctx context.Context, con *console) error {
	s, err := readSettings(c.flags())
	if err != nil {
		return err
	}
	log := newLogger(con.err, s)
	for _, warning := range s.warnings {
		log.WarnContext(ctx, warning)
	}
	srv, err := newServer(ctx, s, log)
	if err != nil {
		return err
	}
	log.InfoContext(ctx, "serving", "address", "http://"+srv.address(), "database", srv.databaseName(), "auth", "none: everybody on this machine may do everything")
	return srv.serve(ctx)
}

func newLogger(w io.Writer, s settings) *slog.Logger {
	o := &slog.HandlerOptions{Level: s.logLevel}
	if s.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// The limits of a connection. There is no write timeout, because long polls and
// streams write late; each answer is bounded by its own handler.
const (
	headerTimeout = 10 * time.Second
	readTimeout   = 30 * time.Second
	idleTimeout   = 2 * time.Minute
	headerLimit   = 32 << 10
	drainTimeout  = 20 * time.Second
)

// serve takes requests and carries out what is due until ctx ends; then it
// stops taking, closes streams and polls, and finishes what runs.
func (s *server) serve(ctx context.Context) error {
	// Streams and long polls end as soon as the shutdown begins; what writes may
	// finish.
	requests, endStreams := context.WithCancel(context.WithoutCancel(ctx))
	defer endStreams()
	web := &http.Server{
		Handler: s.handler, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: headerLimit, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
		BaseContext: func(net.Listener) context.Context { return requests },
	}
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(s.listener) }()

	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	loops := s.start(work)

	var err error
	select {
	case <-ctx.Done():
		s.log.InfoContext(ctx, "stopping: no new requests are taken")
	case err = <-failed:
	}
	endStreams()
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if e := web.Shutdown(drain); e != nil {
		err = errors.Join(err, fmt.Errorf("requests that did not end: %w", e))
	}
	stopWork()
	loops.Wait()
	err = errors.Join(err, s.close(drain))
	s.log.InfoContext(ctx, "stopped")
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
