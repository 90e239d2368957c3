-- Which manager rebuilds the limiter.

-- +goose Up

ALTER TABLE limiter_epoch
  ADD COLUMN rebuilder text NOT NULL DEFAULT '',
  ADD COLUMN rebuilder_until timestamptz NOT NULL DEFAULT '-infinity';
COMMENT ON COLUMN limiter_epoch.rebuilder IS 'the manager whose turn it is to rebuild the limiter, until rebuilder_until';

-- +goose Down
ALTER TABLE limiter_epoch DROP COLUMN rebuilder, DROP COLUMN rebuilder_until;
