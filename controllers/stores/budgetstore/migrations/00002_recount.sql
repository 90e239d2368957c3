-- What the limiter's counters are set from when Redis has lost them.

-- +goose Up

ALTER TABLE ai_usage_logs
  ADD COLUMN model text NOT NULL DEFAULT '',
  ADD COLUMN ancestors text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN ai_usage_logs.model IS 'the model as the price list names it, by which limits select';
COMMENT ON COLUMN ai_usage_logs.ancestors IS 'the tenants whose limits the call counted against beside its own, nearest first';
CREATE INDEX ai_usage_logs_ancestors ON ai_usage_logs USING gin (ancestors) WHERE ancestors <> '{}';

-- limiter_epoch: the newest number that was taken for a generation of the limiter's
-- counters, and the newest that was opened. They are here because Redis may come back
-- with an old one.
CREATE TABLE limiter_epoch (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  taken     bigint NOT NULL DEFAULT 0,
  opened    bigint NOT NULL DEFAULT 0
);
INSERT INTO limiter_epoch DEFAULT VALUES;

ALTER TABLE limiter_epoch ENABLE ROW LEVEL SECURITY;
ALTER TABLE limiter_epoch FORCE ROW LEVEL SECURITY;
GRANT SELECT, UPDATE ON limiter_epoch TO bursar_manager;
CREATE POLICY manager ON limiter_epoch TO bursar_manager USING (true) WITH CHECK (true);

-- +goose Down
DROP TABLE limiter_epoch;
DROP INDEX ai_usage_logs_ancestors;
ALTER TABLE ai_usage_logs DROP COLUMN ancestors, DROP COLUMN model;
