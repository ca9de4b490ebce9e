-- +goose Up

-- Ids are compared byte by byte on every database, whatever its locale is
-- (rule 3.1), hence COLLATE "C".

-- What a starting replica has written, read in every transaction that decides
-- (rule 11.2). No row: the defaults.
CREATE TABLE settings (
    id  smallint PRIMARY KEY CHECK (id = 1),
    doc text NOT NULL
);

-- The hold of all agents (rule 8.4). number grows with each that begins.
CREATE TABLE hold_all (
    id      smallint PRIMARY KEY CHECK (id = 1),
    number  bigint NOT NULL,
    active  boolean NOT NULL,
    held_by text NOT NULL,
    reason  text NOT NULL
);
INSERT INTO hold_all VALUES (1, 0, false, '', '');

-- The service clock (rule 2.10): when heartbeats were last possible, on both
-- clocks, and how many silences there were; the last of them began at since and
-- left wall time ahead of service time by ahead. last_wall 0: never started.
CREATE TABLE service_clock (
    id           smallint PRIMARY KEY CHECK (id = 1),
    last_wall    bigint NOT NULL,
    last_service bigint NOT NULL,
    silences     bigint NOT NULL,
    since        bigint NOT NULL,
    ahead        bigint NOT NULL
) WITH (fillfactor = 20);
INSERT INTO service_clock VALUES (1, 0, 0, 0, 0, 0);

-- All silences there ever were. Kept for ever: every older time that is shown
-- needs them, and there is one for each outage of the whole service only.
CREATE TABLE silences (
    since bigint PRIMARY KEY,
    ahead bigint NOT NULL
);

-- One row per agent, locked by whoever changes anything of it. version is a new
-- random number with every such change, so that a replica knows whether what it
-- remembers of the agent is still so; whoever changes rows by hand must change
-- it, too. wake_at is when the agent must be stepped though
-- nothing happens. head_seq and head_hash are the end of its chain of events.
-- hold_of, standing_of and stopped_by are the rollouts that the documents name:
-- they are not purged (rule 9.3).
CREATE TABLE agents (
    agent_id   text COLLATE "C" PRIMARY KEY,
    version    bigint NOT NULL DEFAULT 0,
    wake_at    bigint NOT NULL DEFAULT 0,
    stepped_at bigint NOT NULL DEFAULT 0,
    hold_seen  bigint NOT NULL DEFAULT 0,
    complete   boolean NOT NULL DEFAULT false,
    incidents_made bigint NOT NULL DEFAULT 0,
    head_seq   bigint NOT NULL DEFAULT 0,
    head_hash  text NOT NULL DEFAULT '',
    profile    text NOT NULL DEFAULT '',
    hold       text NOT NULL DEFAULT '',
    standing   text NOT NULL DEFAULT '',
    last_stop  text NOT NULL DEFAULT '',
    hold_of     text COLLATE "C" NOT NULL DEFAULT '',
    standing_of text COLLATE "C" NOT NULL DEFAULT '',
    stopped_by  text COLLATE "C" NOT NULL DEFAULT ''
) WITH (fillfactor = 50);
CREATE INDEX agents_due ON agents (wake_at) WHERE wake_at > 0;
CREATE INDEX agents_hold_seen ON agents (hold_seen);

