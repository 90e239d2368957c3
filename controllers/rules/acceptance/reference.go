package acceptance

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
)

// TargetVerdict is the verdict on an object that is valid itself and, at path, names a
// TenantBudget: it is accepted if the budget was. While the controller has not looked
// at a new generation of the budget, the verdict on the one before counts.
func TargetVerdict(budget *v1alpha1.TenantBudget, path *field.Path) verdict.Verdict {
	accepted := acceptedCondition(budget)
	if accepted.Status == metav1.ConditionTrue {
		return verdict.Accepted()
	}
	why := "is waiting for the controller"
	status := metav1.ConditionUnknown
	if accepted.Status == metav1.ConditionFalse {
		why, status = "is not accepted: "+accepted.Reason, metav1.ConditionFalse
	}
	message := field.Invalid(path, budget.Name, fmt.Sprintf("TenantBudget %s %s", budget.Name, why)).Error()
	return verdict.Verdict{Status: status, Reason: v1alpha1.ReasonTargetNotAccepted, Message: message}
}

// ParentVerdict is the verdict on a budget that, at path, names another as its parent,
// or has it as an ancestor. The caller must find what is wrong with the parent's own
// parents, because the parent's status would tell of it late.
func ParentVerdict(parent *v1alpha1.TenantBudget, path *field.Path) verdict.Verdict {
	accepted := acceptedCondition(parent)
	key := parent.Namespace + "/" + parent.Name
	switch accepted.Reason {
	case v1alpha1.ReasonAccepted, v1alpha1.ReasonParentNotFound, v1alpha1.ReasonParentNotAccepted,
		v1alpha1.ReasonParentCycle, v1alpha1.ReasonParentTooDeep, v1alpha1.ReasonNotAllowedByParent:
		return verdict.Accepted()
	}
	if accepted.Status != metav1.ConditionFalse {
		return verdict.Unknown(v1alpha1.ReasonParentNotAccepted, field.Invalid(path, key, "is waiting for the controller").Error())
	}
	return verdict.Rejected(v1alpha1.ReasonParentNotAccepted,
		field.Invalid(path, key, fmt.Sprintf("TenantBudget %s is not accepted: %s", key, accepted.Reason)).Error())
}

// MayNotNameTenant reports whether the budget was found to name a tenant that is
// not its own to name.
func MayNotNameTenant(budget *v1alpha1.TenantBudget) bool {
	accepted := acceptedCondition(budget)
	return accepted.Status == metav1.ConditionFalse &&
		(accepted.Reason == v1alpha1.ReasonNamespaceNotDelegated || accepted.Reason == v1alpha1.ReasonConflicted)
}

func acceptedCondition(budget *v1alpha1.TenantBudget) metav1.Condition {
	if accepted := meta.FindStatusCondition(budget.Status.Conditions, v1alpha1.ConditionAccepted); accepted != nil {
		return *accepted
	}
	return metav1.Condition{}
}
