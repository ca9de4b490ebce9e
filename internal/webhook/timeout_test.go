package webhook

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// sendOverPipe makes one try at a receiver on the other end of a pipe, in the
// virtual time of the bubble that it is called in.
func sendOverPipe(t *testing.T, receive func(net.Conn)) (Result, time.Duration) {
	t.Helper()
	return sendWithin(t, 0, receive)
}

func sendWithin(t *testing.T, timeout time.Duration, receive func(net.Conn)) (Result, time.Duration) {
	t.Helper()
	o := HTTPOptions{Policy: mustPolicy(t, false, ""), Timeout: timeout}
	var receivers sync.WaitGroup
	httpClient := newHTTPClient(o, func(context.Context, string, string) (net.Conn, error) {
		sending, receiving := net.Pipe()
		receivers.Go(func() { receive(receiving) })
		return sending, nil
	})
	c, err := NewClient(ClientConfig{HTTP: httpClient, Key: mustKey(t, referencePrivate), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	result := c.Send(t.Context(), request("http://receiver.example/"))
	took := time.Since(start)
	httpClient.CloseIdleConnections()
	receivers.Wait()
	return result, took
}

func readRequest(conn net.Conn) {
	r, err := http.ReadRequest(bufio.NewReader(conn))
	if err == nil {
		_, _ = io.Copy(io.Discard, r.Body)
	}
}

// drip writes a piece a second until the other end has had enough.
func drip(conn net.Conn, piece string) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for range tick.C {
		if _, err := io.WriteString(conn, piece); err != nil {
			return
		}
	}
}

func hang(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

// Rule 7.6: at most 10 s of an answer are read. A receiver that is silent gives
// no answer.
func TestASilentReceiverEndsAfterTenSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		got, took := sendOverPipe(t, hang)
		if got.Err == nil || !strings.Contains(got.Err.Error(), "no answer in time") || got.Status != 0 {
			t.Errorf("%+v", got)
		}
		if took != 10*time.Second || got.Duration != 10*time.Second {
			t.Errorf("it took %s, reported %s", took, got.Duration)
		}
	})
}

// A receiver that cannot be reached at all is given up after the same ten seconds.
func TestAHangingDialEndsAfterTenSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		httpClient := newHTTPClient(HTTPOptions{Policy: mustPolicy(t, false, "")},
			func(ctx context.Context, _, _ string) (net.Conn, error) {
				// The transport lets a dial outlive its request; the real dialer has
				// a timeout of its own.
				ctx, cancel := context.WithTimeout(ctx, TryTimeout)
				defer cancel()
				<-ctx.Done()
				return nil, ctx.Err()
			})
		c, err := NewClient(ClientConfig{HTTP: httpClient, Key: mustKey(t, referencePrivate), Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		got := c.Send(t.Context(), request("http://receiver.example/"))
		if got.Err == nil || got.Duration != 10*time.Second {
			t.Errorf("%+v", got)
		}
	})
}

// A status that came stands, even if the answer then drips for ever.
func TestADrippingAnswerKeepsItsStatus(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		line      string
		delivered bool
	}{{"200 OK", true}, {"503 Service Unavailable", false}} {
		synctest.Test(t, func(t *testing.T) {
			got, took := sendOverPipe(t, func(conn net.Conn) {
				readRequest(conn)
				go hang(conn)
				_, _ = io.WriteString(conn, "HTTP/1.1 "+c.line+"\r\nContent-Length: 1000\r\n\r\n")
				drip(conn, ".")
			})
			if got.Err != nil || got.Delivered() != c.delivered || !strings.HasPrefix(got.Body, ".....") {
				t.Errorf("%s: %+v", c.line, got)
			}
			if took != 10*time.Second {
				t.Errorf("%s: it took %s", c.line, took)
			}
		})
	}
}

// A caller may be less patient.
func TestTheTimeoutCanBeSet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		got, took := sendWithin(t, 3*time.Second, hang)
		if got.Err == nil || took != 3*time.Second {
			t.Errorf("%+v after %s", got, took)
		}
	})
}

// Headers that drip are no answer: the status line alone may be followed by
// anything.
func TestDrippingHeadersAreNoAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		got, took := sendOverPipe(t, func(conn net.Conn) {
			readRequest(conn)
			go hang(conn)
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
			drip(conn, "X-Drip: y\r\n")
		})
		if got.Err == nil || took != 10*time.Second {
			t.Errorf("%+v after %s", got, took)
		}
	})
}

// Rubbish in place of HTTP is no answer.
func TestRubbishIsNoAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		got, _ := sendOverPipe(t, func(conn net.Conn) {
			readRequest(conn)
			_, _ = io.WriteString(conn, "\x16\x03\x01 what?\r\n\r\n")
			_ = conn.Close()
		})
		if got.Err == nil || got.Status != 0 {
			t.Errorf("%+v", got)
		}
	})
}
