package webhook_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
)

// newNamespace makes a namespace that no other test knows; it is the tenant, too.
func newNamespace(t *testing.T, labels ...string) string {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "t-" + rand.String(8), Labels: map[string]string{}}}
	for _, label := range labels {
		namespace.Labels[label] = "true"
	}
	must(t, api.Create(t.Context(), namespace))
	return namespace.Name
}

func newBudget(namespace string) *v1alpha1.TenantBudget {
	return &v1alpha1.TenantBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "budget"},
		Spec: v1alpha1.TenantBudgetSpec{
			Tenant:          namespace,
			AllowedChildren: &v1alpha1.AllowedChildren{Namespaces: v1alpha1.Namespaces{From: v1alpha1.NamespacesAll}},
			Limits: []v1alpha1.MoneyLimit{
				{Name: "daily", Period: "Day", Amount: "5.00"},
				{Name: "monthly", Period: "Month", Amount: "100.00"},
			},
		},
	}
}

func newPolicy(namespace string) *v1alpha1.RateLimitPolicy {
	return &v1alpha1.RateLimitPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "policy"},
		Spec: v1alpha1.RateLimitPolicySpec{
			TargetRef: &v1alpha1.TargetRef{Kind: "TenantBudget", Name: "budget"},
			Limits:    []v1alpha1.RateLimit{{Name: "all", Per: v1alpha1.ScopeUser, Requests: ptr.To[int64](5), Window: "1m"}},
		},
	}
}

func selectingPolicy(namespace string, change func(*v1alpha1.TargetSelector)) *v1alpha1.RateLimitPolicy {
	p := newPolicy(namespace)
	p.Spec.TargetRef, p.Spec.TargetSelector = nil, &v1alpha1.TargetSelector{}
	change(p.Spec.TargetSelector)
	return p
}

func newKey(namespace, name string) *v1alpha1.APIKey {
	hash := sha256.Sum256([]byte(namespace))
	return &v1alpha1.APIKey{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: v1alpha1.APIKeySpec{
			SHA256: hex.EncodeToString(hash[:]), BudgetRef: v1alpha1.BudgetRef{Name: "budget"}, User: "gerente-1", Tier: "gerente",
		},
	}
}

func newProvider(models ...string) *v1alpha1.ModelProvider {
	p := &v1alpha1.ModelProvider{
		ObjectMeta: metav1.ObjectMeta{Name: "p-" + rand.String(8)},
		Spec:       v1alpha1.ModelProviderSpec{Endpoint: "https://api.example.com/v1"},
	}
	for _, model := range models {
		p.Spec.Models = append(p.Spec.Models, v1alpha1.Model{
			Name: model, MaxOutputTokens: 1000, Prices: v1alpha1.Prices{PriceList: v1alpha1.PriceList{Input: "1", Output: "2"}},
		})
	}
	return p
}

// create makes the object and hears no warning.
func create(t *testing.T, object client.Object) {
	t.Helper()
	must(t, api.Create(t.Context(), object))
	warned.take()
	t.Cleanup(func() { _ = api.Delete(context.Background(), object) })
}

// update changes the object as it is now, whatever else changes it meanwhile.
func update[T client.Object](t *testing.T, object T, change func(T)) error {
	t.Helper()
	for {
		must(t, api.Get(t.Context(), client.ObjectKeyFromObject(object), object))
		warned.take()
		before := object.DeepCopyObject().(T)
		change(object)
		err := api.Patch(t.Context(), object, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
		if !apierrors.IsConflict(err) {
			return err
		}
	}
}

// object is an object of any kind that has conditions.
type object interface {
	client.Object
	conditions.Object
}

// awaitAccepted waits until the condition Accepted is what is wanted, "Status Reason".
func awaitAccepted(t *testing.T, o object, want string) {
	t.Helper()
	eventually(t, o.GetNamespace()+"/"+o.GetName()+" Accepted "+want, func() string {
		if err := api.Get(t.Context(), client.ObjectKeyFromObject(o), o); err != nil {
			return err.Error()
		}
		accepted := meta.FindStatusCondition(o.Programming().Conditions, v1alpha1.ConditionAccepted)
		if accepted == nil || accepted.ObservedGeneration != o.GetGeneration() {
			return "not yet"
		}
		if got := fmt.Sprint(accepted.Status, " ", accepted.Reason); got != want {
			return got
		}
		return ""
	})
}

// awaitSeen waits until the webhooks know the object, which they read from a cache.
func awaitSeen(t *testing.T, budget *v1alpha1.TenantBudget) {
	t.Helper()
	awaitAccepted(t, budget, "True Accepted")
}

// eventually waits until there is nothing left to complain of.
func eventually(t *testing.T, what string, complaint func() string) {
	t.Helper()
	for deadline := time.Now().Add(within); ; time.Sleep(20 * time.Millisecond) {
		left := complaint()
		if left == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %s", what, left)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
