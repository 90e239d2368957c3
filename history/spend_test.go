package history_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"
	"pgregory.net/rapid"

	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/hack/testkit"
	"github.com/bursar-dev/bursar/history"
)

const insertSpend = `
INSERT INTO ai_usage_logs (call_id, tenant_id, ancestors, user_id, tier, credential, provider, model_asked, model, model_used,
  endpoint, streamed, admitted_at, outcome, input_tokens, output_tokens, held_nanos, cost_nanos, session)
VALUES ($1, $2, $3, $4, 'gerente', 'k', 'openai', $5, $5, $5, '/', false, $6, $7, 1, 2, $8, $8, 's')`

// tester is a *testing.T, or rapid's.
type tester interface {
	testkit.T
	Context() context.Context
}

func spent(t tester, admin *pgxpool.Pool, id, tenant string, ancestors []string, user, model string, at time.Time, outcome string, cost money.Nanos) {
	t.Helper()
	if _, err := admin.Exec(t.Context(), insertSpend, id, tenant, ancestors, user, model, at, outcome, cost); err != nil {
		t.Fatal(err)
	}
}

func TestSpend(t *testing.T) {
	admin, reader := ledger(t, "bursar_reader")
	october := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	spent(t, admin, "1", "acme", []string{}, "ana", "gpt", october, "Settled", 1)
	spent(t, admin, "2", "acme", []string{}, "bo", "gpt", october, "ChargedHold", 2)
	spent(t, admin, "3", "emea", []string{"acme"}, "ana", "claude", october.Add(23*time.Hour), "Settled", 4)
	spent(t, admin, "4", "acme-labs", []string{}, "ana", "gpt", october, "Settled", 8)
	spent(t, admin, "5", "acme", []string{}, "ana", "gpt", october.AddDate(0, 1, 0), "Settled", 16)
	spent(t, admin, "6", "acme", []string{}, "ana", "gpt", october.Add(-time.Microsecond), "Settled", 32)
	november := october.AddDate(0, 1, 0)
	zone, err := time.LoadLocation("Asia/Tokyo")
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		by      []history.Dimension
		tenants []string
		want    []string
	}{
		"by tenant, children below their parents": {[]history.Dimension{history.ByTenant}, []string{"acme-labs", "emea", "acme"}, []string{"acme 2 3 2", "acme/emea 1 4 0", "acme-labs 1 8 0"}},
		"by user, over tenants":                   {[]history.Dimension{history.ByUser}, []string{"acme", "emea"}, []string{"ana 2 5 0", "bo 1 2 2"}},
		"by two":                                  {[]history.Dimension{history.ByModel, history.ByUser}, []string{"acme", "emea"}, []string{"claude ana 1 4 0", "gpt ana 1 1 0", "gpt bo 1 2 2"}},
		"by day, of a zone":                       {[]history.Dimension{history.ByDay}, []string{"acme", "emea"}, []string{"2026-10-01 2 3 2", "2026-10-02 1 4 0"}},
		"of one who has none":                     {[]history.Dimension{history.ByTenant}, []string{"globex"}, []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := reader.Spend(t.Context(), history.SpendQuery{From: october, To: november, Zone: zone, By: tc.by}, tc.tenants...)
			lines := make([]string, len(got))
			for i, s := range got {
				lines[i] = fmt.Sprint(strings.Join(s.Values, " "), " ", s.Calls, " ", int64(s.Cost), " ", int64(s.Estimated))
			}
			if diff := cmp.Diff(tc.want, lines); err != nil || diff != "" {
				t.Errorf("error %v (-want +got):\n%s", err, diff)
			}
		})
	}
	_, err = reader.SpendOfAll(t.Context(), history.SpendQuery{From: october, To: november, By: []history.Dimension{history.ByTenant}})
	if !errors.Is(err, history.ErrNotFinance) {
		t.Errorf("a reader of all tenants: %v, want %v", err, history.ErrNotFinance)
	}
}

// TestSpendIsExact: whatever calls cost, what is added up in any way is their sum, to the nano-dollar.
func TestSpendIsExact(t *testing.T) {
	admin, finance := ledger(t, "bursar_finance")
	calls := 0
	var want money.Nanos
	october := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		cost := money.Nanos(rapid.Int64Range(0, int64(money.Max)).Draw(t, "cost"))
		calls++
		spent(t, admin, fmt.Sprint(calls), rapid.SampledFrom([]string{"acme", "emea"}).Draw(t, "tenant"), []string{},
			rapid.SampledFrom([]string{"ana", "bo"}).Draw(t, "user"), "gpt", october, "Settled", cost)
		want += cost
		by := rapid.SliceOfNDistinct(rapid.SampledFrom(history.Dimensions()), 1, 3, rapid.ID).Draw(t, "by")
		found, err := finance.SpendOfAll(t.Context(), history.SpendQuery{From: october, To: october.AddDate(0, 1, 0), By: by})
		var sum history.Spend
		for _, s := range found {
			sum.Add(s)
		}
		if err != nil || sum.Cost != want || sum.Calls != int64(calls) {
			t.Fatalf("by %s: error %v, %d calls of %s, want %d of %s", by, err, sum.Calls, sum.Cost, calls, want)
		}
	})
}
