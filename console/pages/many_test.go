package pages_test

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// makeGroup makes the tenant holding, which greta administers, and many tenants below it, a hundred in a
// namespace, each with limits and a RateLimitPolicy.
func makeGroup(t testing.TB, many int) {
	t.Helper()
	config := rest.CopyConfig(shared.Kubernetes.Config)
	config.QPS, config.Burst, config.WarningHandlerWithContext = -1, -1, rest.NoWarnings{}
	cluster, err := client.New(config, client.Options{Scheme: shared.Cluster.Scheme()})
	testkit.Must(t, err)
	testkit.Must(t, client.IgnoreAlreadyExists(cluster.Create(t.Context(), namespace("holding"))))
	testkit.Must(t, makeBudget(t.Context(), cluster, "holding", "holding"))
	members := &v1alpha1.Membership{
		ObjectMeta: metav1.ObjectMeta{Namespace: "holding", Name: "people"},
		Spec: v1alpha1.MembershipSpec{
			BudgetRef: v1alpha1.BudgetRef{Name: "holding"}, IdentityProviderRef: v1alpha1.IdentityProviderRef{Name: "company"},
			Members: []v1alpha1.Member{{Subject: "greta", Admin: true}},
		},
	}
	testkit.Must(t, cluster.Create(t.Context(), members))
	accept(&members.Status.ProgrammedStatus, 1)
	testkit.Must(t, cluster.Status().Update(t.Context(), members))
	making, ctx := errgroup.WithContext(t.Context())
	making.SetLimit(8)
	for n := range (many + perNamespace - 1) / perNamespace {
		making.Go(func() error {
			in := fmt.Sprintf("unit-%d", n)
			if err := client.IgnoreAlreadyExists(cluster.Create(ctx, namespace(in))); err != nil {
				return err
			}
			for i := n * perNamespace; i < min(many, (n+1)*perNamespace); i++ {
				if err := makeBudget(ctx, cluster, in, fmt.Sprintf("tenant-%05d", i)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	testkit.Must(t, making.Wait())
	t.Cleanup(func() { removeGroup(t, cluster, many) })
	testkit.Within(t, time.Minute, "the console knows all", func() bool { return seenBy(t, platform) > many && seenBy(t, greta) == many+1 })
}

// removeGroup removes what makeGroup has made, but for the namespaces.
func removeGroup(t testing.TB, cluster client.Client, many int) {
	t.Helper()
	for n := range (many+perNamespace-1)/perNamespace + 1 {
		in := fmt.Sprintf("unit-%d", n-1)
		if n == 0 {
			in = "holding"
		}
		for _, kind := range []client.Object{&v1alpha1.Membership{}, &v1alpha1.RateLimitPolicy{}, &v1alpha1.TenantBudget{}} {
			testkit.Must(t, cluster.DeleteAllOf(context.Background(), kind, client.InNamespace(in)))
		}
	}
	testkit.Within(t, time.Minute, "the console knows none of them", func() bool { return seenBy(t, greta) == 0 && seenBy(t, platform) < many })
}

// seenBy is how many budgets somebody sees.
func seenBy(t testkit.T, one person) (n int) {
	t.Helper()
	who, err := shared.api.Identify(context.Background(), http.Header{"Authorization": {"Bearer " + one.token()}})
	if err != nil {
		return 0 // nobody knows her yet
	}
	tenants, err := shared.api.Tenants(context.Background(), who)
	testkit.Must(t, err)
	for range tenants.All() {
		n++
	}
	return n
}

// greta administers the tenant holding.
var greta = person{name: "admin", user: "greta"}

// perNamespace is how many tenants makeGroup makes in a namespace.
const perNamespace = 100

func namespace(name string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

// makeBudget makes an accepted TenantBudget, below holding unless it is that, with a policy.
func makeBudget(ctx context.Context, cluster client.Client, namespace, tenant string) error {
	requests := int64(5)
	budget := &v1alpha1.TenantBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: tenant},
		Spec: v1alpha1.TenantBudgetSpec{
			Tenant: tenant, Ladder: []v1alpha1.Rung{{AtPercent: 80, Action: "Warn"}, {AtPercent: 90, Action: "Trip"}},
			Limits: []v1alpha1.MoneyLimit{
				{Name: "daily", Period: "Day", Amount: "5"}, {Name: "monthly", Period: "Month", Amount: "100"},
				{Name: "each-user", Period: "Day", Amount: "1", Per: v1alpha1.ScopeUser},
			},
		},
	}
	if tenant != "holding" {
		budget.Spec.ParentRef = &v1alpha1.ParentRef{Namespace: "holding", Name: "holding"}
	}
	if err := cluster.Create(ctx, budget); err != nil {
		return err
	}
	accept(&budget.Status.ProgrammedStatus, budget.Generation)
	for _, limit := range budget.Spec.Limits[:2] {
		budget.Status.Limits = append(budget.Status.Limits, v1alpha1.MoneyLimitStatus{
			Name: limit.Name, Amount: string(limit.Amount), Spent: "1.25", Held: "0", Percent: 25, ResetsAt: metav1.NewTime(begin.AddDate(0, 0, 1)),
		})
	}
	if err := cluster.Status().Update(ctx, budget); err != nil {
		return err
	}
	return cluster.Create(ctx, &v1alpha1.RateLimitPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: tenant},
		Spec: v1alpha1.RateLimitPolicySpec{
			TargetRef: &v1alpha1.TargetRef{Kind: "TenantBudget", Name: tenant},
			Limits:    []v1alpha1.RateLimit{{Name: "requests", Per: v1alpha1.ScopeUser, Requests: &requests, Window: "1m"}},
		},
	})
}

func accept(status *v1alpha1.ProgrammedStatus, generation int64) {
	for _, kind := range []string{v1alpha1.ConditionAccepted, v1alpha1.ConditionProgrammed, v1alpha1.ConditionReady} {
		meta.SetStatusCondition(&status.Conditions, metav1.Condition{
			Type: kind, Status: metav1.ConditionTrue, Reason: kind, Message: "Enforced as written.", ObservedGeneration: generation,
		})
	}
}

// TestManyTenants: who sees many tenants gets them by pages, each once, and enters the name of one in the place of
// choosing it.
func TestManyTenants(t *testing.T) {
	const many = 120
	makeGroup(t, many)
	row := regexp.MustCompile(`class="depth-1"><a href="[^"]*">(tenant-[0-9]+)</a>`)
	for _, path := range []string{"/budgets", "/costs"} {
		checkPages(t, path, greta, row, many, 3)
		if _, body, _ := get(t, path, greta.token(), "en"); !strings.Contains(body, `<input id="tenant" name="tenant" value="holding"`) || strings.Contains(body, `<option value="tenant-`) {
			t.Errorf("%s lets choose among all tenants: %.3000s", path, body)
		}
		if status, body, _ := get(t, path+"?tenant=tenant-00119", greta.token(), "en"); status != http.StatusOK || !strings.Contains(body, ">tenant-00119<") {
			t.Errorf("%s of a tenant whose name was entered: %d %.3000s", path, status, body)
		}
	}
	found := regexp.MustCompile(`<a href="/\?tenant=(tenant-[0-9]+)">tenant-[0-9]+</a></th><td>holding</td>`)
	checkPages(t, "/tenants", greta, found, many, 2)
	checkPages(t, "/tenants?find=T-0010", greta, found, 10, 1)
	if _, body, _ := get(t, "/tenants", admin.token(), "en"); strings.Contains(body, "holding") || !strings.Contains(body, `>research</a>`) {
		t.Errorf("the admin of another tenant sees %.3000s", body)
	}
}

// checkPages follows the links from a page to the next ones, and finds each of many rows once.
func checkPages(t *testing.T, path string, who person, row *regexp.Regexp, many, pages int) {
	t.Helper()
	more := regexp.MustCompile(`href="([^"]*)" rel="next"`)
	var seen []string
	n := 0
	for next := path; next != ""; n++ {
		status, body, _ := get(t, next, who.token(), "en")
		if status != http.StatusOK || n > many {
			t.Fatalf("%s: %d %.3000s", next, status, body)
		}
		for _, found := range row.FindAllStringSubmatch(body, -1) {
			seen = append(seen, found[1])
		}
		next = ""
		if found := more.FindStringSubmatch(body); found != nil {
			next = html.UnescapeString(found[1])
		}
	}
	if distinct := slices.Compact(slices.Sorted(slices.Values(seen))); len(seen) != many || len(distinct) != many || n != pages {
		t.Errorf("%s: %d rows, %d of them different, are on %d pages, want %d on %d", path, len(seen), len(distinct), n, many, pages)
	}
}

// TestManyKeys: keys are shown by pages, each once.
func TestManyKeys(t *testing.T) {
	const many = 120
	made := map[string]string{"many": "keys"}
	for n := range many {
		testkit.Must(t, shared.Cluster.Create(t.Context(), &v1alpha1.APIKey{
			ObjectMeta: metav1.ObjectMeta{Namespace: "support", Name: fmt.Sprintf("many-%03d", n), Labels: made},
			Spec:       v1alpha1.APIKeySpec{SHA256: fmt.Sprintf("%064x", 1000+n), BudgetRef: v1alpha1.BudgetRef{Name: "support"}, User: "sofia", Tier: "empleado"},
		}))
	}
	keys := func() (n int) {
		_, body, _ := get(t, "/api/ai/keys?tenant=support", platform.token(), "en")
		return strings.Count(body, "support/many-")
	}
	t.Cleanup(func() {
		testkit.Must(t, shared.Cluster.DeleteAllOf(context.Background(), &v1alpha1.APIKey{}, client.InNamespace("support"), client.MatchingLabels(made)))
		testkit.Eventually(t, "the console knows none of them", func() bool { return keys() == 0 })
	})
	testkit.Eventually(t, "the console knows all keys", func() bool { return keys() == many })
	checkPages(t, "/keys?kind=mine", person{user: "sofia"}, regexp.MustCompile(`>(support/many-[0-9]+)</a>`), many, 2)
}

// TestManyLimits: of many limits of groups, My usage shows some, and says how many more there are.
func TestManyLimits(t *testing.T) {
	_, err := shared.Ledger.Exec(t.Context(), `
INSERT INTO budget_limits (tenant_id, limit_name, per, period, time_zone, amount_nanos, budget_uid, generation, valid_from)
SELECT 'research', 'each-group', 'Group', 'Day', 'UTC', 5000000000, budget_uid, 1, '2026-01-01Z' FROM tenants WHERE tenant_id = 'research'`)
	testkit.Must(t, err)
	t.Cleanup(func() {
		_, err := shared.Ledger.Exec(context.Background(), `DELETE FROM budget_limits WHERE limit_name = 'each-group'`)
		testkit.Must(t, err)
	})
	many := person{user: "ana"}
	for n := range 60 {
		many.groups = append(many.groups, fmt.Sprintf("team-%02d", n))
	}
	_, body, _ := get(t, "/usage", many.token(), "en")
	if n := strings.Count(body, "group team-"); n == 0 || n > 50 {
		t.Errorf("My usage shows %d limits of groups, want at most 50", n)
	}
	for _, text := range []string{"each-user", "tenant northwind", " more are not shown here; the API has them."} {
		if !strings.Contains(body, text) {
			t.Errorf("%q is not on My usage", text)
		}
	}
}
