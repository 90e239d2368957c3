package webhook_test

import (
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/hack/testkit"
	"github.com/bursar-dev/bursar/hack/testkit/objects"
)

// TestOfMetadataAloneNobodyIsAsked: changes of labels and finalizers cost no call of the webhooks.
func TestOfMetadataAloneNobodyIsAsked(t *testing.T) {
	budget := objects.TenantBudget(newNamespace(t))
	before := asked(t)
	create(t, budget)
	awaitSeen(t, budget)
	if got := asked(t) - before; got != 1 {
		t.Errorf("the webhooks were asked %v times of a budget that was created, want once", got)
	}
	if got := askedByPatch(t, budget, func() { budget.Labels = map[string]string{"team": "research"} }); got != 0 {
		t.Errorf("the webhooks were asked %v times of a label, want never", got)
	}
	if got := askedByPatch(t, budget, func() { budget.Finalizers = append(budget.Finalizers, "example.com/hold") }); got != 0 {
		t.Errorf("the webhooks were asked %v times of a finalizer, want never", got)
	}
	if got := askedByPatch(t, budget, func() { budget.Finalizers = budget.Finalizers[:1] }); got != 0 {
		t.Errorf("the webhooks were asked %v times of a finalizer that is removed, want never", got)
	}
	if got := askedByPatch(t, budget, func() { budget.Spec.Limits[0].Amount = "6.00" }); got != 1 {
		t.Errorf("the webhooks were asked %v times of a changed spec, want once", got)
	}
}

// askedByPatch is how often the webhook of budgets is asked of a change. The API server
// repeats a patch that another write overtakes, such as the manager's of the status, and
// asks again: so the change is made of the version that was read, or tried anew.
func askedByPatch(t *testing.T, budget *v1alpha1.TenantBudget, change func()) (times float64) {
	t.Helper()
	testkit.EventuallySucceeds(t, "nobody else writes the budget meanwhile", func() error {
		if err := api.Get(t.Context(), client.ObjectKeyFromObject(budget), budget); err != nil {
			return err
		}
		read, before := budget.DeepCopy(), asked(t)
		change()
		err := api.Patch(t.Context(), budget, client.MergeFromWithOptions(read, client.MergeFromWithOptimisticLock{}))
		times = asked(t) - before
		return err
	})
	return times
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
