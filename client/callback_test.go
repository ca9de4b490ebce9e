package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cirisai/orchestrator/internal/webhook"
)

const secret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"

// delivery is a callback as the service would send it now.
func (r *rig) delivery(in Instruction, secret string) *http.Request {
	r.t.Helper()
	body, err := json.Marshal(Delivery{
		AgentID: in.AgentID, OccurrenceID: in.OccurrenceID, BootID: in.BootID, InstructionID: in.InstructionID, Type: in.Type, RolloutID: in.RolloutID,
		Reason: in.Reason, Deadline: in.Deadline, IssuedAt: in.IssuedAt, Attempt: 2, Wave: in.Wave, Force: in.Force, ServerTime: r.svc.now(),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	signer, err := webhook.NewSigner(secret, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	request := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
	if err := signer.Sign(request.Header, in.InstructionID, r.svc.now(), body); err != nil {
		r.t.Fatal(err)
	}
	return request
}

func (r *rig) post(request *http.Request) int {
	w := httptest.NewRecorder()
	r.p.CallbackHandler().ServeHTTP(w, request)
	return w.Code
}

func withCallback(c *Config) {
	c.Callback.URL, c.Secret, c.PollWait = "http://10.0.0.7/hook", secret, -1
}

// Rule 7.6: a genuine callback is taken at once, acknowledged, and obeyed; this machine's clock has no say.
func TestCallback(t *testing.T) {
	inRig(t, func(r *rig) {
		r.svc.skew = 100 * time.Hour
		r.atWork(withCallback)
		got := r.svc.registrations[0]
		if *got.CallbackURL != "http://10.0.0.7/hook" || *got.CallbackSecret != secret {
			t.Errorf("registered %+v", got)
		}
		if code := r.post(r.delivery(r.instruction(InstructionTypeStop, "in_1"), secret)); code != http.StatusAccepted {
			t.Errorf("answered %d", code)
		}
		r.elapse(0)
		r.did("stop in_1")
		if code := r.post(r.delivery(r.instruction(InstructionTypeStop, "in_2"), secret)); code != http.StatusServiceUnavailable {
			t.Errorf("answered %d after its last word", code)
		}
	})
}

// Rule 7.6: what is not signed by the registered secret, or is not for this boot (rule 7.3), is refused.
func TestCallbackRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		request func(*rig) *http.Request
		want    int
	}{
		"a get": {func(*rig) *http.Request { return httptest.NewRequest(http.MethodGet, "/", nil) }, http.StatusMethodNotAllowed},
		"no signature": {func(r *rig) *http.Request {
			request := r.delivery(r.instruction(InstructionTypeStop, "in_1"), secret)
			request.Header.Del(webhook.HeaderSignature)
			return request
		}, http.StatusUnauthorized},
		"another secret": {func(r *rig) *http.Request {
			return r.delivery(r.instruction(InstructionTypeStop, "in_1"), strings.Replace(secret, "MDEy", "OTEy", 1))
		}, http.StatusUnauthorized},
		"a replay of yesterday": {func(r *rig) *http.Request {
			r.svc.skew -= 24 * time.Hour
			defer func() { r.svc.skew += 24 * time.Hour }()
			return r.delivery(r.instruction(InstructionTypeStop, "in_1"), secret)
		}, http.StatusUnauthorized},
		"too large": {func(*rig) *http.Request {
			return httptest.NewRequest(http.MethodPost, "/", strings.NewReader(strings.Repeat(" ", maxDelivery+1)))
		}, http.StatusRequestEntityTooLarge},
		"no JSON": {func(r *rig) *http.Request {
			signer, err := webhook.NewSigner(secret, nil)
			if err != nil {
				t.Fatal(err)
			}
			request := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("stop"))
			if err := signer.Sign(request.Header, "in_1", r.svc.now(), []byte("stop")); err != nil {
				t.Fatal(err)
			}
			return request
		}, http.StatusBadRequest},
		"another boot": {func(r *rig) *http.Request {
			return r.delivery(r.instruction(InstructionTypeStop, "in_1", func(in *Instruction) { in.BootID = "boot-0" }), secret)
		}, http.StatusConflict},
	} {
		t.Run(name, func(t *testing.T) {
			inRig(t, func(r *rig) {
				r.atWork(withCallback)
				if got := r.post(c.request(r)); got != c.want {
					t.Errorf("answered %d, want %d", got, c.want)
				}
				r.elapse(time.Second)
				r.did()
			})
		})
	}
}

