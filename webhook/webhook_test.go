package webhook_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/hack/testkit"
	"github.com/bursar-dev/bursar/hack/testkit/objects"
)

// TestCreate creates objects beside others. Each is refused as its status would say it,
// or let in with warnings.
func TestCreate(t *testing.T) {
	namespace, delegated := newNamespace(t), newNamespace(t, v1alpha1.DelegatedLabel)
	present := objects.TenantBudget(namespace)
	create(t, present)
	awaitSeen(t, present)
	key := objects.APIKey(namespace, "key")
	sameHash := objects.APIKey(namespace, "other")
	sameHash.Spec.SHA256 = key.Spec.SHA256
	create(t, key)
	awaitAccepted(t, key, "True Accepted")
	provider := objects.ModelProvider("model-" + namespace)
	create(t, provider)
	awaitAccepted(t, provider, "True Accepted")
	bottom := newChain(t, limiterv1.MaxDepth)
	// The parent of this one is not there, and would be what is created in a test.
	below := objects.TenantBudget(newNamespace(t))
	below.Spec.ParentRef = &v1alpha1.ParentRef{Name: "above", Namespace: delegated}
	testkit.Must(t, api.Create(t.Context(), below))
	awaitAccepted(t, below, "False NotAllowedByParent")

	demanding := newNamespace(t, v1alpha1.RequiredAncestorLabel+"="+namespace)
	belowDemanded := objects.TenantBudget(demanding)
	belowDemanded.Spec.ParentRef = &v1alpha1.ParentRef{Name: present.Name, Namespace: namespace}

	for name, tc := range map[string]struct {
		object client.Object
		// wantErr is what the error says of a field; empty when the object is let in.
		wantErr string
		// wantWarnings begin the warnings.
		wantWarnings []string
	}{
		"a second budget of a tenant": {
			object:  budgetOf(delegated, func(b *v1alpha1.TenantBudget) { b.Spec.Tenant = namespace }),
			wantErr: fmt.Sprintf(`spec.tenant: Invalid value: %q: already governed by an older TenantBudget in another namespace`, namespace),
		},
		"a budget of another tenant": {
			object: budgetOf(namespace, func(b *v1alpha1.TenantBudget) { b.Name, b.Spec.Tenant = "other", "other" }),
			wantErr: fmt.Sprintf(`spec.tenant: Forbidden: must equal the namespace, %q, unless that is labelled %s=true`,
				namespace, v1alpha1.DelegatedLabel),
		},
		"a delegated budget of another tenant": {
			object: budgetOf(delegated, func(b *v1alpha1.TenantBudget) { b.Spec.Tenant = "tenant-of-" + delegated }),
		},
		"unknown time zone": {
			object:  budgetOf(delegated, func(b *v1alpha1.TenantBudget) { b.Spec.TimeZone = "Mars/Olympus_Mons" }),
			wantErr: `spec.timeZone: Invalid value: "Mars/Olympus_Mons": unknown time zone`,
		},
		"no such time zone, nor parent": {
			object: budgetOf(delegated, func(b *v1alpha1.TenantBudget) {
				b.Spec.TimeZone, b.Spec.ParentRef = "Mars/Olympus_Mons", &v1alpha1.ParentRef{Name: "nowhere"}
			}),
			wantErr: `spec.timeZone: Invalid value`,
		},
		"no such parent yet": {
			object:       budgetOf(delegated, func(b *v1alpha1.TenantBudget) { b.Spec.ParentRef = &v1alpha1.ParentRef{Name: "nowhere"} }),
			wantWarnings: []string{fmt.Sprintf(`has no effect yet: spec.parentRef: Not found: "%s/nowhere"`, delegated)},
		},
		"parents that lead back": {
			object: budgetOf(delegated, func(b *v1alpha1.TenantBudget) {
				b.Name, b.Spec.ParentRef = "above", &v1alpha1.ParentRef{Name: "budget", Namespace: below.Namespace}
			}),
			wantErr: fmt.Sprintf(`spec.parentRef: Invalid value: "%[1]s/budget": must not form a cycle: %[2]s/above -> %[1]s/budget -> %[2]s/above`,
				below.Namespace, delegated),
		},
		"too many parents": {
			object: budgetOf(delegated, func(b *v1alpha1.TenantBudget) {
				b.Spec.ParentRef = &v1alpha1.ParentRef{Name: "budget", Namespace: bottom.Namespace}
			}),
			wantErr: fmt.Sprintf(`must not have more than %d budgets above it`, limiterv1.MaxDepth),
		},
		"no parent, where the namespace demands one": {
			object: objects.TenantBudget(demanding),
			wantErr: fmt.Sprintf(`spec.parentRef: Required value: namespace %s is labelled bursar.dev/required-ancestor=%s: `+
				`name the TenantBudget of tenant %[2]s, or one below it, as the parent`, demanding, namespace),
		},
		"the parent that the namespace demands": {object: belowDemanded},
		"a reserve below a tenant that has none": {
			object: func() client.Object {
				b := belowDemanded.DeepCopy()
				b.Spec.OnStoreLoss = v1alpha1.StoreLossAllowBounded
				return b
			}(),
			wantWarnings: []string{fmt.Sprintf(
				`spec.onStoreLoss: AllowBounded has no effect below tenant %s: set onStoreLoss: AllowBounded there, too`, namespace)},
		},
		"a budget that refuses nothing": {
			object: budgetOf(delegated, func(b *v1alpha1.TenantBudget) { b.Spec.Enforcement = v1alpha1.EnforcementShadow }),
			wantWarnings: []string{fmt.Sprintf(
				`spec.enforcement: Shadow: this budget counts the spending of tenant %s, but does not limit it`, delegated)},
		},
		"models that nobody has": {
			object: budgetOf(delegated, func(b *v1alpha1.TenantBudget) {
				b.Spec.Limits[1].Models = []v1alpha1.ModelName{v1alpha1.ModelName("model-" + namespace), "no-such-model"}
				b.Spec.Ladder = []v1alpha1.Rung{
					{AtPercent: 80, Action: "Downgrade", Models: []v1alpha1.Replacement{{From: "auto", To: "no-such-model"}}},
					{AtPercent: 90, Action: "Trip", Fallback: []v1alpha1.Fallback{"CheapestModel"},
						CheapestModel: &v1alpha1.CheapestModelFallback{Models: []v1alpha1.ModelName{"no-such-model"}}},
				}
				b.Spec.VirtualModels = []v1alpha1.VirtualModel{{Name: "auto", Models: []v1alpha1.ModelName{"no-such-model"}}}
			}),
			wantWarnings: []string{
				`spec.limits[1].models[1]: no ModelProvider lists model "no-such-model"`,
				`spec.ladder[0].models[0].to: no ModelProvider lists model "no-such-model"`,
				`spec.ladder[1].cheapestModel.models[0]: no ModelProvider lists model "no-such-model"`,
				`spec.virtualModels[0].models[0]: no ModelProvider lists model "no-such-model"`,
			},
		},
		"a policy": {object: objects.RateLimitPolicy(namespace, "policy")},
		"a policy without its target": {
			object:       objects.RateLimitPolicy(delegated, "policy"),
			wantWarnings: []string{`has no effect yet: spec.targetRef.name: Not found: "budget"`},
		},
		"a policy for a model that nobody has": {
			object: func() client.Object {
				policy := objects.RateLimitPolicy(namespace, "policy")
				policy.Spec.Limits[0].Models = []v1alpha1.ModelName{"no-such-model"}
				return policy
			}(),
			wantWarnings: []string{`spec.limits[0].models[0]: no ModelProvider lists model "no-such-model"`},
		},
		"a policy for budgets of other namespaces": {
			object: objects.SelectingPolicy(namespace, "policy", func(s *v1alpha1.TargetSelector) { s.Namespaces.From = v1alpha1.NamespacesAll }),
			wantErr: fmt.Sprintf(`spec.targetSelector.namespaces.from: Forbidden: must be Same, unless the namespace, %q, is labelled %s=true`,
				namespace, v1alpha1.DelegatedLabel),
		},
		"a policy that selects nothing": {
			object: objects.SelectingPolicy(delegated, "policy", func(s *v1alpha1.TargetSelector) {
				s.MatchLabels, s.Namespaces.From = map[string]string{"plan": "nobody-s"}, v1alpha1.NamespacesAll
			}),
			wantWarnings: []string{`has no effect yet: spec.targetSelector: Invalid value: no TenantBudget`},
		},
		"a policy by no label": {
			object: objects.SelectingPolicy(namespace, "policy", func(s *v1alpha1.TargetSelector) {
				s.MatchExpressions = v1alpha1.MatchExpressions{{Key: "plan", Operator: "Near"}}
			}),
			wantErr: `spec.targetSelector.matchExpressions[0].operator: Invalid value: "Near"`,
		},
		"a policy for all of a namespace": {
			object: objects.SelectingPolicy(namespace, "policy", func(*v1alpha1.TargetSelector) {}),
			wantWarnings: []string{"spec.targetSelector: without matchLabels and matchExpressions " +
				"every TenantBudget of the namespaces is selected: now 1"},
		},
		"a model of another provider": {
			object: objects.ModelProvider("model-of-"+namespace, "model-"+namespace),
			wantErr: fmt.Sprintf(`spec.models[1].name: Invalid value: "model-%s": already governed by the older ModelProvider %s`,
				namespace, provider.Name),
		},
		"long calls without a price of what short ones have": {
			object: func() client.Object {
				p := objects.ModelProvider("another-" + namespace)
				p.Spec.Models[0].Prices.CachedInput = "0.5"
				p.Spec.Models[0].Prices.LongContext = []v1alpha1.LongContextPrices{{AboveInputTokens: 1000}}
				p.Spec.Models[0].Prices.LongContext[0].PriceList = v1alpha1.PriceList{Input: "2"}
				return p
			}(),
			wantErr: `spec.models[0].prices.longContext[0].output: Required value: shorter calls have a price for it`,
		},
		"a key that another APIKey has": {
			object:  sameHash,
			wantErr: `already governed by the older APIKey key in this namespace`,
		},
		"a key that an APIKey of another namespace has, of which nothing is told": {
			object: func() client.Object {
				key := sameHash.DeepCopy()
				key.Namespace = delegated
				return key
			}(),
			wantWarnings: []string{`has no effect yet: spec.budgetRef.name: Not found: "budget"`},
		},
		"a key without its budget": {
			object:       objects.APIKey(delegated, "key"),
			wantWarnings: []string{`has no effect yet: spec.budgetRef.name: Not found: "budget"`},
		},
		"a key that has expired": {
			object: func() client.Object {
				expired := objects.APIKey(namespace, "expired")
				expired.Spec.SHA256 = strings.Repeat("a", 64)
				expired.Spec.ExpiresAt = &metav1.Time{Time: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)}
				return expired
			}(),
			wantWarnings: []string{`spec.expiresAt: 2020-01-01T00:00:00Z is in the past: calls with the key are refused`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			warned.take()
			// Nothing stays, so that the cases do not meet.
			expectAnswer(t, api.Create(t.Context(), tc.object, client.DryRunAll), tc.wantErr, tc.wantWarnings...)
		})
	}
}

