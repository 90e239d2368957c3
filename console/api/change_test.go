package api_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/console/cluster"
	"github.com/bursar-dev/bursar/hack/parts/kubernetes"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// named is an empty TenantBudget to be read.
func named(tenant string) *v1alpha1.TenantBudget {
	return &v1alpha1.TenantBudget{ObjectMeta: metav1.ObjectMeta{Namespace: tenant, Name: tenant}}
}

// TestChangesAreAPersons: the webhooks are told for whom the console changes something, hear of
// nothing that is only tried, and their warnings and the API server's refusals come back.
func TestChangesAreAPersons(t *testing.T) {
	stored, err := ownBudget(t.Context(), "initech")
	testkit.Must(t, err)
	by := shared.options.Cluster.By("company/bill\n")
	budget := named("initech")
	raise := func() error { budget.Spec.Limits[0].Amount = "50.00"; return nil }
	seen := cluster.VersionOf(stored)

	warnings, err := by.Trying().Change(t.Context(), budget, seen, raise)
	if err != nil || !strings.Contains(strings.Join(warnings, "\n"), "is raised from 5.00 to 50.00 USD, 10 times as much") {
		t.Errorf("tried: %v, %q", err, warnings)
	}
	testkit.Must(t, shared.admin.Get(t.Context(), client.ObjectKeyFromObject(stored), stored))
	if stored.Spec.Limits[0].Amount != "5.00" {
		t.Errorf("an attempt made it %s", stored.Spec.Limits[0].Amount)
	}

	_, err = by.Change(t.Context(), budget, seen, raise)
	testkit.Must(t, err)
	testkit.Must(t, shared.admin.Get(t.Context(), client.ObjectKeyFromObject(stored), stored))
	if stored.Spec.Limits[0].Amount != "50.00" || cluster.VersionOf(budget) != cluster.VersionOf(stored) {
		t.Errorf("it is %s, version %s", stored.Spec.Limits[0].Amount, cluster.VersionOf(stored))
	}
	names, err := askersOf(t.Context(), stored)
	testkit.Must(t, err)
	if want := []string{"admin", "company/bill\uFFFD via " + kubernetes.Console.Name}; !slices.Equal(names, want) {
		t.Errorf("on record is %q, want %q", names, want)
	}

	var refused *cluster.RefusedError
	_, err = by.Change(t.Context(), budget, "", func() error { budget.Spec.Limits[0].Amount = "-1"; return nil })
	if !errors.As(err, &refused) || refused.Fields[0].Field != "spec.limits[0].amount" {
		t.Errorf("refused by the resource definition: %v", err)
	}
	if _, err = by.Change(t.Context(), budget, seen, raise); !errors.Is(err, cluster.ErrStale) {
		t.Errorf("stale: %v", err)
	}
	if _, err = shared.options.Cluster.By("").Change(t.Context(), budget, "", raise); err == nil {
		t.Error("nobody may change something")
	}
	budget.Name = "there-is-none"
	if _, err = by.Change(t.Context(), budget, "", raise); !errors.Is(err, cluster.ErrNone) {
		t.Errorf("no budget: %v", err)
	}
}

// TestStatusIsNoChange: what the manager writes into the status meanwhile makes nothing stale.
func TestStatusIsNoChange(t *testing.T) {
	stored, err := ownBudget(t.Context(), "umbrella")
	testkit.Must(t, err)
	budget, tries := named("umbrella"), 0
	_, err = shared.options.Cluster.By("company/alice").Change(t.Context(), budget, cluster.VersionOf(stored), func() error {
		if tries++; tries < 3 {
			stored.Status.Revision++
			testkit.Must(t, shared.admin.Status().Update(t.Context(), stored))
		}
		budget.Spec.Limits[0].Amount = "4.00"
		return nil
	})
	if err != nil || tries != 3 {
		t.Errorf("%v after %d tries", err, tries)
	}
}

