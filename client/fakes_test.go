package client

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// reply is one scripted answer. A zero status means that nobody answers.
type reply struct {
	status int
	body   any
	header map[string]string
}

var unreachable = reply{}

func problem(status int, code ErrorCode) reply {
	return reply{status: status, body: Problem{Status: status, Code: code, Title: string(code)}}
}

// fakeService plays the service in memory. Each call is answered from its script while that lasts, and sensibly then.
type fakeService struct {
	skew time.Duration // of its clock against this machine's

	mu            sync.Mutex
	scripts       map[string][]reply // by the name of the call
	calls         []seen
	registrations []OccurrenceRegistration
	beats         []HeartbeatReport
	pending       []Instruction
	decisions     []DecisionRequest
	news          chan struct{} // closed when pending changes
	last          int64         // sequence
}

// seen is a call that was made.
type seen struct {
	call string
	at   time.Time
}

func newFakeService() *fakeService {
	return &fakeService{scripts: map[string][]reply{}, news: make(chan struct{})}
}

func (f *fakeService) now() time.Time { return time.Now().Add(f.skew).UTC() }

// script has the next calls of a name answered so.
func (f *fakeService) script(call string, replies ...reply) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.scripts[call] = append(f.scripts[call], replies...)
}

// push makes an instruction pending.
func (f *fakeService) push(in Instruction) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pending = append(f.pending, in)
	close(f.news)
	f.news = make(chan struct{})
}

func (f *fakeService) withdraw(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pending = slices.DeleteFunc(f.pending, func(in Instruction) bool { return in.InstructionID == id })
}

func (f *fakeService) count(call string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, s := range f.calls {
		if s.call == call {
			n++
		}
	}
	return n
}

func (f *fakeService) times(call string) []time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []time.Time
	for _, s := range f.calls {
		if s.call == call {
			all = append(all, s.at)
		}
	}
	return all
}

// heard is the states that heartbeats told, without repetitions and without starting, which the registration has told.
func (f *fakeService) heard() []ReportedState {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []ReportedState
	for _, b := range f.beats {
		if b.State != ReportedStateStarting {
			all = append(all, b.State)
		}
	}
	return slices.Compact(all)
}

func (f *fakeService) lastBeat() HeartbeatReport {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.beats[len(f.beats)-1]
}

// RoundTrip answers without a network, so that waiting takes no real time.
func (f *fakeService) RoundTrip(r *http.Request) (*http.Response, error) {
	answered := make(chan *http.Response, 1)
	go func() {
		w := httptest.NewRecorder()
		if f.handler().ServeHTTP(w, r); w.Code != 0 {
			answered <- w.Result()
		}
		close(answered)
	}()
	select {
	case <-r.Context().Done():
		return nil, r.Context().Err()
	case response := <-answered:
		if response == nil || response.StatusCode == http.StatusTeapot {
			return nil, io.ErrUnexpectedEOF
		}
		return response, nil
	}
}

func (f *fakeService) handler() http.Handler {
	mux := http.NewServeMux()
	occurrence := "/v1/agents/scout/occurrences/scout-1"
	for pattern, call := range map[string]string{
		"PUT " + occurrence: "register", "POST " + occurrence + "/heartbeats": "heartbeat",
		"GET " + occurrence + "/instructions": "poll", "POST " + occurrence + "/instructions/{id}/acknowledgement": "acknowledge",
		"POST /v1/agents/scout/wakeups": "ask", "POST /v1/rollouts/{id}/decision": "decide", "GET /v1/rollouts/{id}": "rollout",
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { f.serve(call, w, r) })
	}
	return mux
}

func (f *fakeService) serve(call string, w http.ResponseWriter, r *http.Request) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
	}
	f.mu.Lock()
	f.calls = append(f.calls, seen{call, time.Now()})
	f.note(call, body)
	var answer reply
	if script := f.scripts[call]; len(script) > 0 {
		answer, f.scripts[call] = script[0], script[1:]
		if answer.status == 0 {
			answer.status = http.StatusTeapot
		}
	}
	f.mu.Unlock()
	if answer.status == 0 {
		answer = f.standard(call, body, r)
	}
	w.Header().Set("Date", f.now().Format(http.TimeFormat))
	for k, v := range answer.header {
		w.Header().Set(k, v)
	}
	w.WriteHeader(answer.status)
	if text, ok := answer.body.(string); ok {
		_, _ = io.WriteString(w, text)
		return
	}
	_ = json.NewEncoder(w).Encode(answer.body)
}

