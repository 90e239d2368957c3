-- Who changed a limit, and in which currency it is written.

-- +goose Up

-- change_requests: who asked the API server for a change, as its webhook was told: by the
-- object, the generation that it would have, and what it would say. A request that failed
-- afterwards left its row here, too; rows are kept for a day. What became of a request is in
-- budget_changes.
CREATE TABLE change_requests (
  object_uid text NOT NULL,
  generation bigint NOT NULL,
  gist       text NOT NULL,
  user_name  text NOT NULL,
  asked_at   timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (object_uid, generation, gist, user_name)
);
CREATE INDEX change_requests_age ON change_requests (asked_at);
COMMENT ON COLUMN change_requests.gist IS 'a hash of the spec; deleted where the object was to be deleted';

-- budget_changes: every TenantBudget that was ever in force, as it was changed.
CREATE TABLE budget_changes (
  tenant_id        text NOT NULL REFERENCES tenants,
  namespace        text NOT NULL,
  budget           text NOT NULL,
  budget_uid       text NOT NULL,
  generation       bigint NOT NULL,
  change           text NOT NULL CHECK (change IN ('Set', 'Deleted')),
  resource_version text NOT NULL DEFAULT '',
  changed_by       text[] NOT NULL DEFAULT '{}',
  field_manager    text NOT NULL DEFAULT '',
  managed_at       timestamptz,
  enforcement      text NOT NULL DEFAULT '',
  breaker_forced   text NOT NULL DEFAULT '',
  currency         text NOT NULL DEFAULT 'USD',
  usd_per_unit     numeric NOT NULL DEFAULT 1 CHECK (usd_per_unit > 0),
  rate_as_of       date,
  recorded_at      timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (budget_uid, generation, change)
);
CREATE INDEX budget_changes_tenant ON budget_changes (tenant_id, recorded_at);
COMMENT ON COLUMN budget_changes.changed_by IS
  'who asked for it, as the API server authenticated them: one, or all who asked for what was changed since the row before; none where no webhook ran';
COMMENT ON COLUMN budget_changes.field_manager IS 'the last manager of the spec in managedFields: a name that clients choose';
COMMENT ON COLUMN budget_changes.managed_at IS 'when that one changed it, by the API server';
COMMENT ON COLUMN budget_changes.usd_per_unit IS 'the declared rate: US dollars for one unit of the currency';
COMMENT ON COLUMN budget_changes.rate_as_of IS 'the declared date of the rate';

ALTER TABLE budget_limits
  ADD COLUMN currency       text NOT NULL DEFAULT 'USD',
  ADD COLUMN amount_written text NOT NULL DEFAULT '';
COMMENT ON COLUMN budget_limits.amount_written IS 'the amount as it is written, in the currency; empty where that is not on record';

ALTER TABLE budget_grants
  ADD COLUMN created_by     text[] NOT NULL DEFAULT '{}',
  ADD COLUMN currency       text NOT NULL DEFAULT 'USD',
  ADD COLUMN amount_written text NOT NULL DEFAULT '';
COMMENT ON COLUMN budget_grants.created_by IS 'who asked for it, as the API server authenticated them; none where no webhook ran';
COMMENT ON COLUMN budget_grants.amount_written IS 'the amount as it is written, in the currency; empty where that is not on record';
COMMENT ON COLUMN budget_grants.amount_nanos IS 'nano-USD, in each of the limit''s periods, at the rate of when it was recorded';

ALTER TABLE change_requests ENABLE ROW LEVEL SECURITY;
ALTER TABLE change_requests FORCE ROW LEVEL SECURITY;
ALTER TABLE budget_changes ENABLE ROW LEVEL SECURITY;
ALTER TABLE budget_changes FORCE ROW LEVEL SECURITY;

GRANT SELECT, INSERT, DELETE ON change_requests TO bursar_manager;
CREATE POLICY manager ON change_requests TO bursar_manager USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON budget_changes TO bursar_manager;
CREATE POLICY manager ON budget_changes TO bursar_manager USING (true) WITH CHECK (true);
GRANT SELECT ON budget_changes TO bursar_reader;
CREATE POLICY reader ON budget_changes FOR SELECT TO bursar_reader
  USING (tenant_id = (SELECT reader_tenant(true))
         AND current_setting('bursar.role', true) = 'admin');

-- The views read with the rights of bursar_owner: see the migration before.
CREATE POLICY views ON budget_changes FOR SELECT TO bursar_owner
  USING (pg_has_role(current_user, 'bursar_finance', 'USAGE')
         OR (pg_has_role(current_user, 'bursar_reader', 'USAGE')
             AND tenant_id = (SELECT reader_tenant(false))));

-- tenant_currencies: the currency that each tenant's limits are written in, and its rate.
CREATE VIEW tenant_currencies AS
SELECT DISTINCT ON (tenant_id) tenant_id, currency, usd_per_unit, rate_as_of
FROM budget_changes
WHERE change = 'Set'
ORDER BY tenant_id, recorded_at DESC, generation DESC;
COMMENT ON COLUMN tenant_currencies.usd_per_unit IS 'US dollars for one unit of the currency, as last declared';
GRANT SELECT ON tenant_currencies TO bursar_reader, bursar_finance;

-- +goose Down
DROP VIEW tenant_currencies;
ALTER TABLE budget_grants DROP COLUMN amount_written, DROP COLUMN currency, DROP COLUMN created_by;
ALTER TABLE budget_limits DROP COLUMN amount_written, DROP COLUMN currency;
DROP TABLE budget_changes;
DROP TABLE change_requests;
