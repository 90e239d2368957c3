package ledger_test

import (
	"context"
	"testing"
	"time"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/enforcer/ledger"
)

// refusal is a refused call in which no two numbers are the same.
func refusal(id string) ledgerv1.Refusal {
	resets := admitted.Add(12 * time.Hour)
	return ledgerv1.Refusal{
		CallID: id, Tenant: "acme", User: "gerente-1", Tier: "gerente", Credential: "acme/gerente-1-key", Actor: "server",
		ModelAsked: "auto", Model: "mini", Endpoint: "/v1/chat/completions", RefusedAt: admitted,
		Reason: "BudgetExhausted", LimitTenant: "group", Limit: "daily", Per: "Tenant",
		Period: "Day", Amount: new(money.USD), Spent: new(80 * money.Cent), Held: new(15 * money.Cent), ResetsAt: &resets,
		Bound: 6 * money.Cent, Tokens: 16, Fallback: "Message", Session: "session-1",
	}
}

// record runs a RefusalWriter until the test ends.
func record(t *testing.T, db ledger.Database) *ledger.RefusalWriter {
	t.Helper()
	r := ledger.NewRefusalWriter(db, discard)
	untilTheEnd(t, r.Run)
	return r
}

func recorded(t *testing.T, r *ledger.RefusalWriter) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := r.Flush(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestRefusalRows(t *testing.T) {
	db := newDatabase(t, server)
	r := record(t, db.enforcer)
	byRate := refusal("by-rate")
	byRate.Reason, byRate.Limit, byRate.Per, byRate.Fallback = "RateLimited", "tiers/gerente", "User", ""
	byRate.Groups, byRate.Labels, byRate.LimitGroup = []string{"eu, west", "research"}, map[string]string{"cost-centre": "4711"}, "research"
	byRate.Period, byRate.Amount, byRate.Spent, byRate.Held, byRate.ResetsAt = "", nil, nil, nil, nil
	byRate.Ancestors = []string{"region", "group"}
	byRate.Unit, byRate.RetryAfter = "requests", new(2250*time.Millisecond)
	r.Add(refusal("by-money"))
	r.Add(byRate)
	r.Add(refusal("by-money")) // a repeat
	recorded(t, r)
	row := map[string]any{
		"call_id": "by-money", "tenant_id": "acme", "user_id": "gerente-1", "tier": "gerente", "credential": "acme/gerente-1-key", "identity_provider": "", "subject": "", "actor": "server",
		"ancestors": []any{}, "groups": []any{}, "labels": map[string]any{}, "limit_group": "", "model_asked": "auto", "model": "mini", "endpoint": "/v1/chat/completions", "refused_at": "2026-11-23T12:00:00.123456+00:00",
		"reason": "BudgetExhausted", "limit_tenant": "group", "limit_name": "daily", "per": "Tenant", "period": "Day",
		"amount_nanos": 1e9, "spent_nanos": 8e8, "held_nanos": 15e7, "resets_at": "2026-11-24T00:00:00.123456+00:00",
		"unit": "", "retry_after_ms": nil, "bound_nanos": 6e7, "tokens": 16.0, "fallback": "Message", "session": "session-1",
	}
	wantRow(t, db, "ai_refusals", row)
	for column, value := range map[string]any{
		"call_id": "by-rate", "reason": "RateLimited", "limit_name": "tiers/gerente", "per": "User", "fallback": "",
		"period": "", "amount_nanos": nil, "spent_nanos": nil, "held_nanos": nil, "resets_at": nil,
		"unit": "requests", "retry_after_ms": 2250.0,
		"groups": []any{"eu, west", "research"}, "labels": map[string]any{"cost-centre": "4711"}, "limit_group": "research",
		"ancestors": []any{"region", "group"},
	} {
		row[column] = value
	}
	wantRow(t, db, "ai_refusals", row)
}

// TestFloodOfRefusals: refusals for which there is no room in memory are left out and counted, and
// so are those that the database rejects; the rest is on record.
func TestFloodOfRefusals(t *testing.T) {
	db := newDatabase(t, server)
	r := ledger.NewRefusalWriter(db.enforcer, discard) // which does not run yet
	nonsense := refusal("nonsense")
	nonsense.Reason = "Nonsense" // against a check
	r.Add(nonsense)
	for i := range ledger.MaxRefusals + 5 {
		r.Add(refusal(number(i)))
	}
	if got := r.LeftOut(); got != 6 {
		t.Errorf("%d refusals left out, want 6", got)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go r.Run(ctx)
	recorded(t, r)
	var rows int64
	if err := db.admin.QueryRow(t.Context(), "SELECT count(*) FROM ai_refusals").Scan(&rows); err != nil {
		t.Fatal(err)
	}
	if want := int64(ledger.MaxRefusals - 1); rows != want || r.Recorded() != want || r.LeftOut() != 7 {
		t.Errorf("%d rows, %d counted as recorded and %d as left out; want %d, the same and 7", rows, r.Recorded(), r.LeftOut(), want)
	}
}
