package client

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// Rules 2.2 and 2.3: it registers with its boot, then heartbeats, counting from 1.
func TestRegistersAndHeartbeats(t *testing.T) {
	inRig(t, func(r *rig) {
		r.start(func(c *Config) {
			c.Group, c.Version, c.Labels = "explorer", "1.4.8", map[string]string{"zone": "a"}
		})
		r.elapse(time.Minute)
		if len(r.svc.registrations) != 1 {
			t.Fatalf("registered %d times", len(r.svc.registrations))
		}
		got := r.svc.registrations[0]
		if got.BootID != "boot-1" || *got.Group != "explorer" || *got.Version != "1.4.8" || got.Labels["zone"] != "a" || got.Coordinated != nil || got.CallbackURL != nil {
			t.Errorf("registered %+v", got)
		}
		for i, b := range r.svc.beats {
			if b.Sequence != int64(i+1) || b.BootID != "boot-1" || b.State != ReportedStateStarting {
				t.Errorf("heartbeat %d: %+v", i+1, b)
			}
		}
		// The answers say 10s; each pause is that or up to 15 % less.
		if n := len(r.svc.beats); n < 6 || n > 9 {
			t.Errorf("%d heartbeats in a minute", n)
		}
	})
}

// Rule 2.12: an uncoordinated agent says so.
func TestRegistersUncoordinated(t *testing.T) {
	inRig(t, func(r *rig) {
		r.start(func(c *Config) { c.Uncoordinated = true })
		if c := r.svc.registrations[0].Coordinated; c == nil || *c {
			t.Errorf("coordinated: %v", c)
		}
	})
}

// Rule 2.8: the echo is the server_time of the last answer, whatever this machine's clock says.
func TestHeartbeatEchoes(t *testing.T) {
	inRig(t, func(r *rig) {
		r.svc.skew = -72 * time.Hour
		r.start(func(c *Config) { c.PollWait = -1 })
		first := r.svc.now()
		r.elapse(10 * time.Second)
		if e := r.svc.beats[0].Echo; e != nil {
			t.Errorf("the first heartbeat echoes %s", e)
		}
		if e := r.svc.beats[1].Echo; e == nil || !e.Equal(first) {
			t.Errorf("the second heartbeat echoes %v, want %s", e, first)
		}
	})
}

// A change of state is told at once and not at the next interval.
func TestHeartbeatTellsNewsAtOnce(t *testing.T) {
	inRig(t, func(r *rig) {
		r.atWork()
		if err := r.p.SetState(ReportedStatePlay, "chess"); err != nil {
			t.Fatal(err)
		}
		r.elapse(0)
		if b := r.svc.lastBeat(); b.State != ReportedStatePlay || *b.Detail != "chess" {
			t.Errorf("last heard: %+v", b)
		}
	})
}

// Rule 2.7: only an awake agent says which of the awake states it is in.
func TestSetState(t *testing.T) {
	inRig(t, func(r *rig) {
		r.start()
		if err := r.p.SetState(ReportedStateWork, ""); !errors.Is(err, ErrState) {
			t.Errorf("from starting: %v", err)
		}
	})
	inRig(t, func(r *rig) {
		r.atWork()
		for _, s := range []ReportedState{ReportedStateShutdown, ReportedStateStopped, ReportedStateStarting, ReportedStateError, "asleep"} {
			if err := r.p.SetState(s, ""); !errors.Is(err, ErrState) {
				t.Errorf("to %s: %v", s, err)
			}
		}
	})
}

// Incidents are those since the last heartbeat: told once, and not lost with a heartbeat that was not answered.
func TestIncidentsAreToldOnce(t *testing.T) {
	inRig(t, func(r *rig) {
		r.atWork()
		r.svc.script("heartbeat", unreachable)
		r.p.ReportIncidents(1, 2)
		r.p.ReportIncidents(1, 0)
		r.elapse(time.Minute)
		var told []IncidentCounts
		for _, b := range r.svc.beats {
			if b.Incidents != nil {
				told = append(told, *b.Incidents)
			}
		}
		if len(told) != 2 || *told[1].Critical != 2 || *told[1].High != 2 { // the first one was lost
			t.Errorf("told %+v", told)
		}
	})
}

// A service that is away is asked again with growing pauses, and the agent works on.
func TestSurvivesTheServiceBeingAway(t *testing.T) {
	inRig(t, func(r *rig) {
		r.atWork(func(c *Config) { c.PollWait = -1 })
		before := r.svc.count("heartbeat")
		r.svc.script("heartbeat", slices.Repeat([]reply{unreachable}, 6)...)
		r.elapse(90 * time.Second)
		times := r.svc.times("heartbeat")[before:]
		for i := 2; i < 6; i++ {
			if d := times[i].Sub(times[i-1]); d < backoffMin<<(i-1)/2 || d > 10*time.Second {
				t.Errorf("pause %d is %s", i, d)
			}
		}
		if r.p.State() != ReportedStateWork || len(r.svc.registrations) != 1 {
			t.Errorf("state %s, registered %d times", r.p.State(), len(r.svc.registrations))
		}
	})
}

