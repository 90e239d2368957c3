package webhook

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// letsThrough are the warnings of a budget that lets calls of models through which no
// ModelProvider lists.
func letsThrough(ctx context.Context, reader client.Reader, spec v1alpha1.TenantBudgetSpec) []string {
	if spec.UnknownModel != v1alpha1.UnknownModelPriceAsMostExpensive {
		return nil
	}
	providers, ok := providers(ctx, reader)
	takes := func(provider v1alpha1.ModelProvider) bool { return provider.Spec.UnlistedModels != nil }
	if ok && !slices.ContainsFunc(providers, takes) {
		return []string{"spec.unknownModel: no ModelProvider sets unlistedModels: unlisted models are refused until one does"}
	}
	var warnings []string
	for _, path := range byModel(spec) {
		warnings = append(warnings, fmt.Sprintf(
			"%s: does not count calls to these models under unlisted names, which spec.unknownModel allows", path))
	}
	return warnings
}

// byModel are where a budget says something of some models alone, which a call for one
// of them by another name gets around.
func byModel(spec v1alpha1.TenantBudgetSpec) (paths []*field.Path) {
	path := field.NewPath("spec")
	for i, limit := range spec.Limits {
		if len(limit.Models) > 0 {
			paths = append(paths, path.Child("limits").Index(i).Child("models"))
		}
	}
	for i, rung := range spec.Ladder {
		if len(rung.Models) > 0 {
			paths = append(paths, path.Child("ladder").Index(i).Child("models"))
		}
	}
	return paths
}
