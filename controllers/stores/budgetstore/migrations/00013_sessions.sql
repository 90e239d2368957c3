-- Who lives and what is open, for when Redis is out of an enforcer's reach.

-- +goose Up

ALTER TABLE limiter_epoch ADD COLUMN begun bigint NOT NULL DEFAULT 0;
UPDATE limiter_epoch SET begun = opened;
COMMENT ON COLUMN limiter_epoch.begun IS 'the newest that was begun: while it is greater than opened, sessions are to announce their open calls for it';
GRANT SELECT (begun, opened) ON limiter_epoch TO bursar_enforcer;
CREATE POLICY enforcer ON limiter_epoch FOR SELECT TO bursar_enforcer USING (true);

-- limiter_sessions: the sessions of enforcers, and when each last said that it lives.
CREATE TABLE limiter_sessions (
  session  text PRIMARY KEY,
  beat_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  has_left boolean NOT NULL DEFAULT false
);
COMMENT ON COLUMN limiter_sessions.has_left IS 'it has nothing open, and nobody waits for it';

-- limiter_announcements: which sessions have announced here, for which epoch.
CREATE TABLE limiter_announcements (
  session text NOT NULL,
  epoch   bigint NOT NULL,
  PRIMARY KEY (session, epoch)
);

-- limiter_announced_calls: what they had open then, or settled and not in the ledger.
CREATE TABLE limiter_announced_calls (
  session text NOT NULL,
  epoch   bigint NOT NULL,
  shard   integer NOT NULL,
  call_id text NOT NULL,
  record  bytea NOT NULL,
  PRIMARY KEY (session, epoch, call_id)
);
COMMENT ON COLUMN limiter_announced_calls.record IS 'of the call, as it is to stand in Redis';

ALTER TABLE limiter_sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE limiter_sessions FORCE ROW LEVEL SECURITY;
ALTER TABLE limiter_announcements ENABLE ROW LEVEL SECURITY;
ALTER TABLE limiter_announcements FORCE ROW LEVEL SECURITY;
ALTER TABLE limiter_announced_calls ENABLE ROW LEVEL SECURITY;
ALTER TABLE limiter_announced_calls FORCE ROW LEVEL SECURITY;

-- Enforcers say that they live, which takes the right to find their own row. They do not
-- read what others have announced.
GRANT SELECT (session), INSERT (session), UPDATE (beat_at, has_left) ON limiter_sessions TO bursar_enforcer;
CREATE POLICY enforcer ON limiter_sessions TO bursar_enforcer USING (true) WITH CHECK (true);
GRANT INSERT ON limiter_announcements, limiter_announced_calls TO bursar_enforcer;
CREATE POLICY enforcer ON limiter_announcements FOR INSERT TO bursar_enforcer WITH CHECK (true);
CREATE POLICY enforcer ON limiter_announced_calls FOR INSERT TO bursar_enforcer WITH CHECK (true);

GRANT SELECT, DELETE ON limiter_sessions, limiter_announcements, limiter_announced_calls TO bursar_manager;
CREATE POLICY manager ON limiter_sessions TO bursar_manager USING (true) WITH CHECK (true);
CREATE POLICY manager ON limiter_announcements TO bursar_manager USING (true) WITH CHECK (true);
CREATE POLICY manager ON limiter_announced_calls TO bursar_manager USING (true) WITH CHECK (true);

-- +goose Down
DROP TABLE limiter_announced_calls;
DROP TABLE limiter_announcements;
DROP TABLE limiter_sessions;
DROP POLICY enforcer ON limiter_epoch;
REVOKE SELECT (begun, opened) ON limiter_epoch FROM bursar_enforcer;
ALTER TABLE limiter_epoch DROP COLUMN begun;
