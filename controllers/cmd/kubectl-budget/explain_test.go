package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/hack/testkit"
	"github.com/bursar-dev/bursar/hack/testkit/objects"
	"github.com/bursar-dev/bursar/history"
)

func TestExplain(t *testing.T) {
	namespace(t, "explained")
	budget(t, "explained")
	at := time.Now().Add(-time.Minute).Truncate(time.Millisecond)
	for _, statement := range []string{
		`INSERT INTO tenants (tenant_id, namespace, budget, budget_uid, generation, time_zone) VALUES ('explained', 'explained', 'explained', 'u', 1, 'UTC')`,
		`INSERT INTO budget_limits (tenant_id, limit_name, per, period, time_zone, amount_nanos, budget_uid, generation, valid_from, trip_nanos)
		 VALUES ('explained', 'daily', 'Tenant', 'Year', 'UTC', 1000000000, 'u', 1, now() - interval '1 day', 900000000),
		        ('explained', 'each', 'User', 'Year', 'UTC', 500000000, 'u', 1, now() - interval '1 day', NULL)`,
	} {
		if _, err := ledger.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	admitted(t, "explained-1", "explained", "ana", at.Add(-time.Minute))
	admitted(t, "explained-2", "explained", "bo", at.Add(-time.Millisecond)) // open when the next one came
	admitted(t, "explained-3", "explained", "ana", at)
	refusedCall(t, "explained-4", "explained", at.Add(time.Second))

	if _, err := ledger.Exec(t.Context(), `UPDATE ai_usage_logs SET priced_as = 'MostExpensive' WHERE call_id = 'explained-2'`); err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.Exec(t.Context(), `UPDATE ai_usage_logs SET output_lowered_by = 'Fit', max_output_tokens = 2048, service_tier = 'priority',
		price_properties = 'inference_geo=us&speed=', fee_uses = 'web_search=3' WHERE call_id = 'explained-1'`); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"The provider was asked for 2048 output tokens at most: no more had room in the limits (fit).",
		"Its price includes service tier priority, the multiplier of inference_geo us, 3 times the fee web_search.",
	} {
		if stdout, _, err := budgeted(t, "explain", "explained-1", "-n", "explained"); err != nil || !strings.Contains(stdout, want) {
			t.Errorf("error %v; it does not say %q; printed\n%s", err, want, stdout)
		}
		if stdout, _, err := budgeted(t, "explain", "explained-3", "-n", "explained"); err != nil || strings.Contains(stdout, "at most: ") || strings.Contains(stdout, "Its price includes") {
			t.Errorf("error %v; of a call of which there is nothing to say; printed\n%s", err, stdout)
		}
	}
	if stdout, _, err := budgeted(t, "explain", "explained-1", "-n", "explained", "-o", "yaml"); err != nil || !strings.Contains(stdout, "maxTokens: 2048") || !strings.Contains(stdout, "web_search: 3") {
		t.Errorf("error %v; printed\n%s", err, stdout)
	}
	const guessed = "No ModelProvider listed gpt-4o: it was priced as the most expensive model of openai, so the provider's bill may differ."
	for id, want := range map[string]bool{"explained-1": false, "explained-2": true} {
		if stdout, _, err := budgeted(t, "explain", id, "-n", "explained"); err != nil || strings.Contains(stdout, guessed) != want {
			t.Errorf("%s: error %v, says that its price is a guess: %t, want %t; printed\n%s", id, err, !want, want, stdout)
		}
	}

	// Without the namespace, and with another one's, it is found all the same.
	namespace(t, "elsewhere")
	budget(t, "elsewhere")
	if stdout, _, err := budgeted(t, "explain", "explained-1", "-n", "elsewhere"); err != nil || !strings.Contains(stdout, "of tenant explained") {
		t.Errorf("from another namespace: error %v, printed\n%s", err, stdout)
	}
	for decision, want := range map[string]string{"Replaced": "which a Downgrade rung that was reached puts in its place", "Chosen": "a virtual model (virtualModels)"} {
		if _, err := ledger.Exec(t.Context(), `UPDATE ai_usage_logs SET decision = $1, model_asked = 'auto' WHERE call_id = 'explained-1'`, decision); err != nil {
			t.Fatal(err)
		}
		if stdout, _, err := budgeted(t, "explain", "explained-1"); err != nil || !strings.Contains(stdout, want) {
			t.Errorf("%s: error %v, printed\n%s", decision, err, stdout)
		}
	}

	for _, tc := range []struct {
		id, verdict string
		limits      []standing
	}{
		{"explained-3", "admitted", []standing{
			{Limit: "explained/daily", Per: "Tenant", Period: "Year", Spent: "0.08", Held: "0.10", Bound: "0.10", Amount: "1.00", TripsAt: "0.90", Verdict: "fits"},
			{Limit: "explained/each", Per: "User", Owner: "ana", Period: "Year", Spent: "0.08", Held: "0.00", Bound: "0.10", Amount: "0.50", Verdict: "fits"},
		}},
		{"explained-4", "refused", []standing{
			{Limit: "explained/daily", Per: "Tenant", Period: "Year", Spent: "0.94", Held: "0.01", Bound: "0.10", Amount: "1.00", TripsAt: "0.90", Exact: true, Verdict: "refused: BudgetExhausted"},
			{Limit: "explained/each", Per: "User", Owner: "ana", Period: "Year", Spent: "0.16", Held: "0.00", Bound: "0.10", Amount: "0.50", Verdict: "fits"},
		}},
	} {
		t.Run(tc.id, func(t *testing.T) {
			stdout, _, err := budgeted(t, "explain", tc.id, "-n", "explained", "-o", "json")
			var got explanation
			if err != nil || json.Unmarshal([]byte(stdout), &got) != nil || got.Verdict != tc.verdict || len(got.Limits) != len(tc.limits) {
				t.Fatalf("error %v, printed %s", err, stdout)
			}
			for i, want := range tc.limits {
				if got.Limits[i] != want {
					t.Errorf("got %+v, want %+v", got.Limits[i], want)
				}
			}
			if stdout, _, err = budgeted(t, "explain", tc.id, "--tenant", "explained"); err != nil || !strings.Contains(stdout, "how full the buckets of rate limits were") {
				t.Errorf("error %v, printed\n%s", err, stdout)
			}
		})
	}
}

