package api_test

import (
	"net/http"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/console/api"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestLimitsOfPoliciesThatSelect: /limits has the limits of policies that select a tenant, or one above it,
// by the labels of its budget or of its namespace, as long as they do and may.
func TestLimitsOfPoliciesThatSelect(t *testing.T) {
	ctx := t.Context()
	testkit.Must(t, makeTenant(ctx, "weyland", "", []v1alpha1.Member{member("walt.weyland", true)}))
	testkit.Must(t, makeTenant(ctx, "yutani", "weyland", []v1alpha1.Member{member("roy.yutani", false)}))
	delegated := map[string]string{v1alpha1.DelegatedLabel: "true"}
	for _, name := range []string{"quotas", "former-quotas"} {
		made := namespace(name)
		made.Labels = delegated
		testkit.Must(t, shared.admin.Create(ctx, made))
	}
	label := func(object client.Object, labels map[string]string) {
		t.Helper()
		before := object.DeepCopyObject().(client.Object)
		object.SetLabels(labels)
		testkit.Must(t, shared.admin.Patch(ctx, object, client.MergeFrom(before)))
	}
	budgetOf := func(tenant string) *v1alpha1.TenantBudget {
		t.Helper()
		budget := &v1alpha1.TenantBudget{}
		testkit.Must(t, shared.admin.Get(ctx, client.ObjectKey{Namespace: tenant, Name: tenant}, budget))
		return budget
	}
	label(budgetOf("yutani"), map[string]string{"plan": "free"})
	label(budgetOf("weyland"), map[string]string{"plan": "group"})
	its := namespace("yutani")
	label(its, map[string]string{"region": "west"})
	ofRegion := v1alpha1.Namespaces{From: v1alpha1.NamespacesSelector, Selector: &v1alpha1.LabelSelector{MatchLabels: map[string]string{"region": "west"}}}
	everywhere := v1alpha1.Namespaces{From: v1alpha1.NamespacesAll}
	for _, one := range []struct {
		namespace, name string
		per             v1alpha1.Scope
		selector        v1alpha1.TargetSelector
	}{
		{"quotas", "free", v1alpha1.ScopeUser, v1alpha1.TargetSelector{MatchLabels: map[string]string{"plan": "free"}, Namespaces: everywhere}},
		{"quotas", "west", v1alpha1.ScopeTenant, v1alpha1.TargetSelector{Namespaces: ofRegion}},
		{"quotas", "paid", v1alpha1.ScopeUser, v1alpha1.TargetSelector{MatchLabels: map[string]string{"plan": "paid"}, Namespaces: everywhere}},
		{"quotas", "groups", v1alpha1.ScopeTenant, v1alpha1.TargetSelector{MatchLabels: map[string]string{"plan": "group"}, Namespaces: everywhere}},
		{"former-quotas", "free", v1alpha1.ScopeUser, v1alpha1.TargetSelector{MatchLabels: map[string]string{"plan": "free"}, Namespaces: everywhere}},
		{"yutani", "own", v1alpha1.ScopeUser, v1alpha1.TargetSelector{}},
	} {
		requests := int64(7)
		testkit.Must(t, create(ctx, &v1alpha1.RateLimitPolicy{
			ObjectMeta: metav1.ObjectMeta{Namespace: one.namespace, Name: one.name},
			Spec:       v1alpha1.RateLimitPolicySpec{TargetSelector: &one.selector, Limits: []v1alpha1.RateLimit{{Name: "each", Per: one.per, Requests: &requests, Window: "1m"}}},
		}))
	}
	former := namespace("former-quotas")
	former.Labels = delegated
	label(former, nil)
	const money = "yutani/daily 20%\nyutani/each-user 0.001000001 of 1.50\nweyland/daily\n"
	become := func(want string) {
		t.Helper()
		got := ""
		testkit.Eventually(t, "limits are\n"+want, func() bool {
			answer := do(t, http.MethodGet, "/api/ai/limits", token("roy.yutani"), nil)
			if answer.status != http.StatusOK {
				return false
			}
			var limits api.Limits
			answer.read(t, &limits)
			got = linesOf(limits)
			return got == want
		})
	}
	become(money + "yutani/own/each\nyutani/speed/each\nyutani/speed/all\nyutani/quotas/free/each\nyutani/quotas/west/each\nweyland/speed/all\nweyland/quotas/groups/each")
	var limits api.Limits
	do(t, http.MethodGet, "/api/ai/limits", token("roy.yutani"), nil).read(t, &limits)
	if own := limits.Rates[3]; own.Policy != "quotas/free" || own.Left == nil || *own.Left != 7 {
		t.Errorf("of a limit of requests per user that a policy imposes: %+v", own)
	}
	// Users are told of limits by the names that refusals have: those of the document that enforcers run.
	var preview api.Preview
	doWith(t, http.MethodPost, "/api/ai/budgets/yutani/preview", token("pat", "platform"), nil, "{}").read(t, &preview)
	for _, rate := range limits.Rates {
		if !slices.ContainsFunc(preview.Replay.Limits, func(l api.ReplayedLimit) bool { return l.Tenant == rate.Tenant && l.Limit == rate.Policy+"/"+rate.Name }) {
			t.Errorf("no limit of tenant %s is called %s/%s in %+v", rate.Tenant, rate.Policy, rate.Name, preview.Replay.Limits)
		}
	}
	label(budgetOf("yutani"), nil)
	label(its, nil)
	become(money + "yutani/own/each\nyutani/speed/each\nyutani/speed/all\nweyland/speed/all\nweyland/quotas/groups/each")
}
