package main

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/cirisai/orchestrator/internal/demo"
)

// demoCommand is `orchestrator demo`.
type demoCommand struct {
	Occurrences int     `default:"9" help:"How many occurrences the fleet has, 1 to 500." placeholder:"N"`
	Speed       float64 `default:"60" help:"By what all durations are divided; 1 shows them as they are." placeholder:"X"`
	DatabaseURL string  `help:"A database to keep; it gets the demonstration's settings. Without it a temporary one." placeholder:"URL"`
	Listen      string  `default:"127.0.0.1:0" help:"Loopback address to listen on." placeholder:"HOST:PORT"`
	Fail        string  `help:"The members of this group (explorer, early_adopter, general) say yes to the shutdown and never stop." placeholder:"GROUP"`
	Reject      bool    `help:"The decider rejects the shutdown."`
	Exit        bool    `help:"End when it is over: with 0 when all went as asked, else with 1."`
}

// options are what the flags say.
func (c *demoCommand) options() demo.Options {
	return demo.Options{
		Occurrences: c.Occurrences, Speed: c.Speed, Fail: c.Fail, Reject: c.Reject, Exit: c.Exit,
		AgentID: "scout",
	}
}

// Validate refuses, in one line, flags that cannot be used.
func (c *demoCommand) Validate() error { return c.options().Check() }

// Run gives the demonstration.
func (c *demoCommand) Run(ctx context.Context, con *console) (err error) {
	opts := c.options()
	url := c.DatabaseURL
	if url == "" {
		dir, err := os.MkdirTemp("", "orchestrator-demo-")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		url, opts.Database = "sqlite:"+filepath.Join(dir, "demo.db"), "a temporary SQLite database"
	} else {
		opts.AgentID += "-" + strings.ToLower(rand.Text()[:8]) // what others have left in it is not ours
	}
	opts.Out, opts.Terminal = con.out, isTerminal(con.out)
	opts.Start = func(ctx context.Context, s demo.Settings) (demo.Service, error) { return c.start(ctx, con, url, s) }
	return demo.Run(ctx, opts)
}

// start starts the service as serve does. The settings of the environment are left alone: a demonstration is the same
// everywhere.
func (c *demoCommand) start(ctx context.Context, con *console, url string, s demo.Settings) (demo.Service, error) {
	given := serveDefaults()
	for name, value := range map[string]string{
		"ORCHESTRATOR_LISTEN":             c.Listen,
		"ORCHESTRATOR_DATABASE_URL":       url,
		"ORCHESTRATOR_HEARTBEAT_INTERVAL": s.HeartbeatInterval.String(),
		"ORCHESTRATOR_LIVENESS_TIMEOUT":   s.LivenessTimeout.String(),
		"ORCHESTRATOR_DISCOVERY_WINDOW":   s.DiscoveryWindow.String(),
		"ORCHESTRATOR_CLAIM_LEASE":        s.ClaimLease.String(),
		"ORCHESTRATOR_DECISION_TIMEOUT":   s.DecisionTimeout.String(),
		"ORCHESTRATOR_STUCK_AFTER":        s.StuckAfter.String(),
	} {
		given[name] = &value
	}
	set, err := readSettings(given)
	if err != nil {
		return demo.Service{}, err
	}
	srv, err := newServer(ctx, set, newLogger(con.err, set))
	if err != nil {
		return demo.Service{}, err
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.serve(ctx) }()
	return demo.Service{URL: "http://" + srv.address(), Database: srv.databaseName(), Wait: func() error { return <-ended }}, nil
}

// serveDefaults gives every setting its default by name, so that no variable of the environment is looked at.
func serveDefaults() map[string]*string {
	given := (&serveCommand{}).flags()
	for name := range given {
		none := ""
		given[name] = &none
	}
	for name, value := range map[string]string{
		"ORCHESTRATOR_DEFERRAL_LIMIT":          "24h",
		"ORCHESTRATOR_RETENTION":               "720h",
		"ORCHESTRATOR_AUTH":                    "none",
		"ORCHESTRATOR_RATE_LIMIT":              "0", // the whole fleet comes from one address
		"ORCHESTRATOR_LOG_LEVEL":               "error",
		"ORCHESTRATOR_LOG_FORMAT":              "text",
		"ENABLE_MULTI_OCCURRENCE_COORDINATION": "true",
		"ENABLE_CANARY_ROLLOUT":                "true",
	} {
		given[name] = &value
	}
	return given
}

// isTerminal tells whether w can redraw what it shows.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" || os.Getenv("TERM") == "" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
