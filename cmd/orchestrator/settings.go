package main

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/cirisai/orchestrator/internal/persistence"
	"github.com/cirisai/orchestrator/internal/rollout"
	"github.com/cirisai/orchestrator/internal/webhook"
)

// settings are those of section 11, parsed and checked.
type settings struct {
	listen       string
	loopback     bool // it listens on loopback only
	databaseURL  string
	decide       rollout.Settings
	retention    time.Duration
	rateLimit    int
	callbacks    *webhook.Policy
	logLevel     slog.Level
	logFormat    string
	warnings     []string
	callbackList string
}

// setting is one environment variable, which is a flag of serve as well.
type setting struct {
	name  string
	value string // as given, or the default
	given bool
}

// badSetting stops the start with one line (rule 11.1).
type badSetting struct{ name, value, want string }

func (b badSetting) Error() string {
	return fmt.Sprintf("%s=%q: want %s", b.name, b.value, b.want)
}

// reader parses settings and keeps the first that is bad.
type reader struct {
	flags map[string]*string // by variable name; nil pointer: not given
	err   error
}

// get finds a setting: the flag, else the variable, else the default. A
// variable that is set but empty is given.
func (r *reader) get(name, standard string) setting {
	if f := r.flags[name]; f != nil {
		return setting{name, *f, true}
	}
	if v, ok := os.LookupEnv(name); ok {
		return setting{name, v, true}
	}
	return setting{name, standard, false}
}

func (r *reader) bad(s setting, want string) {
	if r.err == nil {
		r.err = badSetting{s.name, s.value, want}
	}
}

// duration reads a duration of more than zero.
func (r *reader) duration(name, standard string) time.Duration {
	s := r.get(name, standard)
	d, err := time.ParseDuration(s.value)
	if err != nil || d <= 0 {
		r.bad(s, `a duration of more than zero, such as "30s" or "10m"`)
	}
	return d
}

func (r *reader) boolean(name, standard string) bool {
	s := r.get(name, standard)
	switch s.value {
	case "true":
		return true
	case "false":
		return false
	}
	r.bad(s, "true or false")
	return false
}

func (r *reader) choice(name, standard string, members ...string) string {
	s := r.get(name, standard)
	for _, m := range members {
		if s.value == m {
			return s.value
		}
	}
	r.bad(s, "one of "+strings.Join(members, ", "))
	return standard
}

// later refuses a setting of a part that this version does not have: to take it
// and do nothing would be worse than to say so.
func (r *reader) later(name string) {
	if s := r.get(name, ""); s.given && s.value != "" {
		r.bad(s, "it unset: this version does not have that part yet")
	}
}

// readSettings reads all settings of section 11.
func readSettings(flags map[string]*string) (settings, error) {
	r := &reader{flags: flags}
	var s settings
	s.listen, s.loopback = r.listen()
	s.databaseURL = r.database()
	s.decide = rollout.Settings{
		HeartbeatInterval: r.duration("ORCHESTRATOR_HEARTBEAT_INTERVAL", "10s"),
		LivenessTimeout:   r.duration("ORCHESTRATOR_LIVENESS_TIMEOUT", "30s"),
		DiscoveryWindow:   r.duration("ORCHESTRATOR_DISCOVERY_WINDOW", "10m"),
		ClaimLease:        r.duration("ORCHESTRATOR_CLAIM_LEASE", "300s"),
		DecisionTimeout:   r.duration("ORCHESTRATOR_DECISION_TIMEOUT", "600s"),
		DeferralLimit:     r.duration("ORCHESTRATOR_DEFERRAL_LIMIT", "24h"),
		StuckAfter:        r.duration("ORCHESTRATOR_STUCK_AFTER", "5m"),
		Coordination:      r.boolean("ENABLE_MULTI_OCCURRENCE_COORDINATION", "true"),
		Canary:            r.boolean("ENABLE_CANARY_ROLLOUT", "true"),
	}
	s.retention = r.duration("ORCHESTRATOR_RETENTION", "720h")
	s.rateLimit = r.rate()
	s.callbackList, s.callbacks = r.callbacks(s.loopback)
	r.auth(s)
	s.logLevel = r.level()
	s.logFormat = r.choice("ORCHESTRATOR_LOG_FORMAT", "text", "text", "json")
	for _, name := range []string{
		"ORCHESTRATOR_EMERGENCY_KEYS", "ORCHESTRATOR_EMERGENCY_FILE", "ORCHESTRATOR_NOTIFY_URLS",
		"ORCHESTRATOR_TLS_CERT", "ORCHESTRATOR_TLS_KEY", "ORCHESTRATOR_TLS_CLIENT_CA", "OTEL_EXPORTER_OTLP_ENDPOINT",
	} {
		r.later(name)
	}
	if d := s.decide; r.err == nil && d.LivenessTimeout < d.HeartbeatInterval {
		s.warnings = append(s.warnings, "the liveness timeout is shorter than the heartbeat interval: occurrences will look dead between heartbeats")
	}
	return s, r.err
}