// After an outage longer than the liveness timeout it registers again: the service may have lost its callback.
func TestRegistersAgainAfterALongOutage(t *testing.T) {
	inRig(t, func(r *rig) {
		r.atWork(func(c *Config) { c.PollWait = -1 })
		r.svc.script("heartbeat", slices.Repeat([]reply{problem(http.StatusServiceUnavailable, ErrorCodeUnavailable)}, 12)...)
		r.elapse(3 * time.Minute)
		if n := len(r.svc.registrations); n != 2 {
			t.Errorf("registered %d times", n)
		}
	})
}

// Retry-After is honoured, in seconds and as a date.
func TestHonoursRetryAfter(t *testing.T) {
	for name, header := range map[string]func(r *rig) string{
		"seconds": func(*rig) string { return "25" },
		"date":    func(r *rig) string { return r.svc.now().Add(25 * time.Second).Format(http.TimeFormat) },
	} {
		t.Run(name, func(t *testing.T) {
			inRig(t, func(r *rig) {
				r.svc.skew = 5 * time.Hour
				limited := problem(http.StatusTooManyRequests, ErrorCodeRateLimited)
				limited.header = map[string]string{"Retry-After": header(r)}
				r.svc.script("heartbeat", limited)
				r.start(func(c *Config) { c.PollWait = -1 })
				r.elapse(30 * time.Second)
				times := r.svc.times("heartbeat")
				if d := times[1].Sub(times[0]); d != 25*time.Second {
					t.Errorf("it came again after %s", d)
				}
			})
		})
	}
}

// Rule 2.5: to whom the service does not know this boot, it registers and goes on.
func TestUnknownBootRegistersAndGoesOn(t *testing.T) {
	for _, call := range []string{"heartbeat", "poll", "ask"} {
		t.Run(call, func(t *testing.T) {
			inRig(t, func(r *rig) {
				r.svc.script(call, problem(http.StatusNotFound, ErrorCodeUnknownBoot))
				r.start()
				r.elapse(time.Minute)
				r.running()
				if n := len(r.svc.registrations); n != 2 {
					t.Errorf("registered %d times", n)
				}
				if n := r.svc.count(call); n < 2 {
					t.Errorf("%s was not tried again", call)
				}
			})
		})
	}
}

// Rule 2.5: a replaced boot exits without doing anything more; rule 2.6: so does one that somebody deregistered.
func TestReplacedBootExits(t *testing.T) {
	for code, want := range map[ErrorCode]error{ErrorCodeBootReplaced: ErrReplaced, ErrorCodeBootStopped: ErrDeregistered} {
		for _, call := range []string{"register", "heartbeat", "poll", "ask", "acknowledge"} {
			t.Run(string(code)+" "+call, func(t *testing.T) {
				inRig(t, func(r *rig) {
					r.svc.script(call, problem(http.StatusConflict, code))
					r.start()
					r.instruct(InstructionTypeStop, "in_1")
					r.elapse(time.Second)
					if err := r.ended(); !errors.Is(err, want) {
						t.Errorf("Run returned %v, want %v", err, want)
					}
					if heard := r.svc.heard(); slices.Contains(heard, ReportedStateStopped) || slices.Contains(heard, ReportedStateShutdown) {
						t.Errorf("the service heard %v", heard)
					}
					if call == "acknowledge" {
						r.did()
					}
				})
			})
		}
	}
}

// What only a proxy says is no word of the service's.
func TestAProxyDecidesNothing(t *testing.T) {
	inRig(t, func(r *rig) {
		r.svc.script("register", reply{status: http.StatusForbidden, body: "<html>"}, reply{status: http.StatusOK, body: "<html>welcome"})
		r.svc.script("acknowledge", reply{status: http.StatusNotFound, body: "<html>"}, reply{status: http.StatusOK, body: "{}"})
		r.start()
		r.elapse(10 * time.Second)
		r.running()
		if len(r.svc.registrations) != 3 {
			t.Errorf("registered %d times", len(r.svc.registrations))
		}
		r.instruct(InstructionTypeWake, "in_1")
		r.did()
		r.elapse(5 * time.Second)
		r.did("wake instruction")
	})
}

// A registration that the service refuses ends the process: somebody has to mend the configuration.
func TestRefusedRegistrationEnds(t *testing.T) {
	inRig(t, func(r *rig) {
		detail := "the request does not fit"
		r.svc.script("register", reply{status: http.StatusUnprocessableEntity, body: Problem{
			Status: 422, Code: ErrorCodeValidationFailed, Detail: &detail,
			Errors: []FieldError{{Pointer: "/callback_url", Detail: "link-local"}},
		}})
		r.start()
		err := r.ended()
		if !HasCode(err, ErrorCodeValidationFailed) || !strings.Contains(err.Error(), "/callback_url: link-local") {
			t.Errorf("Run returned %v", err)
		}
	})
}

// Rule 2.4: a process that has lost count goes on where its boot was.
func TestTakesUpTheSequence(t *testing.T) {
	inRig(t, func(r *rig) {
		r.svc.last = 41
		r.start()
		r.elapse(time.Second)
		if b := r.svc.lastBeat(); b.Sequence != 42 {
			t.Errorf("the last heartbeat is number %d", b.Sequence)
		}
	})
}
