-- In which groups a caller was, and with which labels.

-- +goose Up
ALTER TABLE ai_usage_logs
  ADD COLUMN groups text[] NOT NULL DEFAULT '{}',
  ADD COLUMN labels jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN ai_usage_logs.groups IS
  'the caller''s groups when the call was made, sorted: add nothing up over groups, because a call is in each of them';
COMMENT ON COLUMN ai_usage_logs.labels IS 'the caller''s labels when the call was made, such as {"cost-centre": "4711"}';
COMMENT ON COLUMN ai_usage_logs.credential IS 'APIKey that the call was made with, namespace/name; empty for a token';
ALTER TABLE ai_refusals
  ADD COLUMN groups      text[] NOT NULL DEFAULT '{}',
  ADD COLUMN labels      jsonb NOT NULL DEFAULT '{}',
  ADD COLUMN limit_group text NOT NULL DEFAULT '';
COMMENT ON COLUMN ai_refusals.groups IS 'the caller''s groups, sorted';
COMMENT ON COLUMN ai_refusals.labels IS 'the caller''s labels';
COMMENT ON COLUMN ai_refusals.limit_group IS 'of a limit per group: of which of the caller''s groups it was; empty for others';
COMMENT ON COLUMN ai_refusals.credential IS 'APIKey that the call was made with, namespace/name; empty for a token';

-- +goose Down
COMMENT ON COLUMN ai_refusals.credential IS NULL;
ALTER TABLE ai_refusals DROP COLUMN limit_group, DROP COLUMN labels, DROP COLUMN groups;
COMMENT ON COLUMN ai_usage_logs.credential IS NULL;
ALTER TABLE ai_usage_logs DROP COLUMN labels, DROP COLUMN groups;
