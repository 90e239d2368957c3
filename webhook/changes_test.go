package webhook_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/hack/testkit"
	"github.com/bursar-dev/bursar/hack/testkit/objects"
)

// clientOf is a user's client, with the rights of an administrator; for a person, if one is named.
func clientOf(t *testing.T, user string, people ...string) client.Client {
	t.Helper()
	testkit.Must(t, client.IgnoreAlreadyExists(api.Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "everything-" + user},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: user}},
	})))
	config := rest.CopyConfig(kube.Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: user, Extra: map[string][]string{v1alpha1.PersonExtra: people}}
	c, err := client.New(config, client.Options{Scheme: api.Scheme()})
	testkit.Must(t, err)
	return c
}

// changes are the changes of a tenant on record.
func changes(t *testing.T, tenant string) []string {
	t.Helper()
	rows, err := superuser.Query(t.Context(), `
SELECT concat(generation, ' ', change, ' by ', array_to_string(changed_by, ','), ' with ', field_manager) FROM budget_changes
WHERE tenant_id = $1 ORDER BY recorded_at, generation`, tenant)
	testkit.Must(t, err)
	defer rows.Close()
	var all []string
	for rows.Next() {
		var line string
		testkit.Must(t, rows.Scan(&line))
		all = append(all, line)
	}
	return all
}

// TestWhoChangedALimit: it is on record who asked for each change, whatever they write into the
// object and call themselves, and who asked for a deletion. Dry runs are not on record.
func TestWhoChangedALimit(t *testing.T) {
	namespace := newNamespace(t)
	ana, bo := clientOf(t, "ana"), clientOf(t, "bo")
	budget := objects.TenantBudget(namespace)
	budget.Annotations = map[string]string{"bursar.dev/changed-by": "bo"}
	want := []string{"1 Set by ana with kubectl"}
	testkit.Must(t, ana.Create(t.Context(), budget, client.FieldOwner("kubectl")))
	awaitChanges(t, namespace, want)

	time.Sleep(1100 * time.Millisecond) // managedFields have whole seconds: of two in one, nobody knows which was the later
	updateAs(t, ana, budget, client.FieldOwner("bo"), func() {
		budget.Spec.Limits[0].Amount = "7.00"
		budget.ManagedFields = nil
	})
	want = append(want, "2 Set by ana with bo")
	awaitChanges(t, namespace, want)

	testkit.EventuallySucceeds(t, "the budget is updated, only to try", func() error {
		var tried v1alpha1.TenantBudget
		if err := ana.Get(t.Context(), client.ObjectKeyFromObject(budget), &tried); err != nil {
			return err
		}
		tried.Spec.Limits[0].Amount = "8.00"
		return ana.Update(t.Context(), &tried, client.DryRunAll)
	})
	updateAs(t, bo, budget, client.FieldOwner("argocd"), func() { budget.Spec.Limits[0].Amount = "8.00" })
	want = append(want, "3 Set by bo with argocd")
	awaitChanges(t, namespace, want)

	time.Sleep(1100 * time.Millisecond)
	updateAs(t, clientOf(t, "bo", "company/zoe"), budget, client.FieldOwner("bursar-console"), func() { budget.Spec.Limits[0].Amount = "9.00" })
	want = append(want, "4 Set by company/zoe via bo with bursar-console")
	awaitChanges(t, namespace, want)

	testkit.Must(t, bo.Delete(t.Context(), budget))
	awaitChanges(t, namespace, append(want, "4 Deleted by bo with "))
}

// awaitChanges waits for changes to be on record.
func awaitChanges(t *testing.T, tenant string, want []string) {
	t.Helper()
	var got []string
	testkit.Eventually(t, fmt.Sprintf("the changes %q are on record", want), func() bool {
		got = changes(t, tenant)
		return strings.Join(got, "\n") == strings.Join(want, "\n")
	})
}

// updateAs changes a budget that the manager may change at the same time.
func updateAs(t *testing.T, c client.Client, budget *v1alpha1.TenantBudget, owner client.FieldOwner, change func()) {
	t.Helper()
	testkit.EventuallySucceeds(t, "the budget is updated", func() error {
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(budget), budget); err != nil {
			return err
		}
		change()
		return c.Update(t.Context(), budget, owner)
	})
}

// TestWhoChangedARateLimit: it is on record who asked for each rate limit that came into force, for
// its change and for its end; dry runs are not.
func TestWhoChangedARateLimit(t *testing.T) {
	namespace := newNamespace(t)
	ana, bo := clientOf(t, "ana"), clientOf(t, "bo", "company/zoe")
	testkit.Must(t, ana.Create(t.Context(), objects.TenantBudget(namespace)))
	policy := objects.RateLimitPolicy(namespace, "chat")
	testkit.Must(t, ana.Create(t.Context(), policy.DeepCopy(), client.DryRunAll))
	testkit.Must(t, bo.Create(t.Context(), policy))
	limit := "chat/" + policy.Spec.Limits[0].Name
	want := []string{limit + " by company/zoe via bo until "}
	await := func() {
		t.Helper()
		var got []string
		testkit.Eventually(t, fmt.Sprintf("the rate limits %q are on record", want), func() bool {
			rows, err := superuser.Query(t.Context(), `
SELECT concat(limit_name, ' by ', array_to_string(opened_by, ','), ' until ', array_to_string(closed_by, ',')) FROM rate_limits WHERE tenant_id = $1 ORDER BY limit_name, valid_from`, namespace)
			testkit.Must(t, err)
			got, err = pgx.CollectRows(rows, pgx.RowTo[string])
			testkit.Must(t, err)
			return slices.Equal(got, want)
		})
	}
	await()
	testkit.EventuallySucceeds(t, "the policy is updated", func() error {
		if err := ana.Get(t.Context(), client.ObjectKeyFromObject(policy), policy); err != nil {
			return err
		}
		policy.Spec.Limits[0].Requests = ptr.To(*policy.Spec.Limits[0].Requests + 1)
		return ana.Update(t.Context(), policy)
	})
	want = []string{want[0] + "ana", limit + " by ana until "}
	await()
	testkit.Must(t, bo.Delete(t.Context(), policy))
	want[1] += "company/zoe via bo"
	await()
}
