package webhook

import (
	"context"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/acceptance"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
)

// inTurn decides by one reason after the other, and by the last for ever.
type inTurn struct {
	reasons []string
	asked   int
}

func (r *inTurn) decide(context.Context, *v1alpha1.TenantBudget) (acceptance.Decision, error) {
	reason := r.reasons[min(r.asked, len(r.reasons)-1)]
	r.asked++
	return acceptance.Decision{Verdict: verdict.Verdict{Status: metav1.ConditionTrue, Reason: reason}}, nil
}

func (*inTurn) kind() string { return "TenantBudget" }

func (*inTurn) spec(budget *v1alpha1.TenantBudget) any { return budget.Spec }

func (*inTurn) warn(context.Context, *v1alpha1.TenantBudget, *v1alpha1.TenantBudget) []string {
	return nil
}

func (*inTurn) warnOfDeletion(context.Context, *v1alpha1.TenantBudget) []string { return nil }

// TestWhatOthersDidAMomentAgo: an object that others are in the way of is looked at
// again, because the manager may not have heard yet that they are gone; one that is
// wrong by itself is refused at once.
func TestWhatOthersDidAMomentAgo(t *testing.T) {
	for name, tc := range map[string]struct {
		reasons []string
		refused bool
		// once: it must not be asked again.
		once bool
	}{
		"nothing is wrong":                   {reasons: []string{v1alpha1.ReasonAccepted}, once: true},
		"a label that comes":                 {reasons: []string{v1alpha1.ReasonNamespaceNotDelegated, v1alpha1.ReasonNamespaceNotDelegated, v1alpha1.ReasonAccepted}},
		"a rival that goes":                  {reasons: []string{v1alpha1.ReasonConflicted, v1alpha1.ReasonAccepted}},
		"a rival that stays":                 {reasons: []string{v1alpha1.ReasonConflicted}, refused: true},
		"what is wrong by itself":            {reasons: []string{v1alpha1.ReasonInvalid, v1alpha1.ReasonAccepted}, refused: true, once: true},
		"what is wrong once a rival is gone": {reasons: []string{v1alpha1.ReasonConflicted, v1alpha1.ReasonInvalid}, refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rules := &inTurn{reasons: tc.reasons}
			_, err := validator[*v1alpha1.TenantBudget]{rules, nil}.ValidateCreate(t.Context(), &v1alpha1.TenantBudget{})
			if (err != nil) != tc.refused {
				t.Errorf("answered %v, refused: want %t", err, tc.refused)
			}
			if once := rules.asked == 1; once != tc.once {
				t.Errorf("decided %d times, once: want %t", rules.asked, tc.once)
			}
		})
	}
}
