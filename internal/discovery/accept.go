package discovery

import "time"

const (
	conflictLimit  = 3
	conflictWithin = time.Minute
)

// Registration is what an occurrence says of itself; it replaces all fields
// (rule 2.2). CallbackSecret is kept when nil.
type Registration struct {
	Boot           string
	CallbackURL    string
	CallbackSecret *string
	Version        string
	Pin            string
	Coordinated    bool
	Labels         map[string]string
}

// Heartbeat is one numbered report of a boot (rules 2.3, 2.7, 2.8). Echo is the
// service time that its sender saw in the last answer, zero when it sent none.
type Heartbeat struct {
	Boot     string
	Sequence int64
	State    State
	Version  string // empty: unchanged
	Critical int
	High     int
	Detail   string
	Echo     time.Time
}

// Speaker is who a call claims to be: a boot of an occurrence. Former tells
// whether that boot is remembered as replaced.
type Speaker struct {
	Boot   string
	Former bool
}

// Check tells whether the speaker is the present boot of o and still running
// (rules 2.5, 2.6, 6.1). A nil o is an occurrence that was never heard.
func (s Speaker) Check(o *Occurrence) *Refusal {
	switch {
	case o == nil:
		return Refuse(CodeNotFound, "this occurrence was never heard; register it")
	case s.Boot != o.Boot && s.Former:
		return Refuse(CodeBootReplaced, "boot %q was replaced by a later one; its process must exit without doing anything more", s.Boot)
	case s.Boot != o.Boot:
		return Refuse(CodeUnknownBoot, "boot %q was never heard; register it and go on", s.Boot)
	case o.HasStopped():
		return Refuse(CodeBootStopped, "boot %q has stopped; that was its last word", s.Boot)
	}
	return nil
}

// Register takes a registration (rules 2.2, 2.3): o is the occurrence as it
// was, nil when it is new. It returns the occurrence as it is now, and whether
// this was a new boot, which makes it a heartbeat.
func Register(o *Occurrence, id string, r Registration, former bool, t Timing, now time.Time) (Occurrence, bool, *Refusal) {
	var next Occurrence
	newBoot := o == nil || o.Boot != r.Boot
	switch {
	case o == nil:
		next = Occurrence{ID: id, RegisteredAt: now}
	case newBoot && former, !newBoot && o.HasStopped():
		return *o, false, Speaker{Boot: r.Boot, Former: former}.Check(o)
	default:
		next = *o
	}
	if next.CallbackURL != r.CallbackURL {
		next.CallbackGone = false // it was the other address that answered 410
	}
	next.CallbackURL, next.Version, next.Pin = r.CallbackURL, r.Version, r.Pin
	next.Coordinated, next.Labels = r.Coordinated, r.Labels
	if r.CallbackSecret != nil {
		next.CallbackSecret = *r.CallbackSecret
	}
	if newBoot {
		next.begin(r.Boot, t, now)
	}
	return next, newBoot, nil
}

// Taken is what became of a heartbeat: whether it was accepted, and the last
// sequence accepted from its boot.
type Taken struct {
	Accepted bool
	Sequence int64
}

// Accept takes a heartbeat or refuses it (rules 2.2 to 2.8). o is the
// occurrence as it was; nil registers it without a callback.
func Accept(o *Occurrence, id string, h Heartbeat, former bool, t Timing, now time.Time) (Occurrence, Taken, *Refusal) {
	var next Occurrence
	if o == nil {
		next = Occurrence{ID: id, Coordinated: true, RegisteredAt: now, Boot: h.Boot, BootHeard: now, State: Starting, StateSince: now}
	} else {
		next = *o
		refusal := Speaker{Boot: h.Boot, Former: former}.Check(o)
		switch {
		case refusal != nil && refusal.Code == CodeBootStopped && h.State == Stopped:
			return next, Taken{Sequence: o.Sequence}, nil
		case refusal != nil:
			return next, Taken{}, refusal
		case h.Sequence <= o.Sequence:
			return next, Taken{Sequence: o.Sequence}, nil
		}
	}
	next.Sequence, next.Critical, next.High, next.Detail = h.Sequence, h.Critical, h.High, h.Detail
	if h.Version != "" {
		next.Version = h.Version
	}
	next.report(h.State, now)
	if h.fresh(t, now) {
		next.sign(now)
		next.CallbackGone = false
	}
	return next, Taken{Accepted: true, Sequence: h.Sequence}, nil
}

// fresh tells whether the heartbeat is a sign of life: one that was held up on
// the way for a liveness timeout is not (rule 2.8).
func (h Heartbeat) fresh(t Timing, now time.Time) bool {
	return h.Echo.IsZero() || now.Sub(h.Echo) <= t.LivenessTimeout
}

// Unchanged tells whether taking h from o would change nothing but the
// sequence and the last sign of life, so that it may be recorded in passing. It
// never holds for an occurrence that is not live, whose return is news.
func Unchanged(o *Occurrence, h Heartbeat, t Timing, now time.Time) bool {
	return o != nil && o.Boot == h.Boot && h.Sequence > o.Sequence && h.State == o.State && h.State != Stopped &&
		h.Critical == o.Critical && h.High == o.High && h.Detail == o.Detail &&
		(h.Version == "" || h.Version == o.Version) && h.fresh(t, now) && o.Liveness(t, now) == Live
}

// Leave takes a clean leave (rule 2.6): an empty boot means the present one.
// Leaving twice changes nothing and is no refusal.
func Leave(o *Occurrence, boot string, former bool, now time.Time) (Occurrence, *Refusal) {
	if o == nil {
		return Occurrence{}, Speaker{}.Check(nil)
	}
	if boot == "" {
		boot = o.Boot
	}
	refusal := Speaker{Boot: boot, Former: former}.Check(o)
	if refusal != nil && refusal.Code != CodeBootStopped {
		return *o, refusal
	}
	next := *o
	if !next.Left {
		next.Left = true
		if next.State != Stopped {
			next.report(Stopped, now)
		}
	}
	return next, nil
}

// Asked records the sign of life that asking to wake up is (rule 2.8).
func Asked(o Occurrence, now time.Time) Occurrence {
	o.sign(now)
	return o
}

// Refused records an answer boot_replaced (rule 2.5).
func Refused(o Occurrence, now time.Time) Occurrence {
	kept := make([]time.Time, 0, conflictLimit)
	for _, at := range o.Conflicts {
		if now.Sub(at) < conflictWithin {
			kept = append(kept, at)
		}
	}
	if len(kept) == conflictLimit {
		kept = kept[1:]
	}
	o.Conflicts = append(kept, now)
	return o
}

// InConflict tells whether three answers boot_replaced fell within a minute:
// two processes claim to be the same occurrence (rule 2.5).
func (o *Occurrence) InConflict() bool { return len(o.Conflicts) == conflictLimit }
