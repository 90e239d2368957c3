package acceptance_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/acceptance"
	"github.com/bursar-dev/bursar/hack/testkit"
	"github.com/bursar-dev/bursar/hack/testkit/fakecache"
	"github.com/bursar-dev/bursar/hack/testkit/objects"
)

// A rule of acceptance is a row in the table of its kind: the objects that are there,
// the one that is decided on, and what is decided. Nothing here needs an API server: the
// rules only read.

// born is when the oldest object was made.
var born = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// aged is the object as the API server has it, made so many days after the first.
func aged[T client.Object](days int, object T) T {
	object.SetUID(types.UID(object.GetNamespace() + "/" + object.GetName()))
	object.SetCreationTimestamp(metav1.NewTime(born.AddDate(0, 0, days)))
	return object
}

// with is the object, changed.
func with[T client.Object](object T, change func(T)) T {
	change(object)
	return object
}

func namespace(name string, labels map[string]string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
}

var delegated = map[string]string{v1alpha1.DelegatedLabel: "true"}

// budget is the budget of a namespace's tenant, of which it was found whether it is
// accepted: "" for not yet.
func budget(namespace string, reason string) *v1alpha1.TenantBudget {
	b := objects.TenantBudget(namespace)
	if reason == "" {
		return b
	}
	status := metav1.ConditionFalse
	if reason == v1alpha1.ReasonAccepted {
		status = metav1.ConditionTrue
	}
	b.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionAccepted, Status: status, Reason: reason}}
	return b
}

// handedOver are a budget of tenant acme and its successor in namespace platform, which allows children.
func handedOver(children v1alpha1.NamespacesFrom) []client.Object {
	successor := with(budget("platform", v1alpha1.ReasonAccepted), func(b *v1alpha1.TenantBudget) {
		b.Spec.Tenant = "acme"
		b.Spec.AllowedChildren = &v1alpha1.AllowedChildren{Namespaces: v1alpha1.Namespaces{From: children}}
	})
	old := with(budget("acme", v1alpha1.ReasonHandedOver), func(b *v1alpha1.TenantBudget) {
		b.Spec.SuccessorRef = &v1alpha1.SuccessorRef{Name: objects.Budget, Namespace: "platform"}
	})
	return []client.Object{namespace("platform", map[string]string{v1alpha1.DelegatedLabel: "true"}), aged(0, old), aged(2, successor)}
}

// at gives a budget the path that it had when it was accepted last.
func at(path string) func(*v1alpha1.TenantBudget) {
	return func(b *v1alpha1.TenantBudget) { b.Status.Path = path }
}

func child(namespace, parent string) *v1alpha1.TenantBudget {
	b := objects.TenantBudget(namespace)
	b.Spec.ParentRef = &v1alpha1.ParentRef{Namespace: parent, Name: objects.Budget}
	return b
}

// verdict is what was decided, as "Status Reason field,field".
func verdict(d acceptance.Decision) string {
	fields := ""
	for i, err := range d.Errors {
		if i > 0 {
			fields += ","
		}
		fields += err.Field
	}
	if fields != "" {
		fields = " " + fields
	}
	return fmt.Sprint(d.Status, " ", d.Reason, fields)
}

const accepted = "True Accepted"

