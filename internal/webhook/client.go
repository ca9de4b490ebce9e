package webhook

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
)

// maxSnippet is how much of an answer is kept for people, in bytes.
const maxSnippet = 256

const defaultUserAgent = "orchestrator"

// Request is one try to deliver one message.
type Request struct {
	URL    string    // where to
	ID     string    // webhook-id, the same on every try
	At     time.Time // webhook-timestamp, the time of this try
	Body   []byte    // JSON, sent and signed as it is
	Secret string    // the receiver's "whsec_..."; empty: it registered none
}

// Result is what came of a try. Exactly one of Status and Err is set.
type Result struct {
	Status     int           // the HTTP status of the answer
	Duration   time.Duration // from the start of the try to its end
	RetryAfter time.Duration // what the answer asked for, at most MaxRetryAfter; 0: nothing
	Body       string        // the answer's beginning, one printable line, for people
	Err        error         // why there was no answer: ErrRefused, ErrKey, ErrID, the network's
}

// Delivered says that the receiver has taken the message: any 2xx (rule 7.6).
func (r Result) Delivered() bool { return r.Status/100 == 2 }

// ClientConfig is what a Client is made of.
type ClientConfig struct {
	HTTP      *http.Client       // required; of NewHTTPClient
	Key       ed25519.PrivateKey // the service's; nil: messages carry v1 only
	Now       func() time.Time   // required; measures durations
	UserAgent string             // empty: "orchestrator"
}

// Client signs messages and sends them. It is safe for concurrent use.
type Client struct {
	cfg ClientConfig
}

// NewClient makes a client; HTTP and Now are required.
func NewClient(cfg ClientConfig) (*Client, error) {
	if cfg.HTTP == nil || cfg.Now == nil {
		return nil, errors.New("webhook client: an HTTP client and a clock are required")
	}
	if cfg.UserAgent == "" {
		cfg.UserAgent = defaultUserAgent
	}
	return &Client{cfg: cfg}, nil
}

// Send makes one try, signed afresh, and reports what came of it; it never tries
// again itself. A status that was read stands even if the rest of the answer
// does not come, or goes on beyond MaxAnswer.
func (c *Client) Send(ctx context.Context, r Request) Result {
	start := c.cfg.Now()
	result := c.send(ctx, r, start)
	result.Duration = c.cfg.Now().Sub(start)
	return result
}

func (c *Client) send(ctx context.Context, r Request, start time.Time) Result {
	req, err := c.request(ctx, r)
	if err != nil {
		return Result{Err: err}
	}
	resp, err := c.cfg.HTTP.Do(req)
	if err != nil {
		return Result{Err: cause(err)}
	}
	// Closing before the end of the body closes the connection as well, so that
	// nothing beyond MaxAnswer is read off it.
	defer func() { _ = resp.Body.Close() }()
	return Result{
		Status:     resp.StatusCode,
		RetryAfter: retryAfter(resp.Header, start),
		Body:       snippet(readAnswer(resp)),
	}
}

func (c *Client) request(ctx context.Context, r Request) (*http.Request, error) {
	sign := Stamp // a receiver without a secret has nothing to check a signature with, as long as there is no key
	if r.Secret != "" || c.cfg.Key != nil {
		signer, err := NewSigner(r.Secret, c.cfg.Key)
		if err != nil {
			return nil, err
		}
		sign = signer.Sign
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL, bytes.NewReader(r.Body))
	if err != nil {
		return nil, refuse("the URL cannot be read")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", c.cfg.UserAgent)
	// Present but empty, it is not sent: it tells the transport that the message
	// may be repeated on a new connection when a kept one turns out to be closed.
	// Delivery is at least once, and the webhook-id makes a repetition harmless.
	req.Header["Idempotency-Key"] = []string{}
	return req, sign(req.Header, r.ID, r.At, r.Body)
}

// readAnswer reads at most MaxAnswer bytes. An answer that breaks off is as long
// as it is: what counts is the status.
func readAnswer(resp *http.Response) []byte {
	if resp.Body == http.NoBody {
		return nil
	}
	size := int64(MaxAnswer)
	if resp.ContentLength >= 0 {
		size = min(size, resp.ContentLength+1)
	}
	answer := make([]byte, size)
	n, err := io.ReadFull(resp.Body, answer)
	if err != nil {
		return answer[:n]
	}
	return answer
}

// retryAfter reads a date by the receiver's own time where it tells it, so that a
// clock that is wrong there or here does not bend it.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := h.Get("Retry-After")
	if value == "" {
		return 0
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return ParseRetryAfter(value, now)
}

// cause makes an error of the HTTP client fit to be stored and shown: without
// the URL, which its owner knows and which may hold a token.
func cause(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() && !errors.Is(err, ErrRefused) {
		return fmt.Errorf("no answer in time: %w", err)
	}
	return err
}

// snippet keeps the beginning of an answer as one line of printable text: it is
// written by a stranger and shown on an operator's screen.
func snippet(answer []byte) string {
	if len(answer) == 0 {
		return ""
	}
	text := strings.ToValidUTF8(string(answer[:min(len(answer), maxSnippet)]), "")
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text))
}
