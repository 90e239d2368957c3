package admission_test

import (
	"context"
	"testing"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/enforcer/admission"
)

// TestRoomIsNotRemembered: a refusal of a call that was too large for what is left is
// remembered, except for a tenant whose calls are lowered to what is left: how much that is
// changes with every call that ends. That nothing is left at all is remembered either way.
func TestRoomIsNotRemembered(t *testing.T) {
	now := time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		fit       int64
		spent     money.Nanos
		wantAsked int
	}{
		"too large, and refused":            {0, 480 * money.Cent, 2},
		"too large, and lowered":            {1024, 480 * money.Cent, 3},
		"nothing left, and calls lowered":   {1024, 500 * money.Cent, 2},
		"nothing left, and no call lowered": {0, 500 * money.Cent, 2},
	} {
		acme, err := admission.NewTenant(limiterv1.Tenant{FitOutputTokens: tc.fit, Level: limiterv1.Level{
			Tenant: "acme", TimeZone: "UTC",
			Money: []limiterv1.MoneyLimit{{Name: "daily", Per: limiterv1.PerTenant, Period: "Day", Amount: 5 * money.USD}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		store := &scriptedStore{replies: []admission.AdmitReply{
			{Verdict: admission.Admitted, Now: now, AdmittedAt: now}, // to learn the store's clock
			{Verdict: admission.Refused, Now: now, Refusing: 1, Spent: tc.spent},
		}}
		admitter := admission.NewAdmitter(store)
		for range 3 {
			if _, err := admitter.Admit(context.Background(), acme, call("empleado", 30*money.Cent, 10)); err != nil {
				t.Fatal(err)
			}
		}
		if len(store.asked) != tc.wantAsked {
			t.Errorf("%s: the store was asked %d times for three calls, want %d", name, len(store.asked), tc.wantAsked)
		}
	}
}
