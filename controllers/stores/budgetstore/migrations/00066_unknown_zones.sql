-- A time zone that the database does not know any more, as another version of its tzdata may have it, is
-- no reason to add up nothing, of no tenant.

-- +goose Up
-- Has sums follow UTC that followed a time zone that the database does not know any more, and be made anew.
-- It returns the tenants whose time zones it does not know.
-- +goose StatementBegin
CREATE FUNCTION leave_unknown_zones() RETURNS TABLE (tenant text, zone text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '5s'
AS $$
DECLARE
  unknown text[];
BEGIN
  PERFORM set_config('bursar.sums_usage', 'on', true);
  unknown := ARRAY(
    SELECT u.zone FROM (SELECT c.zone FROM public.usage_calendars AS c UNION SELECT t.time_zone FROM public.tenants AS t) AS u
    WHERE public.usage_zone(u.zone) <> u.zone);
  IF EXISTS (SELECT FROM public.usage_calendars AS c WHERE c.zone = ANY (unknown)) THEN
    LOCK TABLE public.usage_changes IN SHARE ROW EXCLUSIVE MODE;
    UPDATE public.usage_calendars AS c SET zone = 'UTC', complete_from = 'infinity' WHERE c.zone = ANY (unknown);
  END IF;
  RETURN QUERY SELECT t.tenant_id, t.time_zone FROM public.tenants AS t WHERE t.time_zone = ANY (unknown) AND t.withdrawn_at IS NULL ORDER BY 1;
  PERFORM set_config('bursar.sums_usage', '', true);
END
$$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION leave_unknown_zones FROM PUBLIC;
GRANT EXECUTE ON FUNCTION leave_unknown_zones TO bursar_manager;

-- +goose Down
DROP FUNCTION leave_unknown_zones;
