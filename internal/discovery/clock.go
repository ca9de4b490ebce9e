package discovery

import (
	"sort"
	"time"
)

// Silence is a stretch of time in which no replica could take heartbeats, or a
// leap of the database's clock (rule 2.10). From the service instant From on,
// wall time is ahead of service time by Offset, which may be negative.
type Silence struct {
	From   time.Time
	Offset time.Duration
}

// Clock converts between service time, on which everything is decided, and wall
// time, which people and clients read. The silences are in ascending order of
// From; without any the two times are the same.
type Clock struct {
	Silences []Silence
}

// Wall gives the wall time of a service instant, exact for the past, and for
// the future as far as it can be known: as if no further silence came. The zero
// time stays zero.
func (c Clock) Wall(service time.Time) time.Time {
	if service.IsZero() {
		return service
	}
	n := sort.Search(len(c.Silences), func(i int) bool { return c.Silences[i].From.After(service) })
	if n == 0 {
		return service
	}
	return service.Add(c.Silences[n-1].Offset)
}

// Service gives the service time of a wall instant. An instant inside a silence
// is the instant at which the silence began; the zero time stays zero.
func (c Clock) Service(wall time.Time) time.Time {
	if wall.IsZero() {
		return wall
	}
	for i := len(c.Silences) - 1; i >= 0; i-- {
		s := c.Silences[i]
		if service := wall.Add(-s.Offset); !service.Before(s.From) {
			return service
		}
		// Before the end of this silence: inside it, unless an earlier stretch
		// reaches the instant.
		before := time.Duration(0)
		if i > 0 {
			before = c.Silences[i-1].Offset
		}
		if !wall.Add(-before).Before(s.From) {
			return s.From
		}
	}
	return wall
}

// Offset is what wall time is ahead of service time now.
func (c Clock) Offset() time.Duration {
	if len(c.Silences) == 0 {
		return 0
	}
	return c.Silences[len(c.Silences)-1].Offset
}
