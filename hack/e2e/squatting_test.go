package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/hack/stack"
)

// TestForeignHash: whoever registers the hash of another's key first, in a namespace of
// their own, is not charged for its calls and does not answer them.
func TestForeignHash(t *testing.T) {
	t.Parallel()
	const squatter = `---
apiVersion: v1
kind: Namespace
metadata: {name: squatter}
---
apiVersion: bursar.dev/v1alpha1
kind: TenantBudget
metadata: {name: squatter, namespace: squatter}
spec:
  tenant: squatter
  limits: [{name: yearly, period: Year, amount: "0"}]
  ladder: [{atPercent: 90, action: Trip, fallback: [Message], message: "What the squatter says."}]
`
	const key = `---
apiVersion: bursar.dev/v1alpha1
kind: APIKey
metadata: {name: %[1]s, namespace: %[2]s}
spec: {sha256: %[4]s, budgetRef: {name: %[3]s}, user: user, tier: tier}
`
	bound, unbound := limiterv1.NewKey("e2e", strings.Repeat("0123456789abcdef", 4)), "a-key-that-names-no-namespace"
	register := func(namespace, budget string) {
		apply(t, fmt.Sprintf(key, "bound", namespace, budget, stack.HashKey(bound))+
			fmt.Sprintf(key, "unbound", namespace, budget, stack.HashKey(unbound)))
		if _, err := bursar.RunKubectl(t.Context(), "-n", namespace, "wait", "--for=condition=Programmed", "--timeout=60s", "key/bound", "key/unbound"); err != nil {
			t.Fatal(err)
		}
	}
	call := func(key string) int {
		t.Helper()
		status, _ := callWith(t, key)
		return status
	}
	apply(t, squatter)
	register("squatter", "squatter")
	if got := call(bound); got != http.StatusUnauthorized {
		t.Errorf("a key that is registered only where it does not belong got %d, want 401", got)
	}
	apply(t, tenantYAML("squatted", "1.00"))
	register("e2e", "squatted")
	if got := call(bound); got != http.StatusOK {
		t.Errorf("a key that names its namespace got %d, want 200", got)
	}
	if got := call(unbound); got != http.StatusUnauthorized {
		t.Errorf("a key that two namespaces have registered got %d, want 401", got)
	}
	if _, err := bursar.RunKubectl(t.Context(), "-n", "squatter", "delete", "apikeys", "--all"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the key is registered once", func() bool { return call(unbound) == http.StatusOK })
	eventually(t, "the calls are charged to the tenant of the keys' makers", func() bool {
		calls, _ := ledger(t, "squatted")
		return calls == 2
	})
	if calls, _ := ledger(t, "squatter"); calls != 0 {
		t.Errorf("%d calls were charged to the squatter", calls)
	}
}
