package webhook

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func mustClient(t testing.TB, o HTTPOptions) *Client {
	t.Helper()
	httpClient := NewHTTPClient(o)
	t.Cleanup(httpClient.CloseIdleConnections)
	c, err := NewClient(ClientConfig{HTTP: httpClient, Key: mustKey(t, referencePrivate), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func receiver(t testing.TB, handle http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(handle)
	t.Cleanup(s.Close)
	return s
}

func request(url string) Request {
	return Request{URL: url, ID: referenceID, At: referenceTime, Body: []byte(referenceBody), Secret: referenceSecret}
}

// Rule 7.6: a signed POST; 2xx is delivered, anything else is not.
func TestSend(t *testing.T) {
	t.Parallel()
	var status atomic.Int64
	verifier := mustVerifier(t, referenceSecret)
	public := mustVerifier(t, referencePublic)
	s := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		for name, v := range map[string]*Verifier{"v1": verifier, "v1a": public} {
			if _, err := v.Verify(r.Header, body, referenceTime, 0); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("User-Agent") != "orchestrator" {
			t.Errorf("%s %v", r.Method, r.Header)
		}
		for _, unwanted := range []string{"Idempotency-Key", "Accept-Encoding", "Authorization", "Cookie"} {
			if _, sent := r.Header[unwanted]; sent {
				t.Errorf("%s was sent", unwanted)
			}
		}
		w.WriteHeader(int(status.Load()))
		_, _ = io.WriteString(w, "so\x1b[31m it\nis\xff ")
	})
	c := mustClient(t, HTTPOptions{Policy: mustPolicy(t, true, "")})
	for _, code := range []int{200, 201, 202, 299, 300, 400, 404, 410, 429, 500, 503} {
		status.Store(int64(code))
		got := c.Send(t.Context(), request(s.URL))
		if got.Err != nil || got.Status != code || got.Delivered() != (code < 300) || got.Duration <= 0 {
			t.Errorf("%d: %+v", code, got)
		}
		if got.Body != "so [31m it is" {
			t.Errorf("%d: body %q", code, got.Body)
		}
	}
}

// Rule 7.6: redirects are not followed.
func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	var followed atomic.Bool
	elsewhere := receiver(t, func(http.ResponseWriter, *http.Request) { followed.Store(true) })
	s := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
	})
	got := mustClient(t, HTTPOptions{Policy: mustPolicy(t, true, "")}).Send(t.Context(), request(s.URL))
	if got.Status != http.StatusTemporaryRedirect || got.Delivered() || got.Err != nil {
		t.Errorf("%+v", got)
	}
	if followed.Load() {
		t.Error("the redirect was followed")
	}
}

// Rule 7.6: proxies from the environment are not used.
func TestNoProxyFromTheEnvironment(t *testing.T) {
	var proxied atomic.Bool
	proxy := receiver(t, func(http.ResponseWriter, *http.Request) { proxied.Store(true) })
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "ALL_PROXY"} {
		t.Setenv(name, proxy.URL)
	}
	z := &zone{}
	z.set("192.0.2.1") // refused: nothing is dialled directly
	c := mustClient(t, HTTPOptions{Policy: mustPolicy(t, true, ""), Resolver: z.resolver(t)})
	if got := c.Send(t.Context(), request("http://receiver.example./")); !errors.Is(got.Err, ErrRefused) {
		t.Errorf("%+v", got)
	}
	if transport, ok := c.cfg.HTTP.Transport.(*guardedTransport); !ok || transport.base.Proxy != nil || proxied.Load() {
		t.Error("a proxy is in use")
	}
}

