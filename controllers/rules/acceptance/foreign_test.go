package acceptance_test

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/acceptance"
	"github.com/bursar-dev/bursar/hack/testkit"
	"github.com/bursar-dev/bursar/hack/testkit/fakecache"
	"github.com/bursar-dev/bursar/hack/testkit/objects"
)

// TestNoMessageNamesForeignObjects: what is decided of an object of one namespace names no
// object of another, except for one that the object itself names.
func TestNoMessageNamesForeignObjects(t *testing.T) {
	const hidden = "hidden"
	secret := func(reason string) *v1alpha1.TenantBudget {
		return with(budget(hidden, reason), func(b *v1alpha1.TenantBudget) { b.Name, b.Labels = hidden, map[string]string{"plan": "free"} })
	}
	sameHash := with(objects.APIKey(hidden, hidden), func(k *v1alpha1.APIKey) { k.Spec.SHA256 = objects.APIKey("acme", "key").Spec.SHA256 })
	platform, other := namespace(hidden, delegated), namespace("acme", delegated)
	rival := with(secret(v1alpha1.ReasonAccepted), func(b *v1alpha1.TenantBudget) { b.Spec.Tenant = "acme" })
	acme := aged(0, budget("acme", v1alpha1.ReasonAccepted))
	ofBudget := func(t *testing.T, there []client.Object, b *v1alpha1.TenantBudget) acceptance.Decision {
		decided, err := acceptance.DecideTenantBudget(t.Context(), fakecache.New(t, there...), aged(1, b))
		testkit.Must(t, err)
		return decided.Decision
	}
	for name, tc := range map[string]struct {
		decide func(*testing.T) acceptance.Decision
		want   string
	}{
		"a tenant that a budget elsewhere has": {func(t *testing.T) acceptance.Decision {
			return ofBudget(t, []client.Object{platform, aged(0, rival)}, objects.TenantBudget("acme"))
		}, "False Conflicted spec.tenant"},
		"the tenant of a budget elsewhere": {func(t *testing.T) acceptance.Decision {
			return ofBudget(t, []client.Object{other, aged(0, with(rival.DeepCopy(), func(b *v1alpha1.TenantBudget) { b.Spec.Tenant = hidden }))},
				with(objects.TenantBudget("acme"), func(b *v1alpha1.TenantBudget) { b.Spec.Tenant = hidden }))
		}, "False Conflicted spec.tenant"},
		"a parent of the same name elsewhere": {func(t *testing.T) acceptance.Decision {
			return ofBudget(t, []client.Object{aged(0, secret(v1alpha1.ReasonAccepted))}, child("acme", "emea"))
		}, "False NotAllowedByParent spec.parentRef"},
		"a key whose hash is registered elsewhere": {func(t *testing.T) acceptance.Decision {
			decided, err := acceptance.DecideAPIKey(t.Context(), fakecache.New(t, acme, aged(0, sameHash)), aged(1, objects.APIKey("acme", "key")))
			testkit.Must(t, err)
			return decided.Decision
		}, accepted},
		"a key of a budget elsewhere": {func(t *testing.T) acceptance.Decision {
			decided, err := acceptance.DecideAPIKey(t.Context(), fakecache.New(t, aged(0, secret(v1alpha1.ReasonAccepted))), aged(1, objects.APIKey("acme", "key")))
			testkit.Must(t, err)
			return decided.Decision
		}, "False TargetNotFound spec.budgetRef.name"},
		"a grant of a budget elsewhere": {func(t *testing.T) acceptance.Decision {
			decided, err := acceptance.DecideBudgetGrant(t.Context(), fakecache.New(t, aged(0, secret(v1alpha1.ReasonAccepted))),
				aged(1, objects.BudgetGrant("acme", "grant", metav1.NewTime(born.AddDate(1, 0, 0)))))
			testkit.Must(t, err)
			return decided.Decision
		}, "False TargetNotFound spec.budgetRef.name"},
		"a policy that would select budgets elsewhere": {func(t *testing.T) acceptance.Decision {
			decided, err := acceptance.DecideRateLimitPolicy(t.Context(),
				fakecache.New(t, namespace("acme", nil), aged(0, secret(v1alpha1.ReasonInvalid))),
				aged(1, objects.SelectingPolicy("acme", "policy", func(s *v1alpha1.TargetSelector) {
					s.MatchLabels, s.Namespaces = map[string]string{"plan": "free"}, v1alpha1.Namespaces{From: v1alpha1.NamespacesAll}
				})))
			testkit.Must(t, err)
			return decided.Decision
		}, "False NamespaceNotDelegated spec.targetSelector.namespaces.from"},
	} {
		t.Run(name, func(t *testing.T) {
			decided := tc.decide(t)
			if got := verdict(decided); got != tc.want {
				t.Errorf("got %q, want %q: %s", got, tc.want, decided.Message)
			}
			if told := strings.ReplaceAll(decided.Message, `Invalid value: "hidden"`, ""); strings.Contains(told, hidden) {
				t.Errorf("the message names an object of another namespace: %s", decided.Message)
			}
		})
	}
}

// TestNobodyLearnsWhetherAForeignParentExists: what is said of a parent in another namespace that
// does not allow the child is the same if the parent is not there.
func TestNobodyLearnsWhetherAForeignParentExists(t *testing.T) {
	said := func(there ...client.Object) metav1.Condition {
		decided, err := acceptance.DecideTenantBudget(t.Context(), fakecache.New(t, there...), aged(1, child("acme", "emea")))
		testkit.Must(t, err)
		return metav1.Condition{Status: decided.Status, Reason: decided.Reason, Message: decided.Message}
	}
	none := said(namespace("emea", nil))
	for name, reason := range map[string]string{"accepted": v1alpha1.ReasonAccepted, "invalid": v1alpha1.ReasonInvalid, "new": ""} {
		private := aged(0, with(budget("emea", reason), func(b *v1alpha1.TenantBudget) { b.Spec.AllowedChildren = nil }))
		if got := said(namespace("emea", nil), private); got != none {
			t.Errorf("a parent that is %s\n got %+v\nwant %+v", name, got, none)
		}
	}
}
