package modelprovider

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/claim"
	"github.com/bursar-dev/bursar/controllers/compile"
	"github.com/bursar-dev/bursar/controllers/conditions"
)

// accept decides whether the provider is valid and has all of its models for
// itself, and compiles it if so.
func (c *Controller) accept(ctx context.Context, s *scope) error {
	document, errs := compile.Provider(s.provider)
	if len(errs) > 0 {
		s.accepted = conditions.Invalid(errs)
		return nil
	}
	holders, err := c.olderHolders(ctx, s.provider)
	if err != nil {
		return err
	}
	if errs := lostTo(s.provider, holders); len(errs) > 0 {
		s.accepted = conditions.Rejected(v1alpha1.ReasonConflicted, errs.ToAggregate().Error())
		s.lost = sets.KeySet(holders)
		return nil
	}
	s.accepted, s.document = conditions.Accepted(), &document
	return nil
}

// olderHolders are the providers that have models of the given one because they
// are older, by model.
func (c *Controller) olderHolders(ctx context.Context, provider *v1alpha1.ModelProvider) (map[string]*v1alpha1.ModelProvider, error) {
	rivals, err := c.rivals(ctx, provider)
	holders := map[string]*v1alpha1.ModelProvider{}
	for _, rival := range rivals {
		if claim.Compare(rival, provider) > 0 {
			continue
		}
		for name := range modelsOf(rival) {
			if holder := holders[name]; holder == nil || claim.Compare(rival, holder) < 0 {
				holders[name] = rival
			}
		}
	}
	return holders, err
}

// rivals are the other providers that name a model of the given one.
func (c *Controller) rivals(ctx context.Context, provider *v1alpha1.ModelProvider) ([]*v1alpha1.ModelProvider, error) {
	var providers v1alpha1.ModelProviderList
	if err := c.client.List(ctx, &providers); err != nil {
		return nil, err
	}
	var rivals []*v1alpha1.ModelProvider
	named := modelsOf(provider)
	for i := range providers.Items {
		other := &providers.Items[i]
		if other.Name != provider.Name && named.HasAny(modelsOf(other).UnsortedList()...) {
			rivals = append(rivals, other)
		}
	}
	return rivals, nil
}

func modelsOf(provider *v1alpha1.ModelProvider) sets.Set[string] {
	names := sets.New[string]()
	for _, model := range provider.Spec.Models {
		names.Insert(model.Name)
	}
	return names
}

// lostTo are the errors of a provider that names models which others have.
func lostTo(provider *v1alpha1.ModelProvider, holders map[string]*v1alpha1.ModelProvider) field.ErrorList {
	var errs field.ErrorList
	path := field.NewPath("spec", "models")
	for i, model := range provider.Spec.Models {
		if holder, found := holders[model.Name]; found {
			errs = append(errs, field.Invalid(path.Index(i).Child("name"), model.Name,
				fmt.Sprintf("belongs to the older ModelProvider %s", holder.Name)))
		}
	}
	return errs
}
