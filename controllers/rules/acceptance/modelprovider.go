package acceptance

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/compile"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/precedence"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// ModelProvider is what was decided of a ModelProvider.
type ModelProvider struct {
	Decision
	// Document tells the enforcers what models there are; nil if the provider is to
	// have no effect.
	Document *limiterv1.Provider
	// Lost is what an older provider has.
	Lost Lost
}

// Lost is what a ModelProvider names although an older one has it.
type Lost struct {
	Models sets.Set[string]
	// Unlisted is whether another provider of its protocol takes the models that none
	// lists.
	Unlisted bool
}

// Any reports whether anything is lost.
func (l Lost) Any() bool { return len(l.Models) > 0 || l.Unlisted }

// DecideModelProvider decides whether the provider is valid and has all of its models
// for itself, and compiles it if so.
func DecideModelProvider(ctx context.Context, reader client.Reader, provider *v1alpha1.ModelProvider) (ModelProvider, error) {
	document, errs := compile.Provider(provider)
	if len(errs) > 0 {
		return ModelProvider{Decision: invalid(errs)}, nil
	}
	rivals, err := RivalsOf(ctx, reader, provider)
	if err != nil {
		return ModelProvider{}, err
	}
	holders, taker := olderHolders(rivals, provider)
	if errs := append(lostTo(provider, holders), takenBy(provider, taker)...); len(errs) > 0 {
		lost := Lost{Models: sets.KeySet(holders), Unlisted: taker != nil}
		return ModelProvider{Decision: rejected(v1alpha1.ReasonConflicted, errs...), Lost: lost}, nil
	}
	return ModelProvider{Decision: accepted(), Document: &document}, nil
}

// olderHolders are the older rivals of a provider that have what it names: its models,
// by model, and the models that none lists, if one takes them.
func olderHolders(rivals []*v1alpha1.ModelProvider, provider *v1alpha1.ModelProvider,
) (holders map[string]*v1alpha1.ModelProvider, taker *v1alpha1.ModelProvider) {
	holders = map[string]*v1alpha1.ModelProvider{}
	older := func(rival, holder *v1alpha1.ModelProvider) bool {
		return holder == nil || precedence.Compare(rival, holder) < 0
	}
	for _, rival := range rivals {
		if precedence.Compare(rival, provider) > 0 {
			continue
		}
		for name := range modelsOf(rival) {
			if older(rival, holders[name]) {
				holders[name] = rival
			}
		}
		if bothTakeUnlisted(rival, provider) && older(rival, taker) {
			taker = rival
		}
	}
	return holders, taker
}

// bothTakeUnlisted is whether calls for a model that none lists could go to either.
func bothTakeUnlisted(a, b *v1alpha1.ModelProvider) bool {
	return a.Spec.Protocol == b.Spec.Protocol && a.Spec.UnlistedModels != nil && b.Spec.UnlistedModels != nil
}

// RivalsOf are the other providers that name a model of the given one, or take, as it
// does, models of its protocol that none lists.
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
		if other.Name != provider.Name && (bothTakeUnlisted(other, provider) || named.HasAny(modelsOf(other).UnsortedList()...)) {
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

// lostTo are the errors of a provider that names models of others.
func lostTo(provider *v1alpha1.ModelProvider, holders map[string]*v1alpha1.ModelProvider) field.ErrorList {
	var errs field.ErrorList
	path := field.NewPath("spec", "models")
	for i, model := range provider.Spec.Models {
		if holder, found := holders[model.Name]; found {
			errs = append(errs, field.Invalid(path.Index(i).Child("name"), model.Name,
				fmt.Sprintf("already governed by the older ModelProvider %s: remove the model from one of the two", holder.Name)))
		}
	}
	return errs
}

// takenBy is the error of a provider that takes models that none lists, although an
// older one does.
func takenBy(provider, taker *v1alpha1.ModelProvider) field.ErrorList {
	if taker == nil {
		return nil
	}
	return field.ErrorList{field.Forbidden(field.NewPath("spec", "unlistedModels"),
		fmt.Sprintf("the older ModelProvider %s already takes unlisted models of protocol %s", taker.Name, provider.Spec.Protocol))}
}
