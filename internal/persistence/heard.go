package persistence

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/rollout"
)

// keptBoots is how many former boots of an occurrence are remembered at least
// (rule 2.5).
const keptBoots = 100

// heardOf is what SaveOccurrences writes of one occurrence: how it was before,
// how it is to be, and which boots were replaced on the way.
type heardOf struct {
	was      *discovery.Occurrence // nil: it is new
	is       discovery.Occurrence
	replaced []string
}

// newBoot tells whether what is for other boots is to be withdrawn.
func (h *heardOf) newBoot() bool { return len(h.replaced) > 0 }

// newAddress tells whether callbacks go somewhere else than before.
func (h *heardOf) newAddress() bool {
	return !h.newBoot() && h.was != nil && h.was.CallbackURL != h.is.CallbackURL
}

// onlyHeard tells whether nothing differs but what heardColumns hold.
func (h *heardOf) onlyHeard() bool {
	if h.was == nil {
		return false
	}
	is := h.is
	is.Version, is.CallbackGone, is.Sequence, is.State, is.StateSince = h.was.Version, h.was.CallbackGone, h.was.Sequence, h.was.State, h.was.StateSince
	is.Detail, is.Critical, is.High = h.was.Detail, h.was.Critical, h.was.High
	is.LastSign, is.TransitSince = h.was.LastSign, h.was.TransitSince
	return reflect.DeepEqual(is, *h.was)
}

// hearing sorts what was heard by occurrence. One that was heard more than once
// is written as it was heard last.
func hearing(before discovery.Fleet, changed []discovery.Occurrence) []*heardOf {
	heard := make(map[string]*heardOf, len(changed))
	for _, o := range changed {
		h := heard[o.ID]
		if h == nil {
			h = &heardOf{was: before.Get(o.ID), is: o}
			heard[o.ID] = h
			if h.was == nil {
				continue
			}
			h.is = *h.was
		}
		if h.is.Boot != o.Boot {
			h.replaced = append(h.replaced, h.is.Boot)
		}
		h.is = o
	}
	return slices.SortedFunc(maps.Values(heard), func(a, b *heardOf) int { return cmp.Compare(a.is.ID, b.is.ID) })
}

// SaveOccurrences implements engine.Tx.
func (t *tx) SaveOccurrences(before discovery.Fleet, changed []discovery.Occurrence) error {
	if len(changed) == 0 {
		return nil
	}
	all := hearing(before, changed)
	fresh, known, heard, boots := savedColumns.rows(0), savedColumns.rows(0), heardColumns.rows(len(all)), bootColumns.rows(0)
	withdraw, reroute := bootOfAgent.rows(0), bootOfAgent.rows(0)
	for _, h := range all {
		if h.onlyHeard() {
			o := &h.is
			heard.add(t.agentID, o.ID, o.Version, o.CallbackGone, o.Sequence, string(o.State), o.StateSince, o.Detail, o.Critical, o.High,
				o.LastSign, o.TransitSince, o.Boot, h.was.Sequence)
			continue
		}
		rows := known
		if h.was == nil {
			rows = fresh
		}
		if err := h.addTo(rows, t.agentID); err != nil {
			return err
		}
		for i, boot := range h.replaced {
			boots.add(t.agentID, h.is.ID, boot, len(h.replaced)-i)
		}
		if h.newBoot() || h.newAddress() {
			t.noHandOver(func(in rollout.Instruction) bool { return in.OccurrenceID == h.is.ID })
		}
		if h.newBoot() {
			withdraw.add(t.agentID, h.is.ID, h.is.Boot)
		}
		if h.newAddress() {
			reroute.add(t.agentID, h.is.ID, h.is.Boot)
		}
	}
	t.changed, t.wrote = true, true
	if err := t.writeOccurrences(fresh, known, heard); err != nil {
		return err
	}
	if t.next != nil {
		t.next = t.next.heard(all)
	}
	if err := t.rememberBoots(boots); err != nil {
		return err
	}
	return t.redirect(withdraw, reroute)
}

