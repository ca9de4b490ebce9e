package persistence

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// remembered is an agent as it was committed with a version of its row, so that
// a transaction that finds that version need not read and decode it all again.
// An agent of ten thousand occurrences would cost most of the time there is. What
// heartbeats taken in passing change, the last sequence and sign of life, is read
// anew all the same. It is never changed: what changes makes another.
type remembered struct {
	version     int64
	occurrences []discovery.Occurrence // by id
	notes       map[string]rollout.Note
	loose       map[string]rollout.LooseStop
	incidents   map[string]rollout.Incident
	rollouts    []*storedRollout // the unfinished ones, oldest first
}

// size is about how much memory it takes, in members and occurrences.
func (m *remembered) size() int {
	n := 1 + len(m.occurrences)
	for _, r := range m.rollouts {
		n += len(r.places)
	}
	return n
}

// maxRemembered bounds what all agents together may take; some 100 MB.
const maxRemembered = 100_000

// memory is what a store remembers of its agents.
type memory struct {
	mu     sync.Mutex
	agents map[string]*remembered
	size   int
}

// of returns what is remembered of an agent if it is of that version.
func (m *memory) of(agentID string, version int64) *remembered {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.agents[agentID]; r != nil && r.version == version {
		return r
	}
	return nil
}

// quiet tells whether the agent is remembered as one that has nothing under way.
func (m *memory) quiet(agentID string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.agents[agentID]
	return r != nil && len(r.rollouts) == 0 && len(r.loose) == 0
}

// keep remembers an agent. A reader, which may have seen an old version, does not
// take the place of what is there.
func (m *memory) keep(agentID string, r *remembered, reader bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	was := m.agents[agentID]
	if was != nil && reader {
		return
	}
	if was != nil {
		m.size -= was.size()
	}
	if m.agents == nil || m.size+r.size() > maxRemembered {
		m.agents, m.size = map[string]*remembered{}, 0
	}
	m.agents[agentID] = r
	m.size += r.size()
}

// state completes what an agent's row says by what is remembered, in copies.
func (m *remembered) state(s rollout.State) (rollout.State, error) {
	s.Notes, s.Loose, s.Incidents = maps.Clone(m.notes), maps.Clone(m.loose), maps.Clone(m.incidents)
	for _, stored := range m.rollouts {
		r, err := stored.rollout()
		if err != nil {
			return s, err
		}
		s.Rollouts = append(s.Rollouts, r)
	}
	return s, nil
}

// copyOf copies an occurrence so that nothing is shared.
func copyOf(o discovery.Occurrence) discovery.Occurrence {
	o.Labels, o.Conflicts = maps.Clone(o.Labels), slices.Clone(o.Conflicts)
	return o
}

// asStored is an occurrence as it would be read again.
func asStored(o discovery.Occurrence) discovery.Occurrence {
	o = copyOf(o)
	if len(o.Labels) == 0 {
		o.Labels = nil
	}
	if len(o.Conflicts) == 0 {
		o.Conflicts = nil
	}
	for _, t := range []*time.Time{&o.RegisteredAt, &o.BootHeard, &o.StateSince, &o.LastSign, &o.TransitSince} {
		*t = instant(micros(*t))
	}
	for i := range o.Conflicts {
		o.Conflicts[i] = instant(micros(o.Conflicts[i]))
	}
	return o
}

// heard is m with what was heard.
func (m *remembered) heard(all []*heardOf) *remembered {
	next := *m
	next.occurrences = slices.Clone(m.occurrences)
	for _, h := range all {
		o := asStored(h.is)
		i, known := slices.BinarySearchFunc(next.occurrences, o.ID, func(x discovery.Occurrence, id string) int { return compareBytes(x.ID, id) })
		if known {
			next.occurrences[i] = o
		} else {
			next.occurrences = slices.Insert(next.occurrences, i, o)
		}
	}
	return &next
}
