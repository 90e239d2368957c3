-- Run as bursar_owner, which owns everything here. Row level security is forced,
-- so that the owner, too, sees no tenant's rows: only the policies below do that.

-- +goose Up

-- tenants: who pays, and the TenantBudget that says so.
CREATE TABLE tenants (
  tenant_id    text PRIMARY KEY,
  namespace    text NOT NULL,
  budget       text NOT NULL,
  budget_uid   text NOT NULL,
  generation   bigint NOT NULL,
  time_zone    text NOT NULL,
  recorded_at  timestamptz NOT NULL DEFAULT now(),
  withdrawn_at timestamptz
);
COMMENT ON COLUMN tenants.withdrawn_at IS 'when the budget was deleted; null while it stands';

-- budget_limits: every money limit that ever was, and when. A limit that changes
-- closes its row and opens another.
CREATE TABLE budget_limits (
  tenant_id    text NOT NULL REFERENCES tenants,
  limit_name   text NOT NULL,
  per          text NOT NULL CHECK (per IN ('Tenant', 'User')),
  period       text NOT NULL,
  time_zone    text NOT NULL,
  amount_nanos bigint NOT NULL CHECK (amount_nanos >= 0),
  budget_uid   text NOT NULL,
  generation   bigint NOT NULL,
  valid_from   timestamptz NOT NULL DEFAULT now(),
  valid_to     timestamptz CHECK (valid_to >= valid_from),
  PRIMARY KEY (tenant_id, limit_name, valid_from)
);
CREATE UNIQUE INDEX budget_limits_open ON budget_limits (tenant_id, limit_name) WHERE valid_to IS NULL;
COMMENT ON COLUMN budget_limits.amount_nanos IS 'nano-USD';
COMMENT ON COLUMN budget_limits.generation IS 'generation of the TenantBudget that brought the row';
COMMENT ON COLUMN budget_limits.valid_to IS 'null while the limit stands';

-- ai_usage_logs: the ledger, one row a call. Its months are partitions; a call of
-- a month that has none goes to the default one and is as good there.
CREATE TABLE ai_usage_logs (
  call_id                text NOT NULL,
  tenant_id              text NOT NULL,
  user_id                text NOT NULL,
  tier                   text NOT NULL,
  credential             text NOT NULL,
  provider               text NOT NULL,
  model_asked            text NOT NULL,
  model_used             text NOT NULL,
  endpoint               text NOT NULL,
  streamed               boolean NOT NULL,
  admitted_at            timestamptz NOT NULL,
  settled_at             timestamptz,
  outcome                text NOT NULL CHECK (outcome IN ('Settled', 'Voided', 'ChargedHold')),
  input_tokens           bigint NOT NULL DEFAULT 0,
  cached_input_tokens    bigint NOT NULL DEFAULT 0,
  output_tokens          bigint NOT NULL DEFAULT 0,
  held_nanos             bigint NOT NULL,
  cost_nanos             bigint NOT NULL,
  overrun_nanos          bigint NOT NULL DEFAULT 0,
  cost_cents             numeric GENERATED ALWAYS AS (cost_nanos * 0.0000001) STORED,
  duration_ms            bigint,
  time_to_first_token_ms bigint,
  session                text NOT NULL,
  recorded_at            timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (call_id, admitted_at)
) PARTITION BY RANGE (admitted_at);
CREATE INDEX ai_usage_logs_tenant ON ai_usage_logs (tenant_id, admitted_at);
CREATE INDEX ai_usage_logs_user ON ai_usage_logs (tenant_id, user_id, admitted_at);
COMMENT ON COLUMN ai_usage_logs.cost_nanos IS 'what the call cost, nano-USD';
COMMENT ON COLUMN ai_usage_logs.held_nanos IS 'what was held for it, nano-USD';
COMMENT ON COLUMN ai_usage_logs.overrun_nanos IS 'cost beyond the hold, nano-USD';
COMMENT ON COLUMN ai_usage_logs.input_tokens IS 'without those of cached_input_tokens';

