-- A call whose answer was cut off is charged the most that it can have cost by what was seen.

-- +goose Up
ALTER TABLE ai_usage_logs DROP CONSTRAINT ai_usage_logs_outcome_check;
ALTER TABLE ai_usage_logs ADD CONSTRAINT ai_usage_logs_outcome_check CHECK (outcome IN ('Settled', 'Voided', 'ChargedSeen', 'ChargedHold'));

-- +goose Down
-- Nothing is said of what was seen where there is no word for it.
ALTER TABLE ai_usage_logs DROP CONSTRAINT ai_usage_logs_outcome_check;
ALTER TABLE ai_usage_logs ADD CONSTRAINT ai_usage_logs_outcome_check CHECK (outcome IN ('Settled', 'Voided', 'ChargedHold')) NOT VALID;
