-- +goose Up

-- due_at is when an instruction is due to be sent, and leased_until the end of the
-- lease once it is claimed. They were one column, so that each claim moved the row
-- in the index of what is due. Now a claim changes no index: the new version of the
-- row stays on its page (HOT), where fillfactor leaves room for it.
ALTER TABLE instructions RENAME COLUMN visible_at TO due_at;
ALTER TABLE instructions ADD COLUMN leased_until bigint NOT NULL DEFAULT 0;
ALTER TABLE instructions SET (fillfactor = 50);

-- Whether an agent has anything open is answered by instructions_open.
DROP INDEX instructions_ahead;

-- Whoever deletes an instruction deletes its deliveries; a foreign key had each of
-- them look for its instruction and lock it.
ALTER TABLE deliveries DROP CONSTRAINT deliveries_instruction_id_fkey;

-- +goose Down
CREATE INDEX instructions_ahead ON instructions (agent_id, deadline)
    WHERE acknowledged_at = 0 AND withdrawn_at = 0;
ALTER TABLE deliveries ADD CONSTRAINT deliveries_instruction_id_fkey FOREIGN KEY (instruction_id) REFERENCES instructions ON DELETE CASCADE;
ALTER TABLE instructions RESET (fillfactor);
ALTER TABLE instructions DROP COLUMN leased_until;
ALTER TABLE instructions RENAME COLUMN due_at TO visible_at;
