-- What else a limit was, beside its amount: for whoever asks why a call was refused.

-- +goose Up
ALTER TABLE budget_limits
  ADD COLUMN tiers      text[] NOT NULL DEFAULT '{}',
  ADD COLUMN models     text[] NOT NULL DEFAULT '{}',
  ADD COLUMN trip_nanos bigint;
COMMENT ON COLUMN budget_limits.tiers IS 'of users whose calls counted; none means all';
COMMENT ON COLUMN budget_limits.models IS 'calls of which counted; none means all';
COMMENT ON COLUMN budget_limits.trip_nanos IS 'spent, in nano-USD, from which on calls were refused; null where no rung tripped';

-- +goose Down
ALTER TABLE budget_limits DROP COLUMN trip_nanos, DROP COLUMN models, DROP COLUMN tiers;