// Without a callback there is nothing to verify with, and nothing is believed.
func TestCallbackWithoutOne(t *testing.T) {
	inRig(t, func(r *rig) {
		r.atWork()
		if code := r.post(r.delivery(r.instruction(InstructionTypeStop, "in_1"), secret)); code != http.StatusNotFound {
			t.Errorf("answered %d", code)
		}
	})
}

// A process with a receiver of its own registers its address, and a fresh secret if it was given none (rule 7.6).
func TestOwnReceiver(t *testing.T) {
	svc, agent := newFakeService(), &fakeAgent{}
	svc.script("ask", directs(DirectiveProceed))
	p, err := NewProcess(Config{
		BaseURL: "http://service", AgentID: "scout", OccurrenceID: "scout-1", BootID: "boot-1", Handler: agent,
		HTTPClient: &http.Client{Transport: svc}, Callback: Callback{Listen: "127.0.0.1:0"}, PollWait: -1,
	})
	if err != nil {
		t.Fatal(err)
	}
	registered := make(chan struct{})
	agent.wake = func(context.Context, Order) error { close(registered); return nil }
	done := make(chan error, 1)
	go func() { done <- p.Run(t.Context()) }()
	<-registered
	got := svc.registrations[0]
	if got.CallbackSecret == nil || webhook.CheckSecret(*got.CallbackSecret) != nil || !strings.HasPrefix(*got.CallbackURL, "http://127.0.0.1:") {
		t.Fatalf("registered %+v", got)
	}
	r := &rig{t: t, svc: svc, agent: agent, p: p}
	prepared := r.delivery(r.instruction(InstructionTypeStop, "in_1"), *got.CallbackSecret)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, *got.CallbackURL, prepared.Body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = prepared.Header
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusAccepted {
		t.Errorf("answered %s", response.Status)
	}
	if err := <-done; err != nil {
		t.Errorf("Run returned %v", err)
	}
	if _, err := NewProcess(Config{BaseURL: "http://service", AgentID: "scout", OccurrenceID: "scout-1", Handler: agent, Callback: Callback{Listen: "127.0.0.1:0"}, Secret: "x"}); err == nil {
		t.Error("a bad secret is taken")
	}
}

// An address that cannot be listened at ends the process before anything is said.
func TestReceiverThatCannotListen(t *testing.T) {
	svc := newFakeService()
	p, err := NewProcess(Config{
		BaseURL: "http://service", AgentID: "scout", OccurrenceID: "scout-1", Handler: &fakeAgent{},
		HTTPClient: &http.Client{Transport: svc}, Callback: Callback{Listen: "127.0.0.1:99999"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Run(t.Context()); err == nil || svc.count("register") != 0 {
		t.Errorf("Run returned %v", err)
	}
}

// A delivery that has come before the process ends is answered: without an answer it
// would be sent again, to nobody.
func TestReceiverAnswersBeforeItCloses(t *testing.T) {
	p, err := NewProcess(Config{
		BaseURL: "http://service", AgentID: "scout", OccurrenceID: "scout-1", BootID: "boot-1", Handler: &fakeAgent{},
		HTTPClient: &http.Client{Transport: newFakeService()}, Callback: Callback{Listen: "127.0.0.1:0"},
	})
	if err != nil {
		t.Fatal(err)
	}
	receiver, err := p.listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	address := strings.TrimSuffix(strings.TrimPrefix(p.callbackURL, "http://"), "/")
	var dialer net.Dialer
	conn, err := dialer.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	answers := bufio.NewReader(conn)
	_, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	if line, err := answers.ReadString('\n'); err != nil || !strings.Contains(line, "100") { // it reads the body now
		t.Fatalf("%q, %v", line, err)
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		receiver.close(t.Context())
	}()
	for {
		another, err := dialer.DialContext(t.Context(), "tcp", address)
		if err != nil {
			break // it takes nobody any more
		}
		_ = another.Close()
	}
	if _, err := io.WriteString(conn, "{}"); err != nil {
		t.Fatal(err)
	}
	if _, err := answers.ReadString('\n'); err != nil { // the empty line after the 100
		t.Fatal(err)
	}
	if line, err := answers.ReadString('\n'); err != nil || !strings.Contains(line, "401") { // it is not signed
		t.Errorf("%q, %v", line, err)
	}
	<-closed
	p.tasks.Wait()
}