func TestOfTenantBudget(t *testing.T) {
	platform, plain := namespace("platform", delegated), namespace("plain", nil)
	below := namespace("acme", map[string]string{v1alpha1.RequiredAncestorLabel: "group"})
	emea := with(child("emea", "group"), func(b *v1alpha1.TenantBudget) { b.Status = budget("emea", v1alpha1.ReasonAccepted).Status })
	for name, tc := range map[string]struct {
		there     []client.Object
		budget    *v1alpha1.TenantBudget
		want      string
		forfeited bool
	}{
		"of its own namespace": {nil, objects.TenantBudget("acme"), accepted, false},
		"of another, which is not delegated": {
			[]client.Object{plain}, with(objects.TenantBudget("plain"), func(b *v1alpha1.TenantBudget) { b.Spec.Tenant = "acme" }),
			"False NamespaceNotDelegated spec.tenant", true,
		},
		"of another, which is delegated": {
			[]client.Object{platform}, with(objects.TenantBudget("platform"), func(b *v1alpha1.TenantBudget) { b.Spec.Tenant = "acme" }),
			accepted, false,
		},
		"of an older one's tenant": {
			[]client.Object{platform, aged(0, objects.TenantBudget("acme"))},
			with(objects.TenantBudget("platform"), func(b *v1alpha1.TenantBudget) { b.Spec.Tenant = "acme" }),
			"False Conflicted spec.tenant", true,
		},
		"of a younger one's tenant": {
			[]client.Object{platform, aged(2, with(objects.TenantBudget("platform"), func(b *v1alpha1.TenantBudget) { b.Spec.Tenant = "acme" }))},
			objects.TenantBudget("acme"), accepted, false,
		},
		"an older one may not name the tenant": {
			[]client.Object{plain, aged(0, with(objects.TenantBudget("plain"), func(b *v1alpha1.TenantBudget) { b.Spec.Tenant = "acme" }))},
			objects.TenantBudget("acme"), accepted, false,
		},
		"of an older one's tenant, which names it as its successor": {
			[]client.Object{platform, aged(0, with(objects.TenantBudget("acme"), func(b *v1alpha1.TenantBudget) {
				b.Spec.SuccessorRef = &v1alpha1.SuccessorRef{Name: "budget", Namespace: "platform"}
			}))},
			with(objects.TenantBudget("platform"), func(b *v1alpha1.TenantBudget) { b.Spec.Tenant = "acme" }), accepted, false,
		},
		"of an older one's tenant, which names another as its successor": {
			[]client.Object{platform, aged(0, with(objects.TenantBudget("acme"), func(b *v1alpha1.TenantBudget) {
				b.Spec.SuccessorRef = &v1alpha1.SuccessorRef{Name: "budget"}
			}))},
			with(objects.TenantBudget("platform"), func(b *v1alpha1.TenantBudget) { b.Spec.Tenant = "acme" }), "False Conflicted spec.tenant", true,
		},
		"handed over to a younger one": {
			[]client.Object{platform, aged(2, with(objects.TenantBudget("platform"), func(b *v1alpha1.TenantBudget) { b.Spec.Tenant = "acme" }))},
			with(objects.TenantBudget("acme"), func(b *v1alpha1.TenantBudget) {
				b.Spec.SuccessorRef = &v1alpha1.SuccessorRef{Name: "budget", Namespace: "platform"}
			}), "False HandedOver spec.successorRef", false,
		},
		"handed over to one that may not name the tenant": {
			[]client.Object{plain, aged(2, with(objects.TenantBudget("plain"), func(b *v1alpha1.TenantBudget) { b.Spec.Tenant = "acme" }))},
			with(objects.TenantBudget("acme"), func(b *v1alpha1.TenantBudget) {
				b.Spec.SuccessorRef = &v1alpha1.SuccessorRef{Name: "budget", Namespace: "plain"}
			}), accepted, false,
		},
		"handed over to nobody yet": {nil, with(objects.TenantBudget("acme"), func(b *v1alpha1.TenantBudget) {
			b.Spec.SuccessorRef = &v1alpha1.SuccessorRef{Name: "later"}
		}), accepted, false},
		"an amount that is none": {nil, with(objects.TenantBudget("acme"), func(b *v1alpha1.TenantBudget) {
			b.Spec.Limits[1].Amount = "a lot"
		}), "False Invalid spec.limits[1].amount", false},
		"a zone that is none": {nil, with(objects.TenantBudget("acme"), func(b *v1alpha1.TenantBudget) {
			b.Spec.TimeZone = "Mars/Olympus"
		}), "False Invalid spec.timeZone", false},
		"a parent":                             {[]client.Object{aged(0, budget("emea", v1alpha1.ReasonAccepted))}, child("acme", "emea"), accepted, false},
		"a parent elsewhere that is not there": {nil, child("acme", "emea"), "False NotAllowedByParent spec.parentRef", false},
		"a parent in its namespace that is not there": {nil, with(child("acme", "acme"), func(b *v1alpha1.TenantBudget) {
			b.Spec.ParentRef.Name = "nobody"
		}), "False ParentNotFound spec.parentRef", false},
		"a parent that is not decided on": {
			[]client.Object{aged(0, budget("emea", ""))}, child("acme", "emea"), "Unknown ParentNotAccepted", false,
		},
		"a parent that is not accepted": {
			[]client.Object{aged(0, budget("emea", v1alpha1.ReasonInvalid))}, child("acme", "emea"), "False ParentNotAccepted", false,
		},
		"a parent that allows nobody": {
			[]client.Object{aged(0, with(budget("emea", v1alpha1.ReasonAccepted), func(b *v1alpha1.TenantBudget) { b.Spec.AllowedChildren = nil }))},
			child("acme", "emea"), "False NotAllowedByParent spec.parentRef", false,
		},
		"a parent that was handed over": {handedOver(v1alpha1.NamespacesAll), child("team", "acme"), accepted, false},
		"a parent that was handed over to one that does not allow it": {
			handedOver(v1alpha1.NamespacesSame), child("team", "acme"), "False NotAllowedByParent spec.parentRef", false,
		},
		"another budget of the same tenant for a parent": {
			handedOver(v1alpha1.NamespacesAll), with(child("team", "platform"), at("group/acme/team")), accepted, false,
		},
		"a budget of another tenant for a parent": {
			handedOver(v1alpha1.NamespacesAll), with(child("team", "platform"), at("emea/team")), "False ParentChanged spec.parentRef", false,
		},
		"below one that names a budget of another tenant for a parent": {
			append(handedOver(v1alpha1.NamespacesAll), aged(0, with(with(child("team", "platform"), at("emea/team")), func(b *v1alpha1.TenantBudget) {
				b.Spec.AllowedChildren = &v1alpha1.AllowedChildren{Namespaces: v1alpha1.Namespaces{From: v1alpha1.NamespacesAll}}
				b.Status.Conditions = budget("team", v1alpha1.ReasonAccepted).Status.Conditions
			}))),
			child("part", "team"), "False ParentNotAccepted spec.parentRef", false,
		},
		"the parent that its namespace demands": {
			[]client.Object{below, aged(0, budget("group", v1alpha1.ReasonAccepted))}, child("acme", "group"), accepted, false,
		},
		"the ancestor that its namespace demands": {
			[]client.Object{below, aged(0, budget("group", v1alpha1.ReasonAccepted)), aged(0, emea)}, child("acme", "emea"), accepted, false,
		},
		"no parent, where its namespace demands one": {[]client.Object{below}, objects.TenantBudget("acme"), "False AncestorRequired spec.parentRef", false},
		"another parent than its namespace demands": {
			[]client.Object{below, aged(0, budget("emea", v1alpha1.ReasonAccepted))}, child("acme", "emea"), "False AncestorRequired spec.parentRef", false,
		},
		"one that calls itself what its namespace demands": {
			[]client.Object{below, aged(0, with(budget("emea", v1alpha1.ReasonNamespaceNotDelegated), func(b *v1alpha1.TenantBudget) { b.Spec.Tenant = "group" }))},
			child("acme", "emea"), "False ParentNotAccepted", false,
		},
		"the one that its namespace demands": {
			[]client.Object{namespace("acme", map[string]string{v1alpha1.RequiredAncestorLabel: "acme"})}, objects.TenantBudget("acme"), accepted, false,
		},
		"itself for a parent": {
			[]client.Object{aged(1, with(child("acme", "acme"), func(b *v1alpha1.TenantBudget) {
				b.Status = budget("acme", v1alpha1.ReasonAccepted).Status
			}))}, child("acme", "acme"), "False ParentCycle spec.parentRef", false,
		},
		"a parent below the one that it succeeds": {
			[]client.Object{platform, aged(0, with(budget("acme", v1alpha1.ReasonAccepted), func(b *v1alpha1.TenantBudget) {
				b.Spec.SuccessorRef = &v1alpha1.SuccessorRef{Name: "budget", Namespace: "platform"}
				b.Spec.AllowedChildren = &v1alpha1.AllowedChildren{Namespaces: v1alpha1.Namespaces{From: v1alpha1.NamespacesAll}}
			})), with(child("emea", "acme"), func(b *v1alpha1.TenantBudget) {
				b.Status = budget("emea", v1alpha1.ReasonAccepted).Status
				b.Spec.AllowedChildren = &v1alpha1.AllowedChildren{Namespaces: v1alpha1.Namespaces{From: v1alpha1.NamespacesAll}}
			})},
			with(child("platform", "emea"), func(b *v1alpha1.TenantBudget) { b.Spec.Tenant = "acme" }), "False ParentCycle spec.parentRef", false,
		},
		"what is wrong with itself before what is wrong with its parent": {nil, with(child("acme", "emea"), func(b *v1alpha1.TenantBudget) {
			b.Spec.TimeZone = "Mars/Olympus"
		}), "False Invalid spec.timeZone", false},
	} {
		t.Run(name, func(t *testing.T) {
			decided, err := acceptance.DecideTenantBudget(t.Context(), fakecache.New(t, tc.there...), aged(1, tc.budget))
			testkit.Must(t, err)
			if got := verdict(decided.Decision); got != tc.want || decided.Forfeited != tc.forfeited {
				t.Errorf("got %q, forfeited %t, want %q, %t: %s", got, decided.Forfeited, tc.want, tc.forfeited, decided.Message)
			}
			if (decided.Document != nil) != (tc.want == accepted) {
				t.Errorf("the document is %+v of a budget that is %s", decided.Document, tc.want)
			}
		})
	}
}

