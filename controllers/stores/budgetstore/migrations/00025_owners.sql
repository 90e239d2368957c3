-- Limits that count each group or each API key: which ones they are, what they were granted,
-- and the alerts of theirs.

-- +goose Up
ALTER TABLE budget_limits DROP CONSTRAINT budget_limits_per_check;
ALTER TABLE budget_limits
  ADD CONSTRAINT budget_limits_per_check CHECK (per IN ('Tenant', 'User', 'Group', 'Key')),
  ADD COLUMN groups text[] NOT NULL DEFAULT '{}',
  ADD COLUMN labels jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN budget_limits.groups IS 'of callers whose calls counted; none means all';
COMMENT ON COLUMN budget_limits.labels IS 'that callers had whose calls counted; none means all';

ALTER TABLE budget_grants
  ADD COLUMN group_name text,
  ADD COLUMN credential text;
COMMENT ON COLUMN budget_grants.group_name IS 'whose limit gets more, of a limit per group; null for every group';
COMMENT ON COLUMN budget_grants.credential IS 'the APIKey whose limit gets more, of a limit per key: namespace/name; null for every key';
-- What a group or a key was granted is for administrators.
ALTER POLICY reader ON budget_grants
  USING (tenant_id = (SELECT reader_tenant(true))
         AND (current_setting('bursar.role', true) = 'admin'
              OR (user_id IS NULL AND group_name IS NULL AND credential IS NULL)
              OR user_id = current_setting('bursar.user_id', true)));

ALTER TABLE cost_alerts
  ADD COLUMN group_name text NOT NULL DEFAULT '',
  ADD COLUMN credential text NOT NULL DEFAULT '';
COMMENT ON COLUMN cost_alerts.group_name IS 'whose spending it was, of a limit of each group';
COMMENT ON COLUMN cost_alerts.credential IS 'with which APIKey it was spent, of a limit of each key: namespace/name';
ALTER TABLE cost_alerts DROP CONSTRAINT cost_alerts_tenant_id_limit_name_user_id_period_start_actio_key;
ALTER TABLE cost_alerts ADD CONSTRAINT cost_alerts_once
  UNIQUE (tenant_id, limit_name, user_id, group_name, credential, period_start, action, at_percent, amount_nanos);

-- +goose Down
-- Nothing is said of groups and keys where there is no column for them.
DELETE FROM alert_deliveries USING cost_alerts AS a WHERE a.alert_id = alert_deliveries.alert_id AND a.group_name || a.credential <> '';
DELETE FROM cost_alerts WHERE group_name || credential <> '';
ALTER TABLE cost_alerts DROP CONSTRAINT cost_alerts_once;
ALTER TABLE cost_alerts ADD CONSTRAINT cost_alerts_tenant_id_limit_name_user_id_period_start_actio_key
  UNIQUE (tenant_id, limit_name, user_id, period_start, action, at_percent, amount_nanos);
ALTER TABLE cost_alerts DROP COLUMN credential, DROP COLUMN group_name;
ALTER POLICY reader ON budget_grants
  USING (tenant_id = (SELECT reader_tenant(true))
         AND (current_setting('bursar.role', true) = 'admin'
              OR user_id IS NULL
              OR user_id = current_setting('bursar.user_id', true)));
ALTER TABLE budget_grants DROP COLUMN credential, DROP COLUMN group_name;
ALTER TABLE budget_limits DROP COLUMN labels, DROP COLUMN groups, DROP CONSTRAINT budget_limits_per_check;
ALTER TABLE budget_limits ADD CONSTRAINT budget_limits_per_check CHECK (per IN ('Tenant', 'User')) NOT VALID;
