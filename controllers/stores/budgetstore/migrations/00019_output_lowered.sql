-- For which calls less output was asked than their callers had wanted.

-- +goose Up
ALTER TABLE ai_usage_logs
  ADD COLUMN output_lowered_by text NOT NULL DEFAULT '' CHECK (output_lowered_by IN ('', 'OutputCaps', 'Fit')),
  ADD COLUMN max_output_tokens bigint CHECK (max_output_tokens >= 0);
COMMENT ON COLUMN ai_usage_logs.output_lowered_by IS
  'why the provider was asked for less output than the request says or the model gives: OutputCaps, or Fit, as no more had room in the limits; empty if it was not';
COMMENT ON COLUMN ai_usage_logs.max_output_tokens IS
  'the output tokens that the provider was asked for, of each answer, where output_lowered_by is not empty';

-- +goose Down
ALTER TABLE ai_usage_logs
  DROP COLUMN max_output_tokens,
  DROP COLUMN output_lowered_by;
