-- Which calls were refused, and by which limit.

-- +goose Up

-- ai_refusals: one row a call that a limit refused. Refusals move no money: when there
-- are too many at once, some are left out. Its months are partitions, as the ledger's.
CREATE TABLE ai_refusals (
  call_id        text NOT NULL,
  tenant_id      text NOT NULL,
  user_id        text NOT NULL,
  tier           text NOT NULL,
  credential     text NOT NULL,
  model_asked    text NOT NULL,
  model          text NOT NULL,
  endpoint       text NOT NULL,
  refused_at     timestamptz NOT NULL,
  reason         text NOT NULL CHECK (reason IN ('BreakerForced', 'BreakerOpen', 'BudgetExhausted', 'RateLimited', 'TooLarge')),
  limit_tenant   text NOT NULL,
  limit_name     text NOT NULL,
  per            text NOT NULL,
  period         text NOT NULL,
  amount_nanos   bigint,
  spent_nanos    bigint,
  held_nanos     bigint,
  resets_at      timestamptz,
  unit           text NOT NULL,
  retry_after_ms bigint,
  bound_nanos    bigint NOT NULL,
  tokens         bigint NOT NULL,
  fallback       text NOT NULL CHECK (fallback IN ('', 'Cache', 'CheapestModel', 'Message')),
  session        text NOT NULL,
  recorded_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (call_id, refused_at)
) PARTITION BY RANGE (refused_at);
CREATE INDEX ai_refusals_tenant ON ai_refusals (tenant_id, refused_at);
CREATE INDEX ai_refusals_user ON ai_refusals (tenant_id, user_id, refused_at);
COMMENT ON COLUMN ai_refusals.call_id IS 'as the answer named it in x-bursar-call-id; also in ai_usage_logs where CheapestModel answered';
COMMENT ON COLUMN ai_refusals.refused_at IS 'by the clock of the limiter''s store';
COMMENT ON COLUMN ai_refusals.limit_tenant IS 'whose limit refused: tenant_id, or a tenant above it';
COMMENT ON COLUMN ai_refusals.limit_name IS 'empty for BreakerForced';
COMMENT ON COLUMN ai_refusals.period IS 'of a money limit; empty for others, for which amount, spent, held and resets_at are null';
COMMENT ON COLUMN ai_refusals.spent_nanos IS 'how the limit stood, nano-USD';
COMMENT ON COLUMN ai_refusals.unit IS 'of a rate limit: requests, tokens or inFlight; empty for others';
COMMENT ON COLUMN ai_refusals.retry_after_ms IS 'of a rate limit: after which time the call would have fitted; null where nobody can say';
COMMENT ON COLUMN ai_refusals.bound_nanos IS 'the most that the call could cost, nano-USD';
COMMENT ON COLUMN ai_refusals.fallback IS 'what answered in the place of the call; empty where nothing did';

CREATE TABLE ai_refusals_default PARTITION OF ai_refusals DEFAULT;

ALTER TABLE ai_refusals ENABLE ROW LEVEL SECURITY;
ALTER TABLE ai_refusals FORCE ROW LEVEL SECURITY;
ALTER TABLE ai_refusals_default ENABLE ROW LEVEL SECURITY;
ALTER TABLE ai_refusals_default FORCE ROW LEVEL SECURITY;

GRANT INSERT ON ai_refusals TO bursar_enforcer;
GRANT SELECT ON ai_refusals TO bursar_manager, bursar_reader;
CREATE POLICY enforcer ON ai_refusals FOR INSERT TO bursar_enforcer WITH CHECK (true);
CREATE POLICY manager ON ai_refusals FOR SELECT TO bursar_manager USING (true);
CREATE POLICY reader ON ai_refusals FOR SELECT TO bursar_reader
  USING (tenant_id = current_setting('bursar.tenant_id', true)
         AND (current_setting('bursar.role', true) = 'admin'
              OR user_id = current_setting('bursar.user_id', true)));

-- The partitions of both tables from now on. A table that is not there has none, so
-- that the function may stay when the table goes.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION ensure_ledger_partitions(months_ahead integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '5s'
AS $$
DECLARE
  parent text;
  month  timestamp;
  name   text;
  made   integer := 0;
BEGIN
  IF months_ahead NOT BETWEEN 0 AND 24 THEN
    RAISE EXCEPTION 'months_ahead is %, must be between 0 and 24', months_ahead;
  END IF;
  FOREACH parent IN ARRAY ARRAY['ai_usage_logs', 'ai_refusals'] LOOP
    CONTINUE WHEN to_regclass('public.' || parent) IS NULL;
    FOR i IN 0..months_ahead LOOP
      month := date_trunc('month', now() AT TIME ZONE 'UTC') + i * interval '1 month';
      name := parent || '_' || to_char(month, 'YYYY_MM');
      CONTINUE WHEN to_regclass('public.' || name) IS NOT NULL;
      BEGIN
        EXECUTE format('CREATE TABLE public.%I PARTITION OF public.%I FOR VALUES FROM (%L) TO (%L)',
          name, parent, month AT TIME ZONE 'UTC', (month + interval '1 month') AT TIME ZONE 'UTC');
        EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE public.%I FORCE ROW LEVEL SECURITY', name);
        made := made + 1;
      EXCEPTION WHEN check_violation THEN
        -- The default partition has rows of this month: the month stays there.
        RAISE WARNING 'no partition % made: its rows are in the default partition', name;
      END;
    END LOOP;
  END LOOP;
  RETURN made;
END
$$;
-- +goose StatementEnd

SELECT ensure_ledger_partitions(3);

-- +goose Down
DROP TABLE ai_refusals;