CREATE TABLE ai_usage_logs_default PARTITION OF ai_usage_logs DEFAULT;

ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants FORCE ROW LEVEL SECURITY;
ALTER TABLE budget_limits ENABLE ROW LEVEL SECURITY;
ALTER TABLE budget_limits FORCE ROW LEVEL SECURITY;
ALTER TABLE ai_usage_logs ENABLE ROW LEVEL SECURITY;
ALTER TABLE ai_usage_logs FORCE ROW LEVEL SECURITY;
-- A partition is asked for its own policies and rights when it is named itself. It
-- has neither, so that the only way to the rows is through the table.
ALTER TABLE ai_usage_logs_default ENABLE ROW LEVEL SECURITY;
ALTER TABLE ai_usage_logs_default FORCE ROW LEVEL SECURITY;

GRANT SELECT, INSERT, UPDATE ON tenants, budget_limits TO bursar_manager;
GRANT SELECT ON ai_usage_logs TO bursar_manager;
CREATE POLICY manager ON tenants TO bursar_manager USING (true) WITH CHECK (true);
CREATE POLICY manager ON budget_limits TO bursar_manager USING (true) WITH CHECK (true);
CREATE POLICY manager ON ai_usage_logs FOR SELECT TO bursar_manager USING (true);

GRANT INSERT ON ai_usage_logs TO bursar_enforcer;
CREATE POLICY enforcer ON ai_usage_logs FOR INSERT TO bursar_enforcer WITH CHECK (true);

-- Readers say in each transaction (SET LOCAL) for whom they read: bursar.tenant_id,
-- bursar.user_id, and bursar.role, which is 'admin' for who may see all users of
-- the tenant. Who says nothing sees nothing.
GRANT SELECT ON tenants, budget_limits, ai_usage_logs TO bursar_reader;
CREATE POLICY reader ON tenants FOR SELECT TO bursar_reader
  USING (tenant_id = current_setting('bursar.tenant_id', true));
CREATE POLICY reader ON budget_limits FOR SELECT TO bursar_reader
  USING (tenant_id = current_setting('bursar.tenant_id', true));
CREATE POLICY reader ON ai_usage_logs FOR SELECT TO bursar_reader
  USING (tenant_id = current_setting('bursar.tenant_id', true)
         AND (current_setting('bursar.role', true) = 'admin'
              OR user_id = current_setting('bursar.user_id', true)));

-- Makes the partitions of the ledger for this month and so many after it, by UTC,
-- and returns how many were missing. It runs with the rights of its owner, because
-- making a partition takes those of the table's owner, which the manager lacks.
-- +goose StatementBegin
CREATE FUNCTION ensure_ledger_partitions(months_ahead integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '5s'
AS $$
DECLARE
  month timestamp := date_trunc('month', now() AT TIME ZONE 'UTC');
  name  text;
  made  integer := 0;
BEGIN
  IF months_ahead NOT BETWEEN 0 AND 24 THEN
    RAISE EXCEPTION 'months_ahead is %, must be between 0 and 24', months_ahead;
  END IF;
  FOR i IN 0..months_ahead LOOP
    name := 'ai_usage_logs_' || to_char(month, 'YYYY_MM');
    IF to_regclass('public.' || name) IS NULL THEN
      BEGIN
        EXECUTE format('CREATE TABLE public.%I PARTITION OF public.ai_usage_logs FOR VALUES FROM (%L) TO (%L)',
          name, month AT TIME ZONE 'UTC', (month + interval '1 month') AT TIME ZONE 'UTC');
        EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE public.%I FORCE ROW LEVEL SECURITY', name);
        made := made + 1;
      EXCEPTION WHEN check_violation THEN
        -- The default partition has calls of this month: the month stays there.
        RAISE WARNING 'no partition % made: its calls are in the default partition', name;
      END;
    END IF;
    month := month + interval '1 month';
  END LOOP;
  RETURN made;
END
$$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION ensure_ledger_partitions FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ensure_ledger_partitions TO bursar_manager;

SELECT ensure_ledger_partitions(3);

-- +goose Down
DROP FUNCTION ensure_ledger_partitions;
DROP TABLE ai_usage_logs;
DROP TABLE budget_limits;
DROP TABLE tenants;