func TestOfAPIKey(t *testing.T) {
	acme := aged(0, budget("acme", v1alpha1.ReasonAccepted))
	sameHash := func(days int, namespace, name string) client.Object {
		return aged(days, with(objects.APIKey(namespace, name), func(k *v1alpha1.APIKey) { k.Spec.SHA256 = objects.APIKey("acme", "key").Spec.SHA256 }))
	}
	// replaced has a hash as that of a key that it has replaced.
	replaced := func(days int, hash string) client.Object {
		return aged(days, with(objects.APIKey("acme", "other"), func(k *v1alpha1.APIKey) {
			k.Spec.SHA256, k.Spec.PreviousKeys = strings.Repeat("e", 64), []v1alpha1.PreviousKey{{SHA256: hash, ExpiresAt: metav1.NewTime(born)}}
		}))
	}
	own := with(objects.APIKey("acme", "key"), func(k *v1alpha1.APIKey) {
		k.Spec.PreviousKeys = []v1alpha1.PreviousKey{{SHA256: strings.Repeat("d", 64), ExpiresAt: metav1.NewTime(born)}}
	})
	for name, tc := range map[string]struct {
		there     []client.Object
		want      string
		forfeited bool
	}{
		"with the hash of a key that an older one has replaced":    {[]client.Object{acme, replaced(0, own.Spec.SHA256)}, "False Conflicted spec.sha256", true},
		"that has replaced a key with the hash of an older one's":  {[]client.Object{acme, replaced(0, strings.Repeat("d", 64))}, "False Conflicted spec.previousKeys[0].sha256", true},
		"that has replaced a key with the hash of a younger one's": {[]client.Object{acme, replaced(2, strings.Repeat("d", 64))}, accepted, false},
		"of a budget":                                {[]client.Object{acme}, accepted, false},
		"of no budget":                               {nil, "False TargetNotFound spec.budgetRef.name", true},
		"of another namespace's budget":              {[]client.Object{aged(0, budget("other", v1alpha1.ReasonAccepted))}, "False TargetNotFound spec.budgetRef.name", true},
		"of one that is not decided on":              {[]client.Object{aged(0, budget("acme", ""))}, "Unknown TargetNotAccepted", false},
		"of one that is invalid":                     {[]client.Object{aged(0, budget("acme", v1alpha1.ReasonInvalid))}, "False TargetNotAccepted", false},
		"of one whose tenant is another's":           {[]client.Object{aged(0, budget("acme", v1alpha1.ReasonConflicted))}, "False TargetNotAccepted", true},
		"with an older one's hash":                   {[]client.Object{acme, sameHash(0, "acme", "other")}, "False Conflicted spec.sha256", true},
		"with a younger one's hash":                  {[]client.Object{acme, sameHash(2, "acme", "other")}, accepted, false},
		"with the hash of one as old, first by name": {[]client.Object{acme, sameHash(1, "acme", "other")}, accepted, false},
		"with the hash of an older one elsewhere":    {[]client.Object{acme, sameHash(0, "other", "key")}, accepted, false},
	} {
		t.Run(name, func(t *testing.T) {
			decided, err := acceptance.DecideAPIKey(t.Context(), fakecache.New(t, tc.there...), aged(1, own.DeepCopy()))
			testkit.Must(t, err)
			if got := verdict(decided.Decision); got != tc.want || decided.Forfeited != tc.forfeited {
				t.Errorf("got %q, forfeited %t, want %q, %t: %s", got, decided.Forfeited, tc.want, tc.forfeited, decided.Message)
			}
		})
	}
}

