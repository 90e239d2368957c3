// Package objects makes the resources that tests apply: each is valid as it is made, and
// a test changes only what it is about.
package objects

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/utils/ptr"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// Budget is the name of the TenantBudget of each namespace.
const Budget = "budget"

// Namespace is a namespace that no other test uses. Each label is "key=value", or only the key
// of a label whose value is "true". Its name is also that of its tenant.
func Namespace(labels ...string) *corev1.Namespace {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "t-" + rand.String(8), Labels: map[string]string{}}}
	for _, label := range labels {
		key, value, hasValue := strings.Cut(label, "=")
		if !hasValue {
			value = "true"
		}
		namespace.Labels[key] = value
	}
	return namespace
}

// TenantBudget is the budget of a namespace's tenant: $5 a day and $100 a month for the
// tenant, 50 cents a day for each user. Any namespace's budgets may be its children.
func TenantBudget(namespace string) *v1alpha1.TenantBudget {
	return &v1alpha1.TenantBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: Budget},
		Spec: v1alpha1.TenantBudgetSpec{
			Tenant: namespace,
			Limits: []v1alpha1.MoneyLimit{
				{Name: "daily", Period: "Day", Amount: "5.00"},
				{Name: "monthly", Period: "Month", Amount: "100.00"},
				{Name: "each-user", Period: "Day", Amount: "0.50", Per: v1alpha1.ScopeUser},
			},
			Ladder:          []v1alpha1.Rung{{AtPercent: 80, Action: "Warn"}, {AtPercent: 90, Action: "Trip"}},
			AllowedChildren: &v1alpha1.AllowedChildren{Namespaces: v1alpha1.Namespaces{From: v1alpha1.NamespacesAll}},
		},
	}
}

// RateLimitPolicy gives each user of the namespace's budget five requests a minute.
func RateLimitPolicy(namespace, name string) *v1alpha1.RateLimitPolicy {
	return &v1alpha1.RateLimitPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: v1alpha1.RateLimitPolicySpec{
			TargetRef: &v1alpha1.TargetRef{Kind: "TenantBudget", Name: Budget},
			Limits:    []v1alpha1.RateLimit{{Name: "all", Per: v1alpha1.ScopeUser, Requests: ptr.To[int64](5), Window: "1m"}},
		},
	}
}

// SelectingPolicy is a RateLimitPolicy that selects its targets, as change says.
func SelectingPolicy(namespace, name string, change func(*v1alpha1.TargetSelector)) *v1alpha1.RateLimitPolicy {
	policy := RateLimitPolicy(namespace, name)
	policy.Spec.TargetRef, policy.Spec.TargetSelector = nil, &v1alpha1.TargetSelector{}
	change(policy.Spec.TargetSelector)
	return policy
}

// APIKey is a key of the user gerente-1 of the namespace's tenant. No two names have the
// same hash.
func APIKey(namespace, name string) *v1alpha1.APIKey {
	hash := sha256.Sum256([]byte(namespace + "/" + name))
	return &v1alpha1.APIKey{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: v1alpha1.APIKeySpec{
			SHA256: hex.EncodeToString(hash[:]), BudgetRef: v1alpha1.BudgetRef{Name: Budget}, User: "gerente-1", Tier: "gerente",
		},
	}
}

// IdentityProvider is an issuer whose keys are at a URL, and whose claim user names users. It
// lets the namespaces have any of its users as members.
func IdentityProvider(jwksURL string, namespaces ...string) *v1alpha1.IdentityProvider {
	name := "idp-" + rand.String(8)
	provider := &v1alpha1.IdentityProvider{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.IdentityProviderSpec{
			Issuer:        v1alpha1.Issuer{URL: "https://" + name + ".example.com", JWKSURL: jwksURL, Audiences: []string{"bursar"}},
			ClaimMappings: v1alpha1.ClaimMappings{User: v1alpha1.ClaimMapping{Claim: "user"}, Groups: &v1alpha1.ClaimMapping{Claim: "groups"}},
		},
	}
	if len(namespaces) > 0 {
		provider.Spec.AllowedMemberships = []v1alpha1.AllowedMemberships{{
			Namespaces: namespaces, Subjects: []string{"*"}, Emails: []string{"*"}, Groups: []string{"*"},
		}}
	}
	return provider
}

// Membership has one member of the tier gerente in the namespace's tenant, by a subject.
func Membership(namespace, name string, provider *v1alpha1.IdentityProvider) *v1alpha1.Membership {
	return &v1alpha1.Membership{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: v1alpha1.MembershipSpec{
			BudgetRef: v1alpha1.BudgetRef{Name: Budget}, IdentityProviderRef: v1alpha1.IdentityProviderRef{Name: provider.Name},
			Members: []v1alpha1.Member{{Subject: "ana", Tier: "gerente"}},
		},
	}
}

// BudgetGrant gives the limit "daily" of the namespace's budget $1 more until it expires.
func BudgetGrant(namespace, name string, expiresAt metav1.Time) *v1alpha1.BudgetGrant {
	return &v1alpha1.BudgetGrant{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: v1alpha1.BudgetGrantSpec{
			BudgetRef: v1alpha1.BudgetRef{Name: Budget}, Limit: "daily", Amount: "1.00", Reason: "a test", ExpiresAt: expiresAt,
		},
	}
}

// ModelProvider offers models at $1 per million input tokens and $2 per million output
// tokens.
func ModelProvider(models ...string) *v1alpha1.ModelProvider {
	provider := &v1alpha1.ModelProvider{
		ObjectMeta: metav1.ObjectMeta{Name: "p-" + rand.String(8)},
		Spec:       v1alpha1.ModelProviderSpec{Endpoint: "https://api.example.com/v1"},
	}
	for _, model := range models {
		provider.Spec.Models = append(provider.Spec.Models, v1alpha1.Model{
			Name: model, MaxOutputTokens: 1000, Prices: v1alpha1.Prices{PriceList: v1alpha1.PriceList{Input: "1", Output: "2"}},
		})
	}
	return provider
}
