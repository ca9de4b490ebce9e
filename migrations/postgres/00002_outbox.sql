-- +goose Up

-- Whether an agent has anything open is answered by instructions_open.
DROP INDEX instructions_ahead;

-- Whoever deletes an instruction deletes its deliveries; a foreign key had each of
-- them look for its instruction and lock it.
ALTER TABLE deliveries DROP CONSTRAINT deliveries_instruction_id_fkey;

-- +goose Down
CREATE INDEX instructions_ahead ON instructions (agent_id, deadline)
    WHERE acknowledged_at = 0 AND withdrawn_at = 0;
ALTER TABLE deliveries ADD CONSTRAINT deliveries_instruction_id_fkey FOREIGN KEY (instruction_id) REFERENCES instructions ON DELETE CASCADE;
