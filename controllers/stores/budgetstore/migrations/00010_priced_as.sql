-- Which costs are guesses.

-- +goose Up
ALTER TABLE ai_usage_logs ADD COLUMN priced_as text NOT NULL DEFAULT 'Listed'
  CHECK (priced_as IN ('Listed', 'MostExpensive'));
COMMENT ON COLUMN ai_usage_logs.priced_as IS
  'Listed: at the prices of its model; MostExpensive: no ModelProvider lists its model, so at the dearest prices of provider, and the bill may be another';

-- +goose Down
ALTER TABLE ai_usage_logs DROP COLUMN priced_as;