-- One row per occurrence: what it registered, what was last heard from it, and
-- what is remembered about its present boot (note_boot and the four columns
-- after it). Every heartbeat updates sequence and last_sign, so nothing but the
-- key is indexed, and pages keep room: such an update moves no index (HOT).
CREATE TABLE occurrences (
    agent_id        text COLLATE "C" NOT NULL REFERENCES agents,
    occurrence_id   text COLLATE "C" NOT NULL,
    coordinated     boolean NOT NULL,
    pin             text NOT NULL,
    version         text NOT NULL,
    callback_url    text NOT NULL,
    callback_secret text NOT NULL,
    callback_gone   boolean NOT NULL,
    labels          text NOT NULL,
    registered_at   bigint NOT NULL,
    boot            text COLLATE "C" NOT NULL,
    boot_number     bigint NOT NULL,
    boot_heard      bigint NOT NULL,
    sequence        bigint NOT NULL,
    state           text NOT NULL,
    state_since     bigint NOT NULL,
    detail          text NOT NULL,
    critical        bigint NOT NULL,
    high            bigint NOT NULL,
    last_sign       bigint NOT NULL,
    has_left        boolean NOT NULL,
    transit_since   bigint NOT NULL,
    conflicts       text NOT NULL,
    note_boot       text COLLATE "C" NOT NULL DEFAULT '',
    stop_by         text COLLATE "C" NOT NULL DEFAULT '',
    woken_by        text COLLATE "C" NOT NULL DEFAULT '',
    wait_until      bigint NOT NULL DEFAULT 0,
    watched         boolean NOT NULL DEFAULT false,
    PRIMARY KEY (agent_id, occurrence_id)
) WITH (fillfactor = 70);

-- Boots that were replaced by a later one (rule 2.5). number counts the boots
-- of an occurrence; the last hundred and more are kept.
CREATE TABLE boots (
    agent_id      text COLLATE "C" NOT NULL,
    occurrence_id text COLLATE "C" NOT NULL,
    boot          text COLLATE "C" NOT NULL,
    number        bigint NOT NULL,
    replaced_at   bigint NOT NULL,
    PRIMARY KEY (agent_id, occurrence_id, boot),
    FOREIGN KEY (agent_id, occurrence_id) REFERENCES occurrences ON DELETE CASCADE
);
CREATE INDEX boots_number ON boots (agent_id, occurrence_id, number);

-- doc is the whole rollout but for its members.
CREATE TABLE rollouts (
    rollout_id  text COLLATE "C" PRIMARY KEY,
    agent_id    text COLLATE "C" NOT NULL REFERENCES agents,
    kind        text NOT NULL,
    status      text NOT NULL,
    created_at  bigint NOT NULL,
    finished_at bigint NOT NULL,
    final       boolean NOT NULL,
    doc         text NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX rollouts_agent ON rollouts (agent_id, rollout_id);
CREATE INDEX rollouts_finished ON rollouts (finished_at) WHERE final;
-- An agent has at most one unfinished rollout of a kind (rule 4.1).
CREATE UNIQUE INDEX rollouts_unfinished ON rollouts (agent_id, kind) WHERE NOT final;

-- A member's place in its rollout; an occurrence has one at most. Within a wave
-- the order is that of position, which may have gaps.
CREATE TABLE members (
    rollout_id    text COLLATE "C" NOT NULL REFERENCES rollouts ON DELETE CASCADE,
    occurrence_id text COLLATE "C" NOT NULL,
    wave          bigint NOT NULL,
    position      bigint NOT NULL,
    status        text NOT NULL,
    doc           text NOT NULL,
    PRIMARY KEY (rollout_id, occurrence_id)
) WITH (fillfactor = 70);

-- The last stop outside any wave that an occurrence was told (rules 4.17, 8.4).
CREATE TABLE loose_stops (
    agent_id      text COLLATE "C" NOT NULL REFERENCES agents,
    occurrence_id text COLLATE "C" NOT NULL,
    doc           text NOT NULL,
    PRIMARY KEY (agent_id, occurrence_id)
);

-- Instructions, and at the same time the outbox of those that go by callback.
-- Pending is what is neither acknowledged nor withdrawn nor suspended, with its
-- deadline ahead (rule 7.2). callback says what the outbox makes of it: '' no
-- callback address, 'due', or how it ended: 'delivered', 'gone', 'gave_up', 'expired'.
-- visible_at is when it is due, and the end of its lease once it is claimed; fence
-- grows with each claim, attempt with each try. failure is why the last try failed
-- and failed_url where; unreported: the core has still to hear of that;
-- undeliverable: it has heard that the deadline passed.
CREATE TABLE instructions (
    instruction_id  text COLLATE "C" PRIMARY KEY,
    agent_id        text COLLATE "C" NOT NULL,
    occurrence_id   text COLLATE "C" NOT NULL,
    boot            text COLLATE "C" NOT NULL,
    rollout_id      text COLLATE "C" NOT NULL,
    wave            bigint NOT NULL,
    force           boolean NOT NULL,
    issued_at       bigint NOT NULL,
    deadline        bigint NOT NULL,
    acknowledged_at bigint NOT NULL DEFAULT 0,
    withdrawn_at    bigint NOT NULL DEFAULT 0,
    suspended       boolean NOT NULL DEFAULT false,
    callback        text NOT NULL,
    visible_at      bigint NOT NULL,
    attempt         bigint NOT NULL DEFAULT 0,
    fence           bigint NOT NULL DEFAULT 0,
    delivered_at    bigint NOT NULL DEFAULT 0,
    failure         text NOT NULL DEFAULT '',
    failed_url      text NOT NULL DEFAULT '',
    unreported      boolean NOT NULL DEFAULT false,
    undeliverable   boolean NOT NULL DEFAULT false,
    doc             text NOT NULL
) WITH (fillfactor = 70);
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
    instruction_id text COLLATE "C" NOT NULL REFERENCES instructions ON DELETE CASCADE,
    fence          bigint NOT NULL,
    attempt        bigint NOT NULL,
    tried_at       bigint NOT NULL,
    outcome        text NOT NULL,
    status         bigint NOT NULL,
    duration       bigint NOT NULL,
    failure        text NOT NULL,
    PRIMARY KEY (instruction_id, fence)
);

