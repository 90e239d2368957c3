package webhook_test

import (
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/hack/testkit"
	"github.com/bursar-dev/bursar/hack/testkit/objects"
)

// TestOfMetadataAloneNobodyIsAsked: labels and finalizers, which the manager sets on all
// objects that it programs, cost no call of the webhooks.
func TestOfMetadataAloneNobodyIsAsked(t *testing.T) {
	budget := objects.TenantBudget(newNamespace(t))
	before := asked(t)
	create(t, budget)
	awaitSeen(t, budget)
	for controllerutil.AddFinalizer(budget, v1alpha1.Finalizer) { // until the manager has
		testkit.Must(t, api.Get(t.Context(), client.ObjectKeyFromObject(budget), budget))
	}
	labelled := budget.DeepCopy()
	labelled.Labels = map[string]string{"team": "research"}
	testkit.Must(t, api.Patch(t.Context(), labelled, client.MergeFrom(budget)))
	if got := asked(t) - before; got != 1 {
		t.Errorf("the webhooks were asked %v times of a budget that was created, held and labelled, want once", got)
	}
	changed := labelled.DeepCopy()
	changed.Spec.Limits[0].Amount = "6.00"
	testkit.Must(t, api.Patch(t.Context(), changed, client.MergeFrom(labelled)))
	if got := asked(t) - before; got != 2 {
		t.Errorf("%v times, when its spec has changed as well, want twice", got)
	}
}

// asked is how often the webhook of budgets was asked so far.
func asked(t *testing.T) (total float64) {
	t.Helper()
	families, err := metrics.Registry.Gather()
	testkit.Must(t, err)
	for _, family := range families {
		if family.GetName() != "controller_runtime_webhook_requests_total" {
			continue
		}
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if label.GetName() == "webhook" && label.GetValue() == "/validate-bursar-dev-v1alpha1-tenantbudget" {
					total += metric.GetCounter().GetValue()
				}
			}
		}
	}
	return total
}
