package tenantbudget

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/bursar-dev/bursar/api/compile"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
	"github.com/bursar-dev/bursar/controllers/rollout/events"
	"github.com/bursar-dev/bursar/controllers/rules/acceptance"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
)

// weigh compares the budget's limits with the sums of its children's limits.
func (c *Controller) weigh(ctx context.Context, s *scope) error {
	children, err := acceptance.ChildrenOf(ctx, c.client, s.Object)
	if err != nil {
		return err
	}
	s.overcommitted = overcommitment(compile.Overcommitted(s.Object, children))
	return nil
}

// overcommitment is the verdict on limits that the children may exceed together.
func overcommitment(exceeded []compile.Overcommitment) verdict.Verdict {
	if len(exceeded) == 0 {
		return verdict.False(v1alpha1.ReasonChildrenFit, "in each period, the children's limits together fit into this budget's")
	}
	return verdict.True(v1alpha1.ReasonChildrenExceedLimit,
		compile.Promises(exceeded)+": calls that the children's own limits allow may be refused")
}

// becameOvercommitted is the Event that the children's limits together now exceed the budget's.
func becameOvercommitted(before, after v1alpha1.TenantBudgetStatus) []events.Event {
	is := meta.FindStatusCondition(after.Conditions, v1alpha1.ConditionOvercommitted)
	was := conditions.LastKnown(ptr.Deref(meta.FindStatusCondition(before.Conditions, v1alpha1.ConditionOvercommitted), metav1.Condition{}))
	if is.Status != metav1.ConditionTrue || was.Status == metav1.ConditionTrue {
		return nil
	}
	return []events.Event{{Type: corev1.EventTypeWarning, Reason: v1alpha1.EventOvercommitted,
		Action: "Weigh", Field: "spec.limits", Note: is.Message, Turn: events.Since(was)}}
}