func (h *heardOf) addTo(rows *rowset, agentID string) error {
	o := &h.is
	labels := ""
	if len(o.Labels) > 0 {
		var err error
		if labels, err = document(o.Labels); err != nil {
			return err
		}
	}
	wasBoot, wasSequence := "", int64(0)
	if h.was != nil {
		wasBoot, wasSequence = h.was.Boot, h.was.Sequence
	}
	rows.add(agentID, o.ID, o.Coordinated, o.Pin, o.Version, o.CallbackURL, o.CallbackSecret, o.CallbackGone, labels, o.RegisteredAt, o.Boot,
		o.BootHeard, o.Sequence, string(o.State), o.StateSince, o.Detail, o.Critical, o.High, o.LastSign, o.Left, o.TransitSince,
		writeInstants(o.Conflicts), wasBoot, wasSequence, len(h.replaced))
	return nil
}

func (t *tx) writeOccurrences(fresh, known, heard *rowset) error {
	if fresh.n > 0 {
		if _, err := t.exec(insertOccurrences, fresh); err != nil {
			return err
		}
	}
	for _, w := range []struct {
		rows *rowset
		text string
	}{{known, updateOccurrences}, {heard, updateHeard}} {
		if w.rows.n == 0 {
			continue
		}
		if t.glance != nil && w.rows == heard && t.heard == nil {
			t.heard = heard
			t.sealed = true // it would not see what was heard
			continue
		}
		n, err := t.exec(w.text, w.rows)
		if err != nil {
			return err
		}
		if n != int64(w.rows.n) {
			return fmt.Errorf("%d of %d occurrences of agent %s: %w", int64(w.rows.n)-n, w.rows.n, t.agentID, errConflict)
		}
	}
	return nil
}

// bootColumns: before counts back from the present boot.
var bootColumns = cols("agent_id text, occurrence_id text, boot text, before bigint")

// rememberBoots keeps boots that were replaced, and forgets the oldest.
func (t *tx) rememberBoots(boots *rowset) error {
	if boots.n == 0 {
		return nil
	}
	if _, err := t.exec(`INSERT INTO boots (agent_id, occurrence_id, boot, number, replaced_at)
		SELECT o.agent_id, o.occurrence_id, r.boot, o.boot_number - r.before, ?
		FROM {rows} CROSS JOIN occurrences o WHERE o.agent_id = r.agent_id AND o.occurrence_id = r.occurrence_id
		ON CONFLICT (agent_id, occurrence_id, boot) DO UPDATE SET number = excluded.number, replaced_at = excluded.replaced_at`,
		micros(t.Now()), boots); err != nil {
		return err
	}
	_, err := t.exec(`DELETE FROM boots WHERE (agent_id, occurrence_id, boot) IN (
		SELECT b.agent_id, b.occurrence_id, b.boot FROM {rows} CROSS JOIN occurrences o CROSS JOIN boots b
		WHERE o.agent_id = r.agent_id AND o.occurrence_id = r.occurrence_id
			AND b.agent_id = o.agent_id AND b.occurrence_id = o.occurrence_id AND b.number < o.boot_number - ?)`, boots, keptBoots)
	return err
}

// redirect withdraws what is for boots that were replaced (rule 7.2), and has
// what is for a boot with a new callback address sent there.
func (t *tx) redirect(withdraw, reroute *rowset) error {
	if withdraw.n > 0 {
		if _, err := t.exec(`UPDATE instructions SET withdrawn_at = ? FROM {rows}
			WHERE instructions.agent_id = r.agent_id AND instructions.occurrence_id = r.occurrence_id AND instructions.boot <> r.boot
				AND acknowledged_at = 0 AND withdrawn_at = 0`, micros(t.Now()), withdraw); err != nil {
			return err
		}
	}
	if reroute.n > 0 {
		if _, err := t.exec(`UPDATE instructions SET callback = CASE WHEN o.callback_url = '' THEN '' ELSE 'due' END, visible_at = ?
			FROM {rows}, occurrences o
			WHERE instructions.agent_id = r.agent_id AND instructions.occurrence_id = r.occurrence_id AND instructions.boot = r.boot
				AND o.agent_id = r.agent_id AND o.occurrence_id = r.occurrence_id
				AND instructions.callback <> 'delivered' AND acknowledged_at = 0 AND withdrawn_at = 0 AND +deadline > ?`,
			micros(t.Now()), reroute, micros(t.Now())); err != nil {
			return err
		}
	}
	return nil
}

// FormerBoot implements engine.ReadTx.
func (r *reader) FormerBoot(agentID, occurrenceID, boot string) (bool, error) {
	var n int64
	err := r.get(&n, `SELECT count(*) FROM boots WHERE agent_id = ? AND occurrence_id = ? AND boot = ?`, agentID, occurrenceID, boot)
	return n > 0, err
}
