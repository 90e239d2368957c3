package webhook

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// namedModel is a model that an object names at a path.
type namedModel struct {
	path *field.Path
	name v1alpha1.ModelName
}

func modelsAt(path *field.Path, names []v1alpha1.ModelName) []namedModel {
	var named []namedModel
	for i, name := range names {
		named = append(named, namedModel{path.Index(i), name})
	}
	return named
}

// modelsOf are the models that a budget names. What is downgraded from may be one of
// its virtual models as well, and is left out.
func modelsOf(spec v1alpha1.TenantBudgetSpec) []namedModel {
	var named []namedModel
	path := field.NewPath("spec")
	for i, limit := range spec.Limits {
		named = append(named, modelsAt(path.Child("limits").Index(i).Child("models"), limit.Models)...)
	}
	for i, rung := range spec.Ladder {
		path := path.Child("ladder").Index(i)
		for j, replacement := range rung.Models {
			named = append(named, namedModel{path.Child("models").Index(j).Child("to"), replacement.To})
		}
		if rung.CheapestModel != nil {
			named = append(named, modelsAt(path.Child("cheapestModel", "models"), rung.CheapestModel.Models)...)
		}
	}
	for i, c := range spec.OutputCaps {
		named = append(named, modelsAt(path.Child("outputCaps").Index(i).Child("models"), c.Models)...)
	}
	for i, virtual := range spec.VirtualModels {
		named = append(named, modelsAt(path.Child("virtualModels").Index(i).Child("models"), virtual.Models)...)
	}
	return named
}

// unknown are the warnings of models that no ModelProvider has. Most are typing
// errors, by which a limit counts nothing.
func unknown(ctx context.Context, reader client.Reader, named []namedModel) []string {
	if len(named) == 0 {
		return nil
	}
	providers, ok := providers(ctx, reader)
	if !ok {
		return nil
	}
	known := sets.New[string]()
	for _, provider := range providers {
		for _, model := range provider.Spec.Models {
			known.Insert(model.Name)
		}
	}
	var warnings []string
	for _, model := range named {
		if !known.Has(string(model.name)) {
			warnings = append(warnings, fmt.Sprintf("%s: no ModelProvider lists model %q", model.path, model.name))
		}
	}
	return warnings
}

// providers are those that there are; not ok where that cannot be found out.
func providers(ctx context.Context, reader client.Reader) (all []v1alpha1.ModelProvider, ok bool) {
	var providers v1alpha1.ModelProviderList
	if err := reader.List(ctx, &providers); err != nil {
		log.FromContext(ctx).Error(err, "Failed to list the models of ModelProviders")
		return nil, false
	}
	return providers.Items, true
}