// auth: without tokens the service serves loopback only (rule 12.1).
func (r *reader) auth(s settings) {
	auth := r.get("ORCHESTRATOR_AUTH", "none")
	switch auth.value {
	case "none":
		if r.err == nil && !s.loopback {
			r.bad(r.get("ORCHESTRATOR_LISTEN", ""), "a loopback address such as 127.0.0.1:8080, because ORCHESTRATOR_AUTH=none lets everybody in")
		}
	case "token":
		r.bad(auth, "none: this version does not have tokens yet")
	default:
		r.bad(auth, "none or token")
	}
}

func (r *reader) listen() (string, bool) {
	s := r.get("ORCHESTRATOR_LISTEN", "127.0.0.1:8080")
	host, port, err := net.SplitHostPort(s.value)
	if n, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil || n > 65535 {
		r.bad(s, "host:port, such as 127.0.0.1:8080")
		return s.value, false
	}
	if host == "localhost" {
		return s.value, true
	}
	ip, err := netip.ParseAddr(host)
	return s.value, err == nil && ip.IsLoopback()
}

func (r *reader) database() string {
	s := r.get("ORCHESTRATOR_DATABASE_URL", "sqlite:orchestrator.db")
	switch {
	case strings.HasPrefix(s.value, "sqlite::"):
		r.bad(s, "a file after sqlite: what is kept in memory would be gone with the process")
	case strings.HasPrefix(s.value, "sqlite:") && len(s.value) > len("sqlite:"):
	case strings.HasPrefix(s.value, "postgres://"), strings.HasPrefix(s.value, "postgresql://"):
	default:
		s.value = persistence.Redacted(s.value)
		r.bad(s, `"sqlite:FILE" or "postgres://USER@HOST/DATABASE?sslmode=..."`)
	}
	return s.value
}

func (r *reader) rate() int {
	s := r.get("ORCHESTRATOR_RATE_LIMIT", "200")
	n, err := strconv.Atoi(s.value)
	if err != nil || n < 0 {
		r.bad(s, "a whole number of requests a second, 0 for no limit")
	}
	return n
}

func (r *reader) callbacks(loopback bool) (string, *webhook.Policy) {
	s := r.get("ORCHESTRATOR_CALLBACK_ALLOW", "")
	policy, err := webhook.NewPolicy(loopback, s.value)
	if err != nil {
		r.bad(s, "a comma-separated list of host suffixes and CIDRs ("+err.Error()+")")
	}
	return s.value, policy
}

func (r *reader) level() slog.Level {
	switch r.choice("ORCHESTRATOR_LOG_LEVEL", "info", "debug", "info", "warn", "error") {
	case "debug":
		return slog.LevelDebug
	case "warn":
		return slog.LevelWarn
	case "error":
		return slog.LevelError
	}
	return slog.LevelInfo
}
