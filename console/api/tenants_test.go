package api_test

import (
	"context"
	"net/http"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/console/api"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// tenantsOf are the tenants of the budgets that the API answers with.
func tenantsOf(t testkit.T, query, credential string) (tenants []string, next string) {
	t.Helper()
	var budgets api.Budgets
	do(t, http.MethodGet, "/api/ai/budgets"+query, credential, nil).read(t, &budgets)
	for _, b := range budgets.Budgets {
		tenants = append(tenants, b.Tenant)
	}
	return tenants, budgets.Next
}

// TestBudgetsByPages: budgets come by pages, each followed by those below it, and of one tenant with those below it.
func TestBudgetsByPages(t *testing.T) {
	whole := []string{"company", "acme"}
	for name, tc := range map[string]struct {
		query, credential string
		want              []string
		next              string
	}{
		"a tenant and those below":      {"?tenant=company", token("pat", "platform"), whole, ""},
		"a page":                        {"?tenant=company&limit=1", token("carla.company"), whole[:1], "company"},
		"the page after it":             {"?tenant=company&limit=1&after=company", token("carla.company"), whole[1:], ""},
		"a page with all":               {"?limit=2", token("carla.company"), whole, ""},
		"a tenant below":                {"?tenant=acme", token("carla.company"), whole[1:], ""},
		"of the admin of a tenant":      {"", token("adam.acme"), whole[1:], ""},
		"of the admin of one above":     {"", token("carla.company"), whole, ""},
		"of who administers no tenant":  {"", token("ana.acme"), nil, ""},
		"of who belongs to no tenant":   {"", token("nobody"), nil, ""},
		"of the admin of a refused one": {"", token("ivan.impostor"), nil, ""},
	} {
		got, next := tenantsOf(t, tc.query, tc.credential)
		if !slices.Equal(got, tc.want) || next != tc.next {
			t.Errorf("%s: got %v, and then %q, want %v, and then %q", name, got, next, tc.want, tc.next)
		}
	}
	var all []string
	for query := "?limit=2"; query != ""; {
		page, next := tenantsOf(t, query, token("pat", "platform"))
		all = append(all, page...)
		if query = ""; next != "" {
			query = "?limit=2&after=" + next
		}
	}
	known := slices.DeleteFunc(slices.Clone(all), func(tenant string) bool {
		return !slices.Contains([]string{"acme", "company", "globex", "hooli"}, tenant)
	})
	if want := []string{"company", "acme", "globex", "hooli"}; !slices.Equal(known, want) || len(all) != len(slices.Compact(slices.Sorted(slices.Values(all)))) {
		t.Errorf("an admin of the platform gets %v, want each once, and of these %v", all, want)
	}
	for query, want := range map[string]int{
		"?tenant=globex": http.StatusForbidden, "?tenant=nothing": http.StatusForbidden, "?after=globex": http.StatusUnprocessableEntity,
		"?tenant=acme&after=company": http.StatusUnprocessableEntity, "?limit=0": http.StatusUnprocessableEntity,
	} {
		if got := do(t, http.MethodGet, "/api/ai/budgets"+query, token("carla.company"), nil); got.status != want {
			t.Errorf("%s: got %d %s, want %d", query, got.status, got.body, want)
		}
	}
}

// TestTenantsComeAndGo: an admin of a tenant sees a tenant below it for as long as it is below it, but not the
// budget of a tenant that they only belong to.
func TestTenantsComeAndGo(t *testing.T) {
	carla := token("carla.company")
	budget := tenantBudget("newco", "company")
	people := membership("newco", []v1alpha1.Member{member("carla.company", false)})
	testkit.Must(t, shared.admin.Create(t.Context(), namespace("newco")))
	testkit.Must(t, shared.admin.Create(t.Context(), budget))
	t.Cleanup(func() {
		for _, object := range []client.Object{people, budget} {
			testkit.Must(t, client.IgnoreNotFound(shared.admin.Delete(context.Background(), object)))
		}
		testkit.Eventually(t, "nobody sees newco", func() bool { return sees(t, token("pat", "platform")) == http.StatusForbidden })
	})
	for _, step := range []struct {
		name  string
		do    func() error
		isIts bool
	}{
		{"is not accepted", func() error { return decide(t.Context(), budget, metav1.ConditionFalse) }, false},
		{"is accepted", func() error { return decide(t.Context(), budget, metav1.ConditionTrue) }, true},
		{"has carla as a user", func() error { return create(t.Context(), people) }, false},
		{"has her no more", func() error { return shared.admin.Delete(t.Context(), people) }, true},
		{"is accepted no more", func() error { return decide(t.Context(), budget, metav1.ConditionFalse) }, false},
		{"is accepted again", func() error { return decide(t.Context(), budget, metav1.ConditionTrue) }, true},
		{"is deleted", func() error { return shared.admin.Delete(t.Context(), budget) }, false},
	} {
		testkit.Must(t, step.do())
		testkit.Eventually(t, "newco "+step.name, func() bool {
			listed, _ := tenantsOf(t, "", carla)
			below, _ := tenantsOf(t, "?tenant=company", carla)
			isListed := slices.Contains(listed, "newco")
			return isListed == step.isIts && isListed == slices.Contains(below, "newco") && (sees(t, carla) == http.StatusOK) == step.isIts
		})
	}
}

// sees is how the budget of newco is answered.
func sees(t testkit.T, credential string) int {
	t.Helper()
	return do(t, http.MethodGet, "/api/ai/budgets?tenant=newco", credential, nil).status
}

// TestBudgetsWhileOneGoes: a tenant that goes, or comes, while budgets are listed is in the list or is not, and no
// reason to refuse all others.
func TestBudgetsWhileOneGoes(t *testing.T) {
	carla := token("carla.company")
	budget := tenantBudget("fleeting", "company")
	testkit.Must(t, shared.admin.Create(t.Context(), namespace("fleeting")))
	testkit.Must(t, shared.admin.Create(t.Context(), budget))
	t.Cleanup(func() {
		testkit.Must(t, shared.admin.Delete(context.Background(), budget))
		testkit.Eventually(t, "nobody sees it", func() bool {
			listed, _ := tenantsOf(t, "", carla)
			return !slices.Contains(listed, "fleeting")
		})
	})
	const changes = 200
	done := make(chan error, 1)
	go func() {
		for n := range changes {
			if err := decide(t.Context(), budget, []metav1.ConditionStatus{metav1.ConditionTrue, metav1.ConditionFalse}[n%2]); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for {
		if got := do(t, http.MethodGet, "/api/ai/budgets", carla, nil); got.status != http.StatusOK {
			t.Errorf("got %d %s, want the others", got.status, got.body)
		}
		select {
		case err := <-done:
			testkit.Must(t, err)
			return
		default:
		}
	}
}
