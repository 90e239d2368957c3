package resources

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// updateFlaws are the flaws of updates: those of any resource, and changes of what cannot be
// changed. That a policy or a key names another budget is not among them: it gives up the one
// that it had, whether or not the other exists.
var updateFlaws = map[string][]flaw{
	"TenantBudget": all(budgetFlaws,
		is("spec.tenant", "another-tenant"),
		is("spec.timeZone", wrongZones...),
	),
	"RateLimitPolicy":  policyFlaws,
	"APIKey":           all(keyFlaws, is("spec.sha256", aHash)),
	"ModelProvider":    providerFlaws,
	"IdentityProvider": identityProviderFlaws,
	"Membership":       all(membershipFlaws, is("spec.identityProviderRef", map[string]any{"name": "another"})),
	"BudgetGrant": all(grantFlaws,
		is("spec.limit", "another-limit"), is("spec.amount", "0.02"), is("spec.reason", "another"), is("spec.expiresAt", "2997-01-01T00:00:00Z")),
}

const aHash = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// Spoil makes an invalid update of a valid resource.
func (m *Maker) Spoil(r Resource) Resource {
	copied := &unstructured.Unstructured{Object: copyOf(r.Object).(map[string]any)}
	spoiled := m.broken(copied, updateFlaws[r.GetKind()])
	if r.GetKind() == "BudgetGrant" {
		// A grant cannot be changed at all, because it is on record as it was given.
		spoiled.Field = "spec"
	}
	return spoiled
}
