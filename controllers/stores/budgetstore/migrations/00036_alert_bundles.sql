-- Alerts of one rung that a recipient is to be told of at the same time are one message.

-- +goose Up
ALTER TABLE alert_deliveries ADD COLUMN bundle uuid;
COMMENT ON COLUMN alert_deliveries.bundle IS 'the message: the same for all alerts that are told in it, at every attempt; null until it is first tried';
CREATE INDEX alert_deliveries_bundle ON alert_deliveries (bundle);
CREATE INDEX alert_deliveries_told ON alert_deliveries (tenant_id, channel, recipient, delivered_at);
GRANT UPDATE (bundle) ON alert_deliveries TO bursar_manager;

-- +goose Down
DROP INDEX alert_deliveries_told;
ALTER TABLE alert_deliveries DROP COLUMN bundle;
