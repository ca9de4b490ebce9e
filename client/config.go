package client

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/cirisai/orchestrator/internal/webhook"
)

// Config says who the occurrence is and where the service is. BaseURL, AgentID, OccurrenceID and Handler are needed; all
// else has a sensible zero value.
type Config struct {
	// BaseURL is the service's address, such as "http://127.0.0.1:8080".
	BaseURL string
	// Token is the bearer token, where the service asks for one.
	Token string

	AgentID      string
	OccurrenceID string // the same in every boot
	BootID       string // empty: a fresh one; a process that starts anew must have another (rule 2.3)

	Group         string // pins the occurrence to this canary group (rule 3.4)
	Version       string // of the agent's software
	Labels        map[string]string
	Uncoordinated bool // true for an agent that works alone: it is listed, and told nothing but an emergency stop (rule 2.12)

	Callback Callback
	// Secret is a Standard Webhooks secret ("whsec_...") that callbacks are signed with. Empty, where there is a callback
	// and there are no PublicKeys: a fresh one is made for this boot.
	Secret string
	// PublicKeys are keys of the service ("whpk_...") that callbacks are verified with besides the secret.
	PublicKeys []string

	Handler Handler
	// HTTPClient makes all calls. It must not have a Timeout below PollWait. Nil: one of its own, which follows no redirects.
	HTTPClient *http.Client
	Logger     *slog.Logger // nil: nothing is logged
	Clock      Clock        // nil: this machine's

	// PollWait is how long a long poll waits, at most 60s; 0 means 30s, a negative value no polling at all.
	PollWait time.Duration
	// RequestTimeout bounds each call, a long poll's beyond its wait; 0 means 10s. A heartbeat has at most half the
	// liveness timeout.
	RequestTimeout time.Duration
	// LeaveTimeout is for how long Run says stopped when its context ends; 0 means 5s. A negative value leaves without a
	// word, as a killed process does.
	LeaveTimeout time.Duration
	// HandlerGrace is how long Run waits for calls of the Handler whose context it has ended; 0 means 5s.
	HandlerGrace time.Duration
}

// Callback is where the service posts instructions to. The zero value is none: long polls and heartbeats carry them then.
type Callback struct {
	// Listen is an address such as "127.0.0.1:0" at which Run serves a receiver of its own.
	Listen string
	// URL is what the service is told; empty, the address listened at. Given without Listen, the agent serves
	// [Process.CallbackHandler] there itself.
	URL string
}

func (c Callback) wanted() bool { return c.Listen != "" || c.URL != "" }

// Clock measures and waits. Its time need not be right, but must run evenly.
type Clock interface {
	Now() time.Time
	After(d time.Duration) <-chan time.Time
}

const (
	defaultPollWait       = 30 * time.Second
	maxPollWait           = time.Minute
	defaultRequestTimeout = 10 * time.Second
	defaultLeaveTimeout   = 5 * time.Second
	defaultHandlerGrace   = 5 * time.Second
)

// Until the first answer says otherwise these are the service's own defaults.
const (
	defaultInterval = 10 * time.Second
	defaultLiveness = 30 * time.Second
)

// ErrConfig says that a Config cannot be used; the error that wraps it says why.
var ErrConfig = errors.New("client configuration")

var idForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// complete checks the configuration and fills in what is left out.
func (c *Config) complete() error {
	if err := c.check(); err != nil {
		return err
	}
	if c.BootID == "" {
		c.BootID = rand.Text()
	}
	if c.Callback.wanted() && c.Secret == "" && len(c.PublicKeys) == 0 {
		c.Secret = freshSecret()
	}
	if c.HTTPClient == nil {
		c.HTTPClient = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Logger = c.Logger.With("agent_id", c.AgentID, "occurrence_id", c.OccurrenceID)
	if c.Clock == nil {
		c.Clock = systemClock{}
	}
	setDefault(&c.PollWait, defaultPollWait)
	setDefault(&c.RequestTimeout, defaultRequestTimeout)
	setDefault(&c.LeaveTimeout, defaultLeaveTimeout)
	setDefault(&c.HandlerGrace, defaultHandlerGrace)
	return nil
}

func setDefault(d *time.Duration, standard time.Duration) {
	if *d == 0 {
		*d = standard
	}
}

func (c *Config) check() error {
	base, err := url.Parse(c.BaseURL)
	switch {
	case err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https":
		return fmt.Errorf("%w: BaseURL %q is not an address such as http://127.0.0.1:8080", ErrConfig, c.BaseURL)
	case !idForm.MatchString(c.AgentID):
		return fmt.Errorf("%w: AgentID %q does not match %s", ErrConfig, c.AgentID, idForm)
	case !idForm.MatchString(c.OccurrenceID):
		return fmt.Errorf("%w: OccurrenceID %q does not match %s", ErrConfig, c.OccurrenceID, idForm)
	case c.Handler == nil:
		return fmt.Errorf("%w: there is no Handler", ErrConfig)
	case c.PollWait > maxPollWait:
		return fmt.Errorf("%w: PollWait %s is more than %s", ErrConfig, c.PollWait, maxPollWait)
	}
	if c.Secret != "" {
		if err := webhook.CheckSecret(c.Secret); err != nil {
			return fmt.Errorf("%w: Secret: %w", ErrConfig, err)
		}
	}
	return nil
}

// verifier returns what callbacks are verified with, or nil where none come.
func (c *Config) verifier() (*webhook.Verifier, error) {
	if !c.Callback.wanted() {
		return nil, nil
	}
	keys := c.PublicKeys
	if c.Secret != "" {
		keys = append([]string{c.Secret}, keys...)
	}
	v, err := webhook.NewVerifier(keys...)
	if err != nil {
		return nil, fmt.Errorf("%w: PublicKeys: %w", ErrConfig, err)
	}
	return v, nil
}

func freshSecret() string {
	raw := make([]byte, webhook.MinSecretBytes)
	rand.Read(raw)
	return "whsec_" + base64.StdEncoding.EncodeToString(raw)
}
