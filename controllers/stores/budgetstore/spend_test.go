package budgetstore_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/hack/parts/postgres"
)

// spent puts calls of a company, its region and that one's team into a ledger.
func spent(t *testing.T, admin *pgxpool.Pool) {
	t.Helper()
	exec(t, admin, `
INSERT INTO ai_usage_logs (call_id, tenant_id, ancestors, user_id, tier, credential, provider, model_asked, model, model_used,
  endpoint, streamed, admitted_at, outcome, input_tokens, output_tokens, held_nanos, cost_nanos, session)
VALUES
  ('1', 'company',  '{}',             'ana', 'director', 'k', 'openai',    'gpt', 'gpt',    'gpt-1',  '/', false, '2026-09-30 23:59:59.999Z', 'Settled',     1, 2, 9, 1, 's'),
  ('2', 'company',  '{}',             'ana', 'director', 'k', 'openai',    'gpt', 'gpt',    'gpt-1',  '/', false, '2026-10-01 00:00Z',        'Settled',     1, 2, 9, 2, 's'),
  ('3', 'emea',     '{company}',      'bo',  'gerente',  'k', 'openai',    'gpt', 'gpt',    'gpt-1',  '/', false, '2026-10-15 12:00Z',        'ChargedHold', 0, 0, 4, 4, 's'),
  ('4', 'research', '{emea,company}', 'cy',  'empleado', 'k', 'anthropic', 'a',   'claude', 'claude', '/', false, '2026-10-31 23:59:59.999Z', 'Settled',     3, 4, 9, 8, 's'),
  ('5', 'research', '{emea,company}', 'cy',  'empleado', 'k', 'anthropic', 'a',   'claude', 'claude', '/', false, '2026-11-01 00:00Z',        'Settled',     3, 4, 9, 16, 's')`)
}

// TestFinance: a member of bursar_finance reads what all tenants spent, to the nano-dollar, with
// children below their parents, and reads nothing else.
func TestFinance(t *testing.T) {
	dsn := migrated(t)
	spent(t, connectTo(t, dsn))
	finance := poolAs(t, dsn, "bursar_finance")
	checkRows(t, finance, "calls", "SELECT call_id, ' ', path, ' ', provider_model, ' ', estimated, ' ', cost_usd::text FROM spend ORDER BY call_id", []string{
		"1 company gpt-1 false 0.000000001", "2 company gpt-1 false 0.000000002", "3 company/emea gpt-1 true 0.000000004",
		"4 company/emea/research claude false 0.000000008", "5 company/emea/research claude false 0.000000016",
	})
	checkRows(t, finance, "the month", "SELECT path, ' ', model, ' ', calls, ' ', input_tokens, ' ', output_tokens, ' ', cost_usd::text, ' ', estimated_usd::text FROM spend_by_month WHERE month = '2026-10-01' ORDER BY path", []string{
		"company gpt 1 1 2 0.000000002 0", "company/emea gpt 1 0 0 0.000000004 0.000000004", "company/emea/research claude 1 3 4 0.000000008 0",
	})
	checkRows(t, finance, "children under their parents", "SELECT path, ' ', tenant_id, ' ', depth, ' ', own_usd::text, ' ', with_children_usd::text FROM spend_with_children WHERE month = '2026-10-01' ORDER BY path", []string{
		"company company 1 0.000000002 0.000000014", "company/emea emea 2 0.000000004 0.000000012", "company/emea/research research 3 0.000000008 0.000000008",
	})
	for _, table := range []string{"ai_usage_logs", "ai_refusals", "tenants", "budget_limits", "budget_grants", "cost_alerts"} {
		refused(t, finance, insufficientPrivilege, "SELECT FROM "+table)
	}
}

// TestMigrateWithoutTheRightToMakeRoles: it says which role is missing, and what to run.
func TestMigrateWithoutTheRightToMakeRoles(t *testing.T) {
	fresh, err := postgres.Start(t.Context(), postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := fresh.Stop(); err != nil {
			t.Error(err)
		}
	})
	admin := connectTo(t, fresh.URL)
	exec(t, admin, "CREATE ROLE tenant LOGIN")
	for _, role := range []string{"bursar_owner", "bursar_manager", "bursar_enforcer", "bursar_reader"} {
		exec(t, admin, "CREATE ROLE "+role+" NOLOGIN")
	}
	exec(t, admin, "GRANT bursar_owner TO tenant")
	exec(t, admin, "GRANT USAGE, CREATE ON SCHEMA public TO bursar_owner")
	login := strings.Replace(fresh.URL, "postgres@", "tenant@", 1)
	const told = "there is no role bursar_finance, and tenant may not create it: as an administrator, run CREATE ROLE bursar_finance NOLOGIN"
	if err := budgetstore.Migrate(t.Context(), login); err == nil || !strings.Contains(err.Error(), told) {
		t.Errorf("got %v, want to be told %q", err, told)
	}
	exec(t, admin, "CREATE ROLE bursar_finance NOLOGIN; CREATE ROLE bursar_console NOLOGIN")
	if err := budgetstore.Migrate(t.Context(), login); err != nil {
		t.Error(err)
	}
}
