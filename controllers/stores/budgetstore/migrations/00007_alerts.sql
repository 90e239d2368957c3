-- Who is to be told that spending has reached a rung, and whether they were.

-- +goose Up

-- cost_alerts: every rung that was reached, once for each limit, user, period and
-- amount. A limit that is raised and reaches the rung again is an alert again.
CREATE TABLE cost_alerts (
  alert_id     uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id    text NOT NULL REFERENCES tenants,
  budget_uid   text NOT NULL,
  limit_name   text NOT NULL,
  user_id      text NOT NULL DEFAULT '',
  period_start timestamptz NOT NULL,
  period_end   timestamptz NOT NULL,
  action       text NOT NULL CHECK (action IN ('Warn', 'Downgrade', 'Trip', 'Exhaust')),
  at_percent   integer NOT NULL,
  amount_nanos bigint NOT NULL,
  spent_nanos  bigint NOT NULL,
  message      text NOT NULL,
  muted        boolean NOT NULL DEFAULT false,
  raised_at    timestamptz NOT NULL DEFAULT now(),
  resolved_at  timestamptz,
  resolution   text CHECK (resolution IN ('PeriodTurned', 'LimitChanged', 'BudgetRemoved')),
  UNIQUE (tenant_id, limit_name, user_id, period_start, action, at_percent, amount_nanos),
  CHECK ((resolved_at IS NULL) = (resolution IS NULL))
);
CREATE INDEX cost_alerts_open ON cost_alerts (tenant_id) WHERE resolved_at IS NULL;
CREATE INDEX cost_alerts_raised ON cost_alerts (tenant_id, raised_at);
COMMENT ON COLUMN cost_alerts.user_id IS 'whose spending it was, of a limit of each user; empty where it was the whole tenant''s';
COMMENT ON COLUMN cost_alerts.action IS 'that of the rung; Exhaust where the limit is spent in full';
COMMENT ON COLUMN cost_alerts.amount_nanos IS 'the limit when the rung was reached, nano-USD';
COMMENT ON COLUMN cost_alerts.spent_nanos IS 'what was spent when the rung was seen to be reached, nano-USD';
COMMENT ON COLUMN cost_alerts.muted IS 'nobody is told, because too many were told of within the hour';
COMMENT ON COLUMN cost_alerts.resolved_at IS 'null while the rung is reached';

-- alert_deliveries: what is to be sent, and was. A row that is neither delivered nor
-- abandoned waits for next_attempt_at; who takes it moves that on, so that no other
-- takes it too, and it is taken again should the first have died.
CREATE TABLE alert_deliveries (
  delivery_id     uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  alert_id        uuid NOT NULL REFERENCES cost_alerts,
  tenant_id       text NOT NULL REFERENCES tenants,
  channel         text NOT NULL CHECK (channel IN ('Email', 'Webhook', 'Slack')),
  recipient       text NOT NULL DEFAULT '',
  attempts        integer NOT NULL DEFAULT 0,
  next_attempt_at timestamptz NOT NULL DEFAULT now(),
  delivered_at    timestamptz,
  abandoned_at    timestamptz,
  last_error      text NOT NULL DEFAULT '',
  UNIQUE (alert_id, channel, recipient)
);
CREATE INDEX alert_deliveries_waiting ON alert_deliveries (next_attempt_at)
  WHERE delivered_at IS NULL AND abandoned_at IS NULL;
COMMENT ON COLUMN alert_deliveries.recipient IS 'the address, of Email';
COMMENT ON COLUMN alert_deliveries.attempts IS 'how often it was taken; also tells who took it last';
COMMENT ON COLUMN alert_deliveries.last_error IS 'why it is not delivered; never the content of a Secret';

ALTER TABLE cost_alerts ENABLE ROW LEVEL SECURITY;
ALTER TABLE cost_alerts FORCE ROW LEVEL SECURITY;
ALTER TABLE alert_deliveries ENABLE ROW LEVEL SECURITY;
ALTER TABLE alert_deliveries FORCE ROW LEVEL SECURITY;

GRANT SELECT, INSERT, UPDATE ON cost_alerts, alert_deliveries TO bursar_manager;
CREATE POLICY manager ON cost_alerts TO bursar_manager USING (true) WITH CHECK (true);
CREATE POLICY manager ON alert_deliveries TO bursar_manager USING (true) WITH CHECK (true);

-- A user sees what is about that user. A setting that nobody made may read as empty:
-- it is no user.
GRANT SELECT ON cost_alerts, alert_deliveries TO bursar_reader;
CREATE POLICY reader ON cost_alerts FOR SELECT TO bursar_reader
  USING (tenant_id = current_setting('bursar.tenant_id', true)
         AND (current_setting('bursar.role', true) = 'admin'
              OR (user_id <> '' AND user_id = current_setting('bursar.user_id', true))));
CREATE POLICY reader ON alert_deliveries FOR SELECT TO bursar_reader
  USING (tenant_id = current_setting('bursar.tenant_id', true)
         AND current_setting('bursar.role', true) = 'admin');

-- +goose Down
DROP TABLE alert_deliveries;
DROP TABLE cost_alerts;