// expectAnswer expects the API server to have answered with the error, if any, of an
// invalid object, and warnings that begin so.
func expectAnswer(t *testing.T, err error, wantErr string, wantWarnings ...string) {
	t.Helper()
	switch {
	case wantErr == "" && err != nil:
		t.Errorf("refused: %v", err)
	case wantErr != "" && (!apierrors.IsInvalid(err) || !strings.Contains(err.Error(), wantErr)):
		t.Errorf("got error %v, want an invalid object: %s", err, wantErr)
	}
	if got := warned.take(); !slices.EqualFunc(got, wantWarnings, strings.HasPrefix) {
		t.Errorf("got warnings %q, want %q", got, wantWarnings)
	}
}

func budgetOf(namespace string, change func(*v1alpha1.TenantBudget)) *v1alpha1.TenantBudget {
	budget := objects.TenantBudget(namespace)
	change(budget)
	return budget
}

// newChain makes a budget with so many above it.
func newChain(t *testing.T, above int) *v1alpha1.TenantBudget {
	t.Helper()
	bottom := objects.TenantBudget(newNamespace(t))
	create(t, bottom)
	for range above {
		awaitSeen(t, bottom)
		child := objects.TenantBudget(newNamespace(t))
		child.Spec.ParentRef = &v1alpha1.ParentRef{Name: bottom.Name, Namespace: bottom.Namespace}
		create(t, child)
		bottom = child
	}
	awaitSeen(t, bottom)
	return bottom
}

