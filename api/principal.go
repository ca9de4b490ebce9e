package api

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Right is something that a principal may be allowed to do. The names are those of
// x-right in openapi.yaml; section 12 says which scope has which.
type Right = string

// The rights.
const (
	RightRead      Right = "read"      // read everything
	RightReadOwn   Right = "read-own"  // read one's own occurrence, and its agent's plan, tasks and rollouts
	RightOperate   Right = "operate"   // settings, requests, commands, decisions, release, incidents
	RightTakePart  Right = "take-part" // be an occurrence: register, heartbeat, poll, acknowledge, ask, claim, decide, leave
	RightEmergency Right = "emergency" // the emergency stop
)

// Principal is who sent a request.
type Principal interface {
	// Actor names the principal as events do: operator:NAME or occurrence:ID.
	Actor() string
	// Can reports whether the principal has the right somewhere at all. It is asked
	// where a path does not say which agent is meant; the handler asks May when it
	// has found out.
	Can(right Right) bool
	// May reports whether the principal has the right for an agent, and in it for an
	// occurrence. An empty agent is all agents. An empty occurrence is what belongs to
	// the agent as a whole: with RightReadOwn its plan, tasks and rollouts, which each of
	// its occurrences may read.
	May(right Right, agentID, occurrenceID string) bool
}

// Authenticator finds out who sent a request. An error with a code of codes.go is
// answered as such: unauthorized where there are no credentials, or none that are
// known; unavailable where they cannot be looked up.
type Authenticator func(r *http.Request) (Principal, error)

// NoAuth takes everybody for operator:local, with all rights (rule 12.1). Since
// being on the loopback is then the only credential, it insists that a request is
// addressed to the loopback by name too: a browser that was led here through
// another name (DNS rebinding) is refused.
func NoAuth() Authenticator {
	return func(r *http.Request) (Principal, error) {
		if !isLoopback(r.Host) {
			return nil, fail(ErrorCodeForbidden, "without authentication only requests addressed to a loopback host are served, not to "+shorten(r.Host))
		}
		return local{}, nil
	}
}

// local is everybody, while there is no authentication.
type local struct{}

// Actor is the same for all.
func (local) Actor() string { return "operator:local" }

// Can allows everything.
func (local) Can(Right) bool { return true }

// May allows everything.
func (local) May(Right, string, string) bool { return true }

// isLoopback reports whether a Host header names this machine to itself.
func isLoopback(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.TrimSuffix(strings.Trim(name, "[]"), ".")
	if strings.EqualFold(name, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.Unmap().IsLoopback()
}

// principal is who sent the request that ctx belongs to.
func principal(ctx context.Context) Principal { return callOf(ctx).principal }

// authorize checks a right where only the handler knows what it is wanted for: the
// agent of a rollout, the occurrence that a body names.
func authorize(ctx context.Context, right Right, agentID, occurrenceID string) error {
	if p := principal(ctx); p == nil || !p.May(right, agentID, occurrenceID) {
		return forbidden(p)
	}
	return nil
}

// forbidden is what a principal is told that lacks a right.
func forbidden(p Principal) error {
	if p == nil {
		return fail(ErrorCodeUnauthorized, "credentials are wanted")
	}
	return fail(ErrorCodeForbidden, fmt.Sprintf("%s may not do this", p.Actor()))
}
