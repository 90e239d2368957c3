package webhook_test

import (
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
	"github.com/bursar-dev/bursar/hack/testkit"
	"github.com/bursar-dev/bursar/hack/testkit/objects"
)

// TestAway creates budgets while no webhook answers. A second one of a tenant gets in, and no
// further: the first stays in force, also when a third that came with the finalizer is deleted.
// The manager adds the finalizer to what it programs.
func TestAway(t *testing.T) {
	namespace, delegated := newNamespace(t), newNamespace(t, v1alpha1.DelegatedLabel)
	first := objects.TenantBudget(namespace)
	create(t, first)
	awaitSeen(t, first)
	testkit.Must(t, stopManager())
	second := budgetOf(delegated, func(b *v1alpha1.TenantBudget) { b.Spec.Tenant = namespace })
	// Its name would win, had both been created in the same second.
	awaitNextSecond(t, first)
	create(t, second)
	expectFinalizers(t, second)
	third := budgetOf(delegated, func(b *v1alpha1.TenantBudget) {
		b.Name, b.Spec.Tenant, b.Finalizers = "third", namespace, []string{v1alpha1.Finalizer}
	})
	create(t, third)
	testkit.Must(t, api.Delete(t.Context(), third))
	other := objects.TenantBudget(newNamespace(t))
	create(t, other)
	expectFinalizers(t, other)

	var err error
	if stopManager, err = startManager(webhookAddress, ""); err != nil {
		t.Fatal(err)
	}
	awaitAccepted(t, second, "False Conflicted")
	awaitAccepted(t, first, "True Accepted")
	awaitGone(t, third)
	awaitAccepted(t, other, "True Accepted")
	expectFinalizers(t, other, v1alpha1.Finalizer)
	document := redisClient.HGet(t.Context(), limiterv1.DocumentsKey,
		limiterv1.DocumentID{Kind: limiterv1.TenantDocument, Name: namespace}.String()).Val()
	if !strings.Contains(document, string(first.UID)) || strings.Contains(document, string(second.UID)) {
		t.Errorf("in force is %s, want what %s says, the first", document, first.UID)
	}
	testkit.Must(t, awaitWebhooks(t.Context()))
}

// awaitNextSecond waits until what is created is younger than the object.
func awaitNextSecond(t *testing.T, object client.Object) {
	t.Helper()
	time.Sleep(time.Until(object.GetCreationTimestamp().Add(time.Second)))
}

// spend makes the counter of a limit of a budget say what was spent in this period.
func spend(t *testing.T, budget *v1alpha1.TenantBudget, kind period.Kind, amount string) {
	t.Helper()
	spent, err := money.Parse(amount)
	testkit.Must(t, err)
	now, err := redisClient.Time(t.Context()).Result()
	testkit.Must(t, err)
	span := period.Containing(kind, time.UTC, now)
	counter := limiterv1.MoneyCounter{Start: span.Start, End: span.End, Spent: spent}
	key := limiterv1.TenantCountersKey(budget.Spec.Tenant, budget.Spec.Tenant)
	field := limiterv1.MoneyField(limiterv1.MoneyLimit{Period: kind})
	testkit.EventuallySucceeds(t, "the counters of "+budget.Spec.Tenant, func() error {
		// They are opened after the budget is accepted.
		_, err := limiterstore.NewCounters(redisClient).Read(t.Context(), budget.Spec.Tenant, budget.Spec.Tenant)
		return err
	})
	testkit.Must(t, redisClient.HSet(t.Context(), key, field, counter.Encode()).Err())
}
