-- What no row may say, and what managers may change of a row.

-- +goose Up

ALTER TABLE ai_usage_logs
  ADD CHECK (cost_nanos >= 0),
  ADD CHECK (held_nanos >= 0),
  ADD CHECK (overrun_nanos >= 0),
  ADD CONSTRAINT ai_usage_logs_voided_check CHECK (outcome <> 'Voided' OR cost_nanos = 0),
  ADD CONSTRAINT ai_usage_logs_tokens_check CHECK (least(input_tokens, cached_input_tokens, output_tokens, cache_write_5m_tokens, cache_write_1h_tokens,
    audio_input_tokens, cached_audio_input_tokens, audio_output_tokens, image_output_tokens, reasoning_tokens) >= 0);
ALTER TABLE ai_refusals
  ADD CHECK (amount_nanos >= 0),
  ADD CHECK (spent_nanos >= 0),
  ADD CHECK (held_nanos >= 0),
  ADD CHECK (bound_nanos >= 0),
  ADD CHECK (tokens >= 0);
ALTER TABLE budget_limits ADD CHECK (trip_nanos >= 0);
ALTER TABLE cost_alerts
  ADD CHECK (amount_nanos >= 0),
  ADD CHECK (spent_nanos >= 0);
ALTER TABLE alert_deliveries ADD CHECK (attempts >= 0);

-- Managers add rows and say when what they are about has ended. What was agreed, granted or
-- told, and how much it was, nobody changes afterwards.
REVOKE UPDATE ON tenants, budget_limits, budget_grants, cost_alerts, alert_deliveries FROM bursar_manager;
GRANT UPDATE (namespace, budget, budget_uid, generation, time_zone, recorded_at, withdrawn_at) ON tenants TO bursar_manager;
GRANT UPDATE (valid_to) ON budget_limits TO bursar_manager;
GRANT UPDATE (withdrawn_at) ON budget_grants TO bursar_manager;
GRANT UPDATE (budget_uid, resolved_at, resolution) ON cost_alerts TO bursar_manager;
GRANT UPDATE (attempts, next_attempt_at, delivered_at, abandoned_at, last_error) ON alert_deliveries TO bursar_manager;

-- +goose Down
REVOKE UPDATE (namespace, budget, budget_uid, generation, time_zone, recorded_at, withdrawn_at) ON tenants FROM bursar_manager;
REVOKE UPDATE (valid_to) ON budget_limits FROM bursar_manager;
REVOKE UPDATE (withdrawn_at) ON budget_grants FROM bursar_manager;
REVOKE UPDATE (budget_uid, resolved_at, resolution) ON cost_alerts FROM bursar_manager;
REVOKE UPDATE (attempts, next_attempt_at, delivered_at, abandoned_at, last_error) ON alert_deliveries FROM bursar_manager;
GRANT UPDATE ON tenants, budget_limits, budget_grants, cost_alerts, alert_deliveries TO bursar_manager;
ALTER TABLE alert_deliveries DROP CONSTRAINT alert_deliveries_attempts_check;
ALTER TABLE cost_alerts DROP CONSTRAINT cost_alerts_amount_nanos_check, DROP CONSTRAINT cost_alerts_spent_nanos_check;
ALTER TABLE budget_limits DROP CONSTRAINT budget_limits_trip_nanos_check;
ALTER TABLE ai_refusals
  DROP CONSTRAINT ai_refusals_amount_nanos_check,
  DROP CONSTRAINT ai_refusals_spent_nanos_check,
  DROP CONSTRAINT ai_refusals_held_nanos_check,
  DROP CONSTRAINT ai_refusals_bound_nanos_check,
  DROP CONSTRAINT ai_refusals_tokens_check;
ALTER TABLE ai_usage_logs
  DROP CONSTRAINT ai_usage_logs_cost_nanos_check,
  DROP CONSTRAINT ai_usage_logs_held_nanos_check,
  DROP CONSTRAINT ai_usage_logs_overrun_nanos_check,
  DROP CONSTRAINT ai_usage_logs_voided_check,
  DROP CONSTRAINT ai_usage_logs_tokens_check;
