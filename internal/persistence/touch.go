package persistence

import (
	"context"
	"database/sql"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
)

var touchColumns = cols(`agent_id text, occurrence_id text, boot text, sequence bigint, state text, version text, detail text,
	critical bigint, high bigint, alive_only boolean`)

// touch is a compare-and-set on the committed row: discovery.Unchanged as SQL,
// and for one that is only alive what rule 10.9 asks. A row that a transaction
// has locked is passed over, so that nobody waits for anybody here: its
// heartbeat goes through the agent's door.
const touch = `UPDATE occurrences SET
		sequence = CASE WHEN r.alive_only THEN occurrences.sequence ELSE r.sequence END,
		last_sign = {max}(occurrences.last_sign, ?)
	FROM {unlocked}
	WHERE occurrences.agent_id = r.agent_id AND occurrences.occurrence_id = r.occurrence_id
		AND occurrences.boot = r.boot AND occurrences.sequence < r.sequence
		AND occurrences.state <> 'stopped' AND NOT occurrences.has_left
		AND (r.alive_only OR
			occurrences.state = r.state AND occurrences.detail = r.detail
			AND occurrences.critical = r.critical AND occurrences.high = r.high
			AND (r.version = '' OR occurrences.version = r.version)
			AND NOT occurrences.callback_gone AND occurrences.last_sign > 0 AND occurrences.last_sign >= ?
			AND NOT (occurrences.watched AND occurrences.note_boot = occurrences.boot))
	RETURNING occurrences.agent_id, occurrences.occurrence_id`

// slot names an occurrence of an agent.
type slot struct {
	agentID, occurrenceID string
}

// Touch implements engine.Store. Several heartbeats of one occurrence are taken
// in the order in which they are given.
func (s *Store) Touch(ctx context.Context, beats []engine.Touch) ([]engine.Touched, error) {
	var touched []engine.Touched
	err := s.writing(ctx, "touch", func(c *conn) error {
		touched = make([]engine.Touched, len(beats))
		m, err := s.advance(c)
		if err != nil {
			return err
		}
		for i := range touched {
			touched[i].Wall = m.clock.Wall(m.now)
		}
		for _, round := range rounds(beats, m) {
			if err := c.touch(beats, round, m, touched); err != nil {
				return err
			}
		}
		return c.tellTouched(beats, m, touched)
	})
	if err != nil {
		return nil, err
	}
	return touched, nil
}

// rounds puts heartbeats of one occurrence into statements of their own, one
// after the other. Those that were held up on the way are no signs of life, and
// so not for here (rule 2.8).
func rounds(beats []engine.Touch, m moment) [][]int {
	var all [][]int
	nth := make(map[slot]int, len(beats))
	for i := range beats {
		b := &beats[i]
		if !b.EchoWall.IsZero() && m.now.Sub(m.clock.Service(b.EchoWall)) > m.settings.LivenessTimeout || b.State == discovery.Stopped && !b.AliveOnly {
			continue
		}
		at := slot{b.AgentID, b.OccurrenceID}
		n := nth[at]
		nth[at]++
		if n == len(all) {
			all = append(all, make([]int, 0, len(beats)))
		}
		all[n] = append(all[n], i)
	}
	return all
}

// touch runs the statement for one round, which names no occurrence twice.
func (c *conn) touch(beats []engine.Touch, round []int, m moment, touched []engine.Touched) error {
	index := make(map[slot]int, len(round))
	rows := touchColumns.rows(len(round))
	for _, i := range round {
		b := &beats[i]
		index[slot{b.AgentID, b.OccurrenceID}] = i
		rows.add(b.AgentID, b.OccurrenceID, b.Boot, b.Sequence, string(b.State), b.Version, b.Detail, b.Critical, b.High, b.AliveOnly)
	}
	return c.each(func(r *sql.Rows) error {
		var at slot
		if err := r.Scan(&at.agentID, &at.occurrenceID); err != nil {
			return err
		}
		touched[index[at]].Taken = true
		return nil
	}, touch, micros(m.now), rows, micros(m.now.Add(-m.settings.LivenessTimeout)))
}

// tellTouched adds what the touched boots have to carry out. Mostly nobody has
// anything, and finding that out costs one look per agent.
func (c *conn) tellTouched(beats []engine.Touch, m moment, touched []engine.Touched) error {
	agents := make(map[string]bool)
	for i := range touched {
		if touched[i].Taken && !beats[i].AliveOnly {
			agents[beats[i].AgentID] = true
		}
	}
	busy, err := c.withPending(sortedKeys(agents), m.now)
	if err != nil || len(busy) == 0 {
		return err
	}
	keys := bootOfAgent.rows(len(beats))
	asked := make(map[speaker]bool, len(beats))
	for i := range touched {
		b := &beats[i]
		who := speaker{b.AgentID, b.OccurrenceID, b.Boot}
		if touched[i].Taken && !b.AliveOnly && busy[b.AgentID] && !asked[who] {
			asked[who] = true
			keys.add(b.AgentID, b.OccurrenceID, b.Boot)
		}
	}
	pending, err := c.pendingOf(keys, m.now, m.clock)
	if err != nil {
		return err
	}
	for i := range touched {
		if b := &beats[i]; touched[i].Taken && !b.AliveOnly {
			touched[i].Pending = pending[speaker{b.AgentID, b.OccurrenceID, b.Boot}]
		}
	}
	return nil
}

// withPending tells which of the agents have anything pending at all.
func (c *conn) withPending(agents []string, now time.Time) (map[string]bool, error) {
	if len(agents) == 0 {
		return nil, nil
	}
	var found []string
	if err := c.list(&found, `SELECT r.id FROM {rows} WHERE EXISTS (SELECT 1 FROM instructions i
		WHERE i.agent_id = r.id AND i.acknowledged_at = 0 AND i.withdrawn_at = 0 AND i.deadline > ?)`, idRows(agents), micros(now)); err != nil {
		return nil, err
	}
	busy := make(map[string]bool, len(found))
	for _, id := range found {
		busy[id] = true
	}
	return busy, nil
}
