package acceptance

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/claim"
	"github.com/bursar-dev/bursar/controllers/compile"
)

// ModelProvider is what was decided of a ModelProvider.
type ModelProvider struct {
	Decision
	// Document says to the enforcers what models there are; nil when the provider is
	// to have no effect.
	Document *limiterv1.Provider
	// Lost are the models that are another's.
	Lost sets.Set[string]
}

// OfModelProvider decides whether the provider is valid and has all of its models
// for itself, and compiles it if so.
func OfModelProvider(ctx context.Context, reader client.Reader, provider *v1alpha1.ModelProvider) (ModelProvider, error) {
	document, errs := compile.Provider(provider)
	if len(errs) > 0 {
		return ModelProvider{Decision: invalid(errs)}, nil
	}
	holders, err := olderHolders(ctx, reader, provider)
	if err != nil {
		return ModelProvider{}, err
	}
	if errs := lostTo(provider, holders); len(errs) > 0 {
		return ModelProvider{Decision: rejected(v1alpha1.ReasonConflicted, errs...), Lost: sets.KeySet(holders)}, nil
	}
	return ModelProvider{Decision: accepted(), Document: &document}, nil
}

// olderHolders are the providers that have models of the given one because they
// are older, by model.
func olderHolders(
	ctx context.Context, reader client.Reader, provider *v1alpha1.ModelProvider,
) (map[string]*v1alpha1.ModelProvider, error) {
	rivals, err := RivalsOf(ctx, reader, provider)
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

// RivalsOf are the other providers that name a model of the given one.
func RivalsOf(
	ctx context.Context, reader client.Reader, provider *v1alpha1.ModelProvider,
) ([]*v1alpha1.ModelProvider, error) {
	var providers v1alpha1.ModelProviderList
	if err := reader.List(ctx, &providers); err != nil {
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
