-- What the console tells the platform's admins of Bursar's own health.

-- +goose Up
-- limiter_audits: how the counters compared with the ledger when the leader last looked. It has
-- nothing of any tenant.
CREATE TABLE limiter_audits (
  singleton               boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  audited_at              timestamptz NOT NULL DEFAULT now(),
  tenants                 integer NOT NULL CHECK (tenants >= 0),
  tenants_with_drift      integer NOT NULL CHECK (tenants_with_drift >= 0),
  drift_nanos             bigint NOT NULL CHECK (drift_nanos >= 0),
  tenants_with_wrong_sums integer NOT NULL CHECK (tenants_with_wrong_sums >= 0)
);
COMMENT ON COLUMN limiter_audits.audited_at IS 'when a round of audits of all tenants ended, or one of them found something new';
COMMENT ON COLUMN limiter_audits.tenants IS 'how many tenants the round was about';
COMMENT ON COLUMN limiter_audits.drift_nanos IS 'sum of the differences, nano-USD';
COMMENT ON COLUMN limiter_audits.tenants_with_wrong_sums IS 'tenants with sums of what was used on a day that differ from the ledger';
ALTER TABLE limiter_audits ENABLE ROW LEVEL SECURITY;
ALTER TABLE limiter_audits FORCE ROW LEVEL SECURITY;
GRANT SELECT ON limiter_audits TO bursar_manager;
GRANT INSERT (audited_at, tenants, tenants_with_drift, drift_nanos, tenants_with_wrong_sums),
      UPDATE (audited_at, tenants, tenants_with_drift, drift_nanos, tenants_with_wrong_sums) ON limiter_audits TO bursar_manager;
CREATE POLICY manager ON limiter_audits TO bursar_manager USING (true) WITH CHECK (true);

-- The functions below run as bursar_owner, which sees rows in them alone: the setting is theirs. They
-- tell of calls of all tenants together, of none by itself, and of no user.
CREATE POLICY health ON limiter_audits FOR SELECT TO bursar_owner
  USING (current_user = 'bursar_owner' AND current_setting('bursar.tells_health', true) = 'on');
CREATE POLICY health ON limiter_sessions FOR SELECT TO bursar_owner
  USING (current_user = 'bursar_owner' AND current_setting('bursar.tells_health', true) = 'on');
CREATE POLICY health ON limiter_epoch FOR SELECT TO bursar_owner
  USING (current_user = 'bursar_owner' AND current_setting('bursar.tells_health', true) = 'on');
CREATE POLICY health ON tenants FOR SELECT TO bursar_owner
  USING (current_user = 'bursar_owner' AND current_setting('bursar.tells_health', true) = 'on');
CREATE POLICY health ON ai_usage_logs FOR SELECT TO bursar_owner
  USING (current_user = 'bursar_owner' AND current_setting('bursar.tells_health', true) = 'on');
CREATE POLICY health ON alert_deliveries FOR SELECT TO bursar_owner
  USING (current_user = 'bursar_owner' AND current_setting('bursar.tells_health', true) = 'on');

-- The sessions of enforcers that were heard of within a day and have not left, and for how long each
-- is silent.
-- +goose StatementBegin
CREATE FUNCTION health_of_enforcers() RETURNS TABLE (session text, silent_seconds double precision)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM set_config('bursar.tells_health', 'on', true);
  RETURN QUERY
  SELECT s.session, greatest(extract(epoch FROM clock_timestamp() - s.beat_at), 0)::double precision
  FROM public.limiter_sessions AS s
  WHERE NOT s.has_left AND s.beat_at > clock_timestamp() - interval '1 day'
  ORDER BY s.beat_at DESC;
  PERFORM set_config('bursar.tells_health', '', true);
END
$$;
-- +goose StatementEnd

