package e2e

import (
	"context"
	"fmt"

	"github.com/bursar-dev/bursar/hack/stack"
)

// soakProvider is the fake by a way that can be cut.
const soakProvider = `
apiVersion: bursar.dev/v1alpha1
kind: ModelProvider
metadata: {name: soak}
spec:
  endpoint: %s/v1
  credentialFile: openai
  models:
  - {name: soak-penny, upstreamName: penny, maxOutputTokens: 1, prices: {input: "0", output: "10000"}}
  - {name: soak-mini, upstreamName: gpt-4o-mini, maxOutputTokens: 64, prices: {input: "0.15", cachedInput: "0.075", output: "0.60"}}
`

// The tenants that call: soakFree has more money than it can spend, soakChild is below a
// parent, and soakBounded goes on from shares when Redis is lost.
const (
	soakFree    = "soak-free"
	soakChild   = "soak-child"
	soakBounded = "soak-bounded"
)

var (
	soakCallers = []string{soakFree, soakChild, soakBounded}
	soakParents = []string{"soak-parent-a", "soak-parent-b"}
)

// What may be spent in a minute, and by the child's parent in five: the most that any
// change of the amounts allows.
const (
	minuteCents = 200
	windowCents = 600
)

// soakBudget is a budget of which a window and a year are limited; more may follow.
func soakBudget(tenant, window string, cents int, more string) string {
	return fmt.Sprintf(`---
apiVersion: bursar.dev/v1alpha1
kind: TenantBudget
metadata: {name: %[1]s, namespace: e2e}
spec:
  tenant: %[1]s
  limits:
  - {name: yearly, period: Year, amount: "1000000"}
  - {name: window, period: %[2]s, amount: "%[3]d.%02[4]d"}
  - {name: each, period: Month, amount: "1000000", per: User}
  - {name: pennies, period: Day, amount: "1000000", models: [soak-penny]}
%[5]s
`, tenant, window, cents/100, cents%100, more)
}

func soakKey(tenant string) string {
	return fmt.Sprintf(`---
apiVersion: bursar.dev/v1alpha1
kind: APIKey
metadata: {name: %[1]s, namespace: e2e}
spec: {sha256: %[2]s, budgetRef: {name: %[1]s}, user: user, tier: tier}
`, tenant, stack.HashKey(keyOf(tenant)))
}

func childYAML(parent string, cents int) string {
	return soakBudget(soakChild, "Minute", cents, fmt.Sprintf("  parentRef: {name: %s}", parent))
}

// boundedYAML is the tenant's that may have shares, or must not.
func boundedYAML(cents int, has bool) string {
	more := "  onStoreLoss: Deny"
	if has {
		more = "  onStoreLoss: AllowBounded\n  storeLossPercent: 10"
	}
	return soakBudget(soakBounded, "Minute", cents, more)
}

func (s *soak) applyTenants() error {
	yaml := soakBudget(soakFree, "Minute", 100_000_000, "")
	for _, parent := range soakParents {
		yaml += soakBudget(parent, "5m", windowCents, "")
	}
	yaml += childYAML(s.parent, minuteCents) + boundedYAML(minuteCents, true)
	for _, tenant := range soakCallers {
		yaml += soakKey(tenant)
	}
	return bursar.Apply(s.Context(), yaml)
}

// awaitProgrammed waits until what is in the namespace is enforced.
func awaitProgrammed(ctx context.Context) error {
	_, err := bursar.RunKubectl(ctx, "-n", "e2e", "wait", "--for=condition=Programmed", "--timeout=90s", "--all", "tenantbudgets,apikeys")
	return err
}
