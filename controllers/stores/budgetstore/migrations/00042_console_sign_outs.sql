-- Who signs out of a console is signed out at all of them.

-- +goose Up
-- console_sign_outs: sessions that were ended before the token in them expires. It has nothing of
-- any tenant or person.
CREATE TABLE console_sign_outs (
  session_id    text PRIMARY KEY CHECK (length(session_id) BETWEEN 1 AND 64),
  session_until timestamptz NOT NULL
);
COMMENT ON COLUMN console_sign_outs.session_id IS 'of the cookie, in which it is encrypted; who knows it cannot make one';
COMMENT ON COLUMN console_sign_outs.session_until IS 'when the token of the session expires, after which the row is of no use';

ALTER TABLE console_sign_outs ENABLE ROW LEVEL SECURITY;
ALTER TABLE console_sign_outs FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, DELETE ON console_sign_outs TO bursar_console;
CREATE POLICY console_reads ON console_sign_outs FOR SELECT TO bursar_console USING (true);
CREATE POLICY console_adds ON console_sign_outs FOR INSERT TO bursar_console WITH CHECK (true);
-- No console brings a session back.
CREATE POLICY console_forgets ON console_sign_outs FOR DELETE TO bursar_console USING (session_until < now());

-- +goose Down
DROP TABLE console_sign_outs;
