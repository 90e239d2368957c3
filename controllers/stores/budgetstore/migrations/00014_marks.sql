-- How far the data of Redis had come.

-- +goose Up
ALTER TABLE limiter_epoch ADD COLUMN marks jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN limiter_epoch.marks IS 'high-water marks: shard -> number. Data of Redis with a smaller one has gone back';

-- +goose Down
ALTER TABLE limiter_epoch DROP COLUMN marks;
