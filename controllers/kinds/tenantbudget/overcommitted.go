package tenantbudget

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/announce"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
	"github.com/bursar-dev/bursar/controllers/rules/acceptance"
	"github.com/bursar-dev/bursar/controllers/rules/compile"
)

// weigh compares what the budget has with what its children have together.
func (c *Controller) weigh(ctx context.Context, s *scope) error {
	children, err := acceptance.ChildrenOf(ctx, c.client, s.budget)
	s.overcommitted = compile.Overcommitted(s.budget, children)
	return err
}

// overcommitment is the verdict on whether the children may spend more together than
// the budget has.
func (s *scope) overcommitment() conditions.Verdict {
	if len(s.overcommitted) == 0 {
		return conditions.Verdict{Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonChildrenFit,
			Message: "no limit is less than those of the children together"}
	}
	return conditions.Verdict{Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonChildrenExceedLimit,
		Message: compile.Promises(s.overcommitted) + ": some of their calls may be refused that their own limits allow"}
}

// becameOvercommitted is the Event of the children having more together than before.
func becameOvercommitted(before, after v1alpha1.TenantBudgetStatus) []announce.Event {
	is := meta.FindStatusCondition(after.Conditions, v1alpha1.ConditionOvercommitted)
	was := meta.FindStatusCondition(before.Conditions, v1alpha1.ConditionOvercommitted)
	if was == nil {
		was = &metav1.Condition{}
	}
	if is.Status != metav1.ConditionTrue || was.Status == metav1.ConditionTrue {
		return nil
	}
	return []announce.Event{{Type: corev1.EventTypeWarning, Reason: v1alpha1.EventOvercommitted,
		Action: "Weigh", Field: "spec.limits", Note: is.Message, Turn: announce.Since(*was)}}
}
