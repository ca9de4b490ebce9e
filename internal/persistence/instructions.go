package persistence

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

var (
	instructionColumns = cols(`instruction_id text, occurrence_id text, boot text, rollout_id text, wave bigint, force boolean,
	issued_at bigint, deadline bigint, doc text, fence bigint, visible_at bigint`)
	withdrawalColumns = cols("agent_id text, rollout_id text, occurrence_id text, keep_boot text, instruction_id text, outside boolean")
	extensionColumns  = cols("rollout_id text, by_micros bigint")
)

// instruct writes new instructions. What is for an occurrence with a callback
// address is due there at once: this replica hands it to itself, but for what is
// held back. An instruction's id says what it is for, so the same one made twice is
// an error.
func (t *tx) instruct(all []rollout.Instruction, heldBack func(rollout.Instruction) bool) error {
	if len(all) == 0 {
		return nil
	}
	rows := instructionColumns.rows(len(all))
	leased := t.Now().Add(t.store.options.HandOver)
	for _, in := range all {
		doc, err := document(in)
		if err != nil {
			return err
		}
		fence, visible := 0, t.Now()
		if !heldBack(in) && t.handOver(in) {
			fence, visible = handedFence, leased
		}
		rows.add(in.ID, in.OccurrenceID, in.Boot, in.RolloutID, in.Wave, in.Force, in.IssuedAt, in.Deadline, doc, fence, visible)
	}
	_, err := t.exec(`INSERT INTO instructions (instruction_id, agent_id, occurrence_id, boot, rollout_id, wave, force, issued_at, deadline,
			callback, visible_at, fence, doc)
		SELECT r.instruction_id, ?, r.occurrence_id, r.boot, r.rollout_id, r.wave, r.force, r.issued_at, r.deadline,
			CASE WHEN o.callback_url <> '' THEN 'due' ELSE '' END, r.visible_at, r.fence, r.doc
		FROM {rows} LEFT JOIN occurrences o ON o.agent_id = ? AND o.occurrence_id = r.occurrence_id`,
		t.agentID, rows, t.agentID)
	return err
}

// withdraw takes back what is not acknowledged. Each form of withdrawal is one
// statement, however many there are of it.
func (t *tx) withdraw(all []rollout.Withdrawal) error {
	one, occurrence, whole := withdrawalColumns.rows(0), withdrawalColumns.rows(0), withdrawalColumns.rows(0)
	for _, x := range all {
		t.noHandOver(x.Covers)
		rows := whole
		switch {
		case x.InstructionID != "":
			rows = one
		case x.OccurrenceID != "":
			rows = occurrence
		}
		rows.add(t.agentID, x.RolloutID, x.OccurrenceID, x.KeepBoot, x.InstructionID, x.OutsideWaves)
	}
	for _, w := range []struct {
		rows *rowset
		text string
	}{
		{one, withdraw + ofOccurrence + ` AND instructions.instruction_id = r.instruction_id`},
		{occurrence, withdraw + ` AND instructions.occurrence_id = r.occurrence_id AND (r.keep_boot = '' OR instructions.boot <> r.keep_boot)`},
		{whole, withdraw},
	} {
		if w.rows.n == 0 {
			continue
		}
		if _, err := t.exec(w.text, micros(t.Now()), w.rows); err != nil {
			return err
		}
	}
	return nil
}

// withdraw and ofOccurrence are rollout.Withdrawal.Covers as SQL.
const (
	withdraw = `UPDATE instructions SET withdrawn_at = ? FROM {rows}
		WHERE instructions.agent_id = r.agent_id AND acknowledged_at = 0 AND withdrawn_at = 0
			AND (r.rollout_id = '' OR instructions.rollout_id = r.rollout_id)
			AND (NOT r.outside OR instructions.wave = 0)`
	ofOccurrence = ` AND (r.occurrence_id = '' OR instructions.occurrence_id = r.occurrence_id
			AND (r.keep_boot = '' OR instructions.boot <> r.keep_boot))`
)

