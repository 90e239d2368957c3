package resources

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// policy makes one that is valid.
func (m *Maker) policy() Resource { return valid(m.newPolicy()) }

func (m *Maker) newPolicy() *v1alpha1.RateLimitPolicy {
	p := &v1alpha1.RateLimitPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "RateLimitPolicy"},
		ObjectMeta: metav1.ObjectMeta{Namespace: m.delegated, Name: m.name("policy")},
	}
	if m.oneIn(3) {
		p.Spec.TargetSelector = m.targetSelector()
	} else {
		p.Spec.TargetRef = &v1alpha1.TargetRef{Kind: pick(m, "", "TenantBudget"), Name: pick(m, m.budgets...).Name}
	}
	p.Spec.UnlimitedTiers = pick(m, "", v1alpha1.UnlimitedTiersAllow, v1alpha1.UnlimitedTiersDeny)
	for i := range pick(m, 1, 2, 3, 32) {
		p.Spec.Limits = append(p.Spec.Limits, m.rateLimit(fmt.Sprintf("limit-%d", i)))
	}
	return p
}

// named makes a policy name its target.
func named(p *v1alpha1.RateLimitPolicy, target string) *v1alpha1.RateLimitPolicy {
	p.Spec.TargetRef, p.Spec.TargetSelector = &v1alpha1.TargetRef{Name: target}, nil
	return p
}

// selecting makes a policy select its targets.
func (m *Maker) selecting(p *v1alpha1.RateLimitPolicy) *v1alpha1.RateLimitPolicy {
	p.Spec.TargetRef, p.Spec.TargetSelector = nil, m.targetSelector()
	return p
}

// targetSelector selects one or two budgets that are valid: each has a plan of its own.
func (m *Maker) targetSelector() *v1alpha1.TargetSelector {
	one, other := pick(m, m.budgets...).Name, pick(m, m.budgets...).Name
	selector := &v1alpha1.TargetSelector{Kind: pick(m, "", "TenantBudget")}
	if m.oneIn(2) {
		selector.MatchLabels = map[string]string{"plan": one}
	} else {
		selector.MatchExpressions = v1alpha1.MatchExpressions{
			{Key: "plan", Operator: metav1.LabelSelectorOpIn, Values: []string{one, other}}}
	}
	switch m.IntN(4) {
	case 0:
		selector.Namespaces.From = v1alpha1.NamespacesSame
	case 1:
		selector.Namespaces.From = v1alpha1.NamespacesAll
	case 2:
		selector.Namespaces = v1alpha1.Namespaces{From: v1alpha1.NamespacesSelector, Selector: &v1alpha1.LabelSelector{
			MatchLabels: map[string]string{v1alpha1.DelegatedLabel: "true"}}}
	}
	return selector
}

func (m *Maker) rateLimit(name string) v1alpha1.RateLimit {
	limit := v1alpha1.RateLimit{
		Name: name, Per: pick(m, v1alpha1.ScopeTenant, v1alpha1.ScopeUser, v1alpha1.ScopeGroup, v1alpha1.ScopeKey), Models: some(m, 4, models...),
	}
	if limit.Per != v1alpha1.ScopeTenant {
		limit.Tiers = some(m, 16, tiers...)
	}
	if m.oneIn(3) {
		limit.Groups, limit.Labels = some(m, 16, groups...), pick(m, labels...)
	}
	switch m.IntN(3) {
	case 0:
		limit.Requests = ptr.To(pick[int64](m, 1, 5, 1_000_000))
	case 1:
		limit.Tokens = ptr.To(pick[int64](m, 1, 200_000, 100_000_000))
	default:
		limit.Concurrent = ptr.To(pick[int64](m, 1, 4, 1_000_000))
		return limit
	}
	// As many units as can be counted exactly in the window: 2^53 / 86,400,000 ms is
	// just above a hundred million.
	limit.Window = pick(m, "1s", "1001ms", "1m", "1h0m1s", "24h")
	if m.oneIn(3) {
		limit.Burst = ptr.To(pick[int64](m, 1, 100_000_000))
	}
	return limit
}
