package persistence

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/cirisai/orchestrator/internal/discovery"
	"github.com/cirisai/orchestrator/internal/engine"
	"github.com/cirisai/orchestrator/internal/rollout"
)

const occurrenceColumns = `occurrence_id, coordinated, pin, version, callback_url, callback_secret, callback_gone, labels,
	registered_at, boot, boot_heard, sequence, state, state_since, detail, critical, high, last_sign, has_left, transit_since, conflicts,
	note_boot, stop_by, woken_by, wait_until, watched`

const selectFleet = `SELECT ` + occurrenceColumns + ` FROM occurrences WHERE agent_id = ? ORDER BY occurrence_id`

// fleet reads the occurrences of an agent, and what is remembered about them.
func (c *conn) fleet(agentID string) ([]discovery.Occurrence, map[string]rollout.Note, error) {
	var all []discovery.Occurrence
	notes := map[string]rollout.Note{}
	err := c.each(func(rows *sql.Rows) error {
		o, n, err := scanOccurrence(rows)
		if err != nil {
			return err
		}
		all = append(all, o)
		if n.Boot != "" {
			notes[o.ID] = n
		}
		return nil
	}, c.lockedIfCareful(selectFleet), agentID)
	return all, notes, err
}

// lockedIfCareful locks the rows of a query in a transaction that is run again
// because they were changed under its hands.
func (c *conn) lockedIfCareful(query string) string {
	if c.careful {
		return query + ` {lock}`
	}
	return query
}

// Occurrence implements engine.ReadTx.
func (r *reader) Occurrence(agentID, id string) (discovery.Occurrence, error) {
	var found []discovery.Occurrence
	err := r.each(func(rows *sql.Rows) error {
		o, _, err := scanOccurrence(rows)
		found = append(found, o)
		return err
	}, `SELECT `+occurrenceColumns+` FROM occurrences WHERE agent_id = ? AND occurrence_id = ?`, agentID, id)
	if err != nil {
		return discovery.Occurrence{}, err
	}
	if len(found) == 0 {
		return discovery.Occurrence{}, fmt.Errorf("occurrence %s of agent %s: %w", id, agentID, engine.ErrNotFound)
	}
	return found[0], nil
}

func scanOccurrence(rows *sql.Rows) (discovery.Occurrence, rollout.Note, error) {
	var (
		o                                                                    discovery.Occurrence
		n                                                                    rollout.Note
		labels, conflicts                                                    string
		registered, bootHeard, stateSince, lastSign, transitSince, waitUntil int64
	)
	if err := rows.Scan(&o.ID, &o.Coordinated, &o.Pin, &o.Version, &o.CallbackURL, &o.CallbackSecret, &o.CallbackGone, &labels,
		&registered, &o.Boot, &bootHeard, &o.Sequence, &o.State, &stateSince, &o.Detail, &o.Critical, &o.High, &lastSign, &o.Left,
		&transitSince, &conflicts, &n.Boot, &n.StopBy, &n.WokenBy, &waitUntil, &n.Watched); err != nil {
		return o, n, err
	}
	o.RegisteredAt, o.BootHeard, o.StateSince = instant(registered), instant(bootHeard), instant(stateSince)
	o.LastSign, o.TransitSince, n.WaitUntil = instant(lastSign), instant(transitSince), instant(waitUntil)
	if labels != "" {
		if err := json.Unmarshal([]byte(labels), &o.Labels); err != nil {
			return o, n, fmt.Errorf("labels of occurrence %s: %w", o.ID, err)
		}
	}
	var err error
	o.Conflicts, err = readInstants(conflicts)
	return o, n, err
}

// instants are kept as numbers with commas between.
func writeInstants(all []time.Time) string {
	parts := make([]string, len(all))
	for i := range all {
		parts[i] = strconv.FormatInt(micros(all[i]), 10)
	}
	return strings.Join(parts, ",")
}

func readInstants(kept string) ([]time.Time, error) {
	if kept == "" {
		return nil, nil
	}
	parts := strings.Split(kept, ",")
	all := make([]time.Time, len(parts))
	for i := range parts {
		us, err := strconv.ParseInt(parts[i], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("instants %q: %w", kept, err)
		}
		all[i] = instant(us)
	}
	return all, nil
}

// savedColumns are those that SaveOccurrences writes. was_boot and was_sequence
// are what the row must still have; new_boots is how many boots took the
// place of others.
var savedColumns = cols(`agent_id text, occurrence_id text, coordinated boolean, pin text, version text, callback_url text, callback_secret text,
	callback_gone boolean, labels text, registered_at bigint, boot text, boot_heard bigint, sequence bigint, state text, state_since bigint,
	detail text, critical bigint, high bigint, last_sign bigint, has_left boolean, transit_since bigint, conflicts text,
	was_boot text, was_sequence bigint, new_boots bigint`)

const insertOccurrences = `INSERT INTO occurrences (agent_id, occurrence_id, coordinated, pin, version, callback_url, callback_secret,
		callback_gone, labels, registered_at, boot, boot_number, boot_heard, sequence, state, state_since, detail, critical, high, last_sign,
		has_left, transit_since, conflicts)
	SELECT r.agent_id, r.occurrence_id, r.coordinated, r.pin, r.version, r.callback_url, r.callback_secret, r.callback_gone, r.labels,
		r.registered_at, r.boot, 1 + r.new_boots, r.boot_heard, r.sequence, r.state, r.state_since, r.detail, r.critical, r.high, r.last_sign,
		r.has_left, r.transit_since, r.conflicts
	FROM {rows}`

// A heartbeat that was taken in passing since the fleet was read has moved the
// sequence on; then the whole transaction is run again. One that was only a sign
// of life has moved last_sign, which never goes back.
const updateOccurrences = `UPDATE occurrences SET coordinated = r.coordinated, pin = r.pin, version = r.version,
		callback_url = r.callback_url, callback_secret = r.callback_secret, callback_gone = r.callback_gone, labels = r.labels,
		registered_at = r.registered_at, boot = r.boot, boot_number = boot_number + r.new_boots, boot_heard = r.boot_heard,
		sequence = r.sequence, state = r.state, state_since = r.state_since, detail = r.detail, critical = r.critical, high = r.high,
		last_sign = {max}(occurrences.last_sign, r.last_sign), has_left = r.has_left, transit_since = r.transit_since, conflicts = r.conflicts
	FROM {rows}
	WHERE occurrences.agent_id = r.agent_id AND occurrences.occurrence_id = r.occurrence_id AND occurrences.boot = r.was_boot
		AND occurrences.sequence = r.was_sequence`

// heardColumns are what a heartbeat of the boot that was there before can change.
var heardColumns = cols(`agent_id text, occurrence_id text, version text, callback_gone boolean, sequence bigint, state text, state_since bigint,
	detail text, critical bigint, high bigint, last_sign bigint, transit_since bigint, was_boot text, was_sequence bigint`)

const updateHeard = `UPDATE occurrences SET version = r.version, callback_gone = r.callback_gone, sequence = r.sequence, state = r.state,
		state_since = r.state_since, detail = r.detail, critical = r.critical, high = r.high,
		last_sign = {max}(occurrences.last_sign, r.last_sign), transit_since = r.transit_since
	FROM {rows}
	WHERE occurrences.agent_id = r.agent_id AND occurrences.occurrence_id = r.occurrence_id AND occurrences.boot = r.was_boot
		AND occurrences.sequence = r.was_sequence`