// TestUpdate changes objects that are there.
func TestUpdate(t *testing.T) {
	namespace := newNamespace(t)
	budget := objects.TenantBudget(namespace)
	budget.Spec.Limits = budget.Spec.Limits[:2] // those of the tenant alone
	create(t, budget)
	awaitSeen(t, budget)
	spend(t, budget, "Day", "2.50")

	for _, tc := range []struct {
		name         string
		change       func(*v1alpha1.TenantBudgetSpec)
		wantErr      string
		wantWarnings []string
	}{
		{name: "a raise", change: func(s *v1alpha1.TenantBudgetSpec) { s.Limits[1].Amount = "300.00" }},
		{
			name:         "four times as much",
			change:       func(s *v1alpha1.TenantBudgetSpec) { s.Limits[1].Amount = "400.00" },
			wantWarnings: []string{"spec.limits[1].amount: limit monthly is raised from 100.00 to 400.00 USD, 4 times as much"},
		},
		{
			name: "a raise in another currency, of what it is worth",
			change: func(s *v1alpha1.TenantBudgetSpec) {
				s.Currency = &v1alpha1.Currency{Code: "EUR", USDPerUnit: "1.25", AsOf: "2026-10-01"}
				s.Limits[1].Amount = "320.00"
			},
			wantWarnings: []string{"spec.limits[1].amount: limit monthly is raised from 100.00 USD to 320.00 EUR (400.00 USD), 4 times as much"},
		},
		{
			name: "an amount below what was spent, in another currency",
			change: func(s *v1alpha1.TenantBudgetSpec) {
				s.Currency = &v1alpha1.Currency{Code: "EUR", USDPerUnit: "1.25", AsOf: "2026-10-01"}
				s.Limits[0].Amount = "1.60"
			},
			wantWarnings: []string{"spec.limits[0].amount: limit daily is set to 1.60 EUR and 2.00 are already spent: calls are refused until "},
		},
		{
			name:   "a limit that goes",
			change: func(s *v1alpha1.TenantBudgetSpec) { s.Limits = s.Limits[:1] },
			wantWarnings: []string{"spec.limits: limit monthly is removed, 100.00 USD per Month: " +
				"no other limit counts the same calls per Month"},
		},
		{name: "another name of a limit", change: func(s *v1alpha1.TenantBudgetSpec) { s.Limits[1].Name = "each-month" }},
		{
			name:   "a ladder without rungs",
			change: func(s *v1alpha1.TenantBudgetSpec) { s.Ladder = []v1alpha1.Rung{} },
			wantWarnings: []string{"spec.ladder: is empty now: calls are refused only when a limit is spent in full, with no warning before; " +
				"leave it out for Warn at 80 % and Trip at 90 %"},
		},
		{
			name:         "a ladder that only warns",
			change:       func(s *v1alpha1.TenantBudgetSpec) { s.Ladder = s.Ladder[:1] },
			wantWarnings: []string{"spec.ladder: no longer has a Trip rung: calls are refused only when a limit is spent in full"},
		},
		{
			name:   "a digit too many",
			change: func(s *v1alpha1.TenantBudgetSpec) { s.Limits[1].Amount = "1000.00" },
			wantWarnings: []string{
				"spec.limits[1].amount: limit monthly is raised from 100.00 to 1000.00 USD, 10 times as much",
				"spec.limits[1].amount: 1000.00 USD per Month is never reached: limit daily allows at most 155.00 USD in that time"},
		},
		{
			name:   "less than was spent",
			change: func(s *v1alpha1.TenantBudgetSpec) { s.Limits[0].Amount = "2.00" },
			wantWarnings: []string{
				"spec.limits[0].amount: limit daily is set to 2.00 USD and 2.50 are already spent: calls are refused until "},
		},
		{
			name:   "little more than was spent",
			change: func(s *v1alpha1.TenantBudgetSpec) { s.Limits[0].Amount = "2.60" },
			wantWarnings: []string{"spec.limits[0].amount: limit daily is set to 2.60 USD and 2.50 are already spent, " +
				"past its Trip rung: calls are refused until "},
		},
		{
			name:   "a rung that was passed",
			change: func(s *v1alpha1.TenantBudgetSpec) { s.Ladder = []v1alpha1.Rung{{AtPercent: 50, Action: "Trip"}} },
			wantWarnings: []string{"spec.limits[0].amount: limit daily is set to 5.00 USD and 2.50 are already spent, " +
				"past its Trip rung: calls are refused until "},
		},
		{
			name: "less than was spent, in shadow",
			change: func(s *v1alpha1.TenantBudgetSpec) {
				s.Limits[0].Amount, s.Enforcement = "2.00", v1alpha1.EnforcementShadow
			},
			wantWarnings: []string{"spec.enforcement: Shadow: "},
		},
		{
			name:    "unknown time zone",
			change:  func(s *v1alpha1.TenantBudgetSpec) { s.TimeZone = "Mars/Olympus_Mons" },
			wantErr: `spec.timeZone: Invalid value: "Mars/Olympus_Mons"`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			warned.take()
			changed := budget.DeepCopy()
			tc.change(&changed.Spec)
			expectAnswer(t, api.Patch(t.Context(), changed, client.MergeFrom(budget), client.DryRunAll), tc.wantErr, tc.wantWarnings...)
		})
	}

	t.Run("fewer calls than were made", func(t *testing.T) {
		recordCalls(t, budget, 8, "0.50")
		warned.take()
		changed := budget.DeepCopy()
		changed.Spec.Limits[1].Amount = "1.00"
		expectAnswer(t, api.Patch(t.Context(), changed, client.MergeFrom(budget), client.DryRunAll), "",
			"spec.limits[0].amount: 5.00 USD per Day is never reached: limit monthly allows at most 1.00 USD in that time",
			"under these limits, 6 of the 8 calls of the last 7 days would have been refused, 6 of them by limit monthly;")
		changed.Spec.Limits[1].Amount = "200.00"
		expectAnswer(t, api.Patch(t.Context(), changed, client.MergeFrom(budget), client.DryRunAll), "")
	})
	t.Run("what was used up before", func(t *testing.T) {
		testkit.Must(t, update(t, budget, func(b *v1alpha1.TenantBudget) { b.Spec.Limits[0].Amount = "2.00" }))
		warned.take()
		err := update(t, budget, func(b *v1alpha1.TenantBudget) { b.Spec.Limits[0].Amount = "1.00" })
		// Nothing of what is spent, then.
		expectAnswer(t, err, "", "under these limits, 6 of the 8 calls of the last 7 days would have been refused, 6 of them by limit daily;")
	})
}