func TestOfBudgetGrant(t *testing.T) {
	grant := func(change func(*v1alpha1.BudgetGrant)) *v1alpha1.BudgetGrant {
		g := objects.BudgetGrant("acme", "grant", metav1.NewTime(born.AddDate(1, 0, 0)))
		change(g)
		return g
	}
	as := func(*v1alpha1.BudgetGrant) {}
	acme := aged(0, budget("acme", v1alpha1.ReasonAccepted))
	for name, tc := range map[string]struct {
		there []client.Object
		grant *v1alpha1.BudgetGrant
		want  string
	}{
		"of a limit":                    {[]client.Object{acme}, grant(as), accepted},
		"of no budget":                  {nil, grant(as), "False TargetNotFound spec.budgetRef.name"},
		"of another namespace's budget": {[]client.Object{aged(0, budget("other", v1alpha1.ReasonAccepted))}, grant(as), "False TargetNotFound spec.budgetRef.name"},
		"of a limit that there is none": {[]client.Object{acme}, grant(func(g *v1alpha1.BudgetGrant) { g.Spec.Limit = "weekly" }), "False LimitNotFound spec.limit"},
		"of an amount that is none":     {[]client.Object{acme}, grant(func(g *v1alpha1.BudgetGrant) { g.Spec.Amount = "much" }), "False Invalid spec.amount"},
		"of a budget that is invalid":   {[]client.Object{aged(0, budget("acme", v1alpha1.ReasonInvalid))}, grant(as), "False TargetNotAccepted"},
		"of a budget not decided on":    {[]client.Object{aged(0, budget("acme", ""))}, grant(as), "Unknown TargetNotAccepted"},
		"of a user, and the limit has none": {
			[]client.Object{acme}, grant(func(g *v1alpha1.BudgetGrant) { g.Spec.User = "gerente-1" }), "False Invalid spec.user",
		},
	} {
		t.Run(name, func(t *testing.T) {
			decided, err := acceptance.DecideBudgetGrant(t.Context(), fakecache.New(t, tc.there...), aged(1, tc.grant))
			testkit.Must(t, err)
			if got := verdict(decided.Decision); got != tc.want {
				t.Errorf("got %q, want %q: %s", got, tc.want, decided.Message)
			}
		})
	}
}

