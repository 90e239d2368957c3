-- Microsoft Teams and PagerDuty are told of alerts. PagerDuty is also told when their cause has
-- gone.

-- +goose Up
ALTER TABLE alert_deliveries DROP CONSTRAINT alert_deliveries_channel_check;
ALTER TABLE alert_deliveries ADD CONSTRAINT alert_deliveries_channel_check CHECK (channel IN ('Email', 'Webhook', 'Slack', 'Teams', 'PagerDuty'));
ALTER TABLE alert_deliveries ADD COLUMN resolves boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN alert_deliveries.resolves IS 'says that the cause of all alerts of the message has gone; of a channel that is told so';
ALTER TABLE alert_deliveries DROP CONSTRAINT alert_deliveries_alert_id_channel_recipient_key;
ALTER TABLE alert_deliveries ADD CONSTRAINT alert_deliveries_once UNIQUE (alert_id, channel, recipient, resolves);
CREATE INDEX cost_alerts_resolved ON cost_alerts (resolved_at) WHERE resolved_at IS NOT NULL;

-- +goose Down
-- Nothing is said of channels that there is no word for.
DELETE FROM alert_deliveries WHERE channel IN ('Teams', 'PagerDuty');
DROP INDEX cost_alerts_resolved;
ALTER TABLE alert_deliveries DROP CONSTRAINT alert_deliveries_once;
ALTER TABLE alert_deliveries DROP COLUMN resolves;
ALTER TABLE alert_deliveries ADD CONSTRAINT alert_deliveries_alert_id_channel_recipient_key UNIQUE (alert_id, channel, recipient);
ALTER TABLE alert_deliveries DROP CONSTRAINT alert_deliveries_channel_check;
ALTER TABLE alert_deliveries ADD CONSTRAINT alert_deliveries_channel_check CHECK (channel IN ('Email', 'Webhook', 'Slack'));
