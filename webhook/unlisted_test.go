package webhook_test

import (
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/hack/testkit"
	"github.com/bursar-dev/bursar/hack/testkit/objects"
)

// TestUnlistedModels: a budget that admits models that no ModelProvider lists gets a warning
// if none accepts them and, if one does, about the limits and rungs that do not count them. A
// model that the YAML names must be listed all the same.
func TestUnlistedModels(t *testing.T) {
	namespace := newNamespace(t)
	provider := objects.ModelProvider("listed-" + namespace)
	create(t, provider)
	awaitAccepted(t, provider, "True Accepted")
	listed := v1alpha1.ModelName("listed-" + namespace)
	budget := budgetOf(namespace, func(b *v1alpha1.TenantBudget) {
		b.Spec.UnknownModel = v1alpha1.UnknownModelPriceAsMostExpensive
		b.Spec.Limits[1].Models = []v1alpha1.ModelName{listed}
		b.Spec.Ladder = []v1alpha1.Rung{{AtPercent: 80, Action: "Downgrade", Models: []v1alpha1.Replacement{{From: listed, To: "no-such-model"}}}}
	})
	const unlisted = `spec.ladder[0].models[0].to: no ModelProvider lists model "no-such-model"`
	warned.take()
	expectAnswer(t, api.Create(t.Context(), budget.DeepCopy(), client.DryRunAll), "", unlisted, "spec.unknownModel: no ModelProvider sets unlistedModels")

	before := provider.DeepCopy()
	provider.Spec.UnlistedModels = &v1alpha1.UnlistedModels{MaxOutputTokens: 1000}
	testkit.Must(t, api.Patch(t.Context(), provider, client.MergeFrom(before)))
	awaitAccepted(t, provider, "True Accepted")
	warned.take()
	expectAnswer(t, api.Create(t.Context(), budget.DeepCopy(), client.DryRunAll), "", unlisted,
		"spec.limits[1].models: does not count calls to these models", "spec.ladder[0].models: does not count calls to these models")

	budget.Spec.UnknownModel = v1alpha1.UnknownModelDeny
	warned.take()
	expectAnswer(t, api.Create(t.Context(), budget.DeepCopy(), client.DryRunAll), "", unlisted)
}