func TestOfRateLimitPolicy(t *testing.T) {
	free := map[string]string{"plan": "free"}
	labelled := func(namespace, reason string) client.Object {
		return aged(0, with(budget(namespace, reason), func(b *v1alpha1.TenantBudget) { b.Labels = free }))
	}
	selecting := func(namespace string, from v1alpha1.NamespacesFrom) *v1alpha1.RateLimitPolicy {
		return objects.SelectingPolicy(namespace, "policy", func(s *v1alpha1.TargetSelector) {
			s.MatchLabels, s.Namespaces = free, v1alpha1.Namespaces{From: from}
		})
	}
	platform, plain := namespace("platform", delegated), namespace("plain", nil)
	for name, tc := range map[string]struct {
		there   []client.Object
		policy  *v1alpha1.RateLimitPolicy
		want    string
		targets []string
	}{
		"of a budget": {
			[]client.Object{aged(0, budget("acme", v1alpha1.ReasonAccepted))}, objects.RateLimitPolicy("acme", "policy"), accepted, []string{"acme"},
		},
		"of no budget": {nil, objects.RateLimitPolicy("acme", "policy"), "False TargetNotFound spec.targetRef.name", nil},
		"of another namespace's": {
			[]client.Object{aged(0, budget("other", v1alpha1.ReasonAccepted))}, objects.RateLimitPolicy("acme", "policy"),
			"False TargetNotFound spec.targetRef.name", nil,
		},
		"of neither": {nil, with(objects.RateLimitPolicy("acme", "policy"), func(p *v1alpha1.RateLimitPolicy) { p.Spec.TargetRef = nil }),
			"False Invalid spec.targetRef", nil},
		"with a window that is none": {
			[]client.Object{aged(0, budget("acme", v1alpha1.ReasonAccepted))},
			with(objects.RateLimitPolicy("acme", "policy"), func(p *v1alpha1.RateLimitPolicy) { p.Spec.Limits[0].Window = "soon" }),
			"False Invalid spec.limits[0].window", nil,
		},
		"by labels": {[]client.Object{labelled("acme", v1alpha1.ReasonAccepted)}, selecting("acme", v1alpha1.NamespacesSame), accepted, []string{"acme"}},
		"by labels that nobody has": {
			[]client.Object{aged(0, budget("acme", v1alpha1.ReasonAccepted))}, selecting("acme", v1alpha1.NamespacesSame),
			"False TargetNotFound spec.targetSelector", nil,
		},
		"by labels, everywhere, from a delegated namespace": {
			[]client.Object{platform, labelled("acme", v1alpha1.ReasonAccepted), labelled("other", v1alpha1.ReasonInvalid)},
			selecting("platform", v1alpha1.NamespacesAll), accepted, []string{"acme"},
		},
		"by labels, everywhere, from another": {
			[]client.Object{plain, labelled("acme", v1alpha1.ReasonAccepted)}, selecting("plain", v1alpha1.NamespacesAll),
			"False NamespaceNotDelegated spec.targetSelector.namespaces.from", nil,
		},
		"by labels, and none is accepted": {
			[]client.Object{platform, labelled("acme", v1alpha1.ReasonInvalid)}, selecting("platform", v1alpha1.NamespacesAll),
			"False TargetNotAccepted", nil,
		},
		"by labels, and none is decided on": {
			[]client.Object{platform, labelled("acme", "")}, selecting("platform", v1alpha1.NamespacesAll), "Unknown TargetNotAccepted", nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			decided, err := acceptance.DecideRateLimitPolicy(t.Context(), fakecache.New(t, tc.there...), aged(1, tc.policy))
			testkit.Must(t, err)
			var targets []string
			for _, target := range decided.Targets {
				targets = append(targets, target.Namespace)
			}
			if got := verdict(decided.Decision); got != tc.want || !slices.Equal(targets, tc.targets) {
				t.Errorf("got %q for %v, want %q for %v: %s", got, targets, tc.want, tc.targets, decided.Message)
			}
		})
	}
}

