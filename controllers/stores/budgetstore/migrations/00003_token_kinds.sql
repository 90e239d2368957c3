-- Every kind of token that providers bill apart.

-- +goose Up

ALTER TABLE ai_usage_logs
  ADD COLUMN cache_write_5m_tokens     bigint NOT NULL DEFAULT 0,
  ADD COLUMN cache_write_1h_tokens     bigint NOT NULL DEFAULT 0,
  ADD COLUMN audio_input_tokens        bigint NOT NULL DEFAULT 0,
  ADD COLUMN cached_audio_input_tokens bigint NOT NULL DEFAULT 0,
  ADD COLUMN audio_output_tokens       bigint NOT NULL DEFAULT 0,
  ADD COLUMN image_output_tokens       bigint NOT NULL DEFAULT 0,
  ADD COLUMN reasoning_tokens          bigint NOT NULL DEFAULT 0,
  ADD COLUMN service_tier              text   NOT NULL DEFAULT '';
COMMENT ON COLUMN ai_usage_logs.input_tokens IS 'input that none of the other columns of input has';
COMMENT ON COLUMN ai_usage_logs.output_tokens IS 'output that none of the other columns of output has, reasoning included';
COMMENT ON COLUMN ai_usage_logs.reasoning_tokens IS 'how many of output_tokens were reasoning: contained there, and billed as output';
COMMENT ON COLUMN ai_usage_logs.service_tier IS 'the service tier that the provider reported; empty where it reported none';

-- +goose Down
COMMENT ON COLUMN ai_usage_logs.output_tokens IS NULL;
COMMENT ON COLUMN ai_usage_logs.input_tokens IS 'without those of cached_input_tokens';
ALTER TABLE ai_usage_logs
  DROP COLUMN service_tier,
  DROP COLUMN reasoning_tokens,
  DROP COLUMN image_output_tokens,
  DROP COLUMN audio_output_tokens,
  DROP COLUMN cached_audio_input_tokens,
  DROP COLUMN audio_input_tokens,
  DROP COLUMN cache_write_1h_tokens,
  DROP COLUMN cache_write_5m_tokens;
