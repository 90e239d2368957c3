package acceptance

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/callers"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/nearest"
	"github.com/bursar-dev/bursar/api/reach"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
)

// Membership is what was decided of a Membership.
type Membership struct {
	Decision
	// Document tells the enforcers who the members are; nil if the Membership is to have no effect.
	Document *limiterv1.Members
	// Forfeited is set when nothing that the Membership programmed before may stay in force.
	Forfeited bool
	// Tenant is that of the budget which the Membership names, the only one that it charges; empty
	// if there is none.
	Tenant string
	// Allowance is whom the Membership may name: no other member that it programmed before may stay
	// in force.
	Allowance reach.Allowance
}

// DecideMembership decides whether the Membership is to have effect, and compiles it if so.
func DecideMembership(ctx context.Context, reader client.Reader, membership *v1alpha1.Membership) (Membership, error) {
	tenant, byBudget, err := decideMembersBudget(ctx, reader, membership)
	if err != nil {
		return Membership{}, err
	}
	allowance, byProvider, err := decideMembersProvider(ctx, reader, membership)
	if err != nil {
		return Membership{}, err
	}
	decided := Membership{Forfeited: byBudget.Forfeited || byProvider.Forfeited, Tenant: tenant, Allowance: allowance}
	document, errs := callers.Members(membership, tenant)
	switch {
	case len(errs) > 0:
		decided.Decision = invalid(firstOf(errs))
	case !byBudget.Holds():
		decided.Decision = byBudget.and(byProvider.Decision)
	case byProvider.Forfeited:
		decided.Decision = byProvider.Decision
	default:
		errs := notAllowedBy(allowance, document)
		switch {
		case len(errs) > 0:
			decided.Decision = rejected(v1alpha1.ReasonMemberNotAllowed, firstOf(errs)...)
		case !byProvider.Holds():
			decided.Decision = byProvider.Decision
		default:
			decided.Decision, decided.Document = accepted(), &document
		}
	}
	return decided, nil
}

// byOne is the part of the decision that follows from one object that a Membership names.
type byOne struct {
	Decision
	Forfeited bool
}

// decideMembersBudget decides by the budget of the members, and finds its tenant.
func decideMembersBudget(ctx context.Context, reader client.Reader, membership *v1alpha1.Membership) (tenant string, by byOne, err error) {
	path := field.NewPath("spec", "budgetRef", "name")
	key := types.NamespacedName{Namespace: membership.Namespace, Name: membership.Spec.BudgetRef.Name}
	budget, rejection, err := target(ctx, reader, key, path)
	switch {
	case err != nil:
		return "", byOne{}, err
	case rejection != nil:
		return "", byOne{*rejection, true}, nil
	}
	// See DecideAPIKey.
	return budget.Spec.Tenant, byOne{Decision{Verdict: TargetVerdict(budget, path)}, MayNotNameTenant(budget)}, nil
}

// decideMembersProvider decides by the IdentityProvider of the members, and finds who they
// may be. A namespace that may name nobody is told the same as if there were no provider,
// because it must not learn what others use.
func decideMembersProvider(ctx context.Context, reader client.Reader, membership *v1alpha1.Membership,
) (allowance reach.Allowance, by byOne, err error) {
	path := field.NewPath("spec", "identityProviderRef", "name")
	name := membership.Spec.IdentityProviderRef.Name
	provider := &v1alpha1.IdentityProvider{}
	err = reader.Get(ctx, types.NamespacedName{Name: name}, provider)
	if client.IgnoreNotFound(err) != nil {
		return reach.Allowance{}, byOne{}, err
	}
	if !apierrors.IsNotFound(err) && provider.DeletionTimestamp.IsZero() {
		allowance, err = reach.AllowanceOf(provider, membership.Namespace, labelsIn(ctx, reader))
		if err != nil {
			return reach.Allowance{}, byOne{}, err
		}
	}
	if allowance.AllowsNobody() {
		rejection, err := noProvider(ctx, reader, membership, path)
		return allowance, byOne{rejection, true}, err
	}
	return allowance, byOne{Decision: Decision{Verdict: providerVerdict(provider, path)}}, nil
}