// TestSelectingOthers changes a policy so that a tenant loses its limits.
func TestSelectingOthers(t *testing.T) {
	namespace := newNamespace(t, v1alpha1.DelegatedLabel)
	budget := budgetOf(namespace, func(b *v1alpha1.TenantBudget) { b.Labels = map[string]string{"plan": "free"} })
	create(t, budget)
	awaitSeen(t, budget)
	policy := objects.SelectingPolicy(namespace, "policy", func(s *v1alpha1.TargetSelector) { s.MatchLabels = map[string]string{"plan": "free"} })
	create(t, policy)
	awaitAccepted(t, policy, "True Accepted")
	other := budgetOf(namespace, func(b *v1alpha1.TenantBudget) {
		b.Name, b.Spec.Tenant, b.Labels = "other", "other-of-"+namespace, map[string]string{"plan": "paid"}
	})
	create(t, other)
	awaitSeen(t, other)
	warned.take()
	changed := policy.DeepCopy()
	changed.Spec.TargetSelector.MatchLabels["plan"] = "paid"
	expectAnswer(t, api.Patch(t.Context(), changed, client.MergeFrom(policy), client.DryRunAll), "",
		"these TenantBudgets lose these limits: "+namespace+"/budget")
	changed.Spec.TargetSelector.MatchLabels["plan"] = "nobody-s"
	expectAnswer(t, api.Patch(t.Context(), changed, client.MergeFrom(policy), client.DryRunAll), "",
		"has no effect yet: spec.targetSelector: Invalid value: no TenantBudget", "these TenantBudgets lose these limits: "+namespace+"/budget")
	expectAnswer(t, update(t, policy, func(p *v1alpha1.RateLimitPolicy) { p.Spec.Limits[0].Name = "renamed" }), "")
}

