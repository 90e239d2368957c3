package conditions

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// OfTarget is the verdict on an object that is valid itself and, at path, names a
// TenantBudget: it is as good as the budget was found to be. A generation of the
// budget that nobody has looked at yet is taken to be as good as the one before.
func OfTarget(budget *v1alpha1.TenantBudget, path *field.Path) Verdict {
	accepted := acceptance(budget)
	if accepted.Status == metav1.ConditionTrue {
		return Accepted()
	}
	why := "has not been looked at yet"
	status := metav1.ConditionUnknown
	if accepted.Status == metav1.ConditionFalse {
		why, status = "is not accepted: "+accepted.Reason, metav1.ConditionFalse
	}
	message := field.Invalid(path, budget.Name, fmt.Sprintf("TenantBudget %s %s", budget.Name, why)).Error()
	return Verdict{status, v1alpha1.ReasonTargetNotAccepted, message}
}

// MayNotNameTenant reports whether the budget was found to name a tenant that is
// not its own to name.
func MayNotNameTenant(budget *v1alpha1.TenantBudget) bool {
	accepted := acceptance(budget)
	return accepted.Status == metav1.ConditionFalse && accepted.Reason != v1alpha1.ReasonInvalid
}

func acceptance(budget *v1alpha1.TenantBudget) metav1.Condition {
	if accepted := meta.FindStatusCondition(budget.Status.Conditions, v1alpha1.ConditionAccepted); accepted != nil {
		return *accepted
	}
	return metav1.Condition{}
}
