package apikey

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/claim"
	"github.com/bursar-dev/bursar/controllers/compile"
	"github.com/bursar-dev/bursar/controllers/conditions"
	"github.com/bursar-dev/bursar/controllers/index"
)

// accept decides whether the key is to work, and compiles it if so.
func (c *Controller) accept(ctx context.Context, s *scope) error {
	older, err := c.olderHolder(ctx, s.key)
	if err != nil {
		return err
	}
	if older != nil {
		s.accepted = conditions.Rejected(v1alpha1.ReasonConflicted, field.Invalid(field.NewPath("spec", "sha256"), s.key.Spec.SHA256,
			fmt.Sprintf("belongs to the older APIKey %s/%s", older.Namespace, older.Name)).Error())
		s.forfeited = true
		return nil
	}
	return c.findBudget(ctx, s)
}

// findBudget finds the tenant that pays, and compiles the key.
func (c *Controller) findBudget(ctx context.Context, s *scope) error {
	path := field.NewPath("spec", "budgetRef", "name")
	name := s.key.Spec.BudgetRef.Name
	var budget v1alpha1.TenantBudget
	err := c.client.Get(ctx, types.NamespacedName{Namespace: s.key.Namespace, Name: name}, &budget)
	switch {
	case apierrors.IsNotFound(err), err == nil && !budget.DeletionTimestamp.IsZero():
		s.accepted = conditions.Rejected(v1alpha1.ReasonTargetNotFound, field.NotFound(path, name).Error())
		s.forfeited = true
		return nil
	case err != nil:
		return err
	}
	if verdict := conditions.OfTarget(&budget, path); !verdict.Holds() {
		s.accepted = verdict
		// An invalid budget, or one that nobody has looked at yet, takes nothing from
		// its keys. With any other, the tenant is somebody else's.
		s.forfeited = conditions.MayNotNameTenant(&budget)
		return nil
	}
	document := compile.Credential(s.key, budget.Spec.Tenant)
	s.accepted, s.document = conditions.Accepted(), &document
	return nil
}

// olderHolder is the key that has the hash of the given one because it is older;
// nil when there is none.
func (c *Controller) olderHolder(ctx context.Context, key *v1alpha1.APIKey) (*v1alpha1.APIKey, error) {
	var claimants v1alpha1.APIKeyList
	if err := c.client.List(ctx, &claimants, client.MatchingFields{index.KeyHash: key.Spec.SHA256}); err != nil {
		return nil, err
	}
	holder := key
	for i := range claimants.Items {
		if claimant := &claimants.Items[i]; claim.Compare(claimant, holder) < 0 {
			holder = claimant
		}
	}
	if holder.UID == key.UID {
		return nil, nil
	}
	return holder, nil
}
