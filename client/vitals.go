package client

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// vitals is what the next heartbeat will say, and how often there is one.
type vitals struct {
	mu       sync.Mutex
	state    ReportedState
	detail   string
	critical int
	high     int
	interval time.Duration
	liveness time.Duration

	news chan struct{} // there is something that the service should hear soon
}

func newVitals() *vitals {
	return &vitals{state: ReportedStateStarting, interval: defaultInterval, liveness: defaultLiveness, news: make(chan struct{}, 1)}
}

// kick has the next heartbeat sent now.
func (v *vitals) kick() {
	select {
	case v.news <- struct{}{}:
	default:
	}
}

func (v *vitals) set(state ReportedState, detail string) {
	v.mu.Lock()
	v.state, v.detail = state, detail
	v.mu.Unlock()
	v.kick()
}

// arrive ends a wakeup in work, unless the agent has said already what it does.
func (v *vitals) arrive() {
	v.mu.Lock()
	if !awake(v.state) {
		v.state = ReportedStateWork
	}
	v.detail = ""
	v.mu.Unlock()
	v.kick()
}

func (v *vitals) current() ReportedState {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.state
}

func (v *vitals) rhythm() (interval, liveness time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.interval, v.liveness
}

// patience is how long to pause at most before something is said again that a deadline waits for: no longer than until
// the next heartbeat, which would find the service back.
func (v *vitals) patience() time.Duration {
	interval, _ := v.rhythm()
	return interval
}

// leastInterval keeps a service that says "0s" from being flooded.
const leastInterval = 20 * time.Millisecond

// adopt takes over what an answer says about the rhythm; what cannot be read changes nothing.
func (v *vitals) adopt(interval, liveness string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if d, err := time.ParseDuration(interval); err == nil && d > 0 {
		v.interval = max(d, leastInterval)
	}
	if d, err := time.ParseDuration(liveness); err == nil && d > 0 {
		v.liveness = d
	}
}

func awake(s ReportedState) bool {
	switch s {
	case ReportedStateWork, ReportedStatePlay, ReportedStateSolitude, ReportedStateDream:
		return true
	case ReportedStateStarting, ReportedStateWakeup, ReportedStateShutdown, ReportedStateStopped, ReportedStateError:
		return false
	}
	return false
}

// ErrState says that a state is not the agent's to set now.
var ErrState = errors.New("not a state that can be set now")

// SetState says what the awake agent does: work, play, solitude or dream. During Handler.Wake it says that the agent is
// awake before Wake returns. All other states follow from what the occurrence is told; setting one of them, or any while
// the occurrence is neither waking nor awake, is an ErrState.
func (p *Process) SetState(state ReportedState, detail string) error {
	v := p.vitals
	v.mu.Lock()
	defer v.mu.Unlock()
	if !awake(state) || !awake(v.state) && v.state != ReportedStateWakeup {
		return fmt.Errorf("%w: from %s to %s", ErrState, v.state, state)
	}
	v.state, v.detail = state, detail
	v.kick()
	return nil
}

// State is what the occurrence reports.
func (p *Process) State() ReportedState { return p.vitals.current() }

// ReportIncidents adds to the incidents that the next heartbeat tells of. A critical one makes the occurrence unhealthy
// until a later heartbeat tells of none (rule 4.7).
func (p *Process) ReportIncidents(critical, high int) {
	v := p.vitals
	v.mu.Lock()
	v.critical += max(critical, 0)
	v.high += max(high, 0)
	v.mu.Unlock()
	v.kick()
}
