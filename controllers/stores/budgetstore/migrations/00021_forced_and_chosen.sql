-- A breaker that is forced open is an alert, too; it is about no limit. A model that was chosen
-- of a virtual model's is told apart from one that a Downgrade rung has put in the place of
-- another.

-- +goose Up
ALTER TABLE cost_alerts DROP CONSTRAINT cost_alerts_action_check;
ALTER TABLE cost_alerts ADD CONSTRAINT cost_alerts_action_check CHECK (action IN ('Warn', 'Downgrade', 'Trip', 'Exhaust', 'ForceOpen'));
COMMENT ON COLUMN cost_alerts.action IS 'that of the rung; Exhaust where the limit is spent in full; ForceOpen where the breaker is forced open, which is about no limit';
ALTER TABLE ai_usage_logs DROP CONSTRAINT ai_usage_logs_decision_check;
ALTER TABLE ai_usage_logs ADD CONSTRAINT ai_usage_logs_decision_check
  CHECK (decision IN ('Admitted', 'Replaced', 'Chosen', 'Fallback', 'Shadowed', 'Bounded'));
COMMENT ON COLUMN ai_usage_logs.decision IS
  'Admitted: as asked; Replaced: with another model, by the ladder, or, of older calls, of a virtual model; Chosen: of a virtual model; Fallback: CheapestModel, after money refused; Shadowed: would have been refused but for Shadow; Bounded: from a share, while Redis was away';

-- +goose Down
-- Nothing is said of what was forced where there is no word for it.
ALTER TABLE cost_alerts DROP CONSTRAINT cost_alerts_action_check;
ALTER TABLE cost_alerts ADD CONSTRAINT cost_alerts_action_check CHECK (action IN ('Warn', 'Downgrade', 'Trip', 'Exhaust')) NOT VALID;
COMMENT ON COLUMN cost_alerts.action IS 'that of the rung; Exhaust where the limit is spent in full';
ALTER TABLE ai_usage_logs DROP CONSTRAINT ai_usage_logs_decision_check;
ALTER TABLE ai_usage_logs ADD CONSTRAINT ai_usage_logs_decision_check
  CHECK (decision IN ('Admitted', 'Replaced', 'Fallback', 'Shadowed', 'Bounded')) NOT VALID;
COMMENT ON COLUMN ai_usage_logs.decision IS
  'Admitted: as asked; Replaced: with another model, by the ladder or of a virtual model; Fallback: CheapestModel, after money refused; Shadowed: would have been refused but for Shadow; Bounded: from a share, while Redis was away';
