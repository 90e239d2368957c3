package webhook_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/hack/testkit"
	"github.com/bursar-dev/bursar/hack/testkit/objects"
)

// TestCreatedWithFinalizer: an object of each kind that programs something is created with the
// finalizer, beside those that it has. A dry run says so, too. It goes all the same, be it
// before anything is programmed.
func TestCreatedWithFinalizer(t *testing.T) {
	namespace := newNamespace(t)
	signIn := inline(func(*v1alpha1.IdentityProvider) {})
	for name, o := range map[string]object{
		"TenantBudget":     objects.TenantBudget(namespace),
		"APIKey":           objects.APIKey(namespace, "key"),
		"ModelProvider":    objects.ModelProvider("model-" + namespace),
		"IdentityProvider": signIn,
		"Membership":       objects.Membership(namespace, "people", signIn),
		"BudgetGrant":      objects.BudgetGrant(namespace, "grant", metav1.NewTime(time.Now().Add(time.Hour))),
	} {
		t.Run(name, func(t *testing.T) {
			tried := o.DeepCopyObject().(object)
			testkit.Must(t, api.Create(t.Context(), tried, client.DryRunAll))
			expectFinalizers(t, tried, v1alpha1.Finalizer)
			held := o.DeepCopyObject().(object)
			held.SetName(o.GetName() + "-held")
			held.SetFinalizers([]string{"example.com/hold"})
			testkit.Must(t, api.Create(t.Context(), held, client.DryRunAll))
			expectFinalizers(t, held, "example.com/hold", v1alpha1.Finalizer)

			testkit.Must(t, api.Create(t.Context(), o))
			expectFinalizers(t, o, v1alpha1.Finalizer)
			testkit.Must(t, api.Delete(t.Context(), o))
			awaitGone(t, o)
		})
	}
	policy := objects.RateLimitPolicy(namespace, "policy") // programs nothing by itself
	create(t, policy)
	expectFinalizers(t, policy)
}

// TestFinalizerStays: what people apply next has no finalizer in it, and takes none away: the
// finalizer of the creation is nobody's field.
func TestFinalizerStays(t *testing.T) {
	namespace := newNamespace(t)
	for _, amount := range []string{"5.00", "6.00"} {
		manifest := fmt.Sprintf(`{apiVersion: bursar.dev/v1alpha1, kind: TenantBudget, metadata: {name: applied, namespace: %[1]s},
			spec: {tenant: %[1]s, limits: [{name: daily, period: Day, amount: %[2]q}]}}`, namespace, amount)
		if out, err := kubectl(t.Context(), manifest, "apply", "--server-side", "-f", "-"); err != nil {
			t.Fatal(err, out)
		}
		budget := &v1alpha1.TenantBudget{}
		testkit.Must(t, api.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "applied"}, budget))
		expectFinalizers(t, budget, v1alpha1.Finalizer)
		if got := budget.Spec.Limits[0].Amount; string(got) != amount {
			t.Errorf("the limit is %s, want %s", got, amount)
		}
		for _, entry := range budget.ManagedFields {
			if entry.FieldsV1 != nil && strings.Contains(entry.FieldsV1.String(), "f:finalizers") {
				t.Errorf("%s manages the finalizers", entry.Manager)
			}
		}
	}

	budget := objects.TenantBudget(newNamespace(t))
	create(t, budget)
	testkit.EventuallySucceeds(t, "an update of what was read", func() error {
		testkit.Must(t, api.Get(t.Context(), client.ObjectKeyFromObject(budget), budget))
		budget.Spec.Limits[0].Amount = "7.00"
		return api.Update(t.Context(), budget)
	})
	expectFinalizers(t, budget, v1alpha1.Finalizer)
}

// TestRejectedGoes: an object that is created with the finalizer, and never has effect, goes.
func TestRejectedGoes(t *testing.T) {
	orphan := budgetOf(newNamespace(t), func(b *v1alpha1.TenantBudget) { b.Spec.ParentRef = &v1alpha1.ParentRef{Name: "missing"} })
	create(t, orphan)
	awaitAccepted(t, orphan, "False ParentNotFound")
	expectFinalizers(t, orphan, v1alpha1.Finalizer)
	testkit.Must(t, api.Delete(t.Context(), orphan))
	awaitGone(t, orphan)
}

func expectFinalizers(t *testing.T, o client.Object, want ...string) {
	t.Helper()
	if got := o.GetFinalizers(); !slices.Equal(got, want) {
		t.Errorf("%T %s has the finalizers %q, want %q", o, o.GetName(), got, want)
	}
}

func awaitGone(t *testing.T, o client.Object) {
	t.Helper()
	testkit.Eventually(t, fmt.Sprintf("%T %s is gone", o, o.GetName()), func() bool {
		return apierrors.IsNotFound(api.Get(t.Context(), client.ObjectKeyFromObject(o), o))
	})
}