// TestCrowdedOut: a tenant has room for so many limits of its namespace's policies, and
// the oldest policies come first.
func TestCrowdedOut(t *testing.T) {
	many := func(name string, limits int) *v1alpha1.RateLimitPolicy {
		return with(objects.RateLimitPolicy("acme", name), func(p *v1alpha1.RateLimitPolicy) {
			limit := p.Spec.Limits[0]
			p.Spec.Limits = nil
			for i := range limits {
				limit.Name = fmt.Sprint("l", i)
				p.Spec.Limits = append(p.Spec.Limits, limit)
			}
		})
	}
	acme := aged(0, budget("acme", v1alpha1.ReasonAccepted))
	for name, tc := range map[string]struct {
		older, limits int
		want          bool
	}{
		"room for all": {120, 8, false}, "one too many": {120, 9, true},
	} {
		t.Run(name, func(t *testing.T) {
			decided, err := acceptance.DecideRateLimitPolicy(t.Context(),
				fakecache.New(t, acme, aged(0, many("older-1", tc.older/2)), aged(0, many("older-2", tc.older/2))), aged(1, many("policy", tc.limits)))
			testkit.Must(t, err)
			if got := len(decided.CrowdedOut) == 1; got != tc.want || verdict(decided.Decision) != accepted {
				t.Errorf("crowded out: %t, want %t; %s", got, tc.want, verdict(decided.Decision))
			}
		})
	}
}

