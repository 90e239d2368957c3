-- People are told of requests for more, and of what becomes of them, as of alerts.

-- +goose Up
ALTER TABLE cost_alerts DROP CONSTRAINT cost_alerts_action_check;
ALTER TABLE cost_alerts ADD CONSTRAINT cost_alerts_action_check
  CHECK (action IN ('Warn', 'Downgrade', 'Trip', 'Exhaust', 'ForceOpen', 'Test', 'Unusual', 'Refusals', 'UnusedKey', 'Request', 'Decision'));
ALTER TABLE cost_alerts DROP CONSTRAINT cost_alerts_resolution_check;
ALTER TABLE cost_alerts ADD CONSTRAINT cost_alerts_resolution_check
  CHECK (resolution IN ('PeriodTurned', 'LimitChanged', 'BudgetRemoved', 'Tested', 'Decided'));
ALTER TABLE cost_alerts ADD COLUMN request_id uuid REFERENCES budget_requests;
CREATE UNIQUE INDEX cost_alerts_request ON cost_alerts (request_id, action) WHERE request_id IS NOT NULL;
COMMENT ON COLUMN cost_alerts.request_id IS
  'the request for more that the alert is about, of Request (somebody asks) and Decision (an admin has approved or declined it, which only admins see); null of all others';
COMMENT ON COLUMN cost_alerts.amount_nanos IS 'the limit when the rung was reached, nano-USD; what is asked for, of Request and Decision';
COMMENT ON COLUMN cost_alerts.period_start IS 'of Request and Decision: when it was asked for and decided';
COMMENT ON COLUMN cost_alerts.period_end IS 'of Request and Decision: until when more is asked for';

-- +goose Down
-- Nothing is said of what there is no word for.
DELETE FROM alert_marks USING cost_alerts AS a WHERE a.alert_id = alert_marks.alert_id AND a.request_id IS NOT NULL;
DELETE FROM alert_deliveries USING cost_alerts AS a WHERE a.alert_id = alert_deliveries.alert_id AND a.request_id IS NOT NULL;
DELETE FROM cost_alerts WHERE request_id IS NOT NULL;
ALTER TABLE cost_alerts DROP COLUMN request_id;
ALTER TABLE cost_alerts DROP CONSTRAINT cost_alerts_resolution_check;
ALTER TABLE cost_alerts ADD CONSTRAINT cost_alerts_resolution_check CHECK (resolution IN ('PeriodTurned', 'LimitChanged', 'BudgetRemoved', 'Tested'));
ALTER TABLE cost_alerts DROP CONSTRAINT cost_alerts_action_check;
ALTER TABLE cost_alerts ADD CONSTRAINT cost_alerts_action_check
  CHECK (action IN ('Warn', 'Downgrade', 'Trip', 'Exhaust', 'ForceOpen', 'Test', 'Unusual', 'Refusals', 'UnusedKey'));
COMMENT ON COLUMN cost_alerts.amount_nanos IS 'the limit when the rung was reached, nano-USD';
COMMENT ON COLUMN cost_alerts.period_start IS NULL;
COMMENT ON COLUMN cost_alerts.period_end IS NULL;
