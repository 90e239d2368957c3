-- An admin may grant another amount than was asked for, and until another time: both are on record.

-- +goose Up
ALTER TABLE budget_decisions
  ADD COLUMN granted_amount text CHECK (length(granted_amount) BETWEEN 1 AND 32),
  ADD COLUMN granted_until  timestamptz,
  ADD CONSTRAINT budget_decisions_granted_check CHECK (approved OR granted_amount IS NULL AND granted_until IS NULL);
COMMENT ON COLUMN budget_decisions.granted_amount IS
  'how much more was granted in each period of the limit, of what was approved, in the currency of the budget, as it is written; null where it is what was asked for, and of what was declined';
COMMENT ON COLUMN budget_decisions.granted_until IS 'until when it was granted; null where it is until when was asked, and of what was declined';
GRANT INSERT (granted_amount, granted_until) ON budget_decisions TO bursar_console;
COMMENT ON COLUMN cost_alerts.amount_nanos IS 'the limit when the rung was reached, nano-USD; of Request what is asked for, of Decision what was granted, or was asked for and declined';
COMMENT ON COLUMN cost_alerts.period_end IS 'of Request: until when more is asked for; of Decision: until when it was granted, or was asked for and declined';

-- +goose Down
COMMENT ON COLUMN cost_alerts.amount_nanos IS 'the limit when the rung was reached, nano-USD; what is asked for, of Request and Decision';
COMMENT ON COLUMN cost_alerts.period_end IS 'of Request and Decision: until when more is asked for';
ALTER TABLE budget_decisions DROP CONSTRAINT budget_decisions_granted_check, DROP COLUMN granted_until, DROP COLUMN granted_amount;