// suspend keeps the instructions of paused rollouts from being sent and handed
// out (rule 4.19).
func (t *tx) suspend(rollouts []string) error {
	if len(rollouts) == 0 {
		return nil
	}
	if _, err := t.exec(`UPDATE instructions SET suspended = true
		WHERE agent_id = ? AND acknowledged_at = 0 AND withdrawn_at = 0 AND rollout_id IN (SELECT id FROM {rows})`, t.agentID, idRows(rollouts)); err != nil {
		return err
	}
	paused := func(in rollout.Instruction) bool { return slices.Contains(rollouts, in.RolloutID) }
	unsent := t.handedOver(paused)
	t.noHandOver(paused)
	if len(unsent) == 0 {
		return nil
	}
	return t.endLeases(idRows(unsent)) // so that they go out as soon as it is resumed
}

// resume lets what was suspended go on, with deadlines as much later as they
// stood still (rule 4.20).
func (t *tx) resume(all []rollout.Extension) error {
	if len(all) == 0 {
		return nil
	}
	rows := extensionColumns.rows(len(all))
	for _, x := range all {
		rows.add(x.RolloutID, x.By.Microseconds())
	}
	_, err := t.exec(`UPDATE instructions SET suspended = false, deadline = deadline + r.by_micros FROM {rows}
		WHERE instructions.agent_id = ? AND acknowledged_at = 0 AND withdrawn_at = 0 AND suspended AND instructions.rollout_id = r.rollout_id`,
		rows, t.agentID)
	return err
}

func (t *tx) acknowledge(ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	named := make(map[string]bool, len(ids))
	for _, id := range ids {
		named[id] = true
	}
	t.noHandOver(func(in rollout.Instruction) bool { return named[in.ID] })
	_, err := t.exec(`UPDATE instructions SET acknowledged_at = ?
		WHERE acknowledged_at = 0 AND withdrawn_at = 0 AND instruction_id IN (SELECT id FROM {rows}) AND agent_id || '' = ?`,
		micros(t.Now()), idRows(ids), t.agentID)
	return err
}

// instructionRow is what is read of an instruction.
type instructionRow struct {
	AgentID        string `db:"agent_id"`
	Deadline       int64  `db:"deadline"`
	AcknowledgedAt int64  `db:"acknowledged_at"`
	WithdrawnAt    int64  `db:"withdrawn_at"`
	Attempt        int    `db:"attempt"`
	Doc            string `db:"doc"`
}

// instruction reads the document; its deadline may have moved since.
func (row instructionRow) instruction() (rollout.Instruction, error) {
	var in rollout.Instruction
	if err := json.Unmarshal([]byte(row.Doc), &in); err != nil {
		return in, fmt.Errorf("instruction: %w", err)
	}
	if micros(in.Deadline) != row.Deadline {
		in.Deadline = instant(row.Deadline)
	}
	return in, nil
}

// pending is the instruction with its times as people and clients read them.
func (row instructionRow) pending(clock discovery.Clock) (engine.PendingInstruction, error) {
	in, err := row.instruction()
	return pending(row.AgentID, in, row.Attempt, clock), err
}

func pending(agentID string, in rollout.Instruction, attempts int, clock discovery.Clock) engine.PendingInstruction {
	p := engine.PendingInstruction{
		Instruction: in, AgentID: agentID, Attempts: attempts,
		IssuedWall: clock.Wall(in.IssuedAt), DeadlineWall: clock.Wall(in.Deadline),
	}
	if in.Claim != nil {
		p.ClaimWall = clock.Wall(in.Claim.ExpiresAt)
	}
	return p
}

// Instruction implements engine.ReadTx.
func (r *reader) Instruction(agentID, id string) (rollout.Issued, error) {
	var row instructionRow
	err := r.get(&row, `SELECT agent_id, deadline, acknowledged_at, withdrawn_at, attempt, doc FROM instructions
		WHERE instruction_id = ? AND agent_id = ?`, id, agentID)
	if errors.Is(err, sql.ErrNoRows) {
		return rollout.Issued{}, fmt.Errorf("instruction %s: %w", id, engine.ErrNotFound)
	}
	if err != nil {
		return rollout.Issued{}, err
	}
	in, err := row.instruction()
	return rollout.Issued{Instruction: in, AcknowledgedAt: instant(row.AcknowledgedAt), WithdrawnAt: instant(row.WithdrawnAt)}, err
}

// Pending implements engine.ReadTx.
func (r *reader) Pending(agentID, occurrenceID, boot string) ([]engine.PendingInstruction, error) {
	key := bootOfAgent.rows(1)
	key.add(agentID, occurrenceID, boot)
	pending, err := r.pendingOf(key, r.Now(), r.Clock())
	return pending[speaker{agentID, occurrenceID, boot}], err
}