// Rule 7.7: the address is refused when it is dialled, whatever the name
// resolved to before; of several addresses the refused ones are passed over.
func TestDialledAddressesAreJudgedAnew(t *testing.T) {
	t.Parallel()
	var hits atomic.Int64
	s := receiver(t, func(w http.ResponseWriter, _ *http.Request) {
		hits.Add(1)
		w.Header().Set("Connection", "close")
	})
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	z := &zone{}
	c := mustClient(t, HTTPOptions{Policy: mustPolicy(t, true, ""), Resolver: z.resolver(t)})
	url := "http://receiver.example.:" + port + "/"
	for _, step := range []struct {
		addrs []string
		want  string
	}{
		{[]string{"127.0.0.1"}, fine},
		{[]string{"169.254.169.254"}, "metadata"},
		{[]string{"169.254.169.254", "127.0.0.1"}, fine},
		{[]string{"192.0.2.1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "fe80::1", "127.0.0.1"}, fine},
		{[]string{"100.100.100.200", "168.63.129.16", "fd00:ec2::254", "0.0.0.0", "::", "224.0.0.1"}, "callback address refused"},
		{[]string{"127.0.0.1"}, fine},
	} {
		z.set(step.addrs...)
		before := hits.Load()
		got := c.Send(t.Context(), request(url))
		if step.want == fine {
			if got.Status != http.StatusOK || hits.Load() != before+1 {
				t.Errorf("%v: %+v", step.addrs, got)
			}
			continue
		}
		expect(t, strings.Join(step.addrs, " "), got.Err, step.want)
		if hits.Load() != before {
			t.Errorf("%v: the receiver was reached", step.addrs)
		}
	}
	if z.count() < 6 {
		t.Errorf("%d lookups: the name was not looked up for each try", z.count())
	}
}

// Rule 7.7: loopback only while the service listens on loopback; a URL that no
// suffix allows is not even looked up.
func TestTheURLIsJudgedOnEachTry(t *testing.T) {
	t.Parallel()
	s := receiver(t, func(http.ResponseWriter, *http.Request) { t.Error("the receiver was reached") })
	z := &zone{}
	z.set("127.0.0.1")
	c := mustClient(t, HTTPOptions{Policy: mustPolicy(t, false, "example.org,127.0.0.0/8"), Resolver: z.resolver(t)})
	expect(t, "address", c.Send(t.Context(), request(s.URL)).Err, "loopback")
	expect(t, "name", c.Send(t.Context(), request("http://receiver.example./")).Err, "matches no suffix")
	expect(t, "file", c.Send(t.Context(), request("file:///etc/passwd")).Err, "http or https")
	if z.count() != 0 {
		t.Errorf("%d lookups", z.count())
	}
	expect(t, "resolves to loopback", c.Send(t.Context(), request("http://a.example.org/")).Err, "loopback")
}

// Rule 7.6: at most 4 KiB of an answer are read.
func TestAHugeAnswerIsCutShort(t *testing.T) {
	t.Parallel()
	var written atomic.Int64
	done := make(chan struct{})
	s := receiver(t, func(w http.ResponseWriter, _ *http.Request) {
		defer close(done)
		block := []byte(strings.Repeat("rubbish ", 8<<10))
		for written.Load() < 64<<20 {
			n, err := w.Write(block)
			written.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	got := mustClient(t, HTTPOptions{Policy: mustPolicy(t, true, "")}).Send(t.Context(), request(s.URL))
	if !got.Delivered() || got.Err != nil || len(got.Body) > maxSnippet || !strings.HasPrefix(got.Body, "rubbish rubbish") {
		t.Errorf("%+v", got)
	}
	<-done
	if n := written.Load(); n >= 64<<20 {
		t.Errorf("the receiver could write all %d bytes: the connection was not closed", n)
	}
}

// Headers without end are no answer.
func TestHugeHeadersAreNoAnswer(t *testing.T) {
	t.Parallel()
	s := receiver(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Rubbish", strings.Repeat("x", 1<<20))
	})
	got := mustClient(t, HTTPOptions{Policy: mustPolicy(t, true, "")}).Send(t.Context(), request(s.URL))
	if got.Err == nil || got.Status != 0 {
		t.Errorf("%+v", got)
	}
}

func TestRetryAfterOfAnAnswer(t *testing.T) {
	t.Parallel()
	// The receiver's clock is years behind; its date is meant on that clock.
	s := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", "Fri, 02 Jan 2015 03:04:05 GMT")
		w.Header().Set("Retry-After", r.URL.Query().Get("after"))
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	c := mustClient(t, HTTPOptions{Policy: mustPolicy(t, true, "")})
	for after, want := range map[string]time.Duration{
		"17":                            17 * time.Second,
		"Fri,+02+Jan+2015+03:04:35+GMT": 30 * time.Second,
		"later":                         0,
	} {
		if got := c.Send(t.Context(), request(s.URL+"/?after="+after)); got.RetryAfter != want || got.Status != 503 {
			t.Errorf("%s: %+v, want %s", after, got, want)
		}
	}
}

// TLS certificates are verified.
func TestTLSIsVerified(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	policy := mustPolicy(t, true, "")
	stranger := mustClient(t, HTTPOptions{Policy: policy}).Send(t.Context(), request(s.URL))
	var unknown x509.UnknownAuthorityError
	if !errors.As(stranger.Err, &unknown) {
		t.Errorf("an unknown certificate: %+v", stranger)
	}
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	if known := mustClient(t, HTTPOptions{Policy: policy, RootCAs: roots}).Send(t.Context(), request(s.URL)); !known.Delivered() {
		t.Errorf("a known certificate: %+v", known)
	}
}

// Connections are kept, and one that the receiver has closed meanwhile is no
// failed try.
func TestConnectionsAreKept(t *testing.T) {
	t.Parallel()
	var dialled atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"ok":true}`)
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			dialled.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	c := mustClient(t, HTTPOptions{Policy: mustPolicy(t, true, "")})
	for range 5 {
		if got := c.Send(t.Context(), request(s.URL)); !got.Delivered() {
			t.Fatalf("%+v", got)
		}
	}
	if n := dialled.Load(); n != 1 {
		t.Errorf("%d connections for 5 tries", n)
	}
	s.CloseClientConnections()
	if got := c.Send(t.Context(), request(s.URL)); !got.Delivered() {
		t.Errorf("after the receiver closed the connection: %+v", got)
	}
}

// What cannot be sent is reported, not sent unsigned; an error names neither the
// URL, which may hold a token, nor the secret.
func TestSendReportsWhatItCannotSend(t *testing.T) {
	t.Parallel()
	c := mustClient(t, HTTPOptions{Policy: mustPolicy(t, true, "")})
	bad := request("http://127.0.0.1:1/")
	bad.Secret = "whsec_hunter2"
	if got := c.Send(t.Context(), bad); !errors.Is(got.Err, ErrKey) || strings.Contains(got.Err.Error(), "hunter2") {
		t.Errorf("bad secret: %+v", got)
	}
	bad = request("http://127.0.0.1:1/")
	bad.ID = "a b"
	if got := c.Send(t.Context(), bad); !errors.Is(got.Err, ErrID) {
		t.Errorf("bad id: %+v", got)
	}
	if got := c.Send(t.Context(), request("http://127.0.0.1:1/?token=hunter2")); got.Err == nil || strings.Contains(got.Err.Error(), "hunter2") {
		t.Errorf("nobody listens: %+v", got)
	}
	if got := c.Send(t.Context(), request("http://\x00hunter2/")); !errors.Is(got.Err, ErrRefused) || strings.Contains(got.Err.Error(), "hunter2") {
		t.Errorf("no URL: %+v", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := c.Send(ctx, request("http://127.0.0.1:1/")); !errors.Is(got.Err, context.Canceled) {
		t.Errorf("cancelled: %+v", got)
	}
}

func TestNewClientWantsItsParts(t *testing.T) {
	t.Parallel()
	if _, err := NewClient(ClientConfig{Now: time.Now}); err == nil {
		t.Error("no HTTP client")
	}
	if _, err := NewClient(ClientConfig{HTTP: http.DefaultClient}); err == nil {
		t.Error("no clock")
	}
	c, err := NewClient(ClientConfig{HTTP: http.DefaultClient, Now: time.Now, UserAgent: "fleet"})
	if err != nil || c.cfg.UserAgent != "fleet" {
		t.Errorf("%+v, %v", c, err)
	}
}

// The table and the library's copy of the registries agree wherever the table
// allows: the second opinion never takes away what rule 7.7 gives.
func TestTheSecondOpinionAllowsWhatTheTableAllows(t *testing.T) {
	t.Parallel()
	p := mustPolicy(t, true, "")
	for _, c := range addressTable {
		ip := netip.MustParseAddr(c.addr).WithZone("")
		if carriedBy(ip).alone || special(ip) != "" {
			continue
		}
		if err := p.guardian.SafeAddr(ip); err != nil {
			t.Errorf("%s: %v", c.addr, err)
		}
	}
}
