package memstore

import (
	"slices"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// serviceClock derives service time from wall time (rule 2.10). It never shows
// less than it has shown.
type serviceClock struct {
	silences []discovery.Silence
	beat     time.Time // wall time of the last mark; zero: nobody has beaten yet
	last     time.Time // the latest service time that was read
}

// beatEvery is how often a replica must say that heartbeats can be taken.
func beatEvery(s rollout.Settings) time.Duration { return min(5*time.Second, s.LivenessTimeout/3) }

// read gives the service time of a wall instant, and the silence that is to be
// opened with it: the last mark is too long ago, or the clock has stepped back.
// Service time goes on where it was.
func (c *serviceClock) read(wall time.Time, every time.Duration) (time.Time, *discovery.Silence) {
	now := wall.Add(-discovery.Clock{Silences: c.silences}.Offset())
	unheard := !c.beat.IsZero() && wall.Sub(c.beat) > 2*every
	if !unheard && !now.Before(c.last) {
		return now, nil
	}
	from := c.last.Add(time.Microsecond)
	return from, &discovery.Silence{From: from, Offset: wall.Sub(from)}
}

// mark reads the clock for something that will be written, which proves that
// heartbeats can be taken again: a silence ends here.
func (c *serviceClock) mark(wall time.Time, every time.Duration) time.Time {
	now, silence := c.read(wall, every)
	if silence != nil {
		c.silences = append(c.silences, *silence)
		if !c.beat.IsZero() {
			c.beat = wall
		}
	}
	c.last = now
	return now
}

// peek reads the clock for something that writes nothing. A silence stays open:
// until somebody ends it, time stands still.
func (c *serviceClock) peek(wall time.Time, every time.Duration) (time.Time, discovery.Clock) {
	now, silence := c.read(wall, every)
	if silence == nil {
		c.last = now
		return now, c.copied()
	}
	clock := c.copied()
	clock.Silences = append(clock.Silences, *silence)
	return now, clock
}

func (c *serviceClock) copied() discovery.Clock {
	return discovery.Clock{Silences: slices.Clone(c.silences)}
}