func (f *fakeService) note(call string, body []byte) {
	switch call {
	case "register":
		f.registrations = append(f.registrations, decoded[OccurrenceRegistration](body))
	case "heartbeat":
		f.beats = append(f.beats, decoded[HeartbeatReport](body))
	case "decide":
		f.decisions = append(f.decisions, decoded[DecisionRequest](body))
	}
}

func decoded[T any](body []byte) T {
	var v T
	if err := json.Unmarshal(body, &v); err != nil {
		panic(err)
	}
	return v
}

func (f *fakeService) standard(call string, body []byte, r *http.Request) reply {
	switch call {
	case "register":
		return reply{status: http.StatusCreated, body: Occurrence{AgentID: "scout", OccurrenceID: "scout-1"}}
	case "heartbeat":
		return reply{status: http.StatusOK, body: f.heartbeat(decoded[HeartbeatReport](body))}
	case "poll":
		wait, _ := time.ParseDuration(r.URL.Query().Get("wait"))
		return reply{status: http.StatusOK, body: f.poll(r.Context(), wait)}
	case "acknowledge":
		f.withdraw(r.PathValue("id"))
		return reply{status: http.StatusOK, body: Acknowledgement{InstructionID: r.PathValue("id"), ServerTime: f.now()}}
	case "ask":
		return waits("30s")
	default:
		return reply{status: http.StatusOK, body: Rollout{RolloutID: r.PathValue("id"), Kind: RolloutKindShutdown, State: RolloutStateRolling}}
	}
}

func (f *fakeService) heartbeat(b HeartbeatReport) HeartbeatAnswer {
	f.mu.Lock()
	defer f.mu.Unlock()
	accepted := b.Sequence > f.last
	f.last = max(f.last, b.Sequence)
	return HeartbeatAnswer{
		Accepted: accepted, Sequence: f.last, ServerTime: f.now(), HeartbeatInterval: "10s", LivenessTimeout: "30s",
		Instructions: slices.Clone(f.pending),
	}
}

func (f *fakeService) poll(ctx context.Context, wait time.Duration) InstructionList {
	over := time.After(wait)
	for {
		f.mu.Lock()
		all, news := slices.Clone(f.pending), f.news
		f.mu.Unlock()
		if len(all) > 0 {
			return InstructionList{Instructions: all, ServerTime: f.now()}
		}
		select {
		case <-ctx.Done():
			return InstructionList{ServerTime: f.now()}
		case <-over:
			return InstructionList{ServerTime: f.now()}
		case <-news:
		}
	}
}

func waits(d string) reply {
	return reply{status: http.StatusOK, body: WakeupAnswer{Directive: DirectiveWait, Reason: "waits_for_its_wave", AskAgainAfter: &d}}
}

func directs(d Directive) reply {
	return reply{status: http.StatusOK, body: WakeupAnswer{Directive: d, Reason: "because"}}
}

func (f *fakeService) decides(token string) reply {
	rollout, message := "ro_1", "VERIFY_IDENTITY"
	return reply{status: http.StatusCreated, body: WakeupAnswer{
		Directive: DirectiveDecide, Reason: "opened_a_wakeup", RolloutID: &rollout,
		Message: &message, Claim: &Claim{Token: token, ExpiresAt: f.now().Add(5 * time.Minute)},
	}}
}

// fakeAgent is a Handler whose answers are functions; nil ones agree at once. It notes its calls in words.
type fakeAgent struct {
	deliberate func(context.Context, Deliberation) (Judgement, error)
	wake       func(context.Context, Order) error
	stop       func(context.Context, Order) error

	mu    sync.Mutex
	notes []string
	seen  []Deliberation
}

func (a *fakeAgent) note(s string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.notes = append(a.notes, s)
}

func (a *fakeAgent) did() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.notes)
}

func (a *fakeAgent) Deliberate(ctx context.Context, d Deliberation) (Judgement, error) {
	a.note("deliberate " + string(d.Kind))
	a.mu.Lock()
	a.seen = append(a.seen, d)
	a.mu.Unlock()
	if a.deliberate != nil {
		return a.deliberate(ctx, d)
	}
	return Judgement{Verdict: VerdictAccept, Reasoning: "I am who I am."}, nil
}

