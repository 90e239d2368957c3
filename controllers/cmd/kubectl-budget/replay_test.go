package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/history/replay"
)

// admitted puts a call of ten cents at most, which cost eight, into the ledger.
func admitted(t *testing.T, id, tenant, user string, at time.Time, ancestors ...string) {
	t.Helper()
	if ancestors == nil {
		ancestors = []string{}
	}
	_, err := ledger.Exec(t.Context(), `
INSERT INTO ai_usage_logs (call_id, tenant_id, user_id, tier, credential, provider, model_asked, model_used, model, endpoint,
  streamed, admitted_at, settled_at, outcome, input_tokens, output_tokens, held_nanos, cost_nanos, session, ancestors, decision)
VALUES ($1, $2, $3, 'gerente', 'acme/key', 'openai', 'gpt-4o', 'gpt-4o', 'gpt-4o', '/v1/chat/completions',
  false, $4, $4::timestamptz + interval '1 second', 'Settled', 10, 10, $5, $6, 'session', $7, 'Admitted')`,
		id, tenant, user, at, 10*money.Cent, 8*money.Cent, ancestors)
	if err != nil {
		t.Fatal(err)
	}
}

// refusedCall puts a call of ten cents that daily refused on record.
func refusedCall(t *testing.T, id, tenant string, at time.Time) {
	t.Helper()
	_, err := ledger.Exec(t.Context(), `
INSERT INTO ai_refusals (call_id, tenant_id, user_id, tier, credential, model_asked, model, endpoint, refused_at, reason,
  limit_tenant, limit_name, per, period, amount_nanos, spent_nanos, held_nanos, resets_at, unit, bound_nanos, tokens, fallback, session)
VALUES ($1, $2, 'ana', 'gerente', 'acme/key', 'gpt-4o', 'gpt-4o', '/v1/chat/completions', $3, 'BudgetExhausted',
  $2, 'daily', 'Tenant', 'Day', 1000000000, 940000000, 10000000, $3::timestamptz + interval '1 hour', '', $4, 9, '', 'session')`,
		id, tenant, at, 10*money.Cent)
	if err != nil {
		t.Fatal(err)
	}
}

const replayedYAML = `
apiVersion: bursar.dev/v1alpha1
kind: TenantBudget
metadata: {name: replayed}
spec:
  tenant: replayed
  limits: [{name: yearly, period: Year, amount: "%s"}]
  ladder: []
---
apiVersion: v1
kind: Namespace
metadata: {name: replayed}
---
apiVersion: bursar.dev/v1alpha1
kind: RateLimitPolicy
metadata: {name: policy}
spec:
  targetRef: {name: replayed}
  limits: [{name: each, per: User, requests: %d, window: 1h}]
`