// noProvider is the decision on a Membership whose IdentityProvider does not exist, or does not
// allow the namespace. It suggests the nearest name of a provider that does.
func noProvider(ctx context.Context, reader client.Reader, membership *v1alpha1.Membership, path *field.Path) (Decision, error) {
	var there v1alpha1.IdentityProviderList
	if err := reader.List(ctx, &there, client.UnsafeDisableDeepCopy); err != nil {
		return Decision{}, err
	}
	var allowing []string
	for i := range there.Items {
		allowance, err := reach.AllowanceOf(&there.Items[i], membership.Namespace, labelsIn(ctx, reader))
		if err != nil {
			return Decision{}, err
		}
		if !allowance.AllowsNobody() {
			allowing = append(allowing, there.Items[i].Name)
		}
	}
	name, hint := membership.Spec.IdentityProviderRef.Name, ": allow them in its spec.allowedMemberships"
	if question := nearest.DidYouMean(name, allowing); question != "" {
		hint = question
	}
	return rejected(v1alpha1.ReasonIdentityProviderNotFound, field.Invalid(path, name, fmt.Sprintf(
		"no IdentityProvider of this name allows Memberships in namespace %s%s", membership.Namespace, hint))), nil
}

// providerVerdict is the verdict on a Membership that is valid itself: it is accepted if its
// IdentityProvider was.
func providerVerdict(provider *v1alpha1.IdentityProvider, path *field.Path) verdict.Verdict {
	found := ptr.Deref(meta.FindStatusCondition(provider.Status.Conditions, v1alpha1.ConditionAccepted), metav1.Condition{})
	switch found.Status {
	case metav1.ConditionTrue:
		return verdict.Accepted()
	case metav1.ConditionFalse:
		return verdict.Rejected(v1alpha1.ReasonIdentityProviderNotAccepted,
			field.Invalid(path, provider.Name, fmt.Sprintf("IdentityProvider %s is not accepted: %s", provider.Name, found.Reason)).Error())
	}
	return verdict.Unknown(v1alpha1.ReasonIdentityProviderNotAccepted,
		field.Invalid(path, provider.Name, fmt.Sprintf("IdentityProvider %s is waiting for the controller", provider.Name)).Error())
}

// notAllowedBy are the errors of members whom the Membership may not name. A member has the same
// index in the document as in the spec, because no two members are named by the same.
func notAllowedBy(allowance reach.Allowance, document limiterv1.Members) (errs field.ErrorList) {
	path := field.NewPath("spec", "members")
	for i, member := range document.Members {
		if !allowance.Allows(member) {
			by, _ := callers.NameOf(member)
			errs = append(errs, field.Forbidden(path.Index(i).Child(by), fmt.Sprintf(
				"IdentityProvider %s does not allow this namespace to name this %s: extend its spec.allowedMemberships, or remove the member",
				document.Provider, by)))
		}
	}
	return errs
}

// mostErrors is how many errors of members are told.
const mostErrors = 10

// firstOf are the first of many errors: a thousand members may all be wrong in the same way.
func firstOf(errs field.ErrorList) field.ErrorList {
	if len(errs) <= mostErrors {
		return errs
	}
	rest := field.Invalid(field.NewPath("spec", "members"), field.OmitValueType{}, fmt.Sprintf("%d more members have the same problem", len(errs)-mostErrors))
	return append(errs[:mostErrors:mostErrors], rest)
}

// LostMembers is how many members a Membership may not name any more when its
// IdentityProvider changes.
func LostMembers(ctx context.Context, reader client.Reader, membership *v1alpha1.Membership, was, is *v1alpha1.IdentityProvider) (int, error) {
	before, err := reach.AllowanceOf(was, membership.Namespace, labelsIn(ctx, reader))
	if err != nil {
		return 0, err
	}
	after, err := reach.AllowanceOf(is, membership.Namespace, labelsIn(ctx, reader))
	if err != nil {
		return 0, err
	}
	document, _ := callers.Members(membership, "")
	lost := 0
	for _, member := range document.Members {
		if before.Allows(member) && !after.Allows(member) {
			lost++
		}
	}
	return lost, nil
}
