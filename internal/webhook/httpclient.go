package webhook

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"time"
)

// Bounds of one try (rule 7.6).
const (
	// TryTimeout is how long one try may take, from the name's lookup to the
	// last byte that is read.
	TryTimeout = 10 * time.Second
	// MaxAnswer is how much of an answer's body is read, in bytes.
	MaxAnswer = 4 << 10

	maxAnswerHeaders = 16 << 10
)

// Connections that are kept: few enough for the usual limit of open files, many
// enough that one host that receives for a whole fleet never has to be dialled
// anew between two instructions.
const (
	maxIdleConns        = 512
	maxIdleConnsPerHost = 64
	idleConnTimeout     = 90 * time.Second
	dialKeepAlive       = 30 * time.Second
	tlsSessions         = 1024
)

// HTTPOptions says what a guarded client may do.
type HTTPOptions struct {
	Policy   *Policy        // required
	Resolver *net.Resolver  // nil: the system's
	RootCAs  *x509.CertPool // nil: the system's
	Timeout  time.Duration  // of one try; 0: TryTimeout
}

// NewHTTPClient makes a client that is safe to point at an address chosen by
// somebody else (rules 7.6 and 7.7): each request's URL and each address that is
// dialled is judged by the policy, of several resolved the refused ones are
// passed over; it follows no redirect, uses no proxy, verifies TLS certificates,
// and gives up after the timeout. A refusal is an ErrRefused.
//
// It speaks HTTP/1.1 only: on a shared HTTP/2 connection one receiver that hangs
// behind a gateway would delay the others.
func NewHTTPClient(o HTTPOptions) *http.Client {
	dialer := &net.Dialer{
		Timeout:   o.timeout(),
		KeepAlive: dialKeepAlive,
		Resolver:  o.Resolver,
		Control:   o.Policy.Control,
	}
	return newHTTPClient(o, dialer.DialContext)
}

func newHTTPClient(o HTTPOptions, dial func(ctx context.Context, network, addr string) (net.Conn, error)) *http.Client {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &guardedTransport{policy: o.Policy, timeout: o.timeout(), base: &http.Transport{
			Proxy:       nil,
			DialContext: dial,
			Protocols:   &protocols,
			TLSClientConfig: &tls.Config{
				MinVersion:         tls.VersionTLS12,
				RootCAs:            o.RootCAs,
				ClientSessionCache: tls.NewLRUClientSessionCache(tlsSessions),
			},
			TLSHandshakeTimeout:    o.timeout(),
			DisableCompression:     true,
			MaxIdleConns:           maxIdleConns,
			MaxIdleConnsPerHost:    maxIdleConnsPerHost,
			IdleConnTimeout:        idleConnTimeout,
			MaxResponseHeaderBytes: maxAnswerHeaders,
		}},
	}
}

func (o HTTPOptions) timeout() time.Duration {
	if o.Timeout > 0 {
		return o.Timeout
	}
	return TryTimeout
}

// guardedTransport judges the URL of each request before the dialer judges its
// addresses: a URL registered under an older, wider policy is refused too, and a
// host that no suffix allows is not even looked up. It also limits the time, which
// http.Client's Timeout would do with a goroutine for each request.
type guardedTransport struct {
	policy  *Policy
	timeout time.Duration
	base    *http.Transport
}

// RoundTrip implements http.RoundTripper.
func (t *guardedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := t.policy.checkParsed(r.URL); err != nil {
		return nil, err
	}
	if deadline, set := r.Context().Deadline(); set && time.Until(deadline) <= t.timeout { //nolint:forbidigo // so does a context
		return t.base.RoundTrip(r)
	}
	ctx, cancel := context.WithTimeout(r.Context(), t.timeout)
	resp, err := t.base.RoundTrip(r.WithContext(ctx))
	if err != nil {
		cancel()
		return nil, err
	}
	resp.Body = &limitedBody{ReadCloser: resp.Body, cancel: cancel}
	return resp, nil
}

// CloseIdleConnections makes http.Client's method of that name work.
func (t *guardedTransport) CloseIdleConnections() { t.base.CloseIdleConnections() }

// limitedBody ends the time limit when the body is closed, not before.
type limitedBody struct {
	io.ReadCloser

	cancel context.CancelFunc
}

// Close implements io.Closer.
func (b *limitedBody) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}
