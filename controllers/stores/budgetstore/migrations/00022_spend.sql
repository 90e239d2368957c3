-- What was spent, for finance: over all tenants, for members of bursar_finance. A reader
-- who does not say for whom it reads is told so, instead of finding nothing.

-- +goose Up

-- For whom a reader reads: the setting bursar.tenant_id. Without it, and where rows are
-- about users without bursar.user_id or the role admin, it fails and says what to set. A
-- policy asks it in a subquery, so that it is asked once a query.
-- +goose StatementBegin
CREATE FUNCTION reader_tenant(of_users boolean) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  tenant text := coalesce(current_setting('bursar.tenant_id', true), '');
BEGIN
  IF tenant = '' THEN
    RAISE EXCEPTION 'bursar.tenant_id is not set, so there is nothing to read: first run SET bursar.tenant_id = ''acme''; with the name of the tenant'
      USING ERRCODE = 'insufficient_privilege',
            HINT = 'Members of bursar_finance read all tenants without it, in the views spend, spend_by_month and spend_with_children.';
  END IF;
  IF of_users AND coalesce(current_setting('bursar.role', true), '') <> 'admin' AND coalesce(current_setting('bursar.user_id', true), '') = '' THEN
    RAISE EXCEPTION 'neither bursar.role nor bursar.user_id is set, so there is nothing to read: first run SET bursar.role = ''admin''; to read the rows of all users of the tenant, or SET bursar.user_id = ''gerente-1''; to read those of one'
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN tenant;
END
$$;
-- +goose StatementEnd

ALTER POLICY reader ON tenants
  USING (tenant_id = (SELECT reader_tenant(false)));
ALTER POLICY reader ON budget_limits
  USING (tenant_id = (SELECT reader_tenant(false)));
ALTER POLICY reader ON ai_usage_logs
  USING (tenant_id = (SELECT reader_tenant(true))
         AND (current_setting('bursar.role', true) = 'admin'
              OR user_id = current_setting('bursar.user_id', true)));
ALTER POLICY reader ON ai_refusals
  USING (tenant_id = (SELECT reader_tenant(true))
         AND (current_setting('bursar.role', true) = 'admin'
              OR user_id = current_setting('bursar.user_id', true)));
ALTER POLICY reader ON budget_grants
  USING (tenant_id = (SELECT reader_tenant(true))
         AND (current_setting('bursar.role', true) = 'admin'
              OR user_id IS NULL
              OR user_id = current_setting('bursar.user_id', true)));
ALTER POLICY reader ON cost_alerts
  USING (tenant_id = (SELECT reader_tenant(true))
         AND (current_setting('bursar.role', true) = 'admin'
              OR (user_id <> '' AND user_id = current_setting('bursar.user_id', true))));
ALTER POLICY reader ON alert_deliveries
  USING (tenant_id = (SELECT reader_tenant(false))
         AND current_setting('bursar.role', true) = 'admin');

-- The views below read with the rights of bursar_owner, which is what views do. So it may
-- read, for who asks a view: current_user is then who asks, a member of bursar_finance or a
-- reader, as in the policy for readers. Who asks no view has the policies of its own roles.
CREATE POLICY views ON ai_usage_logs FOR SELECT TO bursar_owner
  USING (pg_has_role(current_user, 'bursar_finance', 'USAGE')
         OR (pg_has_role(current_user, 'bursar_reader', 'USAGE')
             AND tenant_id = (SELECT reader_tenant(true))
             AND (current_setting('bursar.role', true) = 'admin'
                  OR user_id = current_setting('bursar.user_id', true))));

-- settle_late is for the function of that name, which runs as bursar_owner, and not for
-- who asks a view.
ALTER POLICY settle_late ON ai_usage_logs
  USING (current_user = 'bursar_owner' AND call_id = current_setting('bursar.late_call', true));

-- spend: one row a call, with its cost in dollars.
CREATE VIEW spend AS
SELECT call_id,
       admitted_at,
       settled_at,
       tenant_id,
       array_to_string(ARRAY(SELECT tenant FROM unnest(ancestors) WITH ORDINALITY AS a (tenant, height) ORDER BY height DESC) || tenant_id, '/') AS path,
       ancestors,
       user_id,
       tier,
       credential AS api_key,
       provider,
       coalesce(nullif(model, ''), model_used) AS model,
       model_used AS provider_model,
       endpoint,
       service_tier,
       outcome,
       outcome IN ('ChargedSeen', 'ChargedHold') OR priced_as = 'MostExpensive' AS estimated,
       input_tokens + cached_input_tokens + cache_write_5m_tokens + cache_write_1h_tokens + audio_input_tokens + cached_audio_input_tokens AS input_tokens,
       output_tokens + audio_output_tokens + image_output_tokens AS output_tokens,
       cost_nanos,
       cost_nanos * 0.000000001 AS cost_usd
