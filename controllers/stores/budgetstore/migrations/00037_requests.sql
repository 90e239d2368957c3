-- People ask for more than a limit gives them, and admins approve or decline that.

-- +goose Up

-- budget_requests: what people ask for. Rows are added, and never changed.
CREATE TABLE budget_requests (
  request_id   uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id    text NOT NULL REFERENCES tenants,
  user_id      text NOT NULL CHECK (length(user_id) > 0),
  requested_by text NOT NULL,
  limit_name   text NOT NULL,
  amount       text NOT NULL CHECK (length(amount) <= 32),
  expires_at   timestamptz NOT NULL,
  reason       text NOT NULL CHECK (length(reason) BETWEEN 1 AND 512),
  requested_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX budget_requests_tenant ON budget_requests (tenant_id, requested_at, request_id);
COMMENT ON COLUMN budget_requests.user_id IS 'who asks, for whom the grant would be';
COMMENT ON COLUMN budget_requests.requested_by IS 'what their credential proves';
COMMENT ON COLUMN budget_requests.amount IS 'how much more in each period of the limit, in the currency of the budget, as it is written';
COMMENT ON COLUMN budget_requests.expires_at IS 'until when they ask for it';

-- budget_decisions: what became of them, once for each. Rows are added, and never changed.
CREATE TABLE budget_decisions (
  request_id uuid PRIMARY KEY REFERENCES budget_requests,
  tenant_id  text NOT NULL REFERENCES tenants,
  approved   boolean NOT NULL,
  decided_by text NOT NULL,
  reason     text NOT NULL DEFAULT '' CHECK (length(reason) <= 512),
  namespace  text NOT NULL DEFAULT '',
  grant_name text NOT NULL DEFAULT '',
  decided_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CHECK (approved = (grant_name <> ''))
);
CREATE INDEX budget_decisions_tenant ON budget_decisions (tenant_id);
COMMENT ON COLUMN budget_decisions.grant_name IS 'the BudgetGrant in the namespace, of what was approved';

ALTER TABLE budget_requests ENABLE ROW LEVEL SECURITY;
ALTER TABLE budget_requests FORCE ROW LEVEL SECURITY;
ALTER TABLE budget_decisions ENABLE ROW LEVEL SECURITY;
ALTER TABLE budget_decisions FORCE ROW LEVEL SECURITY;

GRANT SELECT ON budget_requests, budget_decisions TO bursar_manager, bursar_reader;
CREATE POLICY manager ON budget_requests FOR SELECT TO bursar_manager USING (true);
CREATE POLICY manager ON budget_decisions FOR SELECT TO bursar_manager USING (true);
CREATE POLICY reader ON budget_requests FOR SELECT TO bursar_reader
  USING (tenant_id = (SELECT reader_tenant(true))
         AND (current_setting('bursar.role', true) = 'admin'
              OR user_id = current_setting('bursar.user_id', true)));
-- Who sees a request sees what became of it.
CREATE POLICY reader ON budget_decisions FOR SELECT TO bursar_reader
  USING (tenant_id = (SELECT reader_tenant(true))
         AND EXISTS (SELECT FROM budget_requests AS r WHERE r.request_id = budget_decisions.request_id));

-- bursar_console adds what the user asks for whom its settings name, and what an admin of the
-- tenant decides. What it refers to it must see, as a member of bursar_reader.
GRANT INSERT (tenant_id, user_id, requested_by, limit_name, amount, expires_at, reason) ON budget_requests TO bursar_console;
GRANT INSERT (request_id, tenant_id, approved, decided_by, reason, namespace, grant_name) ON budget_decisions TO bursar_console;
CREATE POLICY console ON budget_requests FOR INSERT TO bursar_console
  WITH CHECK (tenant_id = (SELECT reader_tenant(true)) AND user_id = current_setting('bursar.user_id', true));
CREATE POLICY console ON budget_decisions FOR INSERT TO bursar_console
  WITH CHECK (tenant_id = (SELECT reader_tenant(true)) AND current_setting('bursar.role', true) = 'admin'
              AND EXISTS (SELECT FROM budget_requests AS r WHERE r.request_id = budget_decisions.request_id AND r.tenant_id = budget_decisions.tenant_id));

-- +goose Down
DROP TABLE budget_decisions;
DROP TABLE budget_requests;
