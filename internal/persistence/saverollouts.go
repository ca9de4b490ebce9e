package persistence

import (
	"errors"
	"slices"

	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

var rolloutColumns = cols("rollout_id text, kind text, status text, created_at bigint, finished_at bigint, final boolean, doc text")

// saveRollouts writes the rollouts that differ, and of their members those that
// do.
func (t *tx) saveRollouts(before, after rollout.State) error {
	var changed []*rollout.Rollout
	docs := map[string]string{}
	members := &memberChanges{rows: memberColumns.rows(0), gone: memberKey.rows(0)}
	for i := range after.Rollouts {
		r := &after.Rollouts[i]
		doc, err := document(r)
		if err != nil {
			return err
		}
		stored, err := t.stored(r.ID)
		if err != nil {
			return err
		}
		if stored.doc != doc {
			changed, docs[r.ID] = append(changed, r), doc
			stored.doc = doc
		}
		if err := members.compare(stored, before.Find(r.ID), r); err != nil {
			return err
		}
	}
	if err := t.writeRollouts(changed, docs); err != nil {
		return err
	}
	return t.writeMembers(members)
}

// stored gives what the database has of a rollout; nothing, if it is new.
func (t *tx) stored(id string) (*storedRollout, error) {
	if s, known := t.rollouts[id]; known {
		return s, nil
	}
	s, err := t.storedRollout(id)
	if errors.Is(err, engine.ErrNotFound) {
		s, err = &storedRollout{rollout: rollout.Rollout{ID: id}, places: map[string]place{}}, nil
	}
	if err != nil {
		return nil, err
	}
	t.know(s)
	return s, nil
}

// writeRollouts writes those that ended first: an agent has one unfinished
// rollout of a kind at most, and a new one may take the place of an old one.
func (t *tx) writeRollouts(changed []*rollout.Rollout, docs map[string]string) error {
	if len(changed) == 0 {
		return nil
	}
	slices.SortStableFunc(changed, func(a, b *rollout.Rollout) int {
		switch fa, fb := a.Status.Final(), b.Status.Final(); {
		case fa == fb:
			return 0
		case fa:
			return -1
		}
		return 1
	})
	rows := rolloutColumns.rows(len(changed))
	for _, r := range changed {
		rows.add(r.ID, string(r.Kind), string(r.Status), r.CreatedAt, r.FinishedAt, r.Status.Final(), docs[r.ID])
	}
	_, err := t.exec(`INSERT INTO rollouts (rollout_id, agent_id, kind, status, created_at, finished_at, final, doc)
		SELECT r.rollout_id, ?, r.kind, r.status, r.created_at, r.finished_at, r.final, r.doc FROM {rows} WHERE true
		ON CONFLICT (rollout_id) DO UPDATE SET status = excluded.status, created_at = excluded.created_at,
			finished_at = excluded.finished_at, final = excluded.final, doc = excluded.doc`, t.agentID, rows)
	return err
}

var (
	memberColumns = cols("rollout_id text, occurrence_id text, wave bigint, position bigint, status text, doc text")
	memberKey     = cols("rollout_id text, occurrence_id text")
)

// memberChanges are rows of members to be written and to be deleted.
type memberChanges struct {
	rows, gone *rowset
}

// compare finds the members of a rollout whose rows differ. Positions need not
// be without gaps, so that a member that leaves its wave moves nobody else.
func (c *memberChanges) compare(stored *storedRollout, before, after *rollout.Rollout) error {
	was := membersOf(before)
	present := 0
	for i := range after.Waves {
		last := int64(-1)
		for j := range after.Waves[i].Members {
			m := &after.Waves[i].Members[j]
			old, known := stored.places[m.OccurrenceID]
			at := place{wave: int64(i + 1), position: last + 1}
			if known && old.wave == at.wave && old.position > last {
				at.position = old.position
			}
			last = at.position
			present++
			if b := was[m.OccurrenceID]; known && old == at && b != nil && *b == *m {
				continue
			}
			doc, err := encodeMember(m)
			if err != nil {
				return err
			}
			c.rows.add(after.ID, m.OccurrenceID, at.wave, at.position, string(m.Status), doc)
			stored.places[m.OccurrenceID] = at
		}
	}
	if present == len(stored.places) {
		return nil
	}
	is := membersOf(after)
	for _, id := range sortedKeys(stored.places) {
		if is[id] == nil {
			c.gone.add(after.ID, id)
			delete(stored.places, id)
		}
	}
	return nil
}

// membersOf finds a rollout's members by occurrence; r may be nil.
func membersOf(r *rollout.Rollout) map[string]*rollout.Member {
	if r == nil {
		return nil
	}
	n := 0
	for i := range r.Waves {
		n += len(r.Waves[i].Members)
	}
	all := make(map[string]*rollout.Member, n)
	for i := range r.Waves {
		for j := range r.Waves[i].Members {
			m := &r.Waves[i].Members[j]
			all[m.OccurrenceID] = m
		}
	}
	return all
}

func (t *tx) writeMembers(c *memberChanges) error {
	if c.gone.n > 0 {
		if _, err := t.exec(`DELETE FROM members WHERE (rollout_id, occurrence_id) IN (SELECT r.rollout_id, r.occurrence_id FROM {rows})`,
			c.gone); err != nil {
			return err
		}
	}
	if c.rows.n == 0 {
		return nil
	}
	_, err := t.exec(`INSERT INTO members (rollout_id, occurrence_id, wave, position, status, doc)
		SELECT r.rollout_id, r.occurrence_id, r.wave, r.position, r.status, r.doc FROM {rows} WHERE true
		ON CONFLICT (rollout_id, occurrence_id) DO UPDATE SET wave = excluded.wave, position = excluded.position,
			status = excluded.status, doc = excluded.doc`, c.rows)
	return err
}
