package ratelimitpolicy

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/compile"
	"github.com/bursar-dev/bursar/controllers/conditions"
)

// accept decides whether the policy is valid and has a target that is in force.
func (c *Controller) accept(ctx context.Context, s *scope) error {
	path := field.NewPath("spec", "targetRef", "name")
	name := s.policy.Spec.TargetRef.Name
	var target v1alpha1.TenantBudget
	err := c.client.Get(ctx, types.NamespacedName{Namespace: s.policy.Namespace, Name: name}, &target)
	switch {
	case apierrors.IsNotFound(err), err == nil && !target.DeletionTimestamp.IsZero():
		s.accepted = conditions.Rejected(v1alpha1.ReasonTargetNotFound, field.NotFound(path, name).Error())
		return nil
	case err != nil:
		return err
	}
	s.tenant = target.Spec.Tenant
	if _, errs := compile.Policy(s.policy); len(errs) > 0 {
		s.accepted = conditions.Invalid(errs)
		return nil
	}
	s.accepted = conditions.OfTarget(&target, path)
	return nil
}