// TestCrowded creates a policy where older ones have as many limits as a tenant may.
func TestCrowded(t *testing.T) {
	namespace := newNamespace(t)
	budget := objects.TenantBudget(namespace)
	create(t, budget)
	awaitSeen(t, budget)
	with := func(name string, limits int) *v1alpha1.RateLimitPolicy {
		policy := objects.RateLimitPolicy(namespace, "policy")
		policy.Name = name
		for i := len(policy.Spec.Limits); i < limits; i++ {
			limit := policy.Spec.Limits[0]
			limit.Name = fmt.Sprint("limit-", i)
			policy.Spec.Limits = append(policy.Spec.Limits, limit)
		}
		return policy
	}
	const each = 32
	for i := range limiterv1.MaxRates / each {
		policy := with(fmt.Sprint("policy-", i), each)
		create(t, policy)
		awaitAccepted(t, policy, "True Accepted")
	}
	warned.take()
	expectAnswer(t, api.Create(t.Context(), with("policy-too-many", 1), client.DryRunAll), "",
		"spec.limits: these limits do not apply to some TenantBudgets")
}

// recordCalls puts calls of a cost into the ledger, one after another until just now.
func recordCalls(t *testing.T, budget *v1alpha1.TenantBudget, calls int, cost string) {
	t.Helper()
	nanos, err := money.Parse(cost)
	testkit.Must(t, err)
	for i := range calls {
		_, err := superuser.Exec(t.Context(), `
INSERT INTO ai_usage_logs (call_id, tenant_id, user_id, tier, credential, provider, model_asked, model_used, endpoint,
  streamed, admitted_at, settled_at, outcome, held_nanos, cost_nanos, session)
SELECT gen_random_uuid()::text, $1, 'user', 'tier', 'key', 'provider', 'model', 'model', '/', false, at, at, 'Settled', $2, $2, 'session'
FROM (SELECT now() - make_interval(secs => 2 * $3) AS at) AS call`, budget.Spec.Tenant, int64(nanos), calls-i)
		testkit.Must(t, err)
	}
}

