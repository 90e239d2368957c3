-- What was granted beyond the limits, by which object, why and until when.

-- +goose Up

-- budget_grants: every BudgetGrant that was ever accepted, as it was given. Who gave it
-- is in the audit log of the API server, under the object's name.
CREATE TABLE budget_grants (
  grant_uid    text PRIMARY KEY,
  tenant_id    text NOT NULL,
  namespace    text NOT NULL,
  grant_name   text NOT NULL,
  limit_name   text NOT NULL,
  user_id      text,
  amount_nanos bigint NOT NULL CHECK (amount_nanos > 0),
  reason       text NOT NULL,
  starts_at    timestamptz,
  expires_at   timestamptz NOT NULL CHECK (expires_at > starts_at),
  created_at   timestamptz NOT NULL,
  recorded_at  timestamptz NOT NULL DEFAULT now(),
  withdrawn_at timestamptz
);
CREATE INDEX budget_grants_tenant ON budget_grants (tenant_id, expires_at);
COMMENT ON COLUMN budget_grants.user_id IS 'who has more; null for everyone whom the limit is for';
COMMENT ON COLUMN budget_grants.amount_nanos IS 'nano-USD, in each of the limit''s periods';
COMMENT ON COLUMN budget_grants.starts_at IS 'null for at once';
COMMENT ON COLUMN budget_grants.created_at IS 'when the object was created, by the API server';
COMMENT ON COLUMN budget_grants.withdrawn_at IS 'when the object was deleted, before expires_at or after; null while it stands';

ALTER TABLE budget_grants ENABLE ROW LEVEL SECURITY;
ALTER TABLE budget_grants FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE ON budget_grants TO bursar_manager;
CREATE POLICY manager ON budget_grants TO bursar_manager USING (true) WITH CHECK (true);
GRANT SELECT ON budget_grants TO bursar_reader;
CREATE POLICY reader ON budget_grants FOR SELECT TO bursar_reader
  USING (tenant_id = current_setting('bursar.tenant_id', true)
         AND (current_setting('bursar.role', true) = 'admin'
              OR user_id IS NULL
              OR user_id = current_setting('bursar.user_id', true)));

-- +goose Down
DROP TABLE budget_grants;
