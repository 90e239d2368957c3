-- How each call was admitted.

-- +goose Up
ALTER TABLE ai_usage_logs ADD COLUMN decision text NOT NULL DEFAULT 'Admitted'
  CHECK (decision IN ('Admitted', 'Replaced', 'Fallback', 'Shadowed', 'Bounded'));
COMMENT ON COLUMN ai_usage_logs.decision IS
  'Admitted: as asked; Replaced: with another model, by the ladder or of a virtual model; Fallback: CheapestModel, after money refused; Shadowed: would have been refused but for Shadow; Bounded: from a share, while Redis was away';

-- +goose Down
ALTER TABLE ai_usage_logs DROP COLUMN decision;
