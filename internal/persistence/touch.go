package persistence

import (
	"context"
	"database/sql"
	"slices"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
)

var touchColumns = cols(`agent_id text, occurrence_id text, boot text, sequence bigint, state text, version text, detail text,
	critical bigint, high bigint, alive_only boolean, echo bigint`)

// touch is a compare-and-set on the committed row: discovery.Unchanged as SQL,
// and for one that is only alive what rule 10.9 asks. A row that a transaction
// has locked is passed over, so that nobody waits for anybody here: its
// heartbeat goes through the agent's door. m.now is the present service instant;
// there is no m when the settings or the service clock are not what this replica
// knows of them, or a silence has to be opened first (rule 2.10).
const touch = `UPDATE occurrences SET
		sequence = CASE WHEN r.alive_only THEN occurrences.sequence ELSE r.sequence END,
		last_sign = {max}(occurrences.last_sign, m.now)
	FROM (SELECT {max}(c.last_service, k.wall - c.ahead, k.highest) AS now
		FROM (SELECT CASE WHEN p.own = 0 THEN {wall} ELSE p.own END AS wall, p.highest
			FROM (SELECT CAST(? AS bigint) AS own, CAST(? AS bigint) AS highest) AS p) AS k, service_clock c
		WHERE c.id = 1 AND c.since = ?
			AND (c.last_wall = 0 OR k.wall >= c.last_wall AND k.wall - c.last_wall <= ?)
			AND k.wall - c.ahead >= {max}(c.last_service, k.highest) - ?
			AND COALESCE((SELECT doc FROM settings WHERE id = 1), '') = ?) AS m,
		{unlocked}
	WHERE {found} AND occurrences.boot = r.boot AND occurrences.sequence < r.sequence
		AND occurrences.state <> 'stopped' AND NOT occurrences.has_left
		AND (r.echo = 0 OR m.now - r.echo <= ?)
		AND (r.alive_only OR
			occurrences.state = r.state AND occurrences.detail = r.detail
			AND occurrences.critical = r.critical AND occurrences.high = r.high
			AND (r.version = '' OR occurrences.version = r.version)
			AND NOT occurrences.callback_gone AND occurrences.last_sign > 0 AND occurrences.last_sign >= m.now - ?
			AND NOT (occurrences.watched AND occurrences.note_boot = occurrences.boot))
	RETURNING occurrences.agent_id, occurrences.occurrence_id, {now}, EXISTS (SELECT 1 FROM instructions i
		WHERE i.agent_id = occurrences.agent_id AND i.occurrence_id = occurrences.occurrence_id
			AND i.acknowledged_at = 0 AND i.withdrawn_at = 0)`

// slot names an occurrence of an agent.
type slot struct {
	agentID, occurrenceID string
}

// Touch implements engine.Store. Several heartbeats of one occurrence are taken
// in the order in which they are given. Mostly that is one statement, a
// transaction of its own; when it finds nobody, that may be because what this
// replica knows is old, and a whole transaction tries once more.
func (s *Store) Touch(ctx context.Context, beats []engine.Touch) ([]engine.Touched, error) {
	touched, told := make([]engine.Touched, len(beats)), make([]bool, len(beats))
	known := s.known.Load()
	err := s.touchKnowing(ctx, known, beats, touched, told)
	if err == nil && !slices.ContainsFunc(touched, func(t engine.Touched) bool { return t.Taken }) {
		err = s.writing(ctx, "touch", func(c *conn) error {
			clear(touched)
			clear(told)
			m, err := s.advance(c)
			if err != nil {
				return err
			}
			known = m.standing()
			return s.touchAll(c, known, beats, touched, told)
		})
	}
	if err == nil {
		err = s.tellTouched(ctx, known, beats, touched, told)
	}
	if err != nil {
		return nil, err
	}
	return touched, nil
}

// touchKnowing touches on the strength of what is known, if anything is.
func (s *Store) touchKnowing(ctx context.Context, known *standing, beats []engine.Touch, touched []engine.Touched, told []bool) error {
	if known == nil {
		return nil
	}
	c, err := s.write.direct(ctx)
	if err == nil {
		err = s.touchAll(c, known, beats, touched, told)
	}
	return fail(ctx, "touch", err)
}

// touchAll puts heartbeats of one occurrence into statements of their own, one
// after the other.
func (s *Store) touchAll(c *conn, known *standing, beats []engine.Touch, touched []engine.Touched, told []bool) error {
	var rounds [][]int
	nth := make(map[slot]int, len(beats))
	for i := range beats {
		b := &beats[i]
		if b.State == discovery.Stopped && !b.AliveOnly {
			continue
		}
		at := slot{b.AgentID, b.OccurrenceID}
		n := nth[at]
		nth[at]++
		if n == len(rounds) {
			rounds = append(rounds, make([]int, 0, len(beats)))
		}
		rounds[n] = append(rounds[n], i)
	}
	for _, round := range rounds {
		if err := s.touch(c, known, beats, round, touched, told); err != nil {
			return err
		}
	}
	return nil
}

// touch runs the statement for one round, which names no occurrence twice. One
// that was held up on the way is no sign of life (rule 2.8): the statement
// compares its echo.
func (s *Store) touch(c *conn, known *standing, beats []engine.Touch, round []int, touched []engine.Touched, told []bool) error {
	index := make(map[slot]int, len(round))
	rows := touchColumns.rows(len(round))
	for _, i := range round {
		b := &beats[i]
		index[slot{b.AgentID, b.OccurrenceID}] = i
		rows.add(b.AgentID, b.OccurrenceID, b.Boot, b.Sequence, string(b.State), b.Version, b.Detail, b.Critical, b.High, b.AliveOnly,
			known.clock.Service(b.EchoWall))
	}
	own, highest := s.ownWall(), s.highest.Load()
	liveness := known.settings.LivenessTimeout.Microseconds()
	return c.each(func(r *sql.Rows) error {
		var (
			at   slot
			now  int64
			busy bool
		)
		if err := r.Scan(&at.agentID, &at.occurrenceID, &now, &busy); err != nil {
			return err
		}
		if now == 0 {
			now = max(highest, own-known.clock.Offset().Microseconds())
		}
		i := index[at]
		touched[i].Taken, touched[i].Wall, told[i] = true, known.clock.Wall(instant(s.forward(now))), busy
		return nil
	}, touch, own, highest, known.since, (2 * BeatEvery(known.settings)).Microseconds(),
		tolerance.Microseconds(), known.doc, rows, liveness, liveness)
}

// tellTouched adds what those who were told something have to carry out.
func (s *Store) tellTouched(ctx context.Context, known *standing, beats []engine.Touch, touched []engine.Touched, told []bool) error {
	keys := bootOfAgent.rows(0)
	asked := make(map[speaker]bool)
	for i := range touched {
		b := &beats[i]
		who := speaker{b.AgentID, b.OccurrenceID, b.Boot}
		if told[i] && !b.AliveOnly && !asked[who] {
			asked[who] = true
			keys.add(b.AgentID, b.OccurrenceID, b.Boot)
		}
	}
	if keys.n == 0 {
		return nil
	}
	c, err := s.read.direct(ctx)
	if err != nil {
		return fail(ctx, "touch", err)
	}
	pending, err := c.pendingOf(keys, instant(s.highest.Load()), known.clock)
	if err != nil {
		return fail(ctx, "touch", err)
	}
	for i := range touched {
		if b := &beats[i]; told[i] && !b.AliveOnly {
			touched[i].Pending = pending[speaker{b.AgentID, b.OccurrenceID, b.Boot}]
		}
	}
	return nil
}