// PendingOf implements engine.ReadTx. Mostly nobody has anything, and finding that
// out costs one look.
func (r *reader) PendingOf(agentID string, boots map[string]string) (map[string][]engine.PendingInstruction, error) {
	busy, err := r.anyPending(agentID)
	if err != nil || !busy {
		return nil, err
	}
	return r.pendingOfBoots(agentID, boots)
}

// PendingOf implements engine.ReadTx.
func (t *tx) PendingOf(agentID string, boots map[string]string) (map[string][]engine.PendingInstruction, error) {
	if agentID != t.agentID {
		return t.reader.PendingOf(agentID, boots)
	}
	if idle, err := t.nobodyPending(); err != nil || idle {
		return nil, err
	}
	return t.pendingOfBoots(agentID, boots)
}

func (r *reader) pendingOfBoots(agentID string, boots map[string]string) (map[string][]engine.PendingInstruction, error) {
	keys := bootOfAgent.rows(len(boots))
	for occurrenceID, boot := range boots {
		keys.add(agentID, occurrenceID, boot)
	}
	found, err := r.pendingOf(keys, r.Now(), r.Clock())
	if err != nil {
		return nil, err
	}
	pending := make(map[string][]engine.PendingInstruction, len(found))
	for who, what := range found {
		pending[who.occurrenceID] = what
	}
	return pending, nil
}

// Pending implements engine.ReadTx. Mostly nobody of an agent has anything, and
// then one look does for all who ask.
func (t *tx) Pending(agentID, occurrenceID, boot string) ([]engine.PendingInstruction, error) {
	if agentID != t.agentID {
		return t.reader.Pending(agentID, occurrenceID, boot)
	}
	if idle, err := t.nobodyPending(); err != nil || idle {
		return nil, err
	}
	return t.reader.Pending(agentID, occurrenceID, boot)
}

// nobodyPending tells whether nobody of the locked agent has anything pending.
func (t *tx) nobodyPending() (bool, error) {
	if t.idle == nil {
		busy, err := t.anyPending(t.agentID)
		if err != nil {
			return false, err
		}
		idle := !busy
		t.idle = &idle
	}
	return *t.idle, nil
}

// openOf is whether anything that is for an agent was neither acknowledged nor
// withdrawn.
const openOf = `EXISTS (SELECT 1 FROM instructions i WHERE i.agent_id = ? AND i.acknowledged_at = 0 AND i.withdrawn_at = 0)`

// anyPending tells whether anybody of an agent may have something pending.
func (r *reader) anyPending(agentID string) (busy bool, err error) {
	err = r.get(&busy, `SELECT `+openOf, agentID)
	return busy, err
}

// speaker is one boot of one occurrence of one agent.
type speaker struct {
	agentID, occurrenceID, boot string
}

var bootOfAgent = cols("agent_id text, occurrence_id text, boot text")

// pendingOf reads what is pending for each of the boots, oldest first.
func (c *conn) pendingOf(keys *rowset, now time.Time, clock discovery.Clock) (map[speaker][]engine.PendingInstruction, error) {
	var rows []struct {
		instructionRow
		OccurrenceID string `db:"occurrence_id"`
		Boot         string `db:"boot"`
	}
	if err := c.list(&rows, `SELECT i.agent_id, i.occurrence_id, i.boot, i.deadline, i.acknowledged_at, i.withdrawn_at, i.attempt, i.doc
		FROM {rows} CROSS JOIN instructions i
		WHERE i.agent_id = r.agent_id AND i.occurrence_id = r.occurrence_id AND i.boot = r.boot
			AND i.acknowledged_at = 0 AND i.withdrawn_at = 0 AND NOT i.suspended AND +i.deadline > ?
		ORDER BY i.issued_at, i.instruction_id`, keys, micros(now)); err != nil {
		return nil, err
	}
	all := map[speaker][]engine.PendingInstruction{}
	for _, row := range rows {
		p, err := row.pending(clock)
		if err != nil {
			return nil, err
		}
		key := speaker{row.AgentID, row.OccurrenceID, row.Boot}
		all[key] = append(all[key], p)
	}
	return all, nil
}
