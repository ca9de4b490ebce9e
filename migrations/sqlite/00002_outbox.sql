-- +goose Up

-- Whether an agent has anything open is answered by instructions_open.
DROP INDEX instructions_ahead;

-- Whoever deletes an instruction deletes its deliveries; a foreign key had each of
-- them look for its instruction, which is written in the same transaction.
CREATE TABLE tries (
    instruction_id TEXT NOT NULL,
    fence          INTEGER NOT NULL,
    attempt        INTEGER NOT NULL,
    tried_at       INTEGER NOT NULL,
    outcome        TEXT NOT NULL,
    status         INTEGER NOT NULL,
    duration       INTEGER NOT NULL,
    failure        TEXT NOT NULL,
    PRIMARY KEY (instruction_id, fence)
) STRICT, WITHOUT ROWID;
INSERT INTO tries SELECT instruction_id, fence, attempt, tried_at, outcome, status, duration, failure FROM deliveries;
DROP TABLE deliveries;
ALTER TABLE tries RENAME TO deliveries;

-- +goose Down
CREATE INDEX instructions_ahead ON instructions (agent_id, deadline)
    WHERE acknowledged_at = 0 AND withdrawn_at = 0;