// recordRefusals puts calls that the daily limit refused, of a bound, into the records, after those
// of recordCalls.
func recordRefusals(t *testing.T, budget *v1alpha1.TenantBudget, calls int, bound string) {
	t.Helper()
	nanos, err := money.Parse(bound)
	testkit.Must(t, err)
	for i := range calls {
		_, err := superuser.Exec(t.Context(), `
INSERT INTO ai_refusals (call_id, tenant_id, user_id, tier, credential, model_asked, model, endpoint, refused_at, reason,
  limit_tenant, limit_name, per, period, amount_nanos, spent_nanos, held_nanos, resets_at, unit, bound_nanos, tokens, fallback, session)
SELECT gen_random_uuid()::text, $1, 'user', 'tier', 'key', 'model', 'model', '/', now() - make_interval(secs => 0.1 * $3), 'BreakerOpen',
  $1, 'daily', 'Tenant', 'Day', 5000000000, 4500000000, 0, now() + interval '1 hour', '', $2, 9, '', 'session'`,
			budget.Spec.Tenant, int64(nanos), calls-i)
		testkit.Must(t, err)
	}
}

// TestLooser: raising a limit gives a warning that says how many of the refused calls would have
// been admitted, and what they would have cost: their bounds, times the part of their bounds that
// calls have cost.
func TestLooser(t *testing.T) {
	budget := budgetOf(newNamespace(t), func(b *v1alpha1.TenantBudget) { b.Spec.Limits = b.Spec.Limits[:1] })
	create(t, budget)
	awaitSeen(t, budget)
	recordCalls(t, budget, 9, "0.50")
	recordRefusals(t, budget, 4, "0.50")
	for _, tc := range []struct {
		amount v1alpha1.Amount
		want   []string
	}{
		{"5.50", []string{"under these limits, 1 of the 4 calls refused for money in the last 7 days would have been admitted, " +
			`for about 0.50 USD; run "kubectl budget replay" for details`}},
		{"10.00", []string{"under these limits, 4 of the 4 calls refused for money in the last 7 days would have been admitted, " +
			`for about 2.00 USD; run "kubectl budget replay" for details`}},
	} {
		testkit.EventuallySucceeds(t, "the warning of "+string(tc.amount), func() error {
			warned.take()
			changed := budget.DeepCopy()
			changed.Spec.Limits[0].Amount = tc.amount
			if err := api.Patch(t.Context(), changed, client.MergeFrom(budget), client.DryRunAll); err != nil {
				return err
			}
			if got := warned.take(); !slices.Equal(got, tc.want) {
				return fmt.Errorf("got %q, want %q", got, tc.want)
			}
			return nil
		})
	}
}