-- How far the stores have come: whether counters are being set anew, what the last audit found, and
-- how many messages of alerts wait or were given up within a day.
-- +goose StatementBegin
CREATE FUNCTION health_of_stores() RETURNS TABLE (
  is_rebuilding boolean, audited_at timestamptz, audited integer, tenants_with_drift integer, drift_nanos bigint, tenants_with_wrong_sums integer,
  deliveries_waiting bigint, oldest_due timestamptz, deliveries_abandoned bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM set_config('bursar.tells_health', 'on', true);
  RETURN QUERY
  SELECT e.begun > e.opened, a.audited_at, a.tenants, a.tenants_with_drift, a.drift_nanos, a.tenants_with_wrong_sums, w.waiting, w.oldest, g.given_up
  FROM public.limiter_epoch AS e
  LEFT JOIN public.limiter_audits AS a ON true
  CROSS JOIN (SELECT count(*) AS waiting, min(next_attempt_at) AS oldest FROM public.alert_deliveries WHERE delivered_at IS NULL AND abandoned_at IS NULL) AS w
  CROSS JOIN (SELECT count(*) AS given_up FROM public.alert_deliveries WHERE abandoned_at > now() - interval '1 day') AS g;
  PERFORM set_config('bursar.tells_health', '', true);
END
$$;
-- +goose StatementEnd
CREATE INDEX alert_deliveries_abandoned ON alert_deliveries (abandoned_at) WHERE abandoned_at IS NOT NULL;

-- How the newest calls since a moment went, at most 1,000 of each tenant, by provider, and, without a
-- provider, of all: how long they took, and how long after their end the ledger had them.
-- +goose StatementBegin
CREATE FUNCTION health_of_calls(since timestamptz) RETURNS TABLE (
  of_provider text, calls bigint, without_cost bigint, cut_off bigint, took_p50 double precision, took_p95 double precision, first_p50 double precision, first_p95 double precision,
  lag_p50 double precision, lag_p95 double precision, last_recorded_at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM set_config('bursar.tells_health', 'on', true);
  RETURN QUERY
  SELECT c.provider, count(*), count(*) FILTER (WHERE c.outcome = 'Voided'), count(*) FILTER (WHERE c.outcome IN ('ChargedSeen', 'ChargedHold')),
         percentile_cont(0.5) WITHIN GROUP (ORDER BY c.duration_ms) FILTER (WHERE c.outcome = 'Settled'),
         percentile_cont(0.95) WITHIN GROUP (ORDER BY c.duration_ms) FILTER (WHERE c.outcome = 'Settled'),
         percentile_cont(0.5) WITHIN GROUP (ORDER BY c.time_to_first_token_ms), percentile_cont(0.95) WITHIN GROUP (ORDER BY c.time_to_first_token_ms),
         percentile_cont(0.5) WITHIN GROUP (ORDER BY c.lag), percentile_cont(0.95) WITHIN GROUP (ORDER BY c.lag), max(c.recorded_at)
  FROM public.tenants AS t
  CROSS JOIN LATERAL (
    SELECT l.provider, l.outcome, l.duration_ms, l.time_to_first_token_ms, l.recorded_at, (extract(epoch FROM l.recorded_at - l.settled_at) * 1000)::double precision AS lag
    FROM public.ai_usage_logs AS l
    WHERE l.tenant_id = t.tenant_id AND l.admitted_at >= since
    ORDER BY l.admitted_at DESC LIMIT 1000) AS c
  GROUP BY GROUPING SETS ((c.provider), ())
  HAVING count(*) > 0;
  PERFORM set_config('bursar.tells_health', '', true);
END
$$;
-- +goose StatementEnd

REVOKE EXECUTE ON FUNCTION health_of_enforcers, health_of_stores, health_of_calls FROM PUBLIC;
GRANT EXECUTE ON FUNCTION health_of_enforcers, health_of_stores, health_of_calls TO bursar_console;

-- +goose Down
DROP FUNCTION health_of_calls;
DROP FUNCTION health_of_stores;
DROP FUNCTION health_of_enforcers;
DROP INDEX alert_deliveries_abandoned;
DROP POLICY health ON alert_deliveries;
DROP POLICY health ON ai_usage_logs;
DROP POLICY health ON tenants;
DROP POLICY health ON limiter_epoch;
DROP POLICY health ON limiter_sessions;
DROP TABLE limiter_audits;
