package acceptance

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/compile"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/precedence"
	"github.com/bursar-dev/bursar/api/reach"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/index"
)

// TenantBudget is what was decided of a TenantBudget.
type TenantBudget struct {
	Decision
	// Document tells the enforcers what is to be in force; nil if the budget is to have no effect.
	Document *limiterv1.Tenant
	// Forfeited is set when the tenant is not the budget's to name.
	Forfeited bool
}

// DecideTenantBudget decides whether the budget is to have effect, and compiles it if so.
func DecideTenantBudget(ctx context.Context, reader client.Reader, budget *v1alpha1.TenantBudget) (TenantBudget, error) {
	return decideTenantBudget(ctx, reader, budget, nil)
}

// DocumentWith is what the budget would compile to with a policy that applies to it and is about to
// be created or changed; nil if the budget is to have no effect.
func DocumentWith(
	ctx context.Context, reader client.Reader, budget *v1alpha1.TenantBudget, policy *v1alpha1.RateLimitPolicy,
) (*limiterv1.Tenant, error) {
	decided, err := decideTenantBudget(ctx, reader, budget, policy)
	return decided.Document, err
}

// decideTenantBudget decides on a budget to which a policy applies as it is given here, rather than
// as the reader has it; nil for none.
func decideTenantBudget(
	ctx context.Context, reader client.Reader, budget *v1alpha1.TenantBudget, with *v1alpha1.RateLimitPolicy,
) (TenantBudget, error) {
	holder, before, err := holder(ctx, reader, budget)
	if err != nil {
		return TenantBudget{}, err
	}
	if holder != nil && holder.UID != budget.UID && slices.ContainsFunc(before, func(b *v1alpha1.TenantBudget) bool { return b.UID == budget.UID }) {
		// What it programmed stays in force until the successor has taken it over.
		return TenantBudget{Decision: handedOver(holder)}, nil
	}
	if rejection := contest(budget, holder); rejection != nil {
		return TenantBudget{Decision: *rejection, Forfeited: true}, nil
	}
	ancestors, rejection, err := ancestors(ctx, reader, budget)
	if err != nil {
		return TenantBudget{}, err
	}
	policies, err := policiesOf(ctx, reader, budget)
	if err != nil {
		return TenantBudget{}, err
	}
	grants, err := grantsOf(ctx, reader, budget)
	if err != nil {
		return TenantBudget{}, err
	}
	if with != nil {
		policies = append(slices.DeleteFunc(policies, func(p v1alpha1.RateLimitPolicy) bool { return p.UID == with.UID }), *with)
	}
	document, errs := compile.Tenant(budget, policies, grants, ancestors...)
	switch {
	case len(errs) > 0: // What is wrong with the budget itself comes first.
		return TenantBudget{Decision: invalid(errs)}, nil
	case rejection != nil:
		return TenantBudget{Decision: *rejection}, nil
	}
	return TenantBudget{Decision: accepted(), Document: &document}, nil
}

// contest is why the budget may not name its tenant, given the one that does, holder; nil if the
// budget may. holder is nil if the budget's namespace does not let it name the tenant.
func contest(budget, holder *v1alpha1.TenantBudget) *Decision {
	path := field.NewPath("spec", "tenant")
	if holder == nil {
		rejection := rejected(v1alpha1.ReasonNamespaceNotDelegated, field.Forbidden(path, fmt.Sprintf(
			"must equal the namespace, %q, unless that is labelled %s=true", budget.Namespace, v1alpha1.DelegatedLabel)))
		return &rejection
	}
	if holder.UID != budget.UID {
		by := "an older TenantBudget in another namespace" // which is not to be told of
		if holder.Namespace == budget.Namespace {
			by = "the older TenantBudget " + index.KeyOf(holder)
		}
		rejection := rejected(v1alpha1.ReasonConflicted, field.Invalid(path, budget.Spec.Tenant, "already governed by "+by+": only one may name a tenant, so remove this one, or name it in spec.successorRef of the other"))
		return &rejection
	}
	return nil
}

// holder is the budget that has the tenant which the given one names: the oldest of those whose
// namespaces let them name it or, if that was handed over, its last successor. before are those that
// handed it over. holder is nil if the given budget's namespace does not let it name the tenant,
// whichever budget has it.
func holder(
	ctx context.Context, reader client.Reader, budget *v1alpha1.TenantBudget,
) (holder *v1alpha1.TenantBudget, before []*v1alpha1.TenantBudget, err error) {
	if may, err := mayNameTenant(ctx, reader, budget); err != nil || !may {
		return nil, nil, err
	}
	var rivals v1alpha1.TenantBudgetList
	if err := reader.List(ctx, &rivals, client.MatchingFields{index.BudgetTenant: budget.Spec.Tenant}); err != nil {
		return nil, nil, err
	}
	entitled := []*v1alpha1.TenantBudget{budget}
	for i := range rivals.Items {
		rival := &rivals.Items[i]
		if rival.UID == budget.UID {
			continue
		}
		may, err := mayNameTenant(ctx, reader, rival)
		if err != nil {
			return nil, nil, err
		}
		if may {
			entitled = append(entitled, rival)
		}
	}
	oldest := slices.MinFunc(entitled, func(a, b *v1alpha1.TenantBudget) int { return precedence.Compare(a, b) })
	holder, before = successor(oldest, entitled)
	return holder, before, nil
}

// successor is the last budget that the tenant was handed over to, and the budgets before it, the
// holder first. It is the holder itself if there was no handover. Budgets that name one another in a
// circle leave the tenant with one of them, because only as many steps are followed as there are
// budgets.
func successor(holder *v1alpha1.TenantBudget, entitled []*v1alpha1.TenantBudget) (last *v1alpha1.TenantBudget, before []*v1alpha1.TenantBudget) {
	for range entitled {
		next := slices.IndexFunc(entitled, func(b *v1alpha1.TenantBudget) bool { return b.Succeeds(holder) })
		if next < 0 {
			break
		}
		holder, before = entitled[next], append(before, holder)
	}
	return holder, before
}

// handedOver is the decision on a budget that has handed its tenant over to a successor.
func handedOver(successor *v1alpha1.TenantBudget) Decision {
	why := "TenantBudget " + index.KeyOf(successor) + " has taken over the tenant: delete this one"
	decided := rejected(v1alpha1.ReasonHandedOver, field.Forbidden(field.NewPath("spec", "successorRef"), why))
	decided.Message = "spec.successorRef: " + why // nothing is wrong
	return decided
}

// mayNameTenant reports whether the budget's namespace lets it name its tenant.
func mayNameTenant(ctx context.Context, reader client.Reader, budget *v1alpha1.TenantBudget) (bool, error) {
	if budget.Namespace == budget.Spec.Tenant {
		return true, nil
	}
	return reach.IsDelegated(budget.Namespace, labelsIn(ctx, reader))
}

func labelsIn(ctx context.Context, reader client.Reader) reach.LabelsOf {
	return func(name string) (map[string]string, error) {
		namespace := &metav1.PartialObjectMetadata{}
		namespace.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
		err := reader.Get(ctx, types.NamespacedName{Name: name}, namespace)
		return namespace.Labels, client.IgnoreNotFound(err)
	}
}

// grantsOf are the BudgetGrants that name the budget.
func grantsOf(ctx context.Context, reader client.Reader, budget *v1alpha1.TenantBudget) ([]v1alpha1.BudgetGrant, error) {
	var grants v1alpha1.BudgetGrantList
	err := reader.List(ctx, &grants,
		client.InNamespace(budget.Namespace), client.MatchingFields{index.GrantBudget: budget.Name})
	return grants.Items, err
}
