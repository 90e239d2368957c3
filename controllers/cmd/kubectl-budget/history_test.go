package main

import (
	"strings"
	"testing"
)

// TestHistory: it is shown who changed a limit, from what to what; what is not on record is told as such.
func TestHistory(t *testing.T) {
	if _, err := ledger.Exec(t.Context(), `
INSERT INTO tenants (tenant_id, namespace, budget, budget_uid, generation, time_zone) VALUES ('told', 'n', 'b', 'u-told', 2, 'UTC');
INSERT INTO budget_limits (tenant_id, limit_name, per, period, time_zone, amount_nanos, budget_uid, generation, valid_from, valid_to) VALUES
  ('told', 'daily', 'Tenant', 'Day', 'UTC', 5000000000, 'u-told', 1, '2025-10-01 00:00Z', '2025-10-02 00:00Z'),
  ('told', 'daily', 'Tenant', 'Day', 'UTC', 50000000000, 'u-told', 2, '2025-10-02 00:00Z', NULL);
INSERT INTO budget_changes (tenant_id, namespace, budget, budget_uid, generation, change, changed_by, field_manager, enforcement, recorded_at) VALUES
  ('told', 'n', 'b', 'u-told', 2, 'Set', '{ana@example.com}', 'kubectl-edit', 'Enforce', '2025-10-02 00:00Z')`); err != nil {
		t.Fatal(err)
	}
	stdout, _, err := budgeted(t, "history", "--tenant", "told")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(stdout, "\n")
	for i, want := range [][]string{
		{"AT", "LIMIT", "BY", "CHANGE"},
		{"2025-10-01T00:00:00Z", "daily", " - ", "5.00 USD per Day"},
		{"2025-10-02T00:00:00Z", "daily", "ana@example.com", "kubectl-edit", "5.00 USD per Day -> 50.00 USD per Day"},
	} {
		for _, word := range want {
			if i >= len(lines) || !strings.Contains(lines[i], word) {
				t.Errorf("line %d lacks %q; printed\n%s", i, word, stdout)
			}
		}
	}
	stdout, _, err = budgeted(t, "history", "--tenant", "told", "--since", "1h")
	if err != nil || !strings.HasPrefix(stdout, "No limit of tenant told was changed since 20") || !strings.Contains(stdout, "without --since, all changes are shown") {
		t.Errorf("error %v, printed\n%s", err, stdout)
	}
	if _, _, err := budgeted(t, "history", "--tenant", "told", "--since", "lately"); err == nil || !strings.Contains(err.Error(), "--since") {
		t.Errorf("got %v, want to be told what is wrong", err)
	}
}
