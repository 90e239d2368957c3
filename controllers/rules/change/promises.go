package change

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/compile"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/acceptance"
	"github.com/bursar-dev/bursar/controllers/rules/index"
)

// Promising are the warnings about children whose limits together exceed a limit of their parent,
// if they did not before, or exceed it by more: with the budget as the parent, and with the budget
// as a child. The error is about what could not be read; warnings that do not need it are found
// nevertheless. REQUIRES: the budget is accepted.
func Promising(ctx context.Context, reader client.Reader, was, is *v1alpha1.TenantBudget) ([]string, error) {
	asParent, parentErr := promisedTo(ctx, reader, was, is)
	asChild, childErr := promisedBy(ctx, reader, was, is)
	return append(asParent, asChild...), errors.Join(parentErr, childErr)
}

// promisedTo are the warnings of the budget's limits that are less than what its
// children have together.
func promisedTo(ctx context.Context, reader client.Reader, was, is *v1alpha1.TenantBudget) ([]string, error) {
	children, err := acceptance.ChildrenOf(ctx, reader, is)
	if err != nil {
		return nil, err
	}
	var before []compile.Overcommitment
	if was != nil {
		before = compile.Overcommitted(was, children)
	}
	var warnings []string
	for _, o := range worse(before, compile.Overcommitted(is, children)) {
		i := slices.IndexFunc(is.Spec.Limits, func(l v1alpha1.MoneyLimit) bool { return l.Name == o.Limit })
		warnings = append(warnings, fmt.Sprintf("%s: %s", field.NewPath("spec", "limits").Index(i).Child("amount"), o))
	}
	return warnings, nil
}

// promisedBy are the warnings of limits of the budget's parent that are less than
// what the budget and the parent's other children have together.
func promisedBy(ctx context.Context, reader client.Reader, was, is *v1alpha1.TenantBudget) ([]string, error) {
	if is.Spec.ParentRef == nil {
		return nil, nil
	}
	parent, key, err := acceptance.ParentOf(ctx, reader, is)
	if err != nil {
		return nil, err
	}
	others, err := acceptance.ChildrenOf(ctx, reader, parent)
	if err != nil {
		return nil, err
	}
	others = slices.DeleteFunc(others, func(child v1alpha1.TenantBudget) bool { return child.UID == is.UID })
	before := others
	if was != nil && was.Spec.ParentRef != nil {
		if _, former, err := acceptance.ParentOf(ctx, reader, was); err == nil && former == key {
			before = append(slices.Clone(others), *was)
		}
	}
	var warnings []string
	for _, o := range worse(compile.Overcommitted(parent, before), compile.Overcommitted(parent, append(slices.Clone(others), *is))) {
		warnings = append(warnings, fmt.Sprintf("spec.parentRef: in TenantBudget %s, %s", index.KeyOf(parent), o))
	}
	return warnings, nil
}

// worse are those in after that are new, or exceed their limit by more than before.
func worse(before, after []compile.Overcommitment) []compile.Overcommitment {
	return slices.DeleteFunc(after, func(is compile.Overcommitment) bool {
		return slices.ContainsFunc(before, func(was compile.Overcommitment) bool {
			return was.Limit == is.Limit && was.Promised-was.Amount >= is.Promised-is.Amount
		})
	})
}
