-- Which rate limits a tenant had, and who changed them.

-- +goose Up

-- rate_limits: every limit of a RateLimitPolicy that was ever in force for a tenant, as long as it
-- stayed as it was.
CREATE TABLE rate_limits (
  tenant_id       text NOT NULL REFERENCES tenants,
  limit_name      text NOT NULL,
  terms           text NOT NULL,
  namespace       text NOT NULL,
  policy          text NOT NULL,
  policy_uid      text NOT NULL,
  generation      bigint NOT NULL,
  seen_generation bigint NOT NULL,
  opened_by       text[] NOT NULL DEFAULT '{}',
  closed_by       text[] NOT NULL DEFAULT '{}',
  valid_from      timestamptz NOT NULL DEFAULT now(),
  valid_to        timestamptz
);
CREATE UNIQUE INDEX rate_limits_open ON rate_limits (tenant_id, limit_name) WHERE valid_to IS NULL;
CREATE INDEX rate_limits_tenant ON rate_limits (tenant_id, limit_name, valid_from);
COMMENT ON COLUMN rate_limits.limit_name IS 'policy/limit, with the namespace of the policy before it where that is not the TenantBudget''s';
COMMENT ON COLUMN rate_limits.terms IS 'the limit in words';
COMMENT ON COLUMN rate_limits.generation IS 'that of the RateLimitPolicy with which it came into force';
COMMENT ON COLUMN rate_limits.seen_generation IS 'that of the RateLimitPolicy which last said the same';
COMMENT ON COLUMN rate_limits.opened_by IS
  'who asked for it, as the API server authenticated them: one, or all who asked for changes of the policy since it was last recorded; none where that is not on record';
COMMENT ON COLUMN rate_limits.closed_by IS 'who asked for its end, or for what is in its place; none where that is not on record, as where the budget, and not the policy, was changed';

ALTER TABLE rate_limits ENABLE ROW LEVEL SECURITY;
ALTER TABLE rate_limits FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE (seen_generation, closed_by, valid_to) ON rate_limits TO bursar_manager;
CREATE POLICY manager ON rate_limits TO bursar_manager USING (true) WITH CHECK (true);
GRANT SELECT ON rate_limits TO bursar_reader;
CREATE POLICY reader ON rate_limits FOR SELECT TO bursar_reader
  USING (tenant_id = (SELECT reader_tenant(true))
         AND current_setting('bursar.role', true) = 'admin');

-- +goose Down
DROP TABLE rate_limits;
