-- People acknowledge and mute alerts, and have themselves sent one as a test. What is unusual is an
-- alert, too.

-- +goose Up
ALTER TABLE cost_alerts DROP CONSTRAINT cost_alerts_action_check;
ALTER TABLE cost_alerts ADD CONSTRAINT cost_alerts_action_check CHECK (action IN ('Warn', 'Downgrade', 'Trip', 'Exhaust', 'ForceOpen', 'Test', 'Unusual', 'Refusals', 'UnusedKey'));
COMMENT ON COLUMN cost_alerts.action IS
  'that of the rung; Exhaust where the limit is spent in full; ForceOpen where the breaker is forced open, Test where somebody asked for a message, Unusual, Refusals and UnusedKey where spending, refused calls or an APIKey stood out, which are about no limit';
ALTER TABLE cost_alerts DROP CONSTRAINT cost_alerts_resolution_check;
ALTER TABLE cost_alerts ADD CONSTRAINT cost_alerts_resolution_check CHECK (resolution IN ('PeriodTurned', 'LimitChanged', 'BudgetRemoved', 'Tested'));

-- alert_marks: what people said of alerts. Rows are added, and never changed.
CREATE TABLE alert_marks (
  mark_id     uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  alert_id    uuid NOT NULL REFERENCES cost_alerts,
  tenant_id   text NOT NULL REFERENCES tenants,
  mark        text NOT NULL CHECK (mark IN ('Acknowledge', 'Mute', 'Unmute')),
  marked_by   text NOT NULL,
  marked_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  muted_until timestamptz,
  CHECK ((mark = 'Mute') = (muted_until IS NOT NULL))
);
CREATE INDEX alert_marks_alert ON alert_marks (alert_id, marked_at);
COMMENT ON COLUMN alert_marks.mark IS 'Acknowledge: of this alert; Mute and Unmute: of all alerts of its rung and limit, about the same user, group or APIKey, in whatever period';
COMMENT ON COLUMN alert_marks.muted_until IS 'until when nobody is told, of Mute';

-- The last Mute or Unmute of the alerts that are muted together; null where there is none. It
-- reads with the rights of whoever calls it.
-- +goose StatementBegin
CREATE FUNCTION alert_muting(of cost_alerts) RETURNS alert_marks LANGUAGE sql STABLE AS $$
  SELECT m
  FROM alert_marks AS m JOIN cost_alerts AS a USING (alert_id)
  WHERE (a.tenant_id, a.limit_name, a.user_id, a.group_name, a.credential, a.action, a.at_percent)
      = (of.tenant_id, of.limit_name, of.user_id, of.group_name, of.credential, of.action, of.at_percent)
    AND m.mark <> 'Acknowledge'
  ORDER BY m.marked_at DESC
  LIMIT 1
$$;
-- +goose StatementEnd

-- Whether nobody is to be told of an alert now.
CREATE FUNCTION alert_is_muted(of cost_alerts) RETURNS boolean LANGUAGE sql STABLE AS
  'SELECT coalesce((alert_muting(of)).muted_until > now(), false)';

ALTER TABLE alert_marks ENABLE ROW LEVEL SECURITY;
ALTER TABLE alert_marks FORCE ROW LEVEL SECURITY;
GRANT SELECT ON alert_marks TO bursar_manager, bursar_reader;
CREATE POLICY manager ON alert_marks FOR SELECT TO bursar_manager USING (true);
-- Who sees an alert sees what was said of it.
CREATE POLICY reader ON alert_marks FOR SELECT TO bursar_reader
  USING (tenant_id = (SELECT reader_tenant(true)) AND EXISTS (SELECT FROM cost_alerts AS a WHERE a.alert_id = alert_marks.alert_id));

-- bursar_console adds what people say, for an admin of the tenant that its settings name, as
-- readers name it. What it refers to it must see, as a member of bursar_reader.
GRANT INSERT (alert_id, tenant_id, mark, marked_by, muted_until) ON alert_marks TO bursar_console;
GRANT INSERT (tenant_id, budget_uid, limit_name, period_start, period_end, action, at_percent, amount_nanos, spent_nanos, message, resolved_at, resolution) ON cost_alerts TO bursar_console;
GRANT INSERT (alert_id, tenant_id, channel, recipient) ON alert_deliveries TO bursar_console;
CREATE POLICY console ON alert_marks FOR INSERT TO bursar_console
  WITH CHECK (tenant_id = (SELECT reader_tenant(true)) AND current_setting('bursar.role', true) = 'admin'
              AND EXISTS (SELECT FROM cost_alerts AS a WHERE a.alert_id = alert_marks.alert_id AND a.tenant_id = alert_marks.tenant_id));
CREATE POLICY console ON cost_alerts FOR INSERT TO bursar_console
  WITH CHECK (tenant_id = (SELECT reader_tenant(true)) AND current_setting('bursar.role', true) = 'admin' AND action = 'Test' AND resolution = 'Tested');
CREATE POLICY console ON alert_deliveries FOR INSERT TO bursar_console
  WITH CHECK (tenant_id = (SELECT reader_tenant(true)) AND current_setting('bursar.role', true) = 'admin'
              AND EXISTS (SELECT FROM cost_alerts AS a
                          WHERE a.alert_id = alert_deliveries.alert_id AND a.tenant_id = alert_deliveries.tenant_id AND a.action = 'Test'));

-- +goose Down
DROP POLICY console ON alert_deliveries;
DROP POLICY console ON cost_alerts;
REVOKE INSERT (tenant_id, budget_uid, limit_name, period_start, period_end, action, at_percent, amount_nanos, spent_nanos, message, resolved_at, resolution) ON cost_alerts FROM bursar_console;
REVOKE INSERT (alert_id, tenant_id, channel, recipient) ON alert_deliveries FROM bursar_console;
DROP FUNCTION alert_is_muted(cost_alerts);
DROP FUNCTION alert_muting(cost_alerts);
DROP TABLE alert_marks;
DELETE FROM alert_deliveries USING cost_alerts AS a WHERE a.alert_id = alert_deliveries.alert_id AND a.action IN ('Test', 'Unusual', 'Refusals', 'UnusedKey');
DELETE FROM cost_alerts WHERE action IN ('Test', 'Unusual', 'Refusals', 'UnusedKey');
ALTER TABLE cost_alerts DROP CONSTRAINT cost_alerts_resolution_check;
ALTER TABLE cost_alerts ADD CONSTRAINT cost_alerts_resolution_check CHECK (resolution IN ('PeriodTurned', 'LimitChanged', 'BudgetRemoved'));
ALTER TABLE cost_alerts DROP CONSTRAINT cost_alerts_action_check;
ALTER TABLE cost_alerts ADD CONSTRAINT cost_alerts_action_check CHECK (action IN ('Warn', 'Downgrade', 'Trip', 'Exhaust', 'ForceOpen'));
COMMENT ON COLUMN cost_alerts.action IS 'that of the rung; Exhaust where the limit is spent in full; ForceOpen where the breaker is forced open, which is about no limit';
