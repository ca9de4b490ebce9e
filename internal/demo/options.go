package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// The groups of the plan, in the order of their waves.
const (
	explorer     = "explorer"
	earlyAdopter = "early_adopter"
	general      = "general"
)

// Options says what is shown.
type Options struct {
	Occurrences int     // of the fleet, 1 to MaxOccurrences
	Speed       float64 // by which all durations are divided; more than 0
	Fail        string  // a group whose members never stop in the shutdown; empty: all stop
	Reject      bool    // the decider of the shutdown rejects it
	Exit        bool    // end when it is over; else the service goes on until the context ends

	AgentID  string // under which the fleet runs; nobody else's
	Database string // in words; empty: as the service calls it
	Out      io.Writer
	Terminal bool // Out is a terminal that can redraw

	// Start starts the service.
	Start func(context.Context, Settings) (Service, error)
}

// Settings is what the service is to be started with, beside its defaults. There is no rate limit in a demonstration: all
// occurrences and the operator come from one address and are one principal.
type Settings struct {
	HeartbeatInterval time.Duration
	LivenessTimeout   time.Duration
	DiscoveryWindow   time.Duration
	ClaimLease        time.Duration
	DecisionTimeout   time.Duration
	StuckAfter        time.Duration
}

// Service is a service that was started.
type Service struct {
	URL      string       // its address, without a slash at the end
	Database string       // for people: without what is secret in it
	Wait     func() error // returns when the context with which it was started has ended and all is put away
}

// MaxOccurrences is the largest fleet of a demonstration, all in one process.
const MaxOccurrences = 500

// ErrOptions says that options cannot be used; the error that wraps it says why.
var ErrOptions = errors.New("demo")

// Check returns what is wrong with the options, in one line.
func (o Options) Check() error {
	switch {
	case o.Occurrences < 1 || o.Occurrences > MaxOccurrences:
		return fmt.Errorf("%w: --occurrences is %d; want 1 to %d", ErrOptions, o.Occurrences, MaxOccurrences)
	case !(o.Speed > 0) || o.Speed > maxSpeed: // not a number is neither
		return fmt.Errorf("%w: --speed is %v; want a number above 0, at most %d", ErrOptions, o.Speed, maxSpeed)
	case o.Fail != "" && o.Reject:
		return fmt.Errorf("%w: --fail and --reject exclude one another: who rejects stops nobody", ErrOptions)
	}
	if o.Fail == "" {
		return nil
	}
	for _, w := range o.plan() {
		if w.group == o.Fail {
			if w.size == 0 {
				return fmt.Errorf("%w: --fail %s needs more occurrences: of %d nobody is in that group", ErrOptions, o.Fail, o.Occurrences)
			}
			return nil
		}
	}
	return fmt.Errorf("%w: --fail is %q; want %s, %s or %s", ErrOptions, o.Fail, explorer, earlyAdopter, general)
}

// maxSpeed is where a minute is too short for the operating system to schedule anything within it.
const maxSpeed = 100000

// real is how long a virtual duration takes.
func (o Options) real(virtual time.Duration) time.Duration {
	return time.Duration(float64(virtual) / o.Speed)
}

// virtual is what a real duration stands for.
func (o Options) virtual(real time.Duration) time.Duration {
	return time.Duration(float64(real) * o.Speed)
}

// What a busy machine with two cores needs to look alive, whatever the speed. A large fleet needs more: SQLite takes one
// change after the other, and everybody has something to say at once.
const (
	leastHeartbeat = 250 * time.Millisecond
	leastLiveness  = 10 * time.Second
	leastTimeout   = 10 * time.Second
	leastFailure   = 2 * time.Second        // of the members that fail on purpose: nobody wants to watch them
	perHeartbeat   = 25 * time.Millisecond  // for each occurrence, between its heartbeats
	perTimeout     = 300 * time.Millisecond // for each occurrence, in every time limit
)

// least stretches a limit for the size of the fleet.
func (o Options) least(limit, each time.Duration) time.Duration {
	return max(limit, time.Duration(o.Occurrences)*each)
}

// settings are the service's defaults, divided by the speed, and not below what the machine can keep.
func (o Options) settings() Settings {
	heartbeat := max(o.real(10*time.Second), o.least(leastHeartbeat, perHeartbeat))
	liveness := max(o.real(30*time.Second), leastLiveness, 3*heartbeat)
	limit := o.least(leastTimeout, perTimeout)
	return Settings{
		HeartbeatInterval: heartbeat,
		LivenessTimeout:   liveness,
		DiscoveryWindow:   max(o.real(10*time.Minute), 5*liveness),
		ClaimLease:        max(o.real(5*time.Minute), limit),
		DecisionTimeout:   max(o.real(10*time.Minute), 2*limit),
		StuckAfter:        max(o.real(5*time.Minute), 2*limit),
	}
}

// wave is one wave of the plan, in virtual time.
type wave struct {
	group     string
	size      int           // how many members it will have
	delay     time.Duration // after the wave before
	timeout   time.Duration // real: it is a limit and no part of the picture
	onFailure string        // by rule 4.9
	stops     time.Duration // how long a member takes to stop
}

// plan is the FSD's: one explorer, three early adopters of nine (30 % of any other number), the rest; they take half a
// minute, one and two to stop (rule 4.21).
func (o Options) plan() []wave {
	n := o.Occurrences
	early := min(max(1, n*30/100), n-1)
	if n == 9 {
		early = 3
	}
	timeout := max(o.real(5*time.Minute), o.least(leastTimeout, perTimeout))
	return []wave{
		{explorer, 1, 0, timeout, "fail", 30 * time.Second},
		{earlyAdopter, early, 30 * time.Second, timeout, "halt", time.Minute},
		{general, n - 1 - early, time.Minute, timeout, "continue", 2 * time.Minute},
	}
}

// shutdownPlan is the plan with less time for those who will not stop, however long one waits.
func (o Options) shutdownPlan() []wave {
	waves := o.plan()
	for i := range waves {
		if waves[i].group == o.Fail {
			waves[i].timeout = max(o.real(3*time.Minute), o.least(leastFailure, perTimeout/4))
		}
	}
	return waves
}

// stops is how long a member of a group takes to stop.
func (o Options) stops(group string) time.Duration {
	for _, w := range o.plan() {
		if w.group == group {
			return o.real(w.stops)
		}
	}
	return o.real(30 * time.Second)
}
