package persistence

import (
	"context"
	"time"
)

// Prune implements engine.Store.
func (s *Store) Prune(ctx context.Context, retention time.Duration, limit int) (int, error) {
	deleted := 0
	err := s.writing(ctx, "prune", func(c *conn) error {
		deleted = 0
		m, err := s.advance(c)
		if err != nil {
			return err
		}
		p := &pruning{conn: c, moment: m, before: micros(m.now.Add(-retention))}
		for _, prune := range []func(limit int) (int64, error){p.answers, p.incidents, p.instructions, p.rollouts, p.occurrences} {
			if deleted >= limit {
				return nil
			}
			n, err := prune(limit - deleted)
			if err != nil {
				return err
			}
			deleted += int(n)
		}
		return nil
	})
	return deleted, err
}

// pruning is one batch. Times before which things may go are service times, but
// for answers, which are kept by the wall clock.
type pruning struct {
	*conn
	moment moment
	before int64
}

// answers are kept for a day, whatever the retention.
func (p *pruning) answers(limit int) (int64, error) {
	return p.exec(`DELETE FROM kept_answers WHERE key IN (SELECT key FROM kept_answers WHERE made_wall <= ? LIMIT ?)`,
		micros(p.moment.wall.Add(-answersKept)), limit)
}

// incidents go when they are resolved and their cause is gone.
func (p *pruning) incidents(limit int) (int64, error) {
	return p.exec(`DELETE FROM incidents WHERE incident_id IN (
		SELECT incident_id FROM incidents WHERE NOT kept AND resolved_at > 0 AND resolved_at < ? LIMIT ?)`, p.before, limit)
}

// instructions go when nobody can carry them out any more, unless their rollout
// is unfinished. Their deliveries go with them.
func (p *pruning) instructions(limit int) (int64, error) {
	var ids []string
	if err := p.list(&ids, `SELECT i.instruction_id FROM instructions i WHERE i.deadline < ?
		AND NOT EXISTS (SELECT 1 FROM rollouts o WHERE o.rollout_id = i.rollout_id AND NOT o.final)
		LIMIT ?`, p.before, limit); err != nil || len(ids) == 0 {
		return 0, err
	}
	n, err := p.exec(`DELETE FROM instructions WHERE instruction_id IN (SELECT id FROM {rows})`, idRows(ids))
	if err != nil {
		return n, err
	}
	_, err = p.exec(`DELETE FROM deliveries WHERE instruction_id IN (SELECT id FROM {rows})`, idRows(ids))
	return n, err
}

// rollouts go when they are final, unless a hold, a verdict that stands or the
// last shutdown of their agent names them. Their members go with them.
func (p *pruning) rollouts(limit int) (int64, error) {
	return p.exec(`DELETE FROM rollouts WHERE rollout_id IN (
		SELECT o.rollout_id FROM rollouts o JOIN agents a ON a.agent_id = o.agent_id
		WHERE o.final AND o.finished_at < ? AND o.rollout_id NOT IN (a.hold_of, a.standing_of, a.stopped_by)
		LIMIT ?)`, p.before, limit)
}

// occurrences go when they are gone, with their former boots. Those of an agent
// that has something unfinished or is held stay: a member that vanishes would
// count as one that has left. The agent is looked at again afterwards.
func (p *pruning) occurrences(limit int) (int64, error) {
	var agents []string
	window := p.moment.now.Add(-p.moment.settings.DiscoveryWindow)
	gone := []any{p.before, p.before, micros(window)}
	const isGone = `o.last_sign < ? AND o.state_since < ? AND (o.last_sign < ? OR o.state = 'stopped' OR o.has_left)`
	const isIdle = `a.hold = '' AND NOT EXISTS (SELECT 1 FROM rollouts x WHERE x.agent_id = a.agent_id AND NOT x.final)`
	if err := p.list(&agents, `SELECT a.agent_id FROM agents a WHERE `+isIdle+` AND EXISTS (
		SELECT 1 FROM occurrences o WHERE o.agent_id = a.agent_id AND `+isGone+`) ORDER BY a.agent_id LIMIT ?`, append(gone, limit)...); err != nil {
		return 0, err
	}
	var total int64
	for _, id := range agents {
		n, err := p.occurrencesOf(id, isIdle, isGone, gone, int64(limit)-total)
		if err != nil || total+n >= int64(limit) {
			return total + n, err
		}
		total += n
	}
	return total, nil
}

// occurrencesOf locks the agent, unless somebody else has, and looks again.
func (p *pruning) occurrencesOf(agentID, isIdle, isGone string, gone []any, limit int64) (int64, error) {
	var locked []string
	if err := p.list(&locked, `SELECT agent_id FROM agents a WHERE a.agent_id = ? AND `+isIdle+` {free}`, agentID); err != nil || len(locked) == 0 {
		return 0, err
	}
	args := append(append([]any{agentID, agentID}, gone...), limit)
	n, err := p.exec(`DELETE FROM occurrences WHERE agent_id = ? AND occurrence_id IN (
		SELECT o.occurrence_id FROM occurrences o WHERE o.agent_id = ? AND `+isGone+` LIMIT ?)`, args...)
	if err != nil || n == 0 {
		return n, err
	}
	if _, err := p.exec(`DELETE FROM loose_stops WHERE agent_id = ? AND NOT EXISTS (
		SELECT 1 FROM occurrences o WHERE o.agent_id = loose_stops.agent_id AND o.occurrence_id = loose_stops.occurrence_id)`, agentID); err != nil {
		return n, err
	}
	_, err = p.exec(`UPDATE agents SET version = version + 1, wake_at = ? WHERE agent_id = ?`, micros(p.moment.now), agentID)
	return n, err
}
