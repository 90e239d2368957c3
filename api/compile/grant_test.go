package compile_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"github.com/bursar-dev/bursar/api/compile"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

var noon = metav1.NewTime(time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC))

func budgetGrant(name, limit string, change ...func(*v1alpha1.BudgetGrant)) v1alpha1.BudgetGrant {
	g := v1alpha1.BudgetGrant{ObjectMeta: meta(name, 1), Spec: v1alpha1.BudgetGrantSpec{
		BudgetRef: v1alpha1.BudgetRef{Name: "acme"}, Limit: limit, Amount: "1.50", Reason: "why not", ExpiresAt: noon,
	}}
	g.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionRecorded, Status: metav1.ConditionTrue}}
	for _, c := range change {
		c(&g)
	}
	return g
}

func found(status metav1.ConditionStatus) func(*v1alpha1.BudgetGrant) {
	return func(g *v1alpha1.BudgetGrant) {
		g.Status.Conditions = append(g.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionExpired, Status: status})
	}
}

func TestGrants(t *testing.T) {
	starts := ptr.To(metav1.NewTime(noon.Add(-time.Hour)))
	grants := []v1alpha1.BudgetGrant{
		budgetGrant("more", "daily", func(g *v1alpha1.BudgetGrant) { g.Spec.StartsAt = starts }),
		budgetGrant("again", "daily", found(metav1.ConditionFalse)),
		budgetGrant("over", "daily", found(metav1.ConditionTrue)),
		budgetGrant("going", "daily", func(g *v1alpha1.BudgetGrant) { g.DeletionTimestamp = &noon }),
		budgetGrant("unrecorded", "daily", func(g *v1alpha1.BudgetGrant) { g.Status.Conditions = nil }),
		budgetGrant("of-nothing", "hourly"),
		budgetGrant("of-ana", "each-user", func(g *v1alpha1.BudgetGrant) { g.Spec.User = "ana" }),
		budgetGrant("of-whom", "daily", func(g *v1alpha1.BudgetGrant) { g.Spec.User = "ana" }),
	}
	want, errs := compile.Tenant(budget(), nil, nil)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	const amount = 1500 * money.USD / 1000
	want.Sources = append(want.Sources,
		source("BudgetGrant", "again", 1), source("BudgetGrant", "more", 1), source("BudgetGrant", "of-ana", 1))
	daily := []limiterv1.Grant{
		{Name: "again", Amount: amount, ExpiresAt: noon.Time},
		{Name: "more", Amount: amount, StartsAt: starts.Time, ExpiresAt: noon.Time},
	}
	want.Money[1].Grants = daily
	want.Money[2].Grants = []limiterv1.Grant{{Name: "of-ana", Owner: limiterv1.Owner{User: "ana"}, Amount: amount, ExpiresAt: noon.Time}}
	got, errs := compile.Tenant(budget(), nil, grants)
	if diff := cmp.Diff(want, got); diff != "" || len(errs) > 0 {
		t.Errorf("errors %v; document (-want +got):\n%s", errs, diff)
	}

	// Those below inherit what is granted to all.
	ancestor, errs := compile.NewAncestor(budget(), nil, grants)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	child := budget()
	child.ObjectMeta, child.Spec.Tenant = meta("child", 1), "child"
	below, errs := compile.Tenant(child, nil, nil, ancestor)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if diff := cmp.Diff(daily, below.Ancestors[0].Money[1].Grants); diff != "" {
		t.Errorf("what a child inherits (-want +got):\n%s", diff)
	}
	wantSources := []limiterv1.Source{
		source("TenantBudget", "child", 1), source("TenantBudget", "acme", 3), source("BudgetGrant", "again", 1), source("BudgetGrant", "more", 1)}
	if diff := cmp.Diff(wantSources, below.Sources); diff != "" {
		t.Errorf("what a child's document was compiled from (-want +got):\n%s", diff)
	}
}

// TestGrantsStayWithTheirBudget: what is granted to a child adds to the child's limit, and not
// to its parent's limit of the same name.
func TestGrantsStayWithTheirBudget(t *testing.T) {
	parent, errs := compile.NewAncestor(budget(), nil, nil)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	child := budget()
	child.ObjectMeta, child.Spec.Tenant = meta("child", 1), "child"
	document, errs := compile.Tenant(child, nil, []v1alpha1.BudgetGrant{budgetGrant("more", "daily")}, parent)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if own := document.Money[1]; own.Name != "daily" || len(own.Grants) != 1 {
		t.Errorf("the child's limit is %+v, want it with the grant", own)
	}
	for _, limit := range document.Ancestors[0].Money {
		if len(limit.Grants) > 0 {
			t.Errorf("the parent's limit %s has the child's grants: %+v", limit.Name, limit.Grants)
		}
	}
}

func TestGrantingIsBounded(t *testing.T) {
	var grants []v1alpha1.BudgetGrant
	for i := range limiterv1.MaxGrants + 2 {
		grants = append(grants, budgetGrant(fmt.Sprintf("g%02d", i), "daily", func(g *v1alpha1.BudgetGrant) {
			g.CreationTimestamp = metav1.NewTime(noon.Add(-time.Duration(i) * time.Minute))
		}))
	}
	granting := compile.Granting(budget(), grants)
	if len(granting) != limiterv1.MaxGrants || granting[0].Name != "g65" || granting[63].Name != "g02" {
		t.Errorf("%d grants count, from %s on; want the 64 oldest", len(granting), granting[0].Name)
	}
}

func TestGrantErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		grant    v1alpha1.BudgetGrant
		wantErrs field.ErrorList
	}{
		"no such limit": {
			grant:    budgetGrant("g", "hourly"),
			wantErrs: field.ErrorList{{Type: field.ErrorTypeNotFound, Field: "spec.limit"}},
		},
		"of one user, where the limit is for all": {
			grant:    budgetGrant("g", "daily", func(g *v1alpha1.BudgetGrant) { g.Spec.User = "ana" }),
			wantErrs: field.ErrorList{invalid("spec.user")},
		},
		"a reason that Postgres does not take": {
			grant:    budgetGrant("g", "daily", func(g *v1alpha1.BudgetGrant) { g.Spec.Reason = "end of the\x00quarter" }),
			wantErrs: field.ErrorList{invalid("spec.reason")},
		},
		"an amount that is none, and an end before the start": {
			grant: budgetGrant("g", "daily", func(g *v1alpha1.BudgetGrant) {
				g.Spec.Amount, g.Spec.StartsAt = "lots", &noon
			}),
			wantErrs: field.ErrorList{invalid("spec.amount"), invalid("spec.expiresAt")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, errs := compile.Grant(&tc.grant, budget())
			if diff := cmp.Diff(tc.wantErrs, errs, ignoreDetail); diff != "" {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
		})
	}
}
