package client

import (
	"sync"
	"time"
)

// serviceTime is the service's clock as its answers tell it, carried on by the monotonic clock of this machine in
// between. This machine's own idea of the time is never asked (rule 7.3).
type serviceTime struct {
	clock Clock

	mu      sync.Mutex
	asked   time.Time // when the request was sent whose answer is the newest
	at      time.Time // when that answer came
	server  time.Time // what it said; zero before the first one
	heardAt time.Time // when the service last answered anything at all
}

// saw takes the server_time of an answer to a request that was sent at asked. An answer that was overtaken by that of a
// later request says nothing new. The service's clock may leap, so the newest word counts and not the highest.
func (s *serviceTime) saw(server, asked time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	s.heardAt = now
	if server.IsZero() || asked.Before(s.asked) {
		return
	}
	s.asked, s.at, s.server = asked, now, server
}

// echo is the server_time of the newest answer, for the next heartbeat (rule 2.8); nil before the first one.
func (s *serviceTime) echo() *time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server.IsZero() {
		return nil
	}
	echo := s.server
	return &echo
}

// now is what the service's clock says now, or zero before the first answer.
func (s *serviceTime) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server.IsZero() {
		return time.Time{}
	}
	return s.server.Add(s.clock.Now().Sub(s.at))
}

// silence is for how long the service has answered nothing.
func (s *serviceTime) silence() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.heardAt.IsZero() {
		return 0
	}
	return s.clock.Now().Sub(s.heardAt)
}