// TestExplainBelow: the limits of the tenants above stand beside those of a call that was refused.
func TestExplainBelow(t *testing.T) {
	namespace(t, "holding")
	budget(t, "holding")
	namespace(t, "department")
	child := objects.TenantBudget("department")
	child.Name, child.Spec.ParentRef = "department", &v1alpha1.ParentRef{Namespace: "holding", Name: "holding"}
	testkit.Must(t, api.Create(t.Context(), child))
	for _, tenant := range []string{"holding", "department"} {
		_, err := ledger.Exec(t.Context(), `INSERT INTO tenants (tenant_id, namespace, budget, budget_uid, generation, time_zone) VALUES ($1, $1, $1, 'u', 1, 'UTC')`, tenant)
		testkit.Must(t, err)
		_, err = ledger.Exec(t.Context(), `
INSERT INTO budget_limits (tenant_id, limit_name, per, period, time_zone, amount_nanos, budget_uid, generation, valid_from, trip_nanos)
VALUES ($1, 'daily', 'Tenant', 'Year', 'UTC', 1000000000, 'u', 1, now() - interval '1 day', 900000000)`, tenant)
		testkit.Must(t, err)
	}
	refusedCall(t, "department-1", "department", time.Now().Add(-time.Minute))
	stdout, _, err := budgeted(t, "explain", "department-1", "-n", "department")
	if err != nil || !strings.Contains(stdout, "department/daily") || !strings.Contains(stdout, "holding/daily") {
		t.Errorf("error %v, printed\n%s", err, stdout)
	}
}

func TestExplanation(t *testing.T) {
	e := explanation{
		Call: "01900a5c-3f0e-7cc3-98c4-dc0c0c07398f", Verdict: "refused", At: noon, Tenant: "acme", User: "ana@example.com", Tier: "gerente",
		APIKey: "acme/ana", Asked: "auto", Model: "gpt-4o", Endpoint: "/v1/chat/completions", Bound: "0.10",
		Why: []string{"Limit acme/daily had reached its Trip rung: 4.60 of 5.00 spent. Its next period began at 2026-11-25T03:00:00Z."},
		Limits: []standing{
			{Limit: "acme/daily", Per: "Tenant", Period: "Day", Spent: "4.60", Held: "0.00", Bound: "0.10", Amount: "5.00", TripsAt: "4.50", Exact: true, Verdict: "refused: BreakerOpen"},
			{Limit: "acme/each-user", Per: "User", Period: "Month", Spent: "1.00", Held: "0.20", Bound: "0.10", Amount: "50.00", Verdict: "fits"},
		},
		Unknown: []string{"how full the buckets of rate limits were at that moment"},
	}
	var text strings.Builder
	e.write(&text)
	golden(t, "explain.txt", text.String())
}

// TestCallerWithAToken: a call that was made without an APIKey is not said to be made with one.
func TestCallerWithAToken(t *testing.T) {
	e := explanation{Tenant: "acme", User: "ana@example.com", IdentityProvider: "stack-auth", Subject: "f3f0"}
	const want = "user ana@example.com, tier -, of tenant acme, with a token of IdentityProvider stack-auth, subject f3f0"
	if got := e.caller(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestCallerForAnother: a call that was made for another is said to be, and by whom.
func TestCallerForAnother(t *testing.T) {
	e := explanation{Tenant: "acme", User: "ana", Tier: "gerente", APIKey: "acme/shop", Actor: "shop"}
	const want = "user ana, tier gerente, of tenant acme, named by shop, who acts for others with APIKey acme/shop"
	if got := e.caller(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestWhyNeverFits: a call that is larger than a limit is not told to wait for a new period.
func TestWhyNeverFits(t *testing.T) {
	refused := history.LimitRefusal{Reason: ledgerv1.BudgetExhausted, Tenant: "acme", Limit: "daily", Amount: 5 * money.USD, Spent: money.USD, ResetsAt: noon}
	for bound, want := range map[money.Nanos]string{
		6 * money.USD: "Limit acme/daily never fits the call, whose bound of 6.00 is more than its whole amount, 5.00: " +
			"lower the output that it asks for (max_tokens), or raise the limit.",
		5 * money.USD: "Limit acme/daily had too little left: 1.00 spent, 0.00 held and the call's bound of 5.00 are more than 5.00. " +
			"Its next period began at 2026-11-24T12:00:00Z.",
	} {
		if got := whyRefused(history.Call{Bound: bound}, &refused); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