// TestKeyOfAnotherBudget: moving a key to a budget that does not exist gives a warning that
// its calls are refused.
func TestKeyOfAnotherBudget(t *testing.T) {
	namespace := newNamespace(t)
	budget, key := objects.TenantBudget(namespace), objects.APIKey(namespace, "moved")
	create(t, budget)
	create(t, key)
	awaitSeen(t, budget)
	for _, tc := range []struct {
		name string
		want []string
	}{
		{"nowhere", []string{
			`has no effect yet: spec.budgetRef.name: Not found: "nowhere"`,
			`spec.budgetRef.name: calls with the key are refused until TenantBudget "nowhere" exists; TenantBudget "budget" is no longer charged`,
		}},
		{"budget", nil},
	} {
		before := key.DeepCopy()
		key.Spec.BudgetRef.Name = tc.name
		warned.take()
		expectAnswer(t, api.Patch(t.Context(), key, client.MergeFrom(before)), "", tc.want...)
	}
}

// TestWhatIsInvalidAlready changes a budget that has become invalid by what others did.
func TestWhatIsInvalidAlready(t *testing.T) {
	namespace := newNamespace(t, v1alpha1.DelegatedLabel)
	budget := budgetOf(namespace, func(b *v1alpha1.TenantBudget) { b.Spec.Tenant = "tenant-of-" + namespace })
	create(t, budget)
	awaitSeen(t, budget)
	out, err := kubectl(t.Context(), "", "label", "namespace", namespace, v1alpha1.DelegatedLabel+"-")
	if err != nil {
		t.Fatal(out)
	}
	awaitAccepted(t, budget, "False NamespaceNotDelegated")

	err = update(t, budget, func(b *v1alpha1.TenantBudget) { b.Spec.Limits[0].Amount = "6.00" })
	expectAnswer(t, err, "spec.tenant: Forbidden: must equal the namespace")
	err = update(t, budget, func(b *v1alpha1.TenantBudget) {
		b.Labels, b.Finalizers = map[string]string{"team": "a"}, append(b.Finalizers, "example.com/hold")
	})
	expectAnswer(t, err, "")
	testkit.Must(t, api.Delete(t.Context(), budget))
	err = update(t, budget, func(b *v1alpha1.TenantBudget) {
		b.Finalizers = slices.DeleteFunc(b.Finalizers, func(f string) bool { return f == "example.com/hold" })
	})
	expectAnswer(t, err, "")
	testkit.Eventually(t, "the budget goes", func() bool {
		return apierrors.IsNotFound(api.Get(t.Context(), client.ObjectKeyFromObject(budget), budget))
	})
}

// TestKubectl is how people see it.
func TestKubectl(t *testing.T) {
	namespace := newNamespace(t, v1alpha1.DelegatedLabel)
	create(t, objects.TenantBudget(namespace))
	awaitSeen(t, objects.TenantBudget(namespace))
	const yaml = `
apiVersion: bursar.dev/v1alpha1
kind: TenantBudget
metadata: {name: %s, namespace: %s}
spec:
  tenant: %s
  limits: [{name: daily, period: Day, amount: "5.00", models: [gpt-4o-min]}]
`
	out, err := kubectl(t.Context(), fmt.Sprintf(yaml, "second", namespace, namespace), "apply", "-f", "-")
	if want := fmt.Sprintf(`The TenantBudget "second" is invalid: spec.tenant: Invalid value: %[1]q: already governed by the older TenantBudget %[1]s/budget`,
		namespace); err == nil || !strings.Contains(out, want) {
		t.Errorf("got %v, %s, want %s", err, out, want)
	}
	out, err = kubectl(t.Context(), fmt.Sprintf(yaml, "other", namespace, "other-"+namespace), "apply", "-f", "-")
	if want := `Warning: spec.limits[0].models[0]: no ModelProvider lists model "gpt-4o-min"`; err != nil || !strings.Contains(out, want) {
		t.Errorf("got %v, %s, want %s", err, out, want)
	}
}
