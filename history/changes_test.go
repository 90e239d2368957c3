package history_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/history"
)

// TestChanges: what was recorded of a budget, step by step, is told as changes from what to what, by whom.
func TestChanges(t *testing.T) {
	admin, reader := ledger(t, "bursar_reader")
	limits, requests := budgetstore.NewLimits(admin), budgetstore.NewChanges(admin)
	generation := int64(0)
	step := func(user, enforcement, forced string, money ...limiterv1.MoneyLimit) {
		t.Helper()
		generation++
		b := budgetstore.Budget{Namespace: "acme", Name: "main", UID: "u", Generation: generation, Level: limiterv1.Level{Tenant: "acme", TimeZone: "UTC", Money: money}}
		b.Change = &budgetstore.Change{ResourceVersion: fmt.Sprint(100 + generation), Gist: fmt.Sprint(generation), FieldManager: "kubectl", Enforcement: enforcement, BreakerForced: forced}
		request := budgetstore.ChangeRequest{UID: "u", Generation: generation, Gist: b.Change.Gist, User: user}
		if err := requests.Asked(t.Context(), request); err != nil {
			t.Fatal(err)
		}
		if err := limits.Record(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	daily := func(amount money.Nanos) limiterv1.MoneyLimit {
		return limiterv1.MoneyLimit{Name: "daily", Per: limiterv1.PerTenant, Period: "Day", Amount: amount}
	}
	each := limiterv1.MoneyLimit{Name: "each", Per: limiterv1.PerUser, Period: "Month", Amount: money.USD, Selector: limiterv1.Selector{Tiers: []string{"gerente"}}}
	step("ana", "Enforce", "", daily(5*money.USD), each)
	step("bo", "Enforce", "", daily(50*money.USD), each)
	step("cy", "Shadow", "", daily(50*money.USD))
	step("dee", "Enforce", "Closed", daily(50*money.USD))
	if err := requests.Asked(t.Context(), budgetstore.ChangeRequest{UID: "u", Generation: 4, Gist: budgetstore.GistOfDeletion, User: "eve"}); err != nil {
		t.Fatal(err)
	}
	if err := limits.Close(t.Context(), "acme", "u"); err != nil {
		t.Fatal(err)
	}
	changes, err := reader.Changes(t.Context(), "acme", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range changes {
		got = append(got, fmt.Sprintf("%d %s %s: %q -> %q %s/%s %s", c.Generation, strings.Join(c.By, ","), c.Limit, c.From, c.To, c.Namespace, c.Budget, c.ResourceVersion))
	}
	want := []string{
		`1 ana daily: "" -> "5.00 USD per Day" acme/main 101`,
		`1 ana each: "" -> "1.00 USD per Month for each user, tiers gerente" acme/main 101`,
		`2 bo daily: "5.00 USD per Day" -> "50.00 USD per Day" acme/main 102`,
		`3 cy : "enforcement: Enforce" -> "enforcement: Shadow" acme/main 103`,
		`3 cy each: "1.00 USD per Month for each user, tiers gerente" -> "" acme/main 103`,
		`4 dee : "enforcement: Shadow" -> "enforcement: Enforce" acme/main 104`,
		`4 dee : "breaker.forced: unset" -> "breaker.forced: Closed" acme/main 104`,
		`4 eve daily: "50.00 USD per Day" -> "" acme/main `,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	last := changes[len(changes)-1].At
	if since, err := reader.Changes(t.Context(), "acme", last); err != nil || len(since) != 1 {
		t.Errorf("since the last: error %v, %d changes, want 1", err, len(since))
	}
	if none, err := reader.Changes(t.Context(), "globex", time.Time{}); err != nil || len(none) != 0 {
		t.Errorf("of another tenant: error %v, %+v", err, none)
	}
}

// TestChangesOfGrants: a grant is a change of its limit, and so is its end before its time.
func TestChangesOfGrants(t *testing.T) {
	admin, reader := ledger(t, "bursar_reader")
	exec(t, admin, `INSERT INTO budget_grants (grant_uid, tenant_id, namespace, grant_name, limit_name, user_id, amount_nanos, reason, expires_at, created_at, withdrawn_at, created_by)
VALUES ('1', 'acme', 'acme', 'more', 'daily', 'ana', 500000000, 'The report is due.', $2, $1, $1::timestamptz + interval '1 minute', '{bo}')`, noon, noon.Add(time.Hour))
	changes, err := reader.Changes(t.Context(), "acme", time.Time{})
	want := []history.LimitChange{
		{At: noon, Limit: "daily", To: "granted 0.50 USD more for user ana until 2026-11-24T13:00:00Z (BudgetGrant more): The report is due.", By: []string{"bo"}, Namespace: "acme", Budget: "more", Generation: 1},
		{At: noon.Add(time.Minute), Limit: "daily", From: "granted 0.50 USD more for user ana (BudgetGrant more)", Namespace: "acme", Budget: "more", Generation: 1},
	}
	if diff := cmp.Diff(want, changes, sameMoment); err != nil || diff != "" {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
}

// TestChangesOfRates: a rate limit is told as changes from what to what, by whom, with its policy.
func TestChangesOfRates(t *testing.T) {
	admin, reader := ledger(t, "bursar_reader")
	later := noon.Add(time.Hour)
	exec(t, admin, "INSERT INTO tenants (tenant_id, namespace, budget, budget_uid, generation, time_zone) VALUES ('acme', 'acme', 'main', 'u', 1, 'UTC')")
	exec(t, admin, `INSERT INTO rate_limits (tenant_id, limit_name, terms, namespace, policy, policy_uid, generation, seen_generation, opened_by, closed_by, valid_from, valid_to)
VALUES ('acme', 'chat/each', '20 requests per 1m', 'acme', 'chat', 'p', 1, 1, '{ana}', '{bo}', $1, $2), ('acme', 'chat/each', '50 requests per 1m', 'acme', 'chat', 'p', 2, 2, '{bo}', '{cy}', $2, $3)`,
		noon, later, later.Add(time.Hour))
	changes, err := reader.Changes(t.Context(), "acme", time.Time{})
	want := []history.LimitChange{
		{At: noon, Limit: "chat/each", To: "20 requests per 1m", By: []string{"ana"}, Namespace: "acme", Budget: "chat", IsRate: true, Generation: 1},
		{At: later, Limit: "chat/each", From: "20 requests per 1m", To: "50 requests per 1m", By: []string{"bo"}, Namespace: "acme", Budget: "chat", IsRate: true, Generation: 2},
		{At: later.Add(time.Hour), Limit: "chat/each", From: "50 requests per 1m", By: []string{"cy"}, Namespace: "acme", Budget: "chat", IsRate: true, Generation: 2},
	}
	if diff := cmp.Diff(want, changes, sameMoment); err != nil || diff != "" {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
}
