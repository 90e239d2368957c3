package admission_test

import (
	"context"
	"testing"
	"time"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/enforcer/admission"
)

// TestFallbackAsksTheAmountsAlone: a call in the place of a refused one is checked against
// the amounts only, not the rungs. A remembered refusal of either refuses the other only
// where that is right.
func TestFallbackAsksTheAmountsAlone(t *testing.T) {
	now := time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)
	refused := func(spent money.Nanos) admission.AdmitReply {
		return admission.AdmitReply{Verdict: admission.Refused, Now: now, Refusing: 1, Spent: spent}
	}
	admitted := admission.AdmitReply{Verdict: admission.Admitted, Now: now, AdmittedAt: now}
	ordinary, fallback := call("empleado", money.Cent, 10), call("empleado", money.Cent, 10)
	fallback.Fallback = true

	type step struct {
		call      admission.Request
		want      ledgerv1.Reason // empty: admitted
		wantAsked bool
	}
	for name, tc := range map[string]struct {
		replies []admission.AdmitReply
		steps   []step
	}{
		"beyond the Trip rung": {
			[]admission.AdmitReply{refused(450 * money.Cent), admitted},
			[]step{
				{ordinary, ledgerv1.BreakerOpen, true},
				{fallback, "", true},
				{ordinary, ledgerv1.BreakerOpen, false},
			},
		},
		"where nothing is left": {
			[]admission.AdmitReply{refused(450 * money.Cent), refused(500 * money.Cent)},
			[]step{
				{ordinary, ledgerv1.BreakerOpen, true},
				{fallback, ledgerv1.BudgetExhausted, true},
				{fallback, ledgerv1.BudgetExhausted, false},
				{ordinary, ledgerv1.BreakerOpen, false},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			store := &scriptedStore{replies: append([]admission.AdmitReply{admitted}, tc.replies...)}
			admitter, acme := admission.NewAdmitter(store), tenant(t)
			if _, err := admitter.Admit(context.Background(), acme, ordinary); err != nil { // to learn the store's clock
				t.Fatal(err)
			}
			for i, step := range tc.steps {
				before := len(store.asked)
				d, err := admitter.Admit(context.Background(), acme, step.call)
				if err != nil {
					t.Fatal(err)
				}
				var got ledgerv1.Reason
				if d.Refusal != nil {
					got = d.Refusal.Reason
				}
				if asked := len(store.asked) > before; got != step.want || asked != step.wantAsked {
					t.Errorf("step %d: %q, asked %t; want %q, %t", i, got, asked, step.want, step.wantAsked)
				}
				if !step.wantAsked {
					continue
				}
				for _, check := range store.asked[before].Accounts[0].Money {
					if (check.Trip == admission.Never) != step.call.Fallback || check.Downgrade != admission.Never || len(check.Rungs) != 2 {
						t.Errorf("step %d: asked %+v", i, check)
					}
				}
			}
		})
	}
}
