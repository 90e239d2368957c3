package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// TestShadow: whether a budget in Shadow is ready to be enforced, by what its calls would meet.
func TestShadow(t *testing.T) {
	inShadow := func(amount v1alpha1.Amount) func(*v1alpha1.TenantBudget) {
		return func(b *v1alpha1.TenantBudget) {
			b.Spec.Enforcement = v1alpha1.EnforcementShadow
			b.Spec.Limits = []v1alpha1.MoneyLimit{{Name: "yearly", Period: "Year", Amount: amount}}
			b.Spec.Ladder = []v1alpha1.Rung{}
		}
	}
	now := time.Now()
	for name, tc := range map[string]struct {
		amount      v1alpha1.Amount
		calls       int
		wantReady   bool
		wantVerdict string
	}{
		"shadow-roomy": {"5.00", 10, true, "ready: none of the 10 calls in the last 1d would have been refused"},
		"shadow-tight": {"0.50", 10, false, "not ready: of 10 calls in the last 1d, 4 would have been refused, which cost 0.32 USD"},
		"shadow-idle":  {"5.00", 0, false, "unknown: no call was made in the last 1d"},
	} {
		t.Run(name, func(t *testing.T) {
			namespace(t, name)
			budget(t, name, inShadow(tc.amount))
			for i := range tc.calls {
				admitted(t, fmt.Sprintf("%s-%d", name, i), name, "ana", now.Add(time.Duration(i-100)*time.Minute))
			}
			if tc.calls > 0 {
				if _, err := ledger.Exec(t.Context(), `UPDATE ai_usage_logs SET decision = 'Shadowed' WHERE call_id = $1`, name+"-9"); err != nil {
					t.Fatal(err)
				}
			}
			stdout, _, err := budgeted(t, "shadow", "-n", name, "--since", "1d", "-o", "json", "--exit-code")
			var got readiness
			if errors.Is(err, errRefuses) == tc.wantReady || json.Unmarshal([]byte(stdout), &got) != nil {
				t.Fatalf("error %v, printed %s", err, stdout)
			}
			if got.Ready != tc.wantReady || got.Verdict != tc.wantVerdict || got.Shadowed.Calls != int64(min(tc.calls, 1)) {
				t.Errorf("got %+v, want ready %t, %q", got, tc.wantReady, tc.wantVerdict)
			}
			stdout, _, err = budgeted(t, "shadow", name, "-n", name, "--since", "1d")
			if err != nil || !strings.HasPrefix(stdout, "VERDICT   "+tc.wantVerdict) {
				t.Errorf("error %v, printed\n%s", err, stdout)
			}
		})
	}
	namespace(t, "shadow-none")
	budget(t, "shadow-none")
	if _, _, err := budgeted(t, "shadow", "-n", "shadow-none"); err == nil || !strings.Contains(err.Error(), "is not in Shadow, it is enforced") {
		t.Errorf("of a budget that is enforced: error %v", err)
	}
}
