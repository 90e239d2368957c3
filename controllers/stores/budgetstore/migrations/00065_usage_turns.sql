-- Tenants whose sums are made anew take turns by chance.

-- +goose Up
-- Adds up calls of which there are no sums: for a fifth of a second, or what must be done at once. They are
-- from before there were sums, or those of a tenant whose time zone was changed. Which tenant is next is left
-- to chance, so that one whose time zone is changed again and again does not keep others waiting. It returns
-- the last day of those that were added up, and null when there are none any more.
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
  FOR calendar IN SELECT * FROM public.usage_calendars WHERE complete_from > '-infinity' ORDER BY random() LOOP
    day := (public.roll_up_past_of(calendar, 20000) AT TIME ZONE calendar.zone)::date;
    last := greatest(last, day);
    EXIT WHEN clock_timestamp() > statement_timestamp() + interval '0.2 s';
  END LOOP;
  PERFORM set_config('bursar.sums_usage', '', true);
  RETURN last;
END
$$;
-- +goose StatementEnd

-- +goose Down
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
