-- Old months of the ledger, out of the way.

-- +goose Up

-- Detaches the partitions of months, by UTC, that are more than so many before the
-- present one, and returns their names. They stay as tables of their own, for who
-- administers the database to keep elsewhere and drop: like every partition they have
-- row level security and no policies, so that no role of Bursar reads them. Not fewer
-- than 24 may be kept: counters of a year are set from what was spent in it and in the
-- year before. Rows in the default partition stay where they are.
-- +goose StatementBegin
CREATE FUNCTION detach_ledger_partitions(months_kept integer) RETURNS text[]
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '5s'
AS $$
DECLARE
  oldest   timestamp := date_trunc('month', now() AT TIME ZONE 'UTC') - months_kept * interval '1 month';
  month    record;
  detached text[] := '{}';
BEGIN
  IF months_kept IS NULL OR months_kept < 24 THEN
    RAISE EXCEPTION 'months_kept is %, must be 24 or more', months_kept;
  END IF;
  FOR month IN
    SELECT parent.relname AS of, child.relname AS name
    FROM pg_inherits i
    JOIN pg_class parent ON parent.oid = i.inhparent
    JOIN pg_class child ON child.oid = i.inhrelid
    WHERE i.inhparent IN (to_regclass('public.ai_usage_logs'), to_regclass('public.ai_refusals'))
      AND child.relname ~ ('^' || parent.relname || '_[0-9]{4}_[0-9]{2}$')
      AND right(child.relname, 7) < to_char(oldest, 'YYYY_MM')
    ORDER BY child.relname
  LOOP
    EXECUTE format('ALTER TABLE public.%I DETACH PARTITION public.%I', month.of, month.name);
    detached := detached || month.name::text;
  END LOOP;
  RETURN detached;
END
$$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION detach_ledger_partitions FROM PUBLIC;
GRANT EXECUTE ON FUNCTION detach_ledger_partitions TO bursar_manager;

-- +goose Down
DROP FUNCTION detach_ledger_partitions;
