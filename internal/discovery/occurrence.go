package discovery

import "time"

// State is what a boot reports of itself (rule 2.7).
type State string

// The reported states. Shutdown means winding down; an occurrence that only
// deliberates keeps the state it is in.
const (
	Starting State = "starting"
	Wakeup   State = "wakeup"
	Work     State = "work"
	Play     State = "play"
	Solitude State = "solitude"
	Dream    State = "dream"
	Shutdown State = "shutdown"
	Stopped  State = "stopped"
	Error    State = "error"
)

// States lists the reported states in the order of rule 2.7.
func States() []State {
	return []State{Starting, Wakeup, Work, Play, Solitude, Dream, Shutdown, Stopped, Error}
}

// Valid tells whether s is one of the reported states.
func (s State) Valid() bool {
	for _, known := range States() {
		if s == known {
			return true
		}
	}
	return false
}

// Awake tells whether s counts as awake: work, play, solitude or dream.
func (s State) Awake() bool {
	return s == Work || s == Play || s == Solitude || s == Dream
}

// Liveness is derived from the last sign of life and never stored (rule 2.9).
type Liveness string

// Live occurrences were heard within the liveness timeout, stale ones within
// the discovery window; all others are gone.
const (
	Live  Liveness = "live"
	Stale Liveness = "stale"
	Gone  Liveness = "gone"
)

// Timing holds the settings by which presence is judged.
type Timing struct {
	HeartbeatInterval time.Duration
	LivenessTimeout   time.Duration
	DiscoveryWindow   time.Duration
}

// Occurrence is one process slot of an agent and what was last heard from it.
// Times are service times.
type Occurrence struct {
	ID             string
	Coordinated    bool   // false: an old version that works alone (rule 2.12)
	Pin            string // the canary group it asked for, or empty (rule 3.4)
	Version        string
	CallbackURL    string
	CallbackSecret string // never shown again (rule 7.6)
	Labels         map[string]string
	RegisteredAt   time.Time

	Boot      string    // the present boot
	BootHeard time.Time // when the present boot was first heard
	Sequence  int64     // of the last heartbeat taken from it

	State      State
	StateSince time.Time
	Detail     string
	Critical   int // critical incidents in the last heartbeat
	High       int

	LastSign     time.Time // last sign of life; never moves back (rule 2.8)
	Left         bool      // it left by DELETE (rule 2.6)
	CallbackGone bool      // its present callback address answered 410 (rule 2.9)

	// TransitSince is since when it has been in wakeup or shutdown, across
	// boots, without having been awake; zero otherwise. It is what the incident
	// occurrence_stuck is judged by.
	TransitSince time.Time
	// Conflicts are the latest answers boot_replaced that this occurrence was
	// given, oldest first, at most conflictLimit (rule 2.5).
	Conflicts []time.Time
}

// HasStopped tells whether the present boot said its last word.
func (o *Occurrence) HasStopped() bool { return o.State == Stopped || o.Left }

// Liveness derives the liveness at the service instant now.
func (o *Occurrence) Liveness(t Timing, now time.Time) Liveness {
	switch silent := now.Sub(o.LastSign); {
	case o.LastSign.IsZero(), o.HasStopped(), o.CallbackGone, silent > t.DiscoveryWindow && silent > t.LivenessTimeout:
		return Gone
	case silent <= t.LivenessTimeout:
		return Live
	default:
		return Stale
	}
}

// Silent tells whether no sign of life came within the liveness timeout,
// whatever else is known of the occurrence.
func (o *Occurrence) Silent(t Timing, now time.Time) bool {
	return now.Sub(o.LastSign) > t.LivenessTimeout
}

// sign records a sign of life; liveness never moves back.
func (o *Occurrence) sign(now time.Time) {
	if now.After(o.LastSign) {
		o.LastSign = now
	}
}

// report takes over a reported state.
func (o *Occurrence) report(s State, now time.Time) {
	if o.State != s {
		o.State, o.StateSince = s, now
	}
	switch {
	case s.Awake():
		o.TransitSince = time.Time{}
	case (s == Wakeup || s == Shutdown) && o.TransitSince.IsZero():
		o.TransitSince = now
	}
}

// begin makes boot the present boot: this is its heartbeat "starting" with
// sequence 0 (rule 2.3). An interrupted wakeup or shutdown goes on counting
// across the restart only if the restart came promptly.
func (o *Occurrence) begin(boot string, t Timing, now time.Time) {
	if now.Sub(o.LastSign) >= t.DiscoveryWindow {
		o.TransitSince = time.Time{}
	}
	o.Boot, o.BootHeard, o.Sequence = boot, now, 0
	o.Left, o.CallbackGone = false, false
	o.Critical, o.High, o.Detail = 0, 0, ""
	o.State, o.StateSince = Starting, now
	o.sign(now)
}
