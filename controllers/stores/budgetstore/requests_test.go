package budgetstore_test

import (
	"testing"

	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestNobodyCrowdsOutRequests: however many requests there are of a tenant that nobody can be told of,
// because its budget is not accepted, those of other tenants are found.
func TestNobodyCrowdsOutRequests(t *testing.T) {
	dsn := twoTenants(t)
	admin := connectTo(t, dsn)
	_, err := admin.Exec(t.Context(), `
INSERT INTO budget_requests (tenant_id, user_id, requested_by, limit_name, amount, expires_at, reason)
SELECT 'acme', 'user-' || n, 'x', 'daily', '1.00', now() + interval '1 day', 'more' FROM generate_series(1, 1500) AS n
UNION ALL SELECT 'globex', 'gus', 'x', 'daily', '1.00', now() + interval '1 day', 'more'`)
	testkit.Must(t, err)
	untold, err := budgetstore.NewRequests(poolAs(t, dsn, "bursar_manager")).Untold(t.Context())
	testkit.Must(t, err)
	of := map[string]int{}
	for _, one := range untold {
		of[one.Tenant]++
	}
	if of["globex"] != 1 || of["acme"] != 999 {
		t.Errorf("found requests by tenant: %v, want 999 of acme and the one of globex", of)
	}
}
