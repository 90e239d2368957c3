-- Who has made a call for somebody else.

-- +goose Up
ALTER TABLE ai_usage_logs ADD COLUMN actor text NOT NULL DEFAULT '';
COMMENT ON COLUMN ai_usage_logs.actor IS
  'user of the credential, where it made the call for another, who is user_id; else empty';
ALTER TABLE ai_refusals ADD COLUMN actor text NOT NULL DEFAULT '';
COMMENT ON COLUMN ai_refusals.actor IS
  'user of the credential, where it made the call for another, who is user_id; else empty';

-- +goose Down
ALTER TABLE ai_refusals DROP COLUMN actor;
ALTER TABLE ai_usage_logs DROP COLUMN actor;
