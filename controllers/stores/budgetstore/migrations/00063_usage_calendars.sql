-- Hours, days and thirds of months of the sums are those of each tenant's own time zone, so that what
-- people ask for, days of their calendar, is read from days; and there are sums of a tenant as a whole,
-- and of groups without their users.

-- +goose Up

-- Writers wait until this migration is done: so none of what they write is missed below.
LOCK TABLE usage_changes IN SHARE ROW EXCLUSIVE MODE;

-- As sum(bigint), which adds in a wider type and makes each result a numeric one. It fails where a sum is
-- no bigint.
CREATE AGGREGATE sum_of(bigint) (SFUNC = int8pl, STYPE = bigint, COMBINEFUNC = int8pl, PARALLEL = SAFE);

-- usage_calendars: which calendar the sums of a tenant follow. A tenant has its row from its first sum on.
CREATE TABLE usage_calendars (
  tenant_id     text PRIMARY KEY,
  zone          text NOT NULL,
  complete_from timestamptz NOT NULL,
  ancestors     text[] NOT NULL
);
COMMENT ON COLUMN usage_calendars.zone IS 'the time zone whose hours, days and thirds of months are summed up; UTC where the database does not know the tenant''s';
COMMENT ON COLUMN usage_calendars.complete_from IS 'there are sums of calls from then on; those from before are added up, the last ones first';
COMMENT ON COLUMN usage_calendars.ancestors IS 'the tenants that were ever above the tenant';

-- Which sums there are: each has the same calls again, and so has each length of its spans. Of users, and
-- of groups without them, there are sums only of calls that were admitted before
-- usage_progress.users_until.
-- +goose StatementBegin
CREATE FUNCTION usage_kinds() RETURNS TABLE (summed_by text, of_users boolean, minutes integer[])
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
  VALUES ('Tenant', false, '{15, 60, 1440}'::integer[]),
         ('Call',   false, '{15, 60, 1440}'),
         ('User',   true,  '{60, 1440, 14400}'),
         ('Group',  true,  '{60, 1440, 14400}'),
         ('Both',   true,  '{60, 1440, 14400}');
END;
-- +goose StatementEnd

COMMENT ON TABLE usage_sums IS
  'sums over the calls that are alike, of spans by the calendar of the tenant; only roll_up_usage and make_usage_anew change it';
COMMENT ON COLUMN usage_sums.summed_by IS
  'Tenant: all calls together. Call: all users together, by tier and by what was called. User: by who called. Group: by groups and tier of who called, and by what was called; ancestors is empty. Both: by who called and by what was called. Columns by which a sum is not are empty; user_id is null then';
COMMENT ON COLUMN usage_sums.minutes IS
  'how long the span is: 15, an hour (60), a day (1440), or a third of a month (14400), from its 1st, 11th or 21st day on';
COMMENT ON COLUMN usage_sums.starts_at IS 'when the span begins';
COMMENT ON COLUMN usage_progress.complete_from IS 'for programs from before usage_calendars, which must not read the sums that there are now';

ALTER TABLE usage_calendars ENABLE ROW LEVEL SECURITY;
ALTER TABLE usage_calendars FORCE ROW LEVEL SECURITY;
-- Not of ancestors: whom a tenant was below before, who is above it now need not know.
GRANT SELECT (tenant_id, zone, complete_from) ON usage_calendars TO bursar_reader;
GRANT SELECT ON usage_calendars TO bursar_manager;
CREATE POLICY reader ON usage_calendars FOR SELECT TO bursar_reader
  USING (tenant_id = (SELECT reader_tenant(true))
         OR (current_setting('bursar.role', true) = 'admin' AND (SELECT reader_tenant(true)) = ANY (ancestors)));
CREATE POLICY manager ON usage_calendars FOR SELECT TO bursar_manager USING (true);
CREATE POLICY sums ON usage_calendars TO bursar_owner
  USING (current_user = 'bursar_owner' AND current_setting('bursar.sums_usage', true) = 'on')
  WITH CHECK (true);
