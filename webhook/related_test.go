package webhook

import (
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/hack/testkit"
	"github.com/bursar-dev/bursar/hack/testkit/fakecache"
	"github.com/bursar-dev/bursar/hack/testkit/objects"
	"github.com/bursar-dev/bursar/history"
)

// TestRelated: the budgets that are looked up lead to the same family as all budgets do, and
// are none of strangers.
func TestRelated(t *testing.T) {
	under := func(parent, name string) *v1alpha1.TenantBudget {
		budget := objects.TenantBudget(name)
		if parent != "" {
			budget.Spec.ParentRef = &v1alpha1.ParentRef{Namespace: parent, Name: objects.TenantBudget(parent).Name}
		}
		return budget
	}
	budgets := []client.Object{
		under("", "company"), under("company", "emea"), under("company", "apac"), under("emea", "spain"), under("spain", "madrid"),
		under("", "stranger"), under("stranger", "child-of-stranger"),
	}
	reader := fakecache.New(t, budgets...)
	var all v1alpha1.TenantBudgetList
	testkit.Must(t, reader.List(t.Context(), &all))
	limited := []limiterv1.MoneyLimit{{Name: "daily"}}
	level := func(tenant string, limits ...limiterv1.MoneyLimit) limiterv1.Level {
		return limiterv1.Level{Tenant: tenant, Money: limits}
	}
	for name, document := range map[string]limiterv1.Tenant{
		"of a root":                         {Level: level("company", limited...)},
		"of one that is new":                {Level: level("new", limited...)},
		"below one that has limits":         {Level: level("spain", limited...), Ancestors: []limiterv1.Level{level("emea", limited...), level("company")}},
		"below one that has none":           {Level: level("emea", limited...), Ancestors: []limiterv1.Level{level("company")}},
		"new, below one that is limited":    {Level: level("italy", limited...), Ancestors: []limiterv1.Level{level("emea", limited...), level("company")}},
		"below a root that limits them all": {Level: level("apac"), Ancestors: []limiterv1.Level{level("company", limited...)}},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := related(t.Context(), reader, document)
			testkit.Must(t, err)
			want, got := gist(history.Family(document, all.Items)), gist(history.Family(document, found))
			if !slices.Equal(got, want) {
				t.Errorf("got the family %v, want %v", got, want)
			}
			if slices.ContainsFunc(found, func(b v1alpha1.TenantBudget) bool {
				return b.Spec.Tenant == "stranger" || b.Spec.Tenant == "child-of-stranger"
			}) {
				t.Error("a stranger's budget was read")
			}
		})
	}
}

// gist is a family in the order of its names.
func gist(family []history.Tenant) (all []string) {
	for _, tenant := range family {
		all = append(all, tenant.Name+" below "+strings.Join(tenant.Ancestors, ", "))
	}
	return slices.Sorted(slices.Values(all))
}