func (a *fakeAgent) Wake(ctx context.Context, o Order) error {
	a.note("wake " + string(o.Cause))
	if a.wake != nil {
		return a.wake(ctx, o)
	}
	return nil
}

func (a *fakeAgent) Stop(ctx context.Context, o Order) error {
	a.note("stop " + o.Reason)
	if a.stop != nil {
		return a.stop(ctx, o)
	}
	return nil
}

// rig is a process that runs against the fakes.
type rig struct {
	t      *testing.T
	svc    *fakeService
	agent  *fakeAgent
	p      *Process
	cancel context.CancelFunc
	done   chan error
	began  time.Time
}

// inRig runs a test of one process in virtual time.
func inRig(t *testing.T, test func(*rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, svc: newFakeService(), agent: &fakeAgent{}, done: make(chan error, 1)}
		test(r)
		if r.p != nil {
			r.cancel()
			r.elapse(time.Minute)
		}
	})
}

// start runs the process, after all that is due at once has happened.
func (r *rig) start(changes ...func(*Config)) {
	r.t.Helper()
	cfg := Config{
		BaseURL: "http://service", AgentID: "scout", OccurrenceID: "scout-1", BootID: "boot-1", Handler: r.agent,
		HTTPClient: &http.Client{Transport: r.svc},
	}
	for _, change := range changes {
		change(&cfg)
	}
	p, err := NewProcess(cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(r.t.Context())
	r.p, r.cancel, r.began = p, cancel, time.Now()
	go func() { r.done <- p.Run(ctx) }()
	synctest.Wait()
}

// atWork starts the process and lets it proceed to work.
func (r *rig) atWork(changes ...func(*Config)) {
	r.t.Helper()
	r.svc.script("ask", directs(DirectiveProceed))
	r.start(changes...)
	if s := r.p.State(); s != ReportedStateWork {
		r.t.Fatalf("the process is in %s", s)
	}
	r.agent.mu.Lock()
	r.agent.notes = nil
	r.agent.mu.Unlock()
}

// elapse lets time pass.
func (r *rig) elapse(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// instruct makes an instruction pending that this boot has 300 s for.
func (r *rig) instruct(kind InstructionType, id string, changes ...func(*Instruction)) {
	r.svc.push(r.instruction(kind, id, changes...))
	synctest.Wait()
}

func (r *rig) instruction(kind InstructionType, id string, changes ...func(*Instruction)) Instruction {
	in := Instruction{
		AgentID: "scout", OccurrenceID: "scout-1", BootID: "boot-1", InstructionID: id, Type: kind, RolloutID: "ro_1", Attempt: 1,
		Reason: id, IssuedAt: r.svc.now(), Deadline: r.svc.now().Add(5 * time.Minute), Wave: &InstructionWave{Index: 1, Group: "explorer"},
	}
	for _, change := range changes {
		change(&in)
	}
	return in
}

// ended tells how Run has returned, or fails while it runs.
func (r *rig) ended() error {
	r.t.Helper()
	select {
	case err := <-r.done:
		return err
	default:
		r.t.Fatal("Run has not returned")
		return nil
	}
}

func (r *rig) running() {
	r.t.Helper()
	select {
	case err := <-r.done:
		r.t.Fatalf("Run has returned: %v", err)
	default:
	}
}

func (r *rig) did(want ...string) {
	r.t.Helper()
	if got := r.agent.did(); !slices.Equal(got, want) {
		r.t.Errorf("the agent was asked to %q, want %q", got, want)
	}
}

// heard checks that the service heard these states in this order, and the last of them last. A state that was passed
// through in no time may have gone unsaid, or not.
func (r *rig) heard(want ...ReportedState) {
	r.t.Helper()
	got, rest := r.svc.heard(), want
	for _, s := range got {
		if len(rest) > 0 && s == rest[0] {
			rest = rest[1:]
		}
	}
	if len(rest) > 0 || len(got) > 0 && (len(want) == 0 || got[len(got)-1] != want[len(want)-1]) {
		r.t.Errorf("the service heard %v, want %v", got, want)
	}
}