CREATE POLICY sums ON tenants FOR SELECT TO bursar_owner
  USING (current_user = 'bursar_owner' AND current_setting('bursar.sums_usage', true) = 'on');

-- A time zone, or UTC where the database does not know it.
-- +goose StatementBegin
CREATE FUNCTION usage_zone(zone text) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM now() AT TIME ZONE zone;
  RETURN coalesce(zone, 'UTC');
EXCEPTION WHEN invalid_parameter_value THEN
  RETURN 'UTC';
END
$$;
-- +goose StatementEnd

-- When a day begins: at its first midnight, where clocks are set back to midnight.
CREATE FUNCTION usage_day(zone text, day date) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE ((day::timestamp AT TIME ZONE zone - interval '1 hour') AT TIME ZONE zone)::date
  WHEN day THEN day::timestamp AT TIME ZONE zone - interval '1 hour'
  ELSE day::timestamp AT TIME ZONE zone
END;

-- When the span of so many minutes begins that a moment lies in.
CREATE FUNCTION usage_span(zone text, minutes integer, at timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE minutes
  WHEN 15 THEN date_bin('15 minutes', at, '2000-01-01 00:00Z')
  WHEN 60 THEN date_trunc('hour', at, zone)
  WHEN 1440 THEN usage_day(zone, (at AT TIME ZONE zone)::date)
  WHEN 14400 THEN usage_day(zone, date_trunc('month', at AT TIME ZONE zone)::date
    + least((extract(day FROM at AT TIME ZONE zone)::integer - 1) / 10, 2) * 10)
END;

-- The calls and refused calls of a tenant between two moments, as rows of usage_changes.
-- +goose StatementBegin
CREATE FUNCTION usage_of(tenant text, begins timestamptz, ends timestamptz) RETURNS SETOF usage_changes
LANGUAGE sql STABLE
BEGIN ATOMIC
  SELECT date_bin('15 minutes', admitted_at, '2000-01-01 00:00Z'), 1::bigint, 0::bigint,
         input_tokens, cached_input_tokens, cache_write_5m_tokens, cache_write_1h_tokens, audio_input_tokens, cached_audio_input_tokens,
         output_tokens, audio_output_tokens, image_output_tokens, reasoning_tokens, cost_nanos, held_nanos,
         CASE WHEN outcome IN ('ChargedSeen', 'ChargedHold') OR priced_as = 'MostExpensive' THEN cost_nanos ELSE 0 END,
         0::bigint, CASE decision WHEN 'Replaced' THEN saved_nanos ELSE 0 END, CASE decision WHEN 'Fallback' THEN saved_nanos ELSE 0 END,
         tenant_id, ancestors, user_id, credential, groups, labels, tier, coalesce(nullif(model, ''), model_used), provider, endpoint, decision, outcome
  FROM ai_usage_logs WHERE tenant_id = tenant AND admitted_at >= begins AND admitted_at < ends
  UNION ALL
  SELECT date_bin('15 minutes', refused_at, '2000-01-01 00:00Z'), 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
         CASE fallback WHEN 'Cache' THEN bound_nanos ELSE 0 END, 0, 0,
         tenant_id, ancestors, user_id, credential, groups, labels, tier, model, '', endpoint, 'Refused', reason
  FROM ai_refusals WHERE tenant_id = tenant AND refused_at >= begins AND refused_at < ends;
END;
-- +goose StatementEnd

-- Makes the sums of a third of a month anew, from those of its days.
-- +goose StatementBegin
CREATE FUNCTION make_third_of_usage_anew(calendar usage_calendars, begins timestamptz) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  DELETE FROM public.usage_sums AS s USING public.usage_kinds() AS kinds
  WHERE s.tenant_id = calendar.tenant_id AND s.summed_by = kinds.summed_by AND s.minutes = 14400 AND s.starts_at = begins;
  INSERT INTO public.usage_sums (minutes, starts_at, summed_by, key, tenant_id, ancestors, user_id, credential, groups, labels, tier, model, provider, endpoint, decision, outcome,
    calls, refused, input_tokens, cached_input_tokens, cache_write_5m_tokens, cache_write_1h_tokens, audio_input_tokens, cached_audio_input_tokens, output_tokens, audio_output_tokens, image_output_tokens, reasoning_tokens, cost_nanos, held_nanos, estimated_nanos, saved_by_cache_nanos, saved_by_downgrade_nanos, saved_by_fallback_nanos)
  SELECT 14400, begins, s.summed_by, key, tenant_id, ancestors, user_id, credential, groups, labels, tier, model, provider, endpoint, decision, outcome,
    public.sum_of(calls), public.sum_of(refused), public.sum_of(input_tokens), public.sum_of(cached_input_tokens), public.sum_of(cache_write_5m_tokens), public.sum_of(cache_write_1h_tokens), public.sum_of(audio_input_tokens), public.sum_of(cached_audio_input_tokens), public.sum_of(output_tokens), public.sum_of(audio_output_tokens), public.sum_of(image_output_tokens), public.sum_of(reasoning_tokens), public.sum_of(cost_nanos), public.sum_of(held_nanos), public.sum_of(estimated_nanos), public.sum_of(saved_by_cache_nanos), public.sum_of(saved_by_downgrade_nanos), public.sum_of(saved_by_fallback_nanos)
  FROM public.usage_sums AS s JOIN public.usage_kinds() AS kinds ON s.summed_by = kinds.summed_by AND 14400 = ANY (kinds.minutes)
  WHERE tenant_id = calendar.tenant_id AND s.minutes = 1440 AND starts_at >= begins AND starts_at < begins + interval '12 days'
    AND public.usage_span(calendar.zone, 14400, starts_at) = begins
  GROUP BY s.summed_by, key, tenant_id, ancestors, user_id, credential, groups, labels, tier, model, provider, endpoint, decision, outcome;
END
$$;
-- +goose StatementEnd

-- Makes the sums of a tenant anew from the ledger, between two moments at which days of its calendar
-- begin. Nothing is recorded meanwhile.
-- +goose StatementBegin
CREATE FUNCTION make_usage_anew(calendar usage_calendars, begins timestamptz, ends timestamptz) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  third timestamptz;
BEGIN
  DELETE FROM public.usage_sums AS s USING public.usage_kinds() AS kinds CROSS JOIN unnest(kinds.minutes) AS length
  WHERE s.tenant_id = calendar.tenant_id AND s.summed_by = kinds.summed_by AND s.minutes = length AND s.starts_at >= begins AND s.starts_at < ends;
  DELETE FROM public.usage_changes WHERE tenant_id = calendar.tenant_id AND starts_at >= begins AND starts_at < ends;
  FOR third IN
    SELECT DISTINCT public.usage_span(calendar.zone, 14400, at) FROM unnest(ARRAY[begins, ends]) AS at WHERE isfinite(at)
  LOOP
    PERFORM public.make_third_of_usage_anew(calendar, third);
  END LOOP;
  INSERT INTO public.usage_changes (starts_at, tenant_id, ancestors, user_id, credential, groups, labels, tier, model, provider, endpoint, decision, outcome,
    calls, refused, input_tokens, cached_input_tokens, cache_write_5m_tokens, cache_write_1h_tokens, audio_input_tokens, cached_audio_input_tokens, output_tokens, audio_output_tokens, image_output_tokens, reasoning_tokens, cost_nanos, held_nanos, estimated_nanos, saved_by_cache_nanos, saved_by_downgrade_nanos, saved_by_fallback_nanos)
  SELECT starts_at, tenant_id, ancestors, CASE WHEN of_users THEN user_id END, CASE WHEN of_users THEN credential ELSE '' END,
    CASE WHEN of_users THEN groups ELSE '{}' END, CASE WHEN of_users THEN labels ELSE '{}' END, tier, model, provider, endpoint, decision, outcome,
    public.sum_of(calls), public.sum_of(refused), public.sum_of(input_tokens), public.sum_of(cached_input_tokens), public.sum_of(cache_write_5m_tokens), public.sum_of(cache_write_1h_tokens), public.sum_of(audio_input_tokens), public.sum_of(cached_audio_input_tokens), public.sum_of(output_tokens), public.sum_of(audio_output_tokens), public.sum_of(image_output_tokens), public.sum_of(reasoning_tokens), public.sum_of(cost_nanos), public.sum_of(held_nanos), public.sum_of(estimated_nanos), public.sum_of(saved_by_cache_nanos), public.sum_of(saved_by_downgrade_nanos), public.sum_of(saved_by_fallback_nanos)
  FROM public.usage_of(calendar.tenant_id, begins, ends), public.usage_progress, (VALUES (false), (true)) AS kind (of_users)
  WHERE NOT of_users OR starts_at < users_until
  GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13;
END
$$;
-- +goose StatementEnd

-- Makes the sums of a tenant and a day of its calendar anew from the ledger. Nothing is recorded
-- meanwhile.
-- +goose StatementBegin
CREATE FUNCTION rebuild_usage(tenant text, day date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '5s'
AS $$
DECLARE
  calendar public.usage_calendars;
BEGIN
  LOCK TABLE public.usage_changes IN SHARE ROW EXCLUSIVE MODE;
  PERFORM set_config('bursar.sums_usage', 'on', true);
  SELECT * INTO calendar FROM public.usage_calendars WHERE tenant_id = tenant;
  IF FOUND THEN
    PERFORM public.make_usage_anew(calendar, public.usage_day(calendar.zone, day), public.usage_day(calendar.zone, day + 1));
  END IF;
  PERFORM set_config('bursar.sums_usage', '', true);
END
$$;
-- +goose StatementEnd

-- Adds up the last calls of a tenant of which there are no sums: whole days, of up to so many calls and
-- as many refused ones if there are more days than one. It returns until when that was, and null if the
-- tenant has no such calls any more.
-- +goose StatementBegin
CREATE FUNCTION roll_up_past_of(calendar usage_calendars, most integer) RETURNS timestamptz
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  ends   CONSTANT timestamptz := calendar.complete_from;
  last   CONSTANT timestamptz := greatest(
    (SELECT max(admitted_at) FROM public.ai_usage_logs WHERE tenant_id = calendar.tenant_id AND admitted_at < ends),
    (SELECT max(refused_at) FROM public.ai_refusals WHERE tenant_id = calendar.tenant_id AND refused_at < ends));
  beyond CONSTANT timestamptz := greatest(
    (SELECT admitted_at FROM public.ai_usage_logs WHERE tenant_id = calendar.tenant_id AND admitted_at < ends ORDER BY admitted_at DESC OFFSET most LIMIT 1),
    (SELECT refused_at FROM public.ai_refusals WHERE tenant_id = calendar.tenant_id AND refused_at < ends ORDER BY refused_at DESC OFFSET most LIMIT 1));
BEGIN
  calendar.complete_from := '-infinity';
  IF beyond IS NOT NULL THEN
    calendar.complete_from := public.usage_day(calendar.zone, least((beyond AT TIME ZONE calendar.zone)::date + 1, (last AT TIME ZONE calendar.zone)::date));
  END IF;
  UPDATE public.usage_calendars AS c SET complete_from = calendar.complete_from WHERE c.tenant_id = calendar.tenant_id;
  PERFORM public.make_usage_anew(calendar, calendar.complete_from, ends);
  RETURN last;
END
$$;
-- +goose StatementEnd

-- Adds up calls of which there are no sums, of those that were made last of all tenants' first: for a
-- fifth of a second, or what must be done at once. They are from before there were sums, or those of a
-- tenant whose time zone was changed. It returns the last day of those that were added up, and null when
-- there are none any more.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION roll_up_past() RETURNS date
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '5s'
AS $$
DECLARE
  calendar public.usage_calendars;
  day      date;
  last     date;
BEGIN
  LOCK TABLE public.usage_changes IN SHARE ROW EXCLUSIVE MODE;
  PERFORM set_config('bursar.sums_usage', 'on', true);
  UPDATE public.usage_calendars AS c SET zone = public.usage_zone(t.time_zone), complete_from = 'infinity'
  FROM public.tenants AS t
  WHERE t.tenant_id = c.tenant_id AND t.time_zone <> c.zone AND public.usage_zone(t.time_zone) <> c.zone;
  FOR calendar IN SELECT * FROM public.usage_calendars WHERE complete_from > '-infinity' ORDER BY complete_from DESC LOOP
    day := (public.roll_up_past_of(calendar, 20000) AT TIME ZONE calendar.zone)::date;
    last := greatest(last, day);
    EXIT WHEN clock_timestamp() > statement_timestamp() + interval '0.2 s';
  END LOOP;
  PERFORM set_config('bursar.sums_usage', '', true);
  RETURN last;
END
$$;
-- +goose StatementEnd

-- Adds up to so many rows of usage_changes to usage_sums, and returns how many there were. One at
-- a time: who finds another at it returns null.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION roll_up_usage(most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- Postgres cannot see how many rows are taken, and would join them one by one, and sort them to group them.
SET enable_nestloop = off
SET enable_mergejoin = off
SET enable_sort = off
SET jit = off
SET work_mem = '64MB'
AS $$
DECLARE
  chosen tid[];
  added  bigint;
BEGIN
  IF NOT pg_try_advisory_xact_lock(hashtext('bursar usage')) THEN
    RETURN NULL;
  END IF;
  -- No sums are made anew meanwhile, so that the chosen rows stay.
  LOCK TABLE public.usage_changes IN ROW EXCLUSIVE MODE;
  PERFORM set_config('bursar.sums_usage', 'on', true);
  chosen := ARRAY(SELECT ctid FROM public.usage_changes LIMIT most);
  INSERT INTO public.usage_calendars AS c (tenant_id, zone, complete_from, ancestors)
  SELECT changed.tenant_id, public.usage_zone((SELECT time_zone FROM public.tenants AS t WHERE t.tenant_id = changed.tenant_id)), '-infinity',
         coalesce(array_agg(DISTINCT above) FILTER (WHERE above IS NOT NULL), '{}')
  FROM public.usage_changes AS changed LEFT JOIN unnest(changed.ancestors) AS above ON true
  WHERE changed.ctid = ANY (chosen) GROUP BY changed.tenant_id
  ON CONFLICT (tenant_id) DO UPDATE SET ancestors = ARRAY(SELECT unnest(c.ancestors) UNION SELECT unnest(excluded.ancestors))
  WHERE NOT c.ancestors @> excluded.ancestors;
  WITH taken AS (
    DELETE FROM public.usage_changes WHERE ctid = ANY (chosen) RETURNING *
  ), quarters AS (
    SELECT DISTINCT tenant_id, zone, starts_at FROM taken JOIN public.usage_calendars USING (tenant_id)
  ), spans AS MATERIALIZED (
    SELECT tenant_id, starts_at, kinds.summed_by, kinds.of_users, length.minutes, public.usage_span(zone, length.minutes, starts_at) AS begins
    FROM quarters, public.usage_kinds() AS kinds, unnest(kinds.minutes) AS length (minutes)
  ), summed AS (
    SELECT minutes, begins, tenant_id, summed_by,
           CASE WHEN summed_by = 'Group' THEN '{}' ELSE ancestors END AS ancestors,
           CASE WHEN summed_by = 'Group' THEN NULL ELSE user_id END AS user_id,
           CASE WHEN summed_by = 'Group' THEN '' ELSE credential END AS credential,
           groups,
           CASE WHEN summed_by = 'Group' THEN '{}' ELSE labels END AS labels,
           CASE WHEN summed_by = 'Tenant' THEN '' ELSE tier END AS tier,
           CASE WHEN summed_by IN ('Tenant', 'User') THEN '' ELSE model END AS model,
           CASE WHEN summed_by IN ('Tenant', 'User') THEN '' ELSE provider END AS provider,
           CASE WHEN summed_by IN ('Tenant', 'User') THEN '' ELSE endpoint END AS endpoint,
           CASE WHEN summed_by IN ('Tenant', 'User') THEN '' ELSE decision END AS decision,
           CASE WHEN summed_by IN ('Tenant', 'User') THEN '' ELSE outcome END AS outcome,
           public.sum_of(calls) AS calls, public.sum_of(refused) AS refused, public.sum_of(input_tokens) AS input_tokens, public.sum_of(cached_input_tokens) AS cached_input_tokens, public.sum_of(cache_write_5m_tokens) AS cache_write_5m_tokens, public.sum_of(cache_write_1h_tokens) AS cache_write_1h_tokens, public.sum_of(audio_input_tokens) AS audio_input_tokens, public.sum_of(cached_audio_input_tokens) AS cached_audio_input_tokens, public.sum_of(output_tokens) AS output_tokens, public.sum_of(audio_output_tokens) AS audio_output_tokens, public.sum_of(image_output_tokens) AS image_output_tokens, public.sum_of(reasoning_tokens) AS reasoning_tokens, public.sum_of(cost_nanos) AS cost_nanos, public.sum_of(held_nanos) AS held_nanos, public.sum_of(estimated_nanos) AS estimated_nanos, public.sum_of(saved_by_cache_nanos) AS saved_by_cache_nanos, public.sum_of(saved_by_downgrade_nanos) AS saved_by_downgrade_nanos, public.sum_of(saved_by_fallback_nanos) AS saved_by_fallback_nanos
    FROM taken JOIN spans USING (tenant_id, starts_at) WHERE of_users = (user_id IS NOT NULL)
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
  ), rolled_up AS (
    INSERT INTO public.usage_sums AS s (minutes, starts_at, summed_by, key, tenant_id, ancestors, user_id, credential, groups, labels, tier, model, provider, endpoint, decision, outcome,
      calls, refused, input_tokens, cached_input_tokens, cache_write_5m_tokens, cache_write_1h_tokens, audio_input_tokens, cached_audio_input_tokens, output_tokens, audio_output_tokens, image_output_tokens, reasoning_tokens, cost_nanos, held_nanos, estimated_nanos, saved_by_cache_nanos, saved_by_downgrade_nanos, saved_by_fallback_nanos)
    SELECT minutes, begins, summed_by, substring(sha256(convert_to(ROW (ancestors, user_id, credential, groups, labels, tier, model, provider, endpoint, decision, outcome)::text, 'UTF8')) FOR 16),
      tenant_id, ancestors, user_id, credential, groups, labels, tier, model, provider, endpoint, decision, outcome,
      calls, refused, input_tokens, cached_input_tokens, cache_write_5m_tokens, cache_write_1h_tokens, audio_input_tokens, cached_audio_input_tokens, output_tokens, audio_output_tokens, image_output_tokens, reasoning_tokens, cost_nanos, held_nanos, estimated_nanos, saved_by_cache_nanos, saved_by_downgrade_nanos, saved_by_fallback_nanos
    FROM summed
    ORDER BY summed_by, minutes, tenant_id, begins
    ON CONFLICT (tenant_id, summed_by, minutes, starts_at, key) DO UPDATE SET
      calls = s.calls + excluded.calls,
      refused = s.refused + excluded.refused,
      input_tokens = s.input_tokens + excluded.input_tokens,
      cached_input_tokens = s.cached_input_tokens + excluded.cached_input_tokens,
      cache_write_5m_tokens = s.cache_write_5m_tokens + excluded.cache_write_5m_tokens,
      cache_write_1h_tokens = s.cache_write_1h_tokens + excluded.cache_write_1h_tokens,
      audio_input_tokens = s.audio_input_tokens + excluded.audio_input_tokens,
      cached_audio_input_tokens = s.cached_audio_input_tokens + excluded.cached_audio_input_tokens,
      output_tokens = s.output_tokens + excluded.output_tokens,
      audio_output_tokens = s.audio_output_tokens + excluded.audio_output_tokens,
      image_output_tokens = s.image_output_tokens + excluded.image_output_tokens,
      reasoning_tokens = s.reasoning_tokens + excluded.reasoning_tokens,
      cost_nanos = s.cost_nanos + excluded.cost_nanos,
      held_nanos = s.held_nanos + excluded.held_nanos,
      estimated_nanos = s.estimated_nanos + excluded.estimated_nanos,
      saved_by_cache_nanos = s.saved_by_cache_nanos + excluded.saved_by_cache_nanos,
      saved_by_downgrade_nanos = s.saved_by_downgrade_nanos + excluded.saved_by_downgrade_nanos,
      saved_by_fallback_nanos = s.saved_by_fallback_nanos + excluded.saved_by_fallback_nanos
  )
  SELECT count(*) INTO added FROM taken;
  PERFORM set_config('bursar.sums_usage', '', true);
  RETURN added;
END
$$;
-- +goose StatementEnd

-- From when on there are sums of all tenants: null where that is from the first call on.
-- +goose StatementBegin
CREATE FUNCTION health_of_sums() RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  complete timestamptz;
BEGIN
  PERFORM set_config('bursar.sums_usage', 'on', true);
  SELECT least(max(complete_from), now()) INTO complete FROM public.usage_calendars HAVING max(complete_from) > '-infinity';
  PERFORM set_config('bursar.sums_usage', '', true);
  RETURN complete;
END
$$;
-- +goose StatementEnd

DROP FUNCTION rebuild_usage(date);
DROP FUNCTION rebuild_third_of_usage;
REVOKE EXECUTE ON FUNCTION usage_of, make_third_of_usage_anew, make_usage_anew, roll_up_past_of, rebuild_usage, health_of_sums FROM PUBLIC;
GRANT EXECUTE ON FUNCTION health_of_sums TO bursar_console;
GRANT EXECUTE ON FUNCTION rebuild_usage TO bursar_manager;

-- All sums are made anew, by the calendars of their tenants.
-- +goose StatementBegin
DO $$
BEGIN
  PERFORM set_config('bursar.sums_usage', 'on', true);
  IF (SELECT complete_from FROM usage_progress) = '-infinity' THEN
    INSERT INTO usage_calendars
    SELECT tenant_id, '', 'infinity', coalesce(array_agg(DISTINCT above) FILTER (WHERE above IS NOT NULL), '{}')
    FROM (SELECT tenant_id, ancestors FROM usage_sums WHERE summed_by = 'Call' AND minutes = 1440
          UNION ALL SELECT tenant_id, ancestors FROM usage_changes) AS used LEFT JOIN unnest(ancestors) AS above ON true
    GROUP BY tenant_id;
  ELSE
    INSERT INTO usage_calendars
    SELECT tenant_id, '', 'infinity', coalesce(array_agg(DISTINCT above) FILTER (WHERE above IS NOT NULL), '{}')
    FROM (SELECT tenant_id, ancestors FROM ai_usage_logs UNION ALL SELECT tenant_id, ancestors FROM ai_refusals) AS used
    LEFT JOIN unnest(ancestors) AS above ON true
    GROUP BY tenant_id;
  END IF;
  UPDATE usage_calendars AS c SET zone = usage_zone((SELECT time_zone FROM tenants AS t WHERE t.tenant_id = c.tenant_id));
  -- It is not infinite, which consoles of before cannot show, and managers of before not look for anomalies by.
  UPDATE usage_progress SET complete_from = '9999-01-01Z';
  PERFORM set_config('bursar.sums_usage', '', true);
END
$$;
-- +goose StatementEnd
TRUNCATE usage_sums, usage_changes;

-- +goose Down
-- Only together with 00030: the functions from before do not come back.
DROP FUNCTION health_of_sums;
DROP FUNCTION roll_up_usage;
DROP FUNCTION roll_up_past;
DROP FUNCTION roll_up_past_of;
DROP FUNCTION rebuild_usage;
DROP FUNCTION make_usage_anew;
DROP FUNCTION make_third_of_usage_anew;
DROP FUNCTION usage_of;
DROP FUNCTION usage_span(text, integer, timestamptz);
DROP FUNCTION usage_day;
DROP FUNCTION usage_zone;
DROP POLICY sums ON tenants;
DROP TABLE usage_calendars;
DROP FUNCTION usage_kinds;
DROP AGGREGATE sum_of(bigint);
