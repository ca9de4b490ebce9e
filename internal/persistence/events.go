package persistence

import (
	"encoding/json"

	"github.com/cirisai/orchestrator/internal/audit"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

var eventColumns = cols(`seq bigint, at_wall bigint, type text, rollout_id text, wave bigint, occurrence_id text, actor text, data text,
	prev_hash text, hash text`)

// appendEvents continues the agent's chain (rule 9.1).
func (t *tx) appendEvents(events []rollout.Event) error {
	if len(events) == 0 {
		return nil
	}
	chained, head, err := audit.Chain(audit.Head{Seq: t.row.HeadSeq, Hash: t.row.HeadHash}, t.agentID, events, t.Clock().Wall)
	if err != nil {
		return err
	}
	rows := eventColumns.rows(len(chained))
	for _, e := range chained {
		rows.add(e.Seq, e.At, e.Type, e.RolloutID, e.Wave, e.OccurrenceID, e.Actor, string(e.Data), e.PrevHash, e.Hash)
	}
	t.row.HeadSeq, t.row.HeadHash, t.changed = head.Seq, head.Hash, true
	if t.events == nil {
		t.events = rows
		return nil
	}
	t.events.append(rows)
	return nil
}

const insertEvents = `INSERT INTO events (agent_id, seq, at_wall, type, rollout_id, wave, occurrence_id, actor, data, prev_hash, hash)
	SELECT ?, e.seq, e.at_wall, e.type, e.rollout_id, e.wave, e.occurrence_id, e.actor, e.data, e.prev_hash, e.hash FROM {events}`

// EventHead implements engine.ReadTx.
func (r *reader) EventHead(agentID string) (audit.Head, error) {
	row, err := readAgent(r.conn, agentID)
	return audit.Head{Seq: row.HeadSeq, Hash: row.HeadHash}, err
}

// EventHead implements engine.ReadTx.
func (t *tx) EventHead(agentID string) (audit.Head, error) {
	if agentID != t.agentID {
		return t.reader.EventHead(agentID)
	}
	return audit.Head{Seq: t.row.HeadSeq, Hash: t.row.HeadHash}, nil
}

// Events implements engine.ReadTx; with those that this transaction has appended.
func (t *tx) Events(f engine.EventFilter) ([]audit.Event, error) {
	if t.events != nil {
		if err := t.flush(); err != nil {
			return nil, err
		}
	}
	return t.reader.Events(f)
}

// Events implements engine.ReadTx.
func (r *reader) Events(f engine.EventFilter) ([]audit.Event, error) {
	q := newQuery(`SELECT seq, at_wall, type, agent_id, rollout_id, wave, occurrence_id, actor, data, prev_hash, hash FROM events`)
	if f.RolloutID == "" {
		q.where("agent_id = ? AND seq > ?", f.AgentID, f.After)
	} else { // not by the agent's key, which would go through all that ever happened to it
		q.where("rollout_id = ? AND rollout_id <> '' AND seq > ? AND agent_id || '' = ?", f.RolloutID, f.After, f.AgentID)
	}
	q.end("ORDER BY seq LIMIT ?", bounded(f.Limit))
	var rows []struct {
		Seq          int64  `db:"seq"`
		At           int64  `db:"at_wall"`
		Type         string `db:"type"`
		AgentID      string `db:"agent_id"`
		RolloutID    string `db:"rollout_id"`
		Wave         int    `db:"wave"`
		OccurrenceID string `db:"occurrence_id"`
		Actor        string `db:"actor"`
		Data         string `db:"data"`
		PrevHash     string `db:"prev_hash"`
		Hash         string `db:"hash"`
	}
	if err := r.list(&rows, q.text(), q.args...); err != nil {
		return nil, err
	}
	events := make([]audit.Event, len(rows))
	for i, row := range rows {
		events[i] = audit.Event{
			Seq: row.Seq, At: instant(row.At), Type: row.Type, AgentID: row.AgentID, RolloutID: row.RolloutID, Wave: row.Wave,
			OccurrenceID: row.OccurrenceID, Actor: row.Actor, Data: json.RawMessage(row.Data), PrevHash: row.PrevHash, Hash: row.Hash,
		}
	}
	return events, nil
}
