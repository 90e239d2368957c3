-- The true end of a call that another had ended before, for want of knowing it.

-- +goose Up

ALTER TABLE ai_usage_logs
  ADD COLUMN amended_at           timestamptz,
  ADD COLUMN charged_before_nanos bigint CHECK (charged_before_nanos >= 0),
  ADD CHECK ((amended_at IS NULL) = (charged_before_nanos IS NULL));
COMMENT ON COLUMN ai_usage_logs.amended_at IS
  'when the true cost took the place of the hold that the call had been charged in full; null where that never happened';
COMMENT ON COLUMN ai_usage_logs.charged_before_nanos IS 'what the call had been charged until amended_at, nano-USD';
CREATE INDEX ai_usage_logs_amended ON ai_usage_logs (tenant_id, amended_at) WHERE amended_at IS NOT NULL;

-- The owner's only way to rows, with which settle_late works: to those of the call that
-- a setting names, which is set in that function alone.
CREATE POLICY settle_late ON ai_usage_logs TO bursar_owner
  USING (call_id = current_setting('bursar.late_call', true))
  WITH CHECK (call_id = current_setting('bursar.late_call', true));

-- Records how calls have ended that the ledger may have already, each an object of the
-- columns of its row. For each it answers what became of it:
--   inserted   the ledger did not have it
--   amended    the ledger had it charged with its hold, by who adopted it; the true end
--              has taken the place of that, and charged_before_nanos keeps it. Once.
--   known      the ledger keeps what it had. Where nobody knows when a call was admitted
--              (admitted_at is null), nobody knows whether it was: it is not inserted
-- and differs: whether the call was ever charged otherwise than the row says, or than
-- the caller does, so that counters may say something else than the ledger.
-- It runs with the rights of its owner: an enforcer may neither read nor change rows.
-- +goose StatementBegin
CREATE FUNCTION settle_late(calls jsonb) RETURNS TABLE (id text, became text, differs boolean)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  entry   jsonb;
  columns text;
  ending  text;
BEGIN
  FOR entry IN SELECT jsonb_array_elements(calls) LOOP
    id := entry->>'call_id';
    PERFORM set_config('bursar.late_call', id, true);
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum),
           string_agg(quote_ident(attname), ', ' ORDER BY attnum) FILTER (WHERE attname <> ALL (ARRAY[
             'call_id', 'tenant_id', 'user_id', 'tier', 'credential', 'model', 'admitted_at', 'ancestors']))
    INTO columns, ending
    FROM pg_attribute
    WHERE attrelid = 'public.ai_usage_logs'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
      AND entry ? attname::text
      AND attname <> ALL (ARRAY['recorded_at', 'amended_at', 'charged_before_nanos']);

    EXECUTE format(
      'INSERT INTO public.ai_usage_logs (%1$s)
       SELECT %1$s FROM jsonb_populate_record(NULL::public.ai_usage_logs, $1)
       WHERE admitted_at IS NOT NULL AND NOT EXISTS (SELECT FROM public.ai_usage_logs WHERE call_id = $2)
       ON CONFLICT DO NOTHING', columns) USING entry, id;
    GET DIAGNOSTICS differs = ROW_COUNT;
    became := 'inserted';
    IF differs THEN
      differs := false;
      RETURN NEXT;
      CONTINUE;
    END IF;

    became := 'known';
    IF entry->>'outcome' <> 'ChargedHold' THEN
      EXECUTE format(
        'UPDATE public.ai_usage_logs
         SET (%1$s, amended_at, charged_before_nanos) =
             (SELECT %1$s, clock_timestamp(), ai_usage_logs.cost_nanos FROM jsonb_populate_record(NULL::public.ai_usage_logs, $1) AS late)
         WHERE call_id = $2 AND tenant_id = $1->>''tenant_id'' AND user_id = $1->>''user_id''
           AND outcome = ''ChargedHold'' AND amended_at IS NULL', ending) USING entry, id;
      GET DIAGNOSTICS differs = ROW_COUNT;
      IF differs THEN
        became := 'amended';
        RETURN NEXT;
        CONTINUE;
      END IF;
    END IF;
    SELECT bool_or(amended_at IS NOT NULL OR cost_nanos <> (entry->>'cost_nanos')::bigint) INTO differs
    FROM public.ai_usage_logs WHERE call_id = id;
    RETURN NEXT;
  END LOOP;
  PERFORM set_config('bursar.late_call', '', true);
END
$$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION settle_late FROM PUBLIC;
GRANT EXECUTE ON FUNCTION settle_late TO bursar_enforcer;

-- +goose Down
DROP FUNCTION settle_late;
DROP POLICY settle_late ON ai_usage_logs;
DROP INDEX ai_usage_logs_amended;
ALTER TABLE ai_usage_logs DROP COLUMN charged_before_nanos, DROP COLUMN amended_at;
