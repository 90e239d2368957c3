-- What is still to be added to the sums is read by when it was: while the manager is behind, a page that asks
-- for thirty days read all that there is of a tenant thirty times.

-- +goose Up
CREATE INDEX usage_changes_starts ON usage_changes (tenant_id, starts_at);
DROP INDEX usage_changes_tenant;

-- +goose Down
CREATE INDEX usage_changes_tenant ON usage_changes (tenant_id);
DROP INDEX usage_changes_starts;
