-- +goose Up

-- What a starting replica has written, read in every transaction that decides
-- (rule 11.2). No row: the defaults.
CREATE TABLE settings (
    id  INTEGER PRIMARY KEY CHECK (id = 1),
    doc TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The hold of all agents (rule 8.4). number grows with each that begins.
CREATE TABLE hold_all (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    number  INTEGER NOT NULL,
    active  INTEGER NOT NULL,
    held_by TEXT NOT NULL,
    reason  TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO hold_all VALUES (1, 0, false, '', '');

-- The service clock (rule 2.10): when heartbeats were last possible, on both
-- clocks, and how many silences there were; the last of them began at since and
-- left wall time ahead of service time by ahead. last_wall 0: never started.
CREATE TABLE service_clock (
    id           INTEGER PRIMARY KEY CHECK (id = 1),
    last_wall    INTEGER NOT NULL,
    last_service INTEGER NOT NULL,
    silences     INTEGER NOT NULL,
    since        INTEGER NOT NULL,
    ahead        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO service_clock VALUES (1, 0, 0, 0, 0, 0);

-- All silences there ever were. Kept for ever: every older time that is shown
-- needs them, and there is one for each outage of the whole service only.
CREATE TABLE silences (
    since INTEGER PRIMARY KEY,
    ahead INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One row per agent, locked by whoever changes anything of it. version is a new
-- random number with every such change, so that a replica knows whether what it
-- remembers of the agent is still so; whoever changes rows by hand must change
-- it, too. wake_at is when the agent must be stepped though
-- nothing happens. head_seq and head_hash are the end of its chain of events.
-- hold_of, standing_of and stopped_by are the rollouts that the documents name:
-- they are not purged (rule 9.3).
CREATE TABLE agents (
    agent_id   TEXT PRIMARY KEY,
    version    INTEGER NOT NULL DEFAULT 0,
    wake_at    INTEGER NOT NULL DEFAULT 0,
    stepped_at INTEGER NOT NULL DEFAULT 0,
    hold_seen  INTEGER NOT NULL DEFAULT 0,
    complete   INTEGER NOT NULL DEFAULT false,
    incidents_made INTEGER NOT NULL DEFAULT 0,
    head_seq   INTEGER NOT NULL DEFAULT 0,
    head_hash  TEXT NOT NULL DEFAULT '',
    profile    TEXT NOT NULL DEFAULT '',
    hold       TEXT NOT NULL DEFAULT '',
    standing   TEXT NOT NULL DEFAULT '',
    last_stop  TEXT NOT NULL DEFAULT '',
    hold_of     TEXT NOT NULL DEFAULT '',
    standing_of TEXT NOT NULL DEFAULT '',
    stopped_by  TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;
CREATE INDEX agents_due ON agents (wake_at) WHERE wake_at > 0;
CREATE INDEX agents_hold_seen ON agents (hold_seen);

-- One row per occurrence: what it registered, what was last heard from it, and
-- what is remembered about its present boot (note_boot and the four columns
-- after it). Every heartbeat updates sequence and last_sign, so nothing but the
-- key is indexed.
CREATE TABLE occurrences (
    agent_id        TEXT NOT NULL REFERENCES agents,
    occurrence_id   TEXT NOT NULL,
    coordinated     INTEGER NOT NULL,
    pin             TEXT NOT NULL,
    version         TEXT NOT NULL,
    callback_url    TEXT NOT NULL,
    callback_secret TEXT NOT NULL,
    callback_gone   INTEGER NOT NULL,
    labels          TEXT NOT NULL,
    registered_at   INTEGER NOT NULL,
    boot            TEXT NOT NULL,
    boot_number     INTEGER NOT NULL,
    boot_heard      INTEGER NOT NULL,
    sequence        INTEGER NOT NULL,
    state           TEXT NOT NULL,
    state_since     INTEGER NOT NULL,
    detail          TEXT NOT NULL,
    critical        INTEGER NOT NULL,
    high            INTEGER NOT NULL,
    last_sign       INTEGER NOT NULL,
    has_left        INTEGER NOT NULL,
    transit_since   INTEGER NOT NULL,
    conflicts       TEXT NOT NULL,
    note_boot       TEXT NOT NULL DEFAULT '',
    stop_by         TEXT NOT NULL DEFAULT '',
    woken_by        TEXT NOT NULL DEFAULT '',
    wait_until      INTEGER NOT NULL DEFAULT 0,
    watched         INTEGER NOT NULL DEFAULT false,
    PRIMARY KEY (agent_id, occurrence_id)
) STRICT, WITHOUT ROWID;

-- Boots that were replaced by a later one (rule 2.5). number counts the boots
-- of an occurrence; the last hundred and more are kept.
CREATE TABLE boots (
    agent_id      TEXT NOT NULL,
    occurrence_id TEXT NOT NULL,
    boot          TEXT NOT NULL,
    number        INTEGER NOT NULL,
    replaced_at   INTEGER NOT NULL,
    PRIMARY KEY (agent_id, occurrence_id, boot),
    FOREIGN KEY (agent_id, occurrence_id) REFERENCES occurrences ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX boots_number ON boots (agent_id, occurrence_id, number);

-- doc is the whole rollout but for its members.
CREATE TABLE rollouts (
    rollout_id  TEXT PRIMARY KEY,
    agent_id    TEXT NOT NULL REFERENCES agents,
    kind        TEXT NOT NULL,
    status      TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    finished_at INTEGER NOT NULL,
    final       INTEGER NOT NULL,
    doc         TEXT NOT NULL
) STRICT;
CREATE INDEX rollouts_agent ON rollouts (agent_id, rollout_id);
CREATE INDEX rollouts_finished ON rollouts (finished_at) WHERE final;
-- An agent has at most one unfinished rollout of a kind (rule 4.1).
CREATE UNIQUE INDEX rollouts_unfinished ON rollouts (agent_id, kind) WHERE NOT final;

-- A member's place in its rollout; an occurrence has one at most. Within a wave
-- the order is that of position, which may have gaps.
CREATE TABLE members (
    rollout_id    TEXT NOT NULL REFERENCES rollouts ON DELETE CASCADE,
    occurrence_id TEXT NOT NULL,
    wave          INTEGER NOT NULL,
    position      INTEGER NOT NULL,
    status        TEXT NOT NULL,
    doc           TEXT NOT NULL,
    PRIMARY KEY (rollout_id, occurrence_id)
) STRICT, WITHOUT ROWID;

-- The last stop outside any wave that an occurrence was told (rules 4.17, 8.4).
CREATE TABLE loose_stops (
    agent_id      TEXT NOT NULL REFERENCES agents,
    occurrence_id TEXT NOT NULL,
    doc           TEXT NOT NULL,
    PRIMARY KEY (agent_id, occurrence_id)
) STRICT, WITHOUT ROWID;

-- Instructions, and at the same time the outbox of those that go by callback.
-- Pending is what is neither acknowledged nor withdrawn nor suspended, with its
-- deadline ahead (rule 7.2). callback says what the outbox makes of it: '' no
-- callback address, 'due', or how it ended: 'delivered', 'gone', 'gave_up', 'expired'.
-- visible_at is when it is due, and the end of its lease once it is claimed; fence
-- grows with each claim, attempt with each try. failure is why the last try failed
-- and failed_url where; unreported: the core has still to hear of that;
-- undeliverable: it has heard that the deadline passed.
CREATE TABLE instructions (
    instruction_id  TEXT PRIMARY KEY,
    agent_id        TEXT NOT NULL,
    occurrence_id   TEXT NOT NULL,
    boot            TEXT NOT NULL,
    rollout_id      TEXT NOT NULL,
    wave            INTEGER NOT NULL,
    force           INTEGER NOT NULL,
    issued_at       INTEGER NOT NULL,
    deadline        INTEGER NOT NULL,
    acknowledged_at INTEGER NOT NULL DEFAULT 0,
    withdrawn_at    INTEGER NOT NULL DEFAULT 0,
    suspended       INTEGER NOT NULL DEFAULT false,
    callback        TEXT NOT NULL,
    visible_at      INTEGER NOT NULL,
    attempt         INTEGER NOT NULL DEFAULT 0,
    fence           INTEGER NOT NULL DEFAULT 0,
    delivered_at    INTEGER NOT NULL DEFAULT 0,
    failure         TEXT NOT NULL DEFAULT '',
    failed_url      TEXT NOT NULL DEFAULT '',
    unreported      INTEGER NOT NULL DEFAULT false,
    undeliverable   INTEGER NOT NULL DEFAULT false,
    doc             TEXT NOT NULL
) STRICT;
CREATE INDEX instructions_open ON instructions (agent_id, occurrence_id)
    WHERE acknowledged_at = 0 AND withdrawn_at = 0;
CREATE INDEX instructions_ahead ON instructions (agent_id, deadline)
    WHERE acknowledged_at = 0 AND withdrawn_at = 0;
CREATE INDEX instructions_due ON instructions (force DESC, visible_at)
    WHERE callback = 'due' AND acknowledged_at = 0 AND withdrawn_at = 0 AND NOT suspended;
CREATE INDEX instructions_undelivered ON instructions (deadline)
    WHERE callback <> '' AND callback <> 'delivered' AND NOT undeliverable AND acknowledged_at = 0 AND withdrawn_at = 0;
CREATE INDEX instructions_unreported ON instructions (agent_id) WHERE unreported;
CREATE INDEX instructions_deadline ON instructions (deadline);

-- Every try of a callback (promise 4).
CREATE TABLE deliveries (
    instruction_id TEXT NOT NULL REFERENCES instructions ON DELETE CASCADE,
    fence          INTEGER NOT NULL,
    attempt        INTEGER NOT NULL,
    tried_at       INTEGER NOT NULL,
    outcome        TEXT NOT NULL,
    status         INTEGER NOT NULL,
    duration       INTEGER NOT NULL,
    failure        TEXT NOT NULL,
    PRIMARY KEY (instruction_id, fence)
) STRICT, WITHOUT ROWID;

-- The audit trail: a gapless chain for each agent (rule 9.1). Never purged.
CREATE TABLE events (
    agent_id      TEXT NOT NULL,
    seq           INTEGER NOT NULL,
    at_wall       INTEGER NOT NULL,
    type          TEXT NOT NULL,
    rollout_id    TEXT NOT NULL,
    wave          INTEGER NOT NULL,
    occurrence_id TEXT NOT NULL,
    actor         TEXT NOT NULL,
    data          TEXT NOT NULL,
    prev_hash     TEXT NOT NULL,
    hash          TEXT NOT NULL,
    PRIMARY KEY (agent_id, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX events_rollout ON events (rollout_id, seq) WHERE rollout_id <> '';

-- Incidents (9.2). kept: its cause persists, so that none of the same key may
-- open, though an operator may have resolved it.
CREATE TABLE incidents (
    incident_id TEXT PRIMARY KEY,
    agent_id    TEXT NOT NULL,
    key         TEXT NOT NULL,
    kept        INTEGER NOT NULL,
    opened_at   INTEGER NOT NULL,
    resolved_at INTEGER NOT NULL,
    type        TEXT NOT NULL,
    doc         TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX incidents_kept ON incidents (agent_id, key) WHERE kept;
CREATE INDEX incidents_agent ON incidents (agent_id, opened_at DESC, incident_id DESC);
CREATE INDEX incidents_newest ON incidents (opened_at DESC, incident_id DESC);
CREATE INDEX incidents_resolved ON incidents (resolved_at) WHERE NOT kept;

-- Answers of requests with an Idempotency-Key (rule 10.7).
CREATE TABLE kept_answers (
    key       TEXT PRIMARY KEY,
    made_wall INTEGER NOT NULL,
    body_hash TEXT NOT NULL,
    status    INTEGER NOT NULL,
    body      BLOB NOT NULL
) STRICT;
CREATE INDEX kept_answers_age ON kept_answers (made_wall);

-- +goose Down
DROP TABLE kept_answers;
DROP TABLE incidents;
DROP TABLE events;
DROP TABLE deliveries;
DROP TABLE instructions;
DROP TABLE loose_stops;
DROP TABLE members;
DROP TABLE rollouts;
DROP TABLE boots;
DROP TABLE occurrences;
DROP TABLE agents;
DROP TABLE silences;
DROP TABLE service_clock;
DROP TABLE hold_all;
DROP TABLE settings;