func TestReplay(t *testing.T) {
	namespace(t, "replayed")
	parent := namespace(t, "above")
	budget(t, "replayed", func(b *v1alpha1.TenantBudget) {
		b.Spec.ParentRef = &v1alpha1.ParentRef{Name: parent, Namespace: parent}
	})
	yearly := func(b *v1alpha1.TenantBudget) {
		b.Spec.Limits = []v1alpha1.MoneyLimit{{Name: "yearly", Period: "Year", Amount: "5.00"}}
	}
	budget(t, parent, yearly)
	namespace(t, "beside")
	budget(t, "beside", func(b *v1alpha1.TenantBudget) {
		b.Spec.ParentRef = &v1alpha1.ParentRef{Name: parent, Namespace: parent}
	})
	now := time.Now()
	for i := range 10 {
		at := now.Add(time.Duration(i-100) * time.Minute)
		admitted(t, fmt.Sprintf("replayed-%d", i), "replayed", "ana", at, parent)
		admitted(t, fmt.Sprintf("beside-%d", i), "beside", "bo", at.Add(time.Second), parent)
	}
	refusedCall(t, "replayed-refused", "replayed", now.Add(-10*time.Minute))

	for name, tc := range map[string]struct {
		yaml                             string
		admitted, refused, were, fitting int64
		byLimit                          map[string]int64
	}{
		"as it was": {fmt.Sprintf(replayedYAML, "5.00", 100), 10, 0, 1, 1, nil},
		"less":      {fmt.Sprintf(replayedYAML, "0.50", 100), 10, 4, 1, 0, map[string]int64{"replayed/yearly": 4}},
		"slower":    {fmt.Sprintf(replayedYAML, "5.00", 3), 10, 7, 1, 1, map[string]int64{"replayed/policy/each": 7}},
		"above":     {strings.NewReplacer("replayed", parent, "each", "e").Replace(fmt.Sprintf(replayedYAML, "0.50", 100)), 20, 14, 1, 0, map[string]int64{parent + "/yearly": 14}},
		"less above": {fmt.Sprintf(`
apiVersion: bursar.dev/v1alpha1
kind: RateLimitPolicy
metadata: {name: policy, namespace: replayed}
spec: {targetRef: {name: replayed}, limits: [{name: each, per: User, requests: %d, window: 1h}]}
---
apiVersion: bursar.dev/v1alpha1
kind: TenantBudget
metadata: {name: above, namespace: above}
spec: {tenant: above, limits: [{name: yearly, period: Year, amount: "0.90"}], ladder: []}
`, 100), 10, 4, 1, 0, map[string]int64{"above/yearly": 4}},
	} {
		t.Run(name, func(t *testing.T) {
			stdout, stderr, err := budgetedWith(t, tc.yaml, "replay", "-f", "-", "-n", "replayed", "--since", "1d", "-o", "json")
			var got struct{ Replays []replayReport }
			if err != nil || json.Unmarshal([]byte(stdout), &got) != nil || len(got.Replays) == 0 {
				t.Fatalf("error %v, told %q, printed %s", err, stderr, stdout)
			}
			r := got.Replays[len(got.Replays)-1]
			for _, limit := range r.Limits {
				if limit.Refused.Calls != tc.byLimit[limit.Limit] {
					t.Errorf("limit %s refuses %d, want %d", limit.Limit, limit.Refused.Calls, tc.byLimit[limit.Limit])
				}
			}
			if r.Admitted.Calls != tc.admitted || r.Refused.Calls != tc.refused || r.WereRefused.Calls != tc.were || r.Fitting.Calls != tc.fitting {
				t.Errorf("got %+v, want %+v", r, tc)
			}
		})
	}

	list := `{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "bursar.dev/v1alpha1", "kind": "TenantBudget",
		"metadata": {"name": "above", "namespace": "above", "uid": "u"},
		"spec": {"tenant": "above", "limits": [{"name": "yearly", "period": "Year", "amount": "5.00"}], "ladder": []}, "status": {"revision": 1}}]}`
	if stdout, _, err := budgetedWith(t, list, "replay", "-f", "-"); err != nil || !strings.Contains(stdout, "above/yearly") {
		t.Errorf("of a list: error %v, printed\n%s", err, stdout)
	}

	file := filepath.Join(t.TempDir(), "new.yaml")
	if err := os.WriteFile(file, []byte(fmt.Sprintf(replayedYAML, "0.50", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, stderr, err := budgeted(t, "replay", "-f", file, "-n", "replayed", "--exit-code")
	if !errors.Is(err, errRefuses) || !strings.Contains(stderr, "ignored: Namespace replayed") {
		t.Errorf("with --exit-code: error %v, told %q", err, stderr)
	}
}

// TestReplayOfWrongYAML: it is refused as the controllers refuse it, by the field.
func TestReplayOfWrongYAML(t *testing.T) {
	namespace(t, "wrong")
	right := fmt.Sprintf(replayedYAML, "5.00", 5)
	for name, tc := range map[string]struct{ old, new, want string }{
		"amount":        {`"5.00"`, `"5,00"`, `TenantBudget wrong/replayed: spec.limits[0].amount: Invalid value: "5,00"`},
		"period":        {"Year", "Decade", "spec.limits[0].period"},
		"policy":        {"window: 1h", "window: long", `RateLimitPolicy wrong/policy: spec.limits[0].window: Invalid value: "long"`},
		"unknown field": {"ladder: []", "laddder: []", `document 1: TenantBudget replayed: spec.laddder: no such field; did you mean "ladder"?`},
		"no YAML":       {"apiVersion: v1", "a: b: c", "document 2"},
		"no parent":     {"ladder: []", "ladder: []\n  parentRef: {name: nobody}", "spec.parentRef: TenantBudget wrong/nobody is neither in the file nor in the cluster"},
		"own parent":    {"ladder: []", "ladder: []\n  parentRef: {name: replayed}", "wrong/replayed -> wrong/replayed"},
		"no target":     {"targetRef: {name: replayed}", "targetRef: {name: nobody}", "TenantBudget wrong/nobody is neither in the file nor in the cluster"},
	} {
		t.Run(name, func(t *testing.T) {
			stdout, _, err := budgetedWith(t, strings.Replace(right, tc.old, tc.new, 1), "replay", "-f", "-", "-n", "wrong")
			if err == nil || !strings.Contains(err.Error(), tc.want) || stdout != "" {
				t.Errorf("got %v, want %q; printed %q", err, tc.want, stdout)
			}
		})
	}
}

func TestReport(t *testing.T) {
	daily := limiterv1.MoneyLimit{Name: "daily", Per: limiterv1.PerTenant, Period: period.Day, Amount: 5 * money.USD}
	each := limiterv1.RateLimit{Name: "tiers/each", Per: limiterv1.PerUser, Unit: limiterv1.Tokens, Count: 1000, Burst: 3000, Window: 60_000}
	calls := func(n int64, cents int64) replay.Tally {
		return replay.Tally{Calls: n, Cost: money.Nanos(cents) * money.Cent}
	}
	result := replay.Result{
		From: noon.AddDate(0, 0, -7), To: noon, Admitted: calls(1234, 4512), Refused: calls(57, 320), WereRefused: calls(10, 40), Fitting: calls(4, 12),
		Limits: []replay.LimitResult{
			{Tenant: "acme", Money: &daily, Refused: map[ledgerv1.Reason]replay.Tally{ledgerv1.BudgetExhausted: calls(6, 20), ledgerv1.BreakerOpen: calls(50, 290)}, Periods: []replay.Period{
				{Start: noon.AddDate(0, 0, -2), End: noon.AddDate(0, 0, -1), Spent: 4 * money.USD, TrippedAt: noon.AddDate(0, 0, -2).Add(time.Hour), Refused: calls(50, 290)},
				{Start: noon.AddDate(0, 0, -1), End: noon, Spent: 5 * money.USD, ExhaustedAt: noon.Add(-time.Hour), Refused: calls(6, 20)},
			}},
			{Tenant: "acme", Rate: &each, Refused: map[ledgerv1.Reason]replay.Tally{ledgerv1.RateLimited: calls(1, 10)}},
		},
		Users: []replay.User{{Tenant: "acme", Name: "ana@example.com", Admitted: calls(100, 400), Refused: calls(57, 320)}},
	}
	b := &v1alpha1.TenantBudget{}
	b.Name, b.Namespace, b.Spec.Tenant = "acme", "acme", "acme"
	var text strings.Builder
	newReplayReport(b, result, []string{"what the other tenants below holding spent"}).write(&text)
	golden(t, "replay.txt", text.String())

	for range 2 * rowsShown {
		result.Users = append(result.Users, replay.User{Tenant: "acme", Name: "bo", Admitted: calls(1, 1), Refused: calls(1, 1)})
	}
	text.Reset()
	newReplayReport(b, result, nil).write(&text)
	if !strings.HasSuffix(text.String(), "... and 21 more: use -o json to see all\n") {
		t.Errorf("a long report ends with %q", text.String()[text.Len()-80:])
	}
}