-- The audit trail: a gapless chain for each agent (rule 9.1). Never purged.
CREATE TABLE events (
    agent_id      text COLLATE "C" NOT NULL,
    seq           bigint NOT NULL,
    at_wall       bigint NOT NULL,
    type          text NOT NULL,
    rollout_id    text COLLATE "C" NOT NULL,
    wave          bigint NOT NULL,
    occurrence_id text COLLATE "C" NOT NULL,
    actor         text NOT NULL,
    data          text NOT NULL,
    prev_hash     text NOT NULL,
    hash          text NOT NULL,
    PRIMARY KEY (agent_id, seq)
);
CREATE INDEX events_rollout ON events (rollout_id, seq) WHERE rollout_id <> '';

-- Incidents (9.2). kept: its cause persists, so that none of the same key may
-- open, though an operator may have resolved it.
CREATE TABLE incidents (
    incident_id text COLLATE "C" PRIMARY KEY,
    agent_id    text COLLATE "C" NOT NULL,
    key         text COLLATE "C" NOT NULL,
    kept        boolean NOT NULL,
    opened_at   bigint NOT NULL,
    resolved_at bigint NOT NULL,
    type        text NOT NULL,
    doc         text NOT NULL
);
CREATE UNIQUE INDEX incidents_kept ON incidents (agent_id, key) WHERE kept;
CREATE INDEX incidents_agent ON incidents (agent_id, opened_at DESC, incident_id DESC);
CREATE INDEX incidents_newest ON incidents (opened_at DESC, incident_id DESC);
CREATE INDEX incidents_resolved ON incidents (resolved_at) WHERE NOT kept;

-- Answers of requests with an Idempotency-Key (rule 10.7).
CREATE TABLE kept_answers (
    key       text COLLATE "C" PRIMARY KEY,
    made_wall bigint NOT NULL,
    body_hash text NOT NULL,
    status    bigint NOT NULL,
    body      bytea NOT NULL
);
CREATE INDEX kept_answers_age ON kept_answers (made_wall);

-- +goose Down
DROP TABLE kept_answers, incidents, events, deliveries, instructions, loose_stops, members, rollouts, boots, occurrences,
    agents, silences, service_clock, hold_all, settings;
