-- Who has signed in where to make a call.

-- +goose Up
ALTER TABLE ai_usage_logs
  ADD COLUMN identity_provider text NOT NULL DEFAULT '',
  ADD COLUMN subject           text NOT NULL DEFAULT '';
COMMENT ON COLUMN ai_usage_logs.identity_provider IS
  'IdentityProvider of the token that the call was made with; empty for an API key';
COMMENT ON COLUMN ai_usage_logs.subject IS
  'the token''s claim sub; empty for an API key';
ALTER TABLE ai_refusals
  ADD COLUMN identity_provider text NOT NULL DEFAULT '',
  ADD COLUMN subject           text NOT NULL DEFAULT '';
COMMENT ON COLUMN ai_refusals.identity_provider IS
  'IdentityProvider of the token that the call was made with; empty for an API key';
COMMENT ON COLUMN ai_refusals.subject IS
  'the token''s claim sub; empty for an API key';

-- +goose Down
ALTER TABLE ai_refusals
  DROP COLUMN subject,
  DROP COLUMN identity_provider;
ALTER TABLE ai_usage_logs
  DROP COLUMN subject,
  DROP COLUMN identity_provider;
