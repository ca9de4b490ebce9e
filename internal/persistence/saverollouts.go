package persistence

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

var rolloutColumns = cols("rollout_id text, kind text, status text, created_at bigint, finished_at bigint, final boolean, doc text")

// saveRollouts writes the rollouts that differ from what the database has, and of
// their members those that do.
func (t *tx) saveRollouts(after []rollout.Rollout) error {
	var changed []*rollout.Rollout
	docs := map[string]string{}
	members := &memberChanges{rows: memberColumns.rows(0), gone: memberKey.rows(0)}
	for i := range after {
		r := &after[i]
		doc, err := document(r)
		if err != nil {
			return err
		}
		was, err := t.stored(r.ID)
		if errors.Is(err, engine.ErrNotFound) {
			was, err = &storedRollout{id: r.ID}, nil
		}
		if err != nil {
			return err
		}
		if was.doc != doc {
			changed, docs[r.ID] = append(changed, r), doc
		}
		is, err := members.compare(was, r)
		if err != nil {
			return err
		}
		is.doc = doc
		t.know(is)
	}
	if err := t.writeRollouts(changed, docs); err != nil {
		return err
	}
	if err := t.writeMembers(members); err != nil {
		return err
	}
	t.rememberRollouts(after)
	return nil
}

// rememberRollouts takes over which rollouts are unfinished now.
func (t *tx) rememberRollouts(after []rollout.Rollout) {
	if t.next == nil {
		return
	}
	next := *t.next
	unfinished := slices.Clone(next.rollouts)
	for i := range after {
		r := &after[i]
		unfinished = slices.DeleteFunc(unfinished, func(s *storedRollout) bool { return s.id == r.ID })
		if !r.Status.Final() {
			unfinished = append(unfinished, t.rollouts[r.ID])
		}
	}
	created := map[string]int64{}
	for i := range after {
		created[after[i].ID] = micros(after[i].CreatedAt)
	}
	for _, s := range unfinished {
		if _, known := created[s.id]; !known {
			t.next = nil // one that the state does not have: let the next reader see
			return
		}
	}
	slices.SortFunc(unfinished, func(a, b *storedRollout) int {
		return cmp.Or(cmp.Compare(created[a.id], created[b.id]), compareBytes(a.id, b.id))
	})
	next.rollouts = unfinished
	t.next = &next
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

// compare finds the members of a rollout whose rows differ, and returns the
// rollout as it is to be stored. Positions need not be without gaps, so that a
// member that leaves its wave moves nobody else.
func (c *memberChanges) compare(was *storedRollout, r *rollout.Rollout) (*storedRollout, error) {
	is := &storedRollout{id: r.ID, waves: make([][]rollout.Member, len(r.Waves)), places: was.places}
	present := map[string]bool{}
	n := 0
	for i := range r.Waves {
		members := r.Waves[i].Members
		n += len(members)
		if i < len(was.waves) && slices.Equal(was.waves[i], members) {
			is.waves[i] = was.waves[i]
			continue
		}
		var err error
		if is.waves[i], err = c.wave(was, is, i, members); err != nil {
			return nil, err
		}
	}
	if n == len(is.places) {
		return is, nil
	}
	for i := range r.Waves {
		for j := range r.Waves[i].Members {
			present[r.Waves[i].Members[j].OccurrenceID] = true
		}
	}
	for _, id := range sortedKeys(is.places) {
		if !present[id] {
			c.gone.add(r.ID, id)
			is.move(was, id, place{})
		}
	}
	return is, nil
}

// wave finds the rows of one wave that differ.
func (c *memberChanges) wave(was, is *storedRollout, i int, members []rollout.Member) ([]rollout.Member, error) {
	before := map[string]*rollout.Member{}
	if i < len(was.waves) {
		for j := range was.waves[i] {
			before[was.waves[i][j].OccurrenceID] = &was.waves[i][j]
		}
	}
	stored := slices.Clone(members)
	last := int64(-1)
	for j := range members {
		m := &members[j]
		old, known := was.places[m.OccurrenceID]
		at := place{wave: int64(i + 1), position: last + 1}
		if known && old.wave == at.wave && old.position > last {
			at.position = old.position
		}
		last = at.position
		if b := before[m.OccurrenceID]; known && old == at && b != nil && *b == *m {
			continue
		}
		doc, err := encodeMember(m)
		if err != nil {
			return nil, err
		}
		c.rows.add(is.id, m.OccurrenceID, at.wave, at.position, string(m.Status), doc)
		stored[j] = rollout.Member{}
		if err := decodeMember([]byte(doc), &stored[j]); err != nil { // as it would be read again
			return nil, fmt.Errorf("member %s of rollout %s: %w", m.OccurrenceID, is.id, err)
		}
		if old != at || !known {
			is.move(was, m.OccurrenceID, at)
		}
	}
	return stored, nil
}

// move gives a member another place; none takes it away. The places of what was
// stored before stay as they are.
func (s *storedRollout) move(was *storedRollout, occurrence string, to place) {
	if !s.moved {
		s.moved = true
		s.places = make(map[string]place, len(was.places)+1)
		maps.Copy(s.places, was.places)
	}
	if to == (place{}) {
		delete(s.places, occurrence)
		return
	}
	s.places[occurrence] = to
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