// TestWhatOthersManage: nothing is changed that somebody else manages, the patch to commit is
// told, and what they do not manage may be changed.
func TestWhatOthersManage(t *testing.T) {
	testkit.Must(t, shared.admin.Create(t.Context(), namespace("stark")))
	applied := tenantBudget("stark", "")
	applied.Spec.Limits = applied.Spec.Limits[:2]
	testkit.Must(t, shared.admin.Create(t.Context(), applied, client.FieldOwner("argocd-controller")))
	by, budget := shared.options.Cluster.By("company/tony"), named("stark")

	for name, change := range map[string]func(){
		"lowered":           func() { budget.Spec.Limits[0].Amount = "4.00" },
		"removed":           func() { budget.Spec.Limits = budget.Spec.Limits[1:] },
		"replaced, in part": func() { budget.Spec.Limits[0] = v1alpha1.MoneyLimit{Name: "daily", Period: "Month", Amount: "5.00"} },
		"ladder":            func() { budget.Spec.Ladder = budget.Spec.Ladder[:0] },
	} {
		var managed *cluster.ManagedError
		_, err := by.Change(t.Context(), budget, "", func() error { change(); return nil })
		if !errors.As(err, &managed) || managed.Fields[0].Manager != "argocd-controller" {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if name == "lowered" {
			want := "apiVersion: bursar.dev/v1alpha1\nkind: TenantBudget\nmetadata:\n  name: stark\n  namespace: stark\nspec:\n  limits:\n  - amount: \"4.00\"\n    name: daily\n"
			if !strings.HasPrefix(managed.Patch, want) || managed.Fields[0].Field != `spec.limits[name="daily"].amount` || len(managed.Fields) != 1 {
				t.Errorf("%+v", managed)
			}
		}
	}
	var managed *cluster.ManagedError
	if _, err := by.Delete(t.Context(), budget, ""); !errors.As(err, &managed) || managed.Patch != "" {
		t.Errorf("deletion: %v", err)
	}
	_, err := by.Change(t.Context(), budget, "", func() error {
		budget.Spec.Limits = append(budget.Spec.Limits, v1alpha1.MoneyLimit{Name: "monthly", Period: "Month", Amount: "9.00"})
		budget.Spec.Contact = "finance"
		return nil
	})
	testkit.Must(t, err)
	_, err = by.Change(t.Context(), budget, "", func() error { budget.Spec.Limits[2].Amount = "8.00"; return nil })
	testkit.Must(t, err)
	if len(budget.Spec.Limits) != 3 || budget.Spec.Limits[2].Amount != "8.00" {
		t.Errorf("%+v", budget.Spec.Limits)
	}
}

// TestRightsOfTheConsole: it may act as itself for somebody, and as nobody else; it reads no
// Secret, and writes no status.
func TestRightsOfTheConsole(t *testing.T) {
	config, err := shared.kube.ConfigOf(kubernetes.Console)
	testkit.Must(t, err)
	as := func(impersonate rest.ImpersonationConfig) client.Client {
		config := rest.CopyConfig(config)
		config.Impersonate = impersonate
		c, err := client.New(config, client.Options{Scheme: shared.admin.Scheme()})
		testkit.Must(t, err)
		return c
	}
	itself := as(rest.ImpersonationConfig{UserName: kubernetes.Console.Name, Extra: map[string][]string{v1alpha1.PersonExtra: {"company/ana"}}})
	testkit.Must(t, itself.List(t.Context(), &v1alpha1.TenantBudgetList{}))
	for name, impersonate := range map[string]rest.ImpersonationConfig{
		"the manager":      {UserName: kubernetes.Manager.Name},
		"a user":           {UserName: "ana"},
		"an administrator": {UserName: kubernetes.Console.Name, Groups: kubernetes.Administrator.Groups},
		"another extra":    {UserName: kubernetes.Console.Name, Extra: map[string][]string{"scopes": {"all"}}},
	} {
		if err := as(impersonate).List(t.Context(), &v1alpha1.TenantBudgetList{}); !apierrors.IsForbidden(err) {
			t.Errorf("as %s: %v", name, err)
		}
	}
	budget := named("acme")
	testkit.Must(t, itself.Get(t.Context(), client.ObjectKeyFromObject(budget), budget))
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "secret"}}
	for name, err := range map[string]error{
		"read Secrets":             itself.List(t.Context(), &corev1.SecretList{}),
		"read a Secret":            itself.Get(t.Context(), client.ObjectKeyFromObject(secret), secret),
		"make a Secret":            itself.Create(t.Context(), secret),
		"write a status":           itself.Status().Patch(t.Context(), budget, client.RawPatch("application/merge-patch+json", []byte(`{"status":{"revision":9}}`))),
		"delete a budget":          itself.Delete(t.Context(), budget),
		"make an IdentityProvider": itself.Create(t.Context(), &v1alpha1.IdentityProvider{ObjectMeta: metav1.ObjectMeta{Name: "evil"}}),
		"make a Membership":        itself.Create(t.Context(), membership("acme", nil)),
		"change a namespace":       itself.Patch(t.Context(), namespace("acme"), client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":{"a":"b"}}}`))),
		"run a pod":                itself.Create(t.Context(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "pod"}}),
	} {
		if !apierrors.IsForbidden(err) {
			t.Errorf("it may %s: %v", name, err)
		}
	}
}
