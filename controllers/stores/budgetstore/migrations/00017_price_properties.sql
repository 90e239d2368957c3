-- What else the price of a call depended on.

-- +goose Up
ALTER TABLE ai_usage_logs
  ADD COLUMN price_properties text NOT NULL DEFAULT '',
  ADD COLUMN fee_uses         text NOT NULL DEFAULT '';
COMMENT ON COLUMN ai_usage_logs.price_properties IS
  'values for which the cost of tokens was multiplied, as the provider reported them and as a URL''s query is written: inference_geo=us&speed=fast';
COMMENT ON COLUMN ai_usage_logs.fee_uses IS
  'how often each thing was used that has a fee, as a URL''s query is written: web_search=3';

-- +goose Down
ALTER TABLE ai_usage_logs
  DROP COLUMN fee_uses,
  DROP COLUMN price_properties;