// TestGuessing: the budget that was meant is looked for among the others of the namespace, unless
// there are very many.
func TestGuessing(t *testing.T) {
	for _, tc := range []struct {
		budgets int
		want    string
	}{
		{2, `spec.targetRef.name: Not found: "budgit-1": namespace acme has no TenantBudget of this name; did you mean "budget-1"?`},
		{1001, `spec.targetRef.name: Not found: "budgit-1": namespace acme has no TenantBudget of this name`},
	} {
		t.Run(fmt.Sprint(tc.budgets), func(t *testing.T) {
			var there []client.Object
			for i := range tc.budgets {
				there = append(there, with(budget("acme", v1alpha1.ReasonAccepted), func(b *v1alpha1.TenantBudget) { b.Name = fmt.Sprint("budget-", i) }))
			}
			policy := with(objects.RateLimitPolicy("acme", "policy"), func(p *v1alpha1.RateLimitPolicy) { p.Spec.TargetRef.Name = "budgit-1" })
			decided, err := acceptance.DecideRateLimitPolicy(t.Context(), fakecache.New(t, there...), policy)
			testkit.Must(t, err)
			if decided.Message != tc.want {
				t.Errorf("got %q, want %q", decided.Message, tc.want)
			}
		})
	}
}

func TestOfModelProvider(t *testing.T) {
	named := func(name string, models ...string) *v1alpha1.ModelProvider {
		p := objects.ModelProvider(models...)
		p.Name = name
		return p
	}
	unlisted := func(p *v1alpha1.ModelProvider) *v1alpha1.ModelProvider {
		return with(p, func(p *v1alpha1.ModelProvider) {
			p.Spec.UnlistedModels = &v1alpha1.UnlistedModels{MaxOutputTokens: 1000}
		})
	}
	for name, tc := range map[string]struct {
		there    []client.Object
		provider *v1alpha1.ModelProvider
		want     string
	}{
		"alone":                      {nil, named("b", "mini", "maxi"), accepted},
		"with an older one's model":  {[]client.Object{aged(0, named("a", "mini"))}, named("b", "maxi", "mini"), "False Conflicted spec.models[1].name"},
		"with a younger one's model": {[]client.Object{aged(2, named("a", "mini"))}, named("b", "mini"), accepted},
		"with a model of one as old, which is first by name": {[]client.Object{aged(1, named("a", "mini"))}, named("b", "mini"), "False Conflicted spec.models[0].name"},
		"with an older one, of other models":                 {[]client.Object{aged(0, named("a", "mini"))}, named("b", "maxi"), accepted},
		"taking unlisted models as an older one does": {
			[]client.Object{aged(0, unlisted(named("a", "mini")))}, unlisted(named("b", "maxi")), "False Conflicted spec.unlistedModels",
		},
		"with a price that is none": {nil, with(named("b", "mini"), func(p *v1alpha1.ModelProvider) { p.Spec.Models[0].Prices.Input = "cheap" }),
			"False Invalid spec.models[0].prices.input"},
	} {
		t.Run(name, func(t *testing.T) {
			decided, err := acceptance.DecideModelProvider(t.Context(), fakecache.New(t, tc.there...), aged(1, tc.provider))
			testkit.Must(t, err)
			if got := verdict(decided.Decision); got != tc.want {
				t.Errorf("got %q, want %q: %s", got, tc.want, decided.Message)
			}
		})
	}
}