FROM ai_usage_logs;
COMMENT ON VIEW spend IS 'what each call cost; a call is in it once it has ended';
COMMENT ON COLUMN spend.path IS 'the tenant, below its parent, below that one''s parent and so on, as they were at the call: company/emea/research';
COMMENT ON COLUMN spend.ancestors IS 'the tenants above, nearest first';
COMMENT ON COLUMN spend.model IS 'the model as its ModelProvider names it';
COMMENT ON COLUMN spend.provider_model IS 'the model as the provider names it';
COMMENT ON COLUMN spend.estimated IS 'the cost is not what the provider reported: it is a bound, or at the prices of another model';
COMMENT ON COLUMN spend.cost_nanos IS 'nano-USD';
COMMENT ON COLUMN spend.cost_usd IS 'US dollars, exact';

-- spend_by_month: what each tenant spent in each month, by UTC, with each model.
CREATE VIEW spend_by_month AS
SELECT date_trunc('month', admitted_at AT TIME ZONE 'UTC')::date AS month,
       path,
       tenant_id,
       provider,
       model,
       count(*) AS calls,
       sum(input_tokens)::bigint AS input_tokens,
       sum(output_tokens)::bigint AS output_tokens,
       sum(cost_usd) AS cost_usd,
       coalesce(sum(cost_usd) FILTER (WHERE estimated), 0) AS estimated_usd
FROM spend
GROUP BY 1, 2, 3, 4, 5;
COMMENT ON COLUMN spend_by_month.month IS 'its first day; calls count in the month in which they were admitted, by UTC';
COMMENT ON COLUMN spend_by_month.path IS 'the tenant, below its parents: ordered by it, children are below their parents';
COMMENT ON COLUMN spend_by_month.estimated_usd IS 'the part of cost_usd that is not what the provider reported';

-- spend_with_children: what each tenant spent in each month, by UTC, alone and together
-- with all tenants below it.
CREATE VIEW spend_with_children AS
SELECT date_trunc('month', admitted_at AT TIME ZONE 'UTC')::date AS month,
       array_to_string((string_to_array(path, '/'))[1:depth], '/') AS path,
       (string_to_array(path, '/'))[depth] AS tenant_id,
       depth,
       coalesce(sum(cost_usd) FILTER (WHERE depth = cardinality(ancestors) + 1), 0) AS own_usd,
       sum(cost_usd) AS with_children_usd
FROM spend, generate_series(1, cardinality(ancestors) + 1) AS depth
GROUP BY 1, 2, 3, 4;
COMMENT ON COLUMN spend_with_children.depth IS '1 for a tenant without a parent';
COMMENT ON COLUMN spend_with_children.own_usd IS 'the cost of its own calls';
COMMENT ON COLUMN spend_with_children.with_children_usd IS 'the cost of its own calls and of those of all tenants below it: do not add it up over tenants';

GRANT SELECT ON spend, spend_by_month, spend_with_children TO bursar_reader, bursar_finance;

-- +goose Down
DROP VIEW spend_with_children;
DROP VIEW spend_by_month;
DROP VIEW spend;
ALTER POLICY settle_late ON ai_usage_logs
  USING (call_id = current_setting('bursar.late_call', true));
DROP POLICY views ON ai_usage_logs;
ALTER POLICY reader ON tenants
  USING (tenant_id = current_setting('bursar.tenant_id', true));
ALTER POLICY reader ON budget_limits
  USING (tenant_id = current_setting('bursar.tenant_id', true));
ALTER POLICY reader ON ai_usage_logs
  USING (tenant_id = current_setting('bursar.tenant_id', true)
         AND (current_setting('bursar.role', true) = 'admin'
              OR user_id = current_setting('bursar.user_id', true)));
ALTER POLICY reader ON ai_refusals
  USING (tenant_id = current_setting('bursar.tenant_id', true)
         AND (current_setting('bursar.role', true) = 'admin'
              OR user_id = current_setting('bursar.user_id', true)));
ALTER POLICY reader ON budget_grants
  USING (tenant_id = current_setting('bursar.tenant_id', true)
         AND (current_setting('bursar.role', true) = 'admin'
              OR user_id IS NULL
              OR user_id = current_setting('bursar.user_id', true)));
ALTER POLICY reader ON cost_alerts
  USING (tenant_id = current_setting('bursar.tenant_id', true)
         AND (current_setting('bursar.role', true) = 'admin'
              OR (user_id <> '' AND user_id = current_setting('bursar.user_id', true))));
ALTER POLICY reader ON alert_deliveries
  USING (tenant_id = current_setting('bursar.tenant_id', true)
         AND current_setting('bursar.role', true) = 'admin');
DROP FUNCTION reader_tenant;
