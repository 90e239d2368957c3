package v1alpha1_test

import (
	"errors"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// handed is a budget that names a successor, and of which it was found that it was handed over, if it was.
func handed(tenant, name, successor, reason string) *v1alpha1.TenantBudget {
	b := &v1alpha1.TenantBudget{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: name, UID: types.UID(name)}}
	b.Spec.Tenant = tenant
	if successor != "" {
		b.Spec.SuccessorRef = &v1alpha1.SuccessorRef{Name: successor}
	}
	b.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionAccepted, Status: metav1.ConditionFalse, Reason: reason}}
	return b
}

// TestGoverning: it is followed from one successor to the next, and never beyond one that is not there,
// that is another tenant's, or that has not taken over.
func TestGoverning(t *testing.T) {
	const over = v1alpha1.ReasonHandedOver
	budgets := map[string]*v1alpha1.TenantBudget{}
	for _, b := range []*v1alpha1.TenantBudget{
		handed("acme", "first", "second", over), handed("acme", "second", "third", over), handed("acme", "third", "", ""),
		handed("acme", "early", "third", ""), handed("acme", "lost", "nobody", over),
		handed("acme", "astray", "foreign", over), handed("other", "foreign", "", ""),
		handed("acme", "here", "there", over), handed("acme", "there", "here", over), handed("acme", "itself", "itself", over),
	} {
		budgets[b.Name] = b
	}
	get := func(key types.NamespacedName) (*v1alpha1.TenantBudget, error) { return budgets[key.Name], nil }
	for from, want := range map[string]string{
		"first": "third", "second": "third", "third": "third", "early": "early", "lost": "lost", "astray": "astray", "itself": "itself",
	} {
		if got, err := budgets[from].Governing(get); err != nil || got.Name != want {
			t.Errorf("%s: %v, %v, want %s", from, got, err, want)
		}
	}
	if got, err := budgets["here"].Governing(get); err != nil || got == nil {
		t.Errorf("in a circle: %v, %v, want one of both", got, err)
	}
	away := errors.New("away")
	if _, err := budgets["first"].Governing(func(types.NamespacedName) (*v1alpha1.TenantBudget, error) { return nil, away }); !errors.Is(err, away) {
		t.Errorf("with nothing to read: %v", err)
	}
}
